"""A cluster of Ray on this machine: several nodes, each with processes of its own, which speak TCP."""

import os
from contextlib import contextmanager

_MEMORY = 100 << 20  # bytes of shared memory of a node: its least is 75 MB
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_prestart_worker_first_driver": "0", "RAY_enable_metrics_collection": "0"}
_TRIES = 8  # of a node's start, for which Ray allows 30 seconds: a busy machine takes more


class RayNodes:
    """`kill` ends a node's processes as a power cut does; Ray is told by nobody."""

    def __init__(self, count):
        from ray.cluster_utils import Cluster

        os.environ.update(_QUIET)
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": _MEMORY, "no_monitor": True}
        self._ray = _patiently(
            lambda: Cluster(initialize_head=True, head_node_args=head | {"include_log_monitor": False})
        )
        self.nodes = []
        for _ in range(count):
            self.add()

    @property
    def address(self):
        return self._ray.address

    def add(self):
        started = _patiently(
            lambda: self._ray.add_node(num_cpus=1, object_store_memory=_MEMORY, include_log_monitor=False)
        )
        self.nodes.append(started)
        return started

    def kill(self, node):
        self.nodes.remove(node)
        self._ray.remove_node(node, allow_graceful=False)

    def shutdown(self):
        import ray

        ray.shutdown()
        self._ray.shutdown()


def _patiently(start):
    for _ in range(_TRIES - 1):
        try:
            return start()
        except Exception as error:  # Ray raises no other
            if "timed out during startup" not in str(error):
                raise
    return start()


@contextmanager
def ray_nodes(count):
    nodes = RayNodes(count)
    try:
        yield nodes
    finally:
        nodes.shutdown()
