"""A torch device gives what the processor's kernels give, bit for bit; on its CPU device, and on CUDA where it is."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from colvision.errors import MissingExtra
from colvision.maxsim import bit_maxima, on_device, sign_bits, token_maxima
from colvision.maxsim.on_device import DevicePages, ExactDevice
from colvision.maxsim.quantisation import Codes, quantise

torch = pytest.importorskip("torch")
RANGE = 0.4
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device that torch finds")
DEVICES = [("cpu", True), ("cpu", False), pytest.param(("cuda", True), marks=cuda)]


@pytest.fixture(params=DEVICES, ids=["int8", "float32", "cuda"], scope="module")
def device(request):
    """On the CPU both ways of multiplying, whichever is chosen."""
    name, has_int8 = request.param
    found = ExactDevice(name)
    if name == "cpu":
        found._has_int8 = has_int8
    return found


def made(rng, pages, dim, longest=40) -> tuple[Codes, np.ndarray]:
    """Codes with pages of one vector, the largest values and zeros among them; and where pages begin."""
    lengths = np.where(rng.random(pages) < 0.3, 1, rng.integers(1, longest, pages))
    starts = np.cumsum([0, *lengths], dtype=np.int64)
    codes = quantise(rng.standard_normal((starts[-1], dim)).astype(np.float32) * 0.2, RANGE)
    codes[rng.integers(0, len(codes), len(codes) // 5)] = 127
    codes[rng.integers(0, len(codes), len(codes) // 5)] = -127  # the worst there is: a zero would win
    return codes, starts


def selections(rng, pages):
    yield None
    yield np.zeros(0, np.int64)
    for share in (0.1, 0.3, 0.9):  # gathered, and cut from all
        yield np.flatnonzero(rng.random(pages) < share)
    yield np.arange(pages // 4, pages // 3)  # neighbours


@pytest.mark.parametrize("dim", [1, 3, 16, 64, 100, 128])
def test_similarities_are_those_of_the_processor(device, dim):
    rng = np.random.default_rng(dim)
    codes, starts = made(rng, 60, dim)
    stored = DevicePages.of_codes(codes, starts, device)
    for tokens in (1, 5, 8, 21):
        query = rng.standard_normal((tokens, dim)).astype(np.float32)
        for pages in selections(rng, 60):
            expected = token_maxima(query, codes, starts, RANGE, pages=pages)
            found = stored.token_maxima(query, RANGE, pages=pages)
            assert found.dtype == expected.dtype and np.array_equal(found, expected)


@pytest.mark.parametrize("dim", [64, 128, 192])
def test_agreements_of_signs_are_those_of_the_processor(device, dim):
    rng = np.random.default_rng(dim)
    codes, starts = made(rng, 60, dim)
    codes[::7, : dim // 2] = 0  # neither above zero nor below
    bits = sign_bits(codes)
    stored = DevicePages.of_bits(bits, starts, device)
    assert stored.nbytes == bits.nbytes == codes.nbytes // 8
    query = rng.standard_normal((9, dim)).astype(np.float32)
    query[0, 0] = 0
    for pages in selections(rng, 60):
        expected = bit_maxima(query, bits, starts, pages=pages)
        found = stored.bit_maxima(query, pages=pages)
        assert found.dtype == expected.dtype and np.array_equal(found, expected)


def test_however_few_vectors_fit_into_its_working_memory_a_page_is_never_cut(device, monkeypatch):
    rng = np.random.default_rng(0)
    codes, starts = made(rng, 60, 64)
    query = rng.standard_normal((5, 64)).astype(np.float32)
    monkeypatch.setattr(on_device, "WORK_BYTES", 8 * 8 * 50)
    monkeypatch.setattr(on_device, "_COPIED_BYTES", 64 * 7)
    stored = DevicePages.of_codes(codes, starts, device)
    for pages in selections(rng, 60):
        assert np.array_equal(
            stored.token_maxima(query, RANGE, pages=pages), token_maxima(query, codes, starts, RANGE, pages=pages)
        )


def test_the_largest_sums_are_exact(device):
    codes = np.full((70, 1024), 127, np.int8)
    codes[1::2, ::2] = 126
    starts = np.array([0, 1, 70])
    query = np.ones((3, 1024), np.float32)
    stored = DevicePages.of_codes(codes, starts, device)
    assert np.array_equal(stored.token_maxima(query, RANGE), token_maxima(query, codes, starts, RANGE))


def test_a_query_without_a_token_has_no_maxima(device):
    stored = DevicePages.of_codes(np.ones((3, 64), np.int8), np.array([0, 2, 3]), device)
    assert stored.token_maxima(np.zeros((1, 64), np.float32)[:0].reshape(0, 64), RANGE).shape == (2, 0)


def test_pages_that_are_none_of_the_shard_are_refused(device):
    stored = DevicePages.of_codes(np.ones((3, 64), np.int8), np.array([0, 2, 3]), device)
    with pytest.raises(ValueError, match="pages must be sorted, each once, from 0 to 1"):
        stored.token_maxima(np.ones((1, 64), np.float32), RANGE, pages=np.array([0, 2]))


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "mps", "cpu:1", "cuda:x"])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(ValueError, match=f"search device '{name}' is not on this machine, .*; torch finds .*1 x cpu"):
        ExactDevice(name)


def test_without_torch_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"a search on 'cuda' needs torch, .*pip install 'colvision\[vlm\]'"):
        ExactDevice("cuda")


def test_a_device_that_rounds_is_refused(monkeypatch):
    def rounded(self, rows, tokens):
        return (rows.to(torch.bfloat16) @ tokens.to(torch.bfloat16).T).to(torch.float32)

    monkeypatch.setattr(ExactDevice, "_products", rounded)
    with pytest.raises(ValueError, match="'cpu' does not compute whole numbers exactly"):
        ExactDevice("cpu")


def test_where_torch_has_no_product_of_int8_float32_is_taken(monkeypatch):
    monkeypatch.delattr(torch, "_int_mm")
    found = ExactDevice("cpu")
    assert not found._has_int8
    rng = np.random.default_rng(0)
    codes, starts = made(rng, 30, 64)
    query = rng.standard_normal((5, 64)).astype(np.float32)
    stored = DevicePages.of_codes(codes, starts, found)
    assert np.array_equal(stored.token_maxima(query, RANGE), token_maxima(query, codes, starts, RANGE))


def test_where_a_shape_has_no_product_of_int8_float32_is_taken_from_then_on(monkeypatch):
    def refuse(*_):
        raise RuntimeError("CUBLAS_STATUS_NOT_SUPPORTED")

    found = ExactDevice("cpu")
    assert found._has_int8
    rng = np.random.default_rng(0)
    codes, starts = made(rng, 30, 64)
    query = rng.standard_normal((5, 64)).astype(np.float32)
    stored = DevicePages.of_codes(codes, starts, found)
    monkeypatch.setattr(torch, "_int_mm", refuse)
    assert np.array_equal(stored.token_maxima(query, RANGE), token_maxima(query, codes, starts, RANGE))
    assert not found._has_int8


def test_a_search_without_a_device_imports_no_torch():
    code = "import sys, colvision.search, colvision.library, colvision.maxsim.on_device; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
