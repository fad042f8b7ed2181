"""Files that are complete or not there at all."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from colvision.atomic_io import atomic_write

_WRITER = """
import sys
from pathlib import Path
from colvision.atomic_io import atomic_write
for _ in range(100):
    atomic_write(Path(sys.argv[1]), [sys.argv[2].encode() * 1000])
"""


def test_the_same_file_is_written_by_several_processes_and_threads_at_once(quick_path):
    path = quick_path / "picture.jpg"
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, path, letter]) for letter in "ab"]
    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(lambda _: atomic_write(path, [b"c" * 1000]), range(100)))
    assert set(sums) == {hashlib.sha256(b"c" * 1000).hexdigest()}
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(set(path.read_bytes())) == 1
    assert [each.name for each in quick_path.iterdir()] == ["picture.jpg"]


def test_a_file_that_cannot_take_its_place_leaves_nothing_behind(quick_path):
    (quick_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        atomic_write(quick_path / "folder", [b"a"])
    assert [each.name for each in quick_path.iterdir()] == ["folder"]
