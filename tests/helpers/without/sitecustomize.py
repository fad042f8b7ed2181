"""With this folder on PYTHONPATH, what HIDDEN_MODULES and HIDDEN_PACKAGES name is not installed.

In child processes, too.
"""

import os
import sys
from importlib.machinery import PathFinder

MODULES, PACKAGES = (frozenset(os.environ.get(f"HIDDEN_{what}", "").split()) for what in ("MODULES", "PACKAGES"))


class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in MODULES else super().find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, *context):
        return (each for each in super().find_distributions(*context) if each.name not in PACKAGES)


sys.meta_path[:] = [Hiding if finder is PathFinder else finder for finder in sys.meta_path]
