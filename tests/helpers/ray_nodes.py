"""A cluster of Ray on this machine: several nodes, each with processes of its own, which speak TCP."""

import os
import time
from contextlib import contextmanager
from unittest.mock import patch

_MEMORY = 100 << 20  # bytes of shared memory of a node: its least is 75 MB
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_worker_niceness": "0",  # with Ray's own, 15, a busy machine starves what the tests wait for
    "RAY_health_check_period_ms": "500",  # a killed node refuses at once: five times, and it is lost
    "RAY_gcs_server_port_wait_time_s": "600",  # for processes that live, and have little of a busy machine
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_agent_register_timeout_ms": "600000",  # else a node ends by itself after 15 seconds
}


class RayNodes:
    """`count` nodes beside the head, which works as well where it `has_work`. `kill` ends a node's processes as a power
    cut does; Ray is told by nobody.
    """

    def __init__(self, count, *, has_work):
        from ray.cluster_utils import Cluster

        os.environ.update(_SETTINGS)
        head = {
            "num_cpus": int(has_work),
            "include_dashboard": False,
            "object_store_memory": _MEMORY,
            "no_monitor": True,
        }
        head["include_log_monitor"] = False
        self._ray = _patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
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
    """What `start` makes. Ray gives up a node that has not joined after 30 seconds, which no setting changes, and lets
    it join later as nobody's: so another class stands in for its `Node` here, which waits for one that lives.
    """
    from ray._private import node, services
    from ray._private.ray_constants import PROCESS_TYPE_RAYLET

    class Node(node.Node):
        def start_ray_processes(self):
            super().start_ray_processes()
            [raylet] = self.all_processes[PROCESS_TYPE_RAYLET]
            while raylet.process.poll() is None:
                try:
                    services.get_node(self.gcs_address, self._node_id)
                except RuntimeError:
                    time.sleep(0.1)
                else:
                    return

    with patch.object(node, "Node", Node):
        return start()


@contextmanager
def ray_nodes(count, *, has_work=False):
    nodes = RayNodes(count, has_work=has_work)
    try:
        yield nodes
    finally:
        nodes.shutdown()
