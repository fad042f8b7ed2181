"""Several devices: each has a replica of the model, and nobody can tell from what comes back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colvision.core.page import Page
from colvision.encoders import load_encoder
from colvision.encoders.options import EncoderOptions
from colvision.encoders.vlm.checkpoint import find_checkpoint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import Family
from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint
from colvision.encoders.vlm.models.colqwen import ColQwen2
from tests.helpers.families import load

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(checkpoint_folder) -> Path:
    return checkpoint_folder("colqwen2")


class Watched(LoadedCheckpoint):
    """Notes which replica works on how many pages; `broken` (0 is the first) fails at its second batch."""

    loaded: list[list[int]]
    broken: int | None

    def load(self, device: torch.device, dtype: torch.dtype) -> Family:
        family = super().load(device, dtype)
        batches: list[int] = []
        number = len(self.loaded)
        self.loaded.append(batches)

        def note(module: torch.nn.Module, args: object, inputs: dict[str, torch.Tensor]) -> None:
            batches.append(len(inputs["input_ids"]))
            if number == self.broken and len(batches) == 2:
                raise RuntimeError(f"device {number} has failed")

        family.model.register_forward_pre_hook(note, with_kwargs=True)
        return family


def watched(folder: Path, *, devices: int, broken: int | None = None) -> VlmEncoder:
    checkpoint = Watched(ColQwen2, find_checkpoint(folder))
    checkpoint.loaded, checkpoint.broken = [], broken
    return VlmEncoder(checkpoint.load(CPU, torch.float32), checkpoint, (devices - 1) * [CPU])


def noise(count: int) -> Iterator[Page]:
    """Pages of all sizes, the same every time."""
    rng = np.random.default_rng(2)
    for number in range(count):
        shape = (56 + 28 * int(rng.integers(8)), 56 + 28 * int(rng.integers(5)), 3)
        yield Page(Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)), number + 1)


def encoding_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith(("encoder", "preparing"))]


def test_several_devices_give_what_one_gives_in_the_same_order(folder):
    encoder = watched(folder, devices=3)
    together = list(encoder.encode_pages(noise(300)))
    assert len(encoder.checkpoint.loaded) == 3
    assert all(sum(batches) > 20 for batches in encoder.checkpoint.loaded), "all of them work"
    for one, other in zip(load(folder).encode_pages(noise(300)), together, strict=True):
        np.testing.assert_array_equal(one.grid.cells, other.grid.cells)
        np.testing.assert_allclose(one.vectors, other.vectors, rtol=0, atol=1e-6)
    assert encoding_threads() == []


def test_what_fits_a_batch_is_not_worth_a_second_model(folder):
    encoder = watched(folder, devices=2)
    list(encoder.encode_pages(noise(5)))
    encoder.encode_queries(["bleed the pump"])
    assert encoder.info.quantisation_range > 0
    assert len(encoder.checkpoint.loaded) == 1


def test_nobody_works_on_when_the_reader_has_gone(folder):
    encoder = watched(folder, devices=2)
    drawn = 0

    def endless() -> Iterator[Page]:
        nonlocal drawn
        while True:
            for page in noise(50):
                drawn += 1
                yield page

    pages = encoder.encode_pages(endless())
    next(pages)
    assert encoding_threads() != []
    pages.close()
    assert encoding_threads() == []
    assert drawn < 500, "a few batches are read ahead, no more"


@pytest.mark.parametrize("broken", [0, 1])
def test_a_device_that_fails_ends_it_for_all(folder, broken):
    encoder = watched(folder, devices=2, broken=broken)
    with pytest.raises(RuntimeError, match=f"device {broken} has failed"):
        list(encoder.encode_pages(noise(600)))
    assert encoding_threads() == []


def test_a_file_that_cannot_be_read_on_ends_it_too(folder):
    def torn() -> Iterator[Page]:
        yield from noise(200)
        raise OSError("the file ends here")

    with pytest.raises(OSError, match="the file ends here"):
        list(watched(folder, devices=2).encode_pages(torn()))
    assert encoding_threads() == []


@pytest.mark.parametrize("device", ["cpu,cpu", ("cpu", "cpu")])
def test_devices_are_named_in_a_row_or_one_by_one(folder, device):
    encoder = load_encoder(folder, device=device, dtype="float32")
    assert encoder.info.fingerprint == load(folder).info.fingerprint
    assert len(list(encoder.encode_pages(noise(60)))) == 60


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cpu,tpu", "device 'tpu' is not on this machine; torch finds"),
        ("cpu:7", "device 'cpu:7'"),
        ("cuda:x", "device 'cuda:x'"),
    ],
)
def test_a_device_that_is_not_there_is_refused(device, message):
    with pytest.raises(ValueError, match=message):
        EncoderOptions(device).torch_devices()
