"""One immutable shard: what is written is what is read, and damage is found."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from colvision.core.embedding import PatchGrid, VectorKind
from colvision.errors import LibraryDamaged, LibraryError
from colvision.maxsim import sign_bits
from colvision.store.shards import SMALL_BYTES, PageRef, Shard, ShardPage, write_shard


def page_of(rng: np.random.Generator, n: int, dim: int, *, blank: int = 0) -> ShardPage:
    """`n` vectors, the last a global one where n > 1, on a one-row grid with `blank` empty cells in front."""
    patches = max(1, n - 1)
    cells = np.concatenate([np.full(blank, -1), np.arange(patches)]).astype(np.int32)[None, :]
    kind = np.zeros(n, dtype=np.uint8)
    kind[patches:] = VectorKind.GLOBAL
    codes = rng.integers(-127, 128, (n, dim)).astype(np.int8)
    return ShardPage(codes, PatchGrid(cells), kind)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    dim=st.integers(1, 17),
    blank=st.integers(0, 3),
    quantisation_range=st.floats(0.01, 1.0),
)
def test_a_shard_gives_back_every_page_that_was_written(tmp_path, counts, dim, blank, quantisation_range):
    rng = np.random.default_rng(len(counts) * 100 + dim)
    pages = [page_of(rng, n, dim, blank=blank) for n in counts]
    owners = [PageRef(7, number) for number in range(1, len(pages) + 1)]
    checksum = write_shard(tmp_path / "s.safetensors", pages, owners, quantisation_range=quantisation_range)
    shard = Shard(tmp_path / "s.safetensors")
    shard.verify(checksum)
    assert shard.quantisation_range == quantisation_range
    assert len(shard) == len(counts)
    assert shard.starts.tolist() == [0, *np.cumsum(counts).tolist()]
    np.testing.assert_array_equal(shard.owners, owners)
    assert shard.bits is None and shard.is_current
    for row, page in enumerate(pages):
        stored = shard.page(row)
        np.testing.assert_array_equal(stored.codes, page.codes)
        np.testing.assert_array_equal(stored.grid.cells, page.grid.cells)
        np.testing.assert_array_equal(stored.kind, page.kind)


@pytest.fixture
def shard_path(tmp_path) -> Path:
    rng = np.random.default_rng(3)
    pages = [page_of(rng, n, 64) for n in (5, 1, 12)]
    write_shard(
        tmp_path / "1.safetensors", pages, [PageRef(3, 1), PageRef(3, 2), PageRef(9, 1)], quantisation_range=0.5
    )
    return tmp_path / "1.safetensors"


def test_any_safetensors_reader_opens_a_shard(shard_path):
    with safe_open(shard_path, framework="np") as file:
        tables = {"codes", "bits", "kinds", "cells", "shapes", "starts", "owners", "sums", "seal"}
        assert set(file.keys()) == tables
        np.testing.assert_array_equal(file.get_tensor("codes"), Shard(shard_path).codes)
        np.testing.assert_array_equal(file.get_tensor("bits"), Shard(shard_path).bits)
        assert file.metadata()["code_range"] == "0.5"


def test_pages_lie_end_to_end_without_padding(shard_path):
    shard = Shard(shard_path)
    assert shard.codes.shape == (5 + 1 + 12, 64)
    np.testing.assert_array_equal(np.concatenate([shard.page(row).codes for row in range(3)]), shard.codes)


@pytest.fixture
def large_path(tmp_path) -> Path:
    rng = np.random.default_rng(4)
    write_shard(
        tmp_path / "2.safetensors", [page_of(rng, SMALL_BYTES // 64, 64)], [PageRef(1, 1)], quantisation_range=0.5
    )
    return tmp_path / "2.safetensors"


@pytest.mark.parametrize("size", ["shard_path", "large_path"])
def test_codes_cannot_be_changed_and_start_on_a_cache_line(size, request):
    shard = Shard(request.getfixturevalue(size))
    assert shard.codes.ctypes.data % 64 == 0
    assert shard.bits.ctypes.data % 64 == 0
    for array in (
        shard.codes,
        shard.bits,
        shard.starts,
        shard.owners,
        shard.page(0).codes,
        shard.page(0).kind,
        shard.page(0).grid.cells,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.skipif(sys.platform != "linux", reason="reads what a process has mapped")
def test_large_shards_are_mapped_and_small_ones_are_read(shard_path, large_path):
    small, large = Shard(shard_path), Shard(large_path)
    mapped = Path("/proc/self/maps").read_text()
    assert str(large.path) in mapped and str(small.path) not in mapped


@pytest.mark.skipif(sys.platform != "linux", reason="reads how much of a file a process has in its memory")
def test_pages_copied_here_and_there_do_not_pile_up_in_memory(quick_path):
    rng = np.random.default_rng(2)
    pages = [page_of(rng, 2048, 128) for _ in range(64)]  # 16 MB of codes
    path = quick_path / "3.safetensors"
    write_shard(path, pages, [PageRef(1, number) for number in range(1, 65)], quantisation_range=0.5)
    shard = Shard(path)
    before = resident(path)
    for row in rng.permutation(63):
        codes, starts = shard.read_codes(np.array([row, row + 1]))
        np.testing.assert_array_equal(codes, np.concatenate([page.codes for page in pages[row : row + 2]]))
        assert starts.tolist() == [0, 2048, 4096]
    assert resident(path) < before + (1 << 20)
    shard.check()
    assert int(shard.codes.sum(dtype=np.int64)) == sum(int(page.codes.sum(dtype=np.int64)) for page in pages)
    assert resident(path) > 14 << 20


def resident(path):
    """Bytes of a mapped file in this process's memory."""
    smaps = Path("/proc/self/smaps").read_text()
    (entry,) = [part for part in smaps.split("VmFlags") if str(path) in part]
    return 1024 * int(next(line.split()[1] for line in entry.splitlines() if line.startswith("Rss:")))


_OPEN_MANY = """
import resource, sys
from pathlib import Path
from colvision.store.shards import Shard
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
print(sum(len(shard) for shard in [Shard(Path(sys.argv[1])) for _ in range(300)]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits how many files a process may open")
def test_small_shards_hold_no_file_open(shard_path):
    done = subprocess.run([sys.executable, "-c", _OPEN_MANY, shard_path], capture_output=True, text=True)
    assert done.stdout == "900\n", done.stderr


def test_bits_are_the_signs_of_the_codes(shard_path):
    shard = Shard(shard_path)
    np.testing.assert_array_equal(shard.bits, sign_bits(shard.codes))


def use(path):
    """All that a search or an explanation reads of a shard."""
    shard = Shard(path)
    shard.check()
    found = [shard.codes.tobytes(), shard.bits.tobytes(), shard.starts.tolist(), shard.owners.tolist()]
    pages = [shard.page(row) for row in range(len(shard))]
    return found + [(page.grid.cells.tolist(), page.kind.tolist()) for page in pages]


def test_no_flipped_bit_is_ever_believed(quick_path):
    """Every byte of the file, one bit each: what a reader is given is what was written, or it is told of the damage."""
    rng = np.random.default_rng(5)
    shard_path = quick_path / "1.safetensors"
    pages = [page_of(rng, n, 64) for n in (2, 1)]
    checksum = write_shard(shard_path, pages, [PageRef(3, 1), PageRef(9, 1)], quantisation_range=0.5)
    whole, expected = shard_path.read_bytes(), use(shard_path)
    for place, bit in enumerate(rng.integers(0, 8, len(whole)).tolist()):
        data = bytearray(whole)
        data[place] ^= 1 << bit
        shard_path.write_bytes(data)
        try:
            found = use(shard_path)
        except LibraryDamaged as error:
            assert "1.safetensors is damaged" in str(error) and error.path == shard_path
        else:
            assert found == expected, f"byte {place} was believed"
        with pytest.raises(LibraryDamaged):
            Shard(shard_path).verify(checksum)


def test_a_page_is_checked_alone(shard_path):
    """Damage to one page's codes does not take the others away."""
    data = bytearray(shard_path.read_bytes())
    length = 8 + int.from_bytes(data[:8], "little")
    data[length + 5 * 64 + 3] ^= 1  # a code of the second page
    shard_path.write_bytes(data)
    shard = Shard(shard_path)
    shard.check([0, 2])
    with pytest.raises(LibraryDamaged, match="codes of its page 2"):
        shard.check([1])
    assert len(shard.page(2).codes) == 12


@pytest.mark.parametrize("path", ["shard_path", "large_path"])
def test_copied_codes_are_checked_and_are_those_of_their_pages(path, request):
    shard = Shard(request.getfixturevalue(path))
    rows = np.unique([0, len(shard) - 1])
    codes, starts = shard.read_codes(rows)
    for place, row in enumerate(rows.tolist()):
        np.testing.assert_array_equal(codes[starts[place] : starts[place + 1]], shard.page(row).codes)
    data = bytearray(shard.path.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    data[begin + 5] ^= 1  # a code of the first page
    shard.path.write_bytes(data)
    with pytest.raises(LibraryDamaged, match="codes of its page 1"):
        Shard(shard.path).read_codes(rows)


def test_a_shard_that_is_cut_while_it_is_open_is_damaged_and_no_crash(large_path):
    """Reading beyond the end of a mapped file would end the process."""
    shard = Shard(large_path)
    os.truncate(large_path, 1 << 19)
    with pytest.raises(LibraryDamaged, match="ends within the codes of its page"):
        shard.read_codes(np.array([len(shard) - 1]))


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
        write_shard(
            tmp_path / "s",
            [page_of(rng, 2, 4), page_of(rng, 2, 5)],
            [PageRef(1, 1), PageRef(1, 2)],
            quantisation_range=1.0,
        )
    with pytest.raises(ValueError, match="at least one page"):
        write_shard(tmp_path / "s", [], [], quantisation_range=1.0)


def test_a_shard_leaves_no_temporary_file(shard_path):
    assert [path.name for path in shard_path.parent.iterdir()] == ["1.safetensors"]


def test_a_row_beyond_the_shard_is_refused(shard_path):
    with pytest.raises(ValueError, match="holds 3 pages"):
        Shard(shard_path).page(3)


def test_shards_and_the_package_itself_import_no_torch():
    code = "import sys, colvision, colvision.store.shards; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("number", "meant"), [(errno.EIO, LibraryDamaged), (errno.EMFILE, LibraryError)])
def test_a_disk_that_cannot_read_is_damage_and_too_many_open_files_are_not(number, meant, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(LibraryError, match=os.strerror(number)) as raised:
        Shard(tmp_path / "0-0.safetensors")
    assert type(raised.value) is meant
