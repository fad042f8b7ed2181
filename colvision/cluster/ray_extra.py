"""Ray, imported when a cluster is opened and not before."""

import os
from types import ModuleType

from colvision.errors import MissingExtra

# Where the environment says nothing else. Ray lets its processes stand 15 steps behind all others: on a machine whose
# cores are busy replicas, for which people wait, would have a thirtieth of one.
_DEFAULTS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


def import_ray() -> ModuleType:
    """Raises `MissingExtra`. A Ray that is started here makes no reports to its makers, and its processes have the
    priority of this one, unless the environment says otherwise.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingExtra("a cluster needs Ray: pip install 'colvision[ray]'") from error
    module: ModuleType = ray
    return module
