"""A cluster of Ray on this machine: several nodes, each with processes of its own, which speak TCP."""

from contextlib import contextmanager

_MEMORY = 100 << 20  # bytes of shared memory of a node: its least is 75 MB


class RayNodes:
    """`kill` ends a node's processes as a power cut does; Ray is told by nobody."""

    def __init__(self, count):
        from ray.cluster_utils import Cluster

        self._ray = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": _MEMORY},
        )
        self.nodes = []
        for _ in range(count):
            self.add()

    @property
    def address(self):
        return self._ray.address

    def add(self):
        self.nodes.append(self._ray.add_node(num_cpus=1, object_store_memory=_MEMORY))
        return self.nodes[-1]

    def kill(self, node):
        self.nodes.remove(node)
        self._ray.remove_node(node, allow_graceful=False)

    def shutdown(self):
        import ray

        ray.shutdown()
        self._ray.shutdown()


@contextmanager
def ray_nodes(count):
    nodes = RayNodes(count)
    try:
        yield nodes
    finally:
        nodes.shutdown()
