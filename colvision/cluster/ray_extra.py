"""Ray, imported when a cluster is opened and not before."""

import os
from types import ModuleType

from colvision.errors import MissingExtra


def import_ray() -> ModuleType:
    """Raises `MissingExtra`. What the environment does not say: no reports of Ray to its makers, and that processes of a
    Ray that is started here have the priority of others. Ray's own choice, 15 steps below, lets replicas, for which
    people wait, have a thirtieth of a core where all are busy.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingExtra("a cluster needs Ray: pip install 'colvision[ray]'") from error
    module: ModuleType = ray
    return module
