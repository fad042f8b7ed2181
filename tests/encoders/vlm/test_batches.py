"""Pages in batches: in their order, halved where the memory runs out."""

import threading

import numpy as np
import pytest
import torch

from colvision.encoders import load_encoder
from colvision.errors import EncoderError
from tests.helpers.families import encode, noise

pytestmark = pytest.mark.slow


def test_out_of_memory_halves_the_batch_and_goes_on(checkpoint_folder):
    encoder = load_encoder(checkpoint_folder("colqwen2.5"), device="cpu", dtype="float32")
    pages = [noise(140, 84, seed) for seed in range(6)]
    expected = encode(encoder, *pages)
    sizes = []

    def refuse_large(module: torch.nn.Module, args: object, inputs: dict[str, torch.Tensor]) -> None:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    encoder.family.model.register_forward_pre_hook(refuse_large, with_kwargs=True)
    again = encode(encoder, *pages)
    assert max(sizes) == 6 and sizes.count(2) + sizes.count(1) >= 3
    for left, right in zip(expected, again, strict=True):
        np.testing.assert_allclose(left.vectors, right.vectors, rtol=0, atol=1e-5)
    sizes.clear()
    encode(encoder, *pages)
    assert max(sizes) < 6, "the next batches are as small from the start"


def test_a_single_page_that_is_too_large_for_the_memory_says_what_to_do(checkpoint_folder):
    encoder = load_encoder(checkpoint_folder("colqwen2.5"), device="cpu", dtype="float32")

    def refuse(module: torch.nn.Module, args: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    encoder.family.model.register_forward_pre_hook(refuse)
    with pytest.raises(EncoderError, match="a single page of 15 patches: load it with a smaller max_patches"):
        encode(encoder, noise(140, 84), noise(140, 84, 1))


def test_pages_are_read_in_the_thread_that_asks_and_come_in_their_order(checkpoint_folder):
    """What ingest counts while pages are read must not be counted from two threads."""
    encoder = load_encoder(checkpoint_folder("colqwen2.5"), device="cpu", dtype="float32")
    readers = set()

    def pages():
        for seed in range(12):
            readers.add(threading.get_ident())
            yield noise(60 + 40 * (seed * 5 % 12), 90, seed)

    embeddings = list(encoder.encode_pages(pages()))
    assert readers == {threading.get_ident()}
    for page, embedding in zip(pages(), embeddings, strict=True):
        [alone] = encode(encoder, page)
        np.testing.assert_allclose(alone.vectors, embedding.vectors, rtol=0, atol=2e-5)
