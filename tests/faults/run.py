"""Runs a module of this package in a process of its own, with a folder in memory to work in."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults import shim
from tests.helpers import ROOT

LISTS_PAGES = 5  # of a collection, and its shards have inverted lists
_RUN = """
import runpy
from colvision.maxsim import inverted_lists
inverted_lists.LISTS_PAGES = {}
runpy.run_module("tests.faults.{}", run_name="__main__")
"""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where the system has one: most of the time would else be spent in flushing."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="colvision-faults-", dir=memory if memory.is_dir() else None)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(module: str, *arguments: int, preload: bool = False) -> str:
    """What a module of `tests.faults` prints, run with a folder and the `arguments`; `preload` loads the shim into it.

    One thread each: readers and writers are processes. Collections get inverted lists from `LISTS_PAGES` pages on.
    Raises `RuntimeError`.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with scratch() as folder:
        if preload:
            environment |= shim.environment(shim.build(folder))
        command = [sys.executable, "-c", _RUN.format(LISTS_PAGES, module), str(folder), *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout
