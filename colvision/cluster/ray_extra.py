"""Ray, imported when a cluster is opened and not before."""

import os
from types import ModuleType

from colvision.errors import MissingExtra


def import_ray() -> ModuleType:
    """Raises `MissingExtra`. Ray's own reports to its makers are off unless the environment turns them on."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.exceptions
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingExtra("a cluster needs Ray: pip install 'colvision[ray]'") from error
    module: ModuleType = ray
    return module
