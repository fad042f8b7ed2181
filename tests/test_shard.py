"""One immutable shard: what is written is what is read, and damage is found."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from colvision.embedding import Kind, PatchGrid
from colvision.errors import LibraryDamaged
from colvision.shard import SMALL_BYTES, Shard, ShardPage, file_sha256, write_shard


def page_of(rng: np.random.Generator, n: int, dim: int, *, blank: int = 0) -> ShardPage:
    """`n` vectors, the last a global one where n > 1, on a one-row grid with `blank` empty cells in front."""
    patches = max(1, n - 1)
    cells = np.concatenate([np.full(blank, -1), np.arange(patches)]).astype(np.int32)[None, :]
    kind = np.zeros(n, dtype=np.uint8)
    kind[patches:] = Kind.GLOBAL
    codes = rng.integers(-127, 128, (n, dim)).astype(np.int8)
    return ShardPage(codes, PatchGrid(cells), kind)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    dim=st.integers(1, 17),
    blank=st.integers(0, 3),
    code_range=st.floats(0.01, 1.0),
)
def test_a_shard_gives_back_every_page_that_was_written(tmp_path, counts, dim, blank, code_range):
    rng = np.random.default_rng(len(counts) * 100 + dim)
    pages = [page_of(rng, n, dim, blank=blank) for n in counts]
    checksum = write_shard(tmp_path / "s.safetensors", pages, code_range=code_range)
    shard = Shard(tmp_path / "s.safetensors")
    shard.verify(checksum)
    assert shard.code_range == code_range
    assert len(shard) == len(counts)
    assert shard.starts.tolist() == [0, *np.cumsum(counts).tolist()]
    for row, page in enumerate(pages):
        stored = shard.page(row)
        np.testing.assert_array_equal(stored.codes, page.codes)
        np.testing.assert_array_equal(stored.grid.cells, page.grid.cells)
        np.testing.assert_array_equal(stored.kind, page.kind)


@pytest.fixture
def shard_path(tmp_path) -> Path:
    rng = np.random.default_rng(3)
    write_shard(tmp_path / "1.safetensors", [page_of(rng, n, 8) for n in (5, 1, 12)], code_range=0.5)
    return tmp_path / "1.safetensors"


def test_any_safetensors_reader_opens_a_shard(shard_path):
    with safe_open(shard_path, framework="np") as file:
        assert set(file.keys()) == {"codes", "kinds", "cells", "shapes", "starts"}
        np.testing.assert_array_equal(file.get_tensor("codes"), Shard(shard_path).codes)
        assert file.metadata()["code_range"] == "0.5"


def test_pages_lie_end_to_end_without_padding(shard_path):
    shard = Shard(shard_path)
    assert shard.codes.shape == (5 + 1 + 12, 8)
    np.testing.assert_array_equal(np.concatenate([shard.page(row).codes for row in range(3)]), shard.codes)


@pytest.fixture
def large_path(tmp_path) -> Path:
    rng = np.random.default_rng(4)
    write_shard(tmp_path / "2.safetensors", [page_of(rng, SMALL_BYTES // 64, 64)], code_range=0.5)
    return tmp_path / "2.safetensors"


@pytest.mark.parametrize("size", ["shard_path", "large_path"])
def test_codes_cannot_be_changed_and_start_on_a_cache_line(size, request):
    shard = Shard(request.getfixturevalue(size))
    assert shard.codes.ctypes.data % 64 == 0
    for array in (shard.codes, shard.starts, shard.page(0).codes, shard.page(0).kind, shard.page(0).grid.cells):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process has mapped")
def test_large_shards_are_mapped_and_small_ones_are_read(shard_path, large_path):
    small, large = Shard(shard_path), Shard(large_path)
    mapped = Path("/proc/self/maps").read_text()
    assert str(large.path) in mapped and str(small.path) not in mapped


_OPEN_MANY = """
import resource, sys
from pathlib import Path
from colvision.shard import Shard
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
print(sum(len(shard) for shard in [Shard(Path(sys.argv[1])) for _ in range(300)]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits how many files a process may open")
def test_small_shards_hold_no_file_open(shard_path):
    done = subprocess.run([sys.executable, "-c", _OPEN_MANY, shard_path], capture_output=True, text=True)
    assert done.stdout == "900\n", done.stderr


@pytest.mark.parametrize("place", [3, 40, 500, -1])
def test_a_flipped_bit_anywhere_is_found(shard_path, place):
    checksum = file_sha256(shard_path)
    data = bytearray(shard_path.read_bytes())
    data[place] ^= 4
    shard_path.write_bytes(data)
    with pytest.raises(LibraryDamaged, match=r"1\.safetensors is damaged"):
        Shard(shard_path).verify(checksum)


@pytest.mark.parametrize("size", [0, 7, 100, 500])
def test_a_truncated_shard_does_not_open(shard_path, size):
    shard_path.write_bytes(shard_path.read_bytes()[:size])
    with pytest.raises(LibraryDamaged, match=r"1\.safetensors is damaged"):
        Shard(shard_path)


def test_an_empty_page_is_refused():
    with pytest.raises(ValueError, match="n >= 1"):
        ShardPage(np.zeros((0, 4), np.int8), PatchGrid.full(1, 1), np.zeros(0, np.uint8))


def test_a_shard_of_two_dims_is_refused(tmp_path):
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="one dim"):
        write_shard(tmp_path / "s", [page_of(rng, 2, 4), page_of(rng, 2, 5)], code_range=1.0)
    with pytest.raises(ValueError, match="at least one page"):
        write_shard(tmp_path / "s", [], code_range=1.0)


def test_a_shard_leaves_no_temporary_file(shard_path):
    assert [path.name for path in shard_path.parent.iterdir()] == ["1.safetensors"]


def test_a_row_beyond_the_shard_is_refused(shard_path):
    with pytest.raises(ValueError, match="holds 3 pages"):
        Shard(shard_path).page(3)


def test_shards_and_the_package_itself_import_no_torch():
    code = "import sys, colvision, colvision.shard; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
