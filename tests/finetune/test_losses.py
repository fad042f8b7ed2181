"""What a fine-tuning learns from: the losses, their gradients, and the questions and pages of a step."""

import json

import numpy as np
import pytest
import torch

from colvision.core.page import Page, PageId
from colvision.finetune import FinetuneRecipe
from colvision.finetune.gradient_cache import gradients, page_inputs, query_inputs, vectors_of
from colvision.finetune.loop import Batch
from colvision.finetune.lora import attach
from colvision.finetune.losses import PaddedVectors, in_batch, pairwise, similarity
from colvision.finetune.negatives import TrainingExample
from colvision.testing.checkpoints import FAMILIES
from tests.helpers.families import load
from tests.helpers.training_step import PICTURES, TEMPERATURE, TEXTS, contrast
from tests.oracles.checkpoints import checkpoint

pytestmark = pytest.mark.slow


def brute_force(queries, pages):
    table = np.empty((len(queries.vectors), len(pages.vectors)))
    for q in range(table.shape[0]):
        for p in range(table.shape[1]):
            total = tokens = 0.0
            for t in range(queries.real.shape[1]):
                if not queries.real[q, t]:
                    continue
                products = [
                    float(queries.vectors[q, t] @ pages.vectors[p, n])
                    for n in range(pages.real.shape[1])
                    if pages.real[p, n]
                ]
                total, tokens = total + max(products), tokens + 1
            table[q, p] = total / tokens
    return table


def unit(rng, *shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal(shape).astype(np.float32)), dim=-1)


@pytest.mark.parametrize("side", ["left", "right"])
def test_maxsim_equals_a_loop_and_padding_never_wins(side):
    rng = np.random.default_rng(8)
    real_tokens, real_patches = torch.zeros(3, 5, dtype=bool), torch.zeros(4, 7, dtype=bool)
    for mask, lengths in ((real_tokens, (5, 2, 3)), (real_patches, (7, 1, 4, 6))):
        for row, length in enumerate(lengths):
            mask[row, slice(-length, None) if side == "left" else slice(0, length)] = True
    queries, pages = (
        PaddedVectors(unit(rng, 3, 5, 8), real_tokens),
        PaddedVectors(-unit(rng, 4, 7, 8).abs(), real_patches),
    )
    pages.vectors[~pages.real] = 100.0  # would win every maximum, were it looked at
    np.testing.assert_allclose(similarity(queries, pages).numpy(), brute_force(queries, pages), atol=1e-6)


def test_in_batch_loss_is_the_cross_entropy_of_the_gold_page_and_neutral_pages_count_neither_way():
    similar = torch.tensor([[0.9, 0.5, 0.7], [0.2, 0.6, 0.1]])
    gold = torch.tensor([0, 1])
    neutral = torch.tensor([[True, False, True], [False, True, False]])
    expected = [
        -np.log(np.exp(9) / (np.exp(9) + np.exp(5))),
        -np.log(np.exp(6) / (np.exp(2) + np.exp(6) + np.exp(1))),
    ]
    assert float(in_batch(similar, gold, neutral, 0.1)) == pytest.approx(np.mean(expected), rel=1e-5)


def softplus(value: float) -> float:
    return np.log1p(np.exp(value))


def test_the_pairwise_loss_is_half_the_mined_pages_and_half_the_nearest_answer_of_another_query():
    """Columns: the answers of the three queries, a page mined for the first, one mined for the second."""
    similar = torch.tensor([[0.9, 0.5, 0.4, 0.7, 0.8], [0.2, 0.6, 0.1, 0.5, 0.3], [0.7, 0.1, 0.5, 0.2, 0.4]])
    gold = torch.tensor([0, 1, 2])
    wrong = torch.zeros(3, 5, dtype=bool)
    wrong[0, 3] = wrong[1, 4] = True
    neutral = torch.zeros(3, 5, dtype=bool)
    mined = np.mean([softplus(-2), softplus(-3)])
    nearest = [softplus(-4), softplus(-4), softplus(2)]  # what was mined for another query is no rival here
    found = pairwise(similar, gold, wrong, neutral, 0.1)
    assert float(found) == pytest.approx((mined + np.mean(nearest)) / 2, rel=1e-5)
    neutral[2, 0] = True  # may answer the third: its nearest rival is another, and its own page is still none
    neutral[2, 2] = True
    nearest[2] = softplus(-4)
    found = pairwise(similar, gold, wrong, neutral, 0.1)
    assert float(found) == pytest.approx((mined + np.mean(nearest)) / 2, rel=1e-5)
    alone = pairwise(similar[:1], gold[:1], torch.zeros(1, 5, dtype=bool), torch.zeros(1, 5, dtype=bool), 0.1)
    assert float(alone) == 0  # nothing to hold away


@pytest.mark.parametrize("name", FAMILIES)
def test_the_loss_scores_pages_as_the_search_does(get, name):
    """Padded on whichever side, prompts and augmentation counted as there."""
    check_that_scores_are_those_of_the_search(get(name))


def test_tokens_that_a_checkpoint_leaves_out_do_not_count_in_the_loss(tmp_path):
    encoder = load(checkpoint("st-colqwen2", tmp_path / "folder"))
    assert encoder.family.scored.page_skips
    check_that_scores_are_those_of_the_search(encoder)


def test_questions_are_cut_in_training_as_they_are_in_a_search(tmp_path):
    folder = checkpoint("st-colqwen2", tmp_path / "folder")
    file = folder / "sentence_bert_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "query_length": 20}))
    encoder, long = load(folder), " ".join(["oil"] * 40)
    assert query_inputs(encoder.family, [long])["input_ids"].shape == (1, 20)
    check_that_scores_are_those_of_the_search(encoder, [*TEXTS, long])


def test_vectors_are_cut_in_training_as_they_are_in_a_search(checkpoint_folder):
    encoder = load(checkpoint_folder("colqwen2"), dim=16)
    kept = []

    def watched(*both: PaddedVectors) -> torch.Tensor:
        kept.extend(each.vectors.shape[-1] for each in both)
        return contrast(*both)

    encoder.family.model.requires_grad_()
    gradients(encoder.family, TEXTS, PICTURES, watched, at_once=8)
    assert kept == [16, 16]


def check_that_scores_are_those_of_the_search(encoder, texts=TEXTS):
    with torch.no_grad():
        family = encoder.family
        both = map(family.to_device, (query_inputs(family, texts), page_inputs(family, PICTURES)))
        queries, pages = (vectors_of(family.model, inputs, family.counts(inputs)) for inputs in both)
        ours = similarity(queries, pages).numpy()
    stored = list(encoder.encode_pages(Page(image) for image in PICTURES))
    assert len(ours) == len(texts)
    for row, query in zip(ours, encoder.encode_queries(texts), strict=True):
        best = np.array([(query.vectors @ page.vectors.T).max(axis=1) for page in stored])
        np.testing.assert_allclose(row, best @ query.weights / query.weights.sum(), rtol=0, atol=2e-5)


def test_parts_of_a_batch_give_the_gradients_of_the_whole(checkpoint_folder):
    """In float64, where what is left out shows, and no processor's way to add does."""

    def contrast_in_double(*both: PaddedVectors) -> torch.Tensor:
        return contrast(*(PaddedVectors(each.vectors.double(), each.real) for each in both))

    def gradients_with(at_once: int) -> tuple[float, dict[str, torch.Tensor]]:
        encoder = load(checkpoint_folder("colqwen2"))
        lora = attach(encoder.family.model, rank=4, seed=0)
        encoder.family.model.double()
        noise = torch.Generator().manual_seed(1)
        with torch.no_grad():  # not one constant: that makes all pages alike, and the gradients rounding
            for weight in lora.trained().values():
                weight += 0.03 * torch.randn(weight.shape, generator=noise)
        loss = gradients(encoder.family, TEXTS, PICTURES, contrast_in_double, at_once=at_once)
        return loss, {name: weight.grad for name, weight in lora.trained().items()}

    (whole_loss, whole), (loss, parts) = gradients_with(8), gradients_with(1)
    # The vectors alone are rounded to float32: to another neighbour, where one lies in the middle. The loss divides
    # what that makes of a similarity by its temperature.
    rounding = float(np.finfo(np.float32).eps) / TEMPERATURE
    assert loss == pytest.approx(whole_loss, rel=rounding)
    largest = max(float(each.abs().max()) for each in whole.values())
    for name, each in whole.items():
        torch.testing.assert_close(parts[name], each, rtol=0, atol=rounding * largest)


def test_a_batch_holds_each_page_once_and_spares_what_may_answer():
    a, b, c, d = (PageId("manual", number) for number in range(1, 5))
    examples = [
        TrainingExample("one", (a,), (b, c), frozenset({a, d})),
        TrainingExample("two", (b,), (c,), frozenset({b})),
        TrainingExample("three", (d,), (a,), frozenset({d})),
    ]
    batch = Batch.of(examples, FinetuneRecipe(batch=3), 0)
    assert sorted(batch.pages) == [a, b, c, d]
    for text, column, neutral, wrong in zip(batch.texts, batch.gold, batch.neutral, batch.wrong, strict=True):
        example = next(each for each in examples if each.text == text)
        assert batch.pages[column] == example.gold[0]
        assert {page for page, is_so in zip(batch.pages, neutral, strict=True) if is_so} == example.neutral
        assert {page for page, is_so in zip(batch.pages, wrong, strict=True) if is_so} == set(example.negatives)


def test_every_question_comes_once_a_pass_in_another_order_each_time():
    examples = [TrainingExample(str(number), (PageId("manual", number),), (), frozenset()) for number in range(1, 7)]
    steps = [Batch.of(examples, FinetuneRecipe(batch=2), step).texts for step in range(6)]
    first, second = sum(steps[:3], ()), sum(steps[3:], ())
    assert sorted(first) == sorted(second) == list("123456")
    assert first != second
