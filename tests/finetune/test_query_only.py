"""Adapters for queries alone: pages, and what a library holds of them, stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import colvision
from colvision.encoders import merge_adapters
from colvision.encoders.doctor import examine
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec
from colvision.encoders.vlm.adapters import stored_modules
from colvision.encoders.vlm.checkpoint import find_checkpoint
from colvision.encoders.vlm.encoder import VlmEncoder
from colvision.encoders.vlm.family import with_shared_weights
from colvision.errors import EncoderError, EncoderMismatch
from colvision.finetune import FinetuneOptions, FinetuneRecipe, finetune
from colvision.finetune.gradient_cache import gradients
from colvision.finetune.lora import BaseCheckpoint, Lora, attach, write_adapter
from colvision.testing.checkpoints import FAMILIES
from colvision.testing.coloured_pages import coloured_library
from tests.helpers.families import load, vectors
from tests.helpers.training_step import PICTURES, TEXTS, contrast

pytestmark = pytest.mark.slow


def queries(encoder: VlmEncoder) -> np.ndarray:
    return np.concatenate([query.vectors for query in encoder.encode_queries(TEXTS)])


def attached(folder: Path, *, seed: int = 0) -> tuple[VlmEncoder, Lora]:
    """An encoder whose queries go through a model of their own, with new LoRA layers."""
    encoder = load(folder)
    encoder.family.query_model = with_shared_weights(encoder.family.model)
    return encoder, attach(encoder.family.query_model, rank=4, seed=seed)


def two_steps(encoder: VlmEncoder, lora: Lora) -> None:
    for _ in range(2):
        encoder.family.query_model.zero_grad()
        gradients(encoder.family, TEXTS, PICTURES, contrast, at_once=1)
        with torch.no_grad():
            for weight in lora.trained().values():
                weight -= 0.5 * weight.grad / weight.grad.norm().clamp(min=1e-9)


def trained(checkpoint: Path, folder: Path) -> Path:
    """An adapter for the checkpoint's queries."""
    encoder, lora = attached(checkpoint)
    two_steps(encoder, lora)
    found = find_checkpoint(checkpoint)
    layout = encoder.family.layouts[found.model_type]
    stored = {} if layout.is_native else stored_modules(found, layout)
    write_adapter(lora, folder, BaseCheckpoint.of(checkpoint, found), stored, query_only=True)
    return folder


@pytest.mark.parametrize("name", FAMILIES)
def test_pages_and_fingerprint_stay_and_queries_change(checkpoint_folder, name, tmp_path):
    checkpoint, adapter = checkpoint_folder(name), trained(checkpoint_folder(name), tmp_path)
    plain = load(checkpoint)
    for encoder in (load(checkpoint, adapter=adapter), load(adapter)):
        assert encoder.info.fingerprint == plain.info.fingerprint
        np.testing.assert_array_equal(vectors(encoder), vectors(plain))
        assert np.abs(queries(encoder) - queries(plain)).max() > 0.01
        np.testing.assert_array_equal(vectors(encoder), vectors(plain))  # nor after queries


def test_the_doctor_finds_it_whole(checkpoint_folder, tmp_path):
    checkpoint = checkpoint_folder("colqwen2")
    encoder = load(checkpoint, adapter=trained(checkpoint, tmp_path))
    [weights] = [finding for finding in examine(encoder).findings if finding.name == "weights"]
    assert weights.passed and "of them an adapter's" in weights.message
    with torch.no_grad():
        next(each for name, each in encoder.family.query_model.named_parameters() if ".lora_B" in name).add_(1)
    [weights] = [finding for finding in examine(encoder).findings if finding.name == "weights"]
    assert weights.passed is False and "of queries" in weights.message


def test_both_models_share_their_weights(checkpoint_folder):
    encoder, lora = attached(checkpoint_folder("colqwen2"))
    pages = {id(weight) for weight in encoder.family.model.parameters()}
    own = {name for name, weight in encoder.family.query_model.named_parameters() if id(weight) not in pages}
    assert own == {name.removeprefix("base_model.model.") for name in lora.trained()}
    assert not any(weight.requires_grad for weight in encoder.family.model.parameters())


def test_parts_of_a_batch_give_the_gradients_of_the_whole_and_pages_get_none(checkpoint_folder):
    found = []
    for at_once in (8, 1):
        encoder, lora = attached(checkpoint_folder("colqwen2"))
        noise_of = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in lora.trained().values():
                weight += 0.03 * torch.randn(weight.shape, generator=noise_of)
        loss = gradients(encoder.family, [*TEXTS, "x"] * 3, PICTURES * 3, contrast, at_once=at_once)
        found.append((loss, torch.cat([weight.grad.flatten() for weight in lora.trained().values()])))
    (whole_loss, whole), (loss, parts) = found
    assert loss == pytest.approx(whole_loss, rel=1e-4)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-3 * float(whole.abs().max()))
    assert float(whole.abs().max()) > 0


@pytest.fixture(scope="module")
def world(checkpoint_folder, tmp_path_factory) -> Iterator[tuple[colvision.Library, Path]]:
    folder = tmp_path_factory.mktemp("colours")
    with coloured_library(folder, load(checkpoint_folder("colqwen2"))) as library:
        yield library, folder / "questions.jsonl"


def test_a_library_filled_before_is_searched_with_it(world, checkpoint_folder, tmp_path):
    library, questions = world
    checkpoint = checkpoint_folder("colqwen2")
    recipe = FinetuneRecipe(
        batch=16, at_once=8, rank=4, rate=1e-2, steps=40, temperature=0.05, check_every=10, query_only=True
    )
    options = FinetuneOptions(recipe=recipe, queries=questions, device="cpu", dtype="float32")
    report = finetune(library, checkpoint, tmp_path / "queries", options=options)
    assert report.test.difference.ndcg10 > 0.05
    tuned = load(checkpoint, adapter=tmp_path / "queries")
    with colvision.open_library(library.path, encoder=tuned) as opened:
        found = [(hit.document, hit.page, hit.score) for hit in opened.search("red", k=5)]
        assert not opened.status().warnings
    with coloured_library(tmp_path, tuned) as filled_by_it:
        assert found == [(hit.document, hit.page, hit.score) for hit in filled_by_it.search("red", k=5)]
    exact = EncoderSpec(options=EncoderOptions("cpu", "float32"))
    with colvision.open_library(tmp_path / "library", encoder=exact) as remembered:  # which filled it
        assert found == [(hit.document, hit.page, hit.score) for hit in remembered.search("red", k=5)]
    assert found != [(hit.document, hit.page, hit.score) for hit in library.search("red", k=5)]
    both = FinetuneOptions(recipe=FinetuneRecipe(batch=4, steps=1, rank=4, check_every=1), queries=questions)
    finetune(library, checkpoint, tmp_path / "both", options=both)
    other = colvision.open_library(library.path, encoder=load(checkpoint, adapter=tmp_path / "both"))
    with other as opened, pytest.raises(EncoderMismatch):
        opened.search("red", k=5)
    with pytest.raises(EncoderError, match="for queries alone: fine-tune the checkpoint that it was trained on"):
        finetune(library, tmp_path / "queries", tmp_path / "again", options=options)
    with pytest.raises(EncoderError, match="for queries alone: pages would go through the merged weights"):
        merge_adapters(checkpoint, tmp_path / "merged", adapter=tmp_path / "queries")
