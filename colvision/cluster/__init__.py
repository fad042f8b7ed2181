"""A library in partitions on several machines, placed and supervised by Ray: `pip install 'colvision[ray]'`."""

from colvision.cluster.cluster import Cluster, open_cluster
from colvision.cluster.documents import ClusterCollection
from colvision.cluster.layout import ClusterLayout, is_cluster
from colvision.cluster.replica import ReplicaOptions
from colvision.cluster.router import RouterOptions
from colvision.cluster.status import ClusterStatus, PartitionStatus, ReplicaStatus

__all__ = [
    "Cluster",
    "ClusterCollection",
    "ClusterLayout",
    "ClusterStatus",
    "PartitionStatus",
    "ReplicaOptions",
    "ReplicaStatus",
    "RouterOptions",
    "is_cluster",
    "open_cluster",
]
