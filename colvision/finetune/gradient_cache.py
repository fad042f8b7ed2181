"""Queries and pages through a model with gradients, in batches of any size and the memory of a few pages."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from colvision.encoders.query_tokens import PromptedQuery
from colvision.encoders.vlm.family import Family
from colvision.finetune.losses import PaddedVectors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Inputs = Mapping[str, Tensor]
BatchLoss = Callable[[PaddedVectors, PaddedVectors], Tensor]
T = TypeVar("T")

_QUERIES_A_PAGE = 8  # a query has tens of tokens, a page hundreds


def query_inputs(family: Family, texts: Sequence[str]) -> Inputs:
    """What the model is called with for queries, in its prompt, as `encode_queries` calls it."""
    prompts = family.prompts
    prompted = [PromptedQuery.of(text, prefix=prompts.query_prefix, suffix=prompts.query_suffix) for text in texts]
    return family.query_inputs(*family.pad([family.token_ids(each.text) for each in prompted]))


def page_inputs(family: Family, images: Sequence[Image.Image]) -> Inputs:
    """What the model is called with for pages, as `encode_pages` calls it."""
    return family.page_batch([family.fit(image) for image in images]).inputs


def vectors_of(model: "PreTrainedModel", inputs: Inputs, counts: Tensor) -> PaddedVectors:
    """The vectors of a family's model for the inputs of a batch, as `Family.to_device` gives them, and which of them
    count, (b, s), as `Family.counts` does.
    """
    embeddings = model(**inputs).embeddings.float()  # (b, s, dim)
    return PaddedVectors(functional.normalize(embeddings, dim=-1), counts)


def gradients(
    family: Family, texts: Sequence[str], images: Sequence[Image.Image], loss: BatchLoss, *, at_once: int
) -> float:
    """Adds the gradients of `loss(queries, pages)` to the trained weights of the models; returns the loss.

    Only `at_once` pages (or eight times as many queries) are on the device with what their gradients need, and the
    result is that of the whole batch: all are encoded without gradients first, the loss is taken back to their vectors,
    and each part is encoded again to take it on (Gao et al. 2021, arXiv:2101.06983). For that the model must give the
    same vectors twice: it stays in evaluation mode, where nothing is dropped. Pages of a model without trained weights
    are encoded once.
    """

    def encode(model: "PreTrainedModel", inputs: Inputs) -> PaddedVectors:
        placed = family.to_device(inputs)
        return vectors_of(model, placed, family.counts(placed))

    queries = [(family.query_model, query_inputs(family, part)) for part in _parts(texts, _QUERIES_A_PAGE * at_once)]
    pages = [(family.model, page_inputs(family, part)) for part in _parts(images, at_once)]
    if len(queries) == len(pages) == 1:
        value = loss(encode(*queries[0]), encode(*pages[0]))
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())
    with torch.no_grad():
        encoded = [encode(*part) for part in (*queries, *pages)]
    leaves = [PaddedVectors(each.vectors.requires_grad_(), each.real) for each in encoded]
    value = loss(_pad_together(leaves[: len(queries)]), _pad_together(leaves[len(queries) :]))
    value.backward()  # type: ignore[no-untyped-call]
    for (model, inputs), leaf in zip((*queries, *pages), leaves, strict=True):
        if any(weight.requires_grad for weight in model.parameters()):
            encode(model, inputs).vectors.backward(leaf.vectors.grad)  # type: ignore[no-untyped-call]
    return float(value.detach())


def _pad_together(parts: Sequence[PaddedVectors]) -> PaddedVectors:
    """Parts of one batch, padded alike."""
    rows = [row[real] for part in parts for row, real in zip(*part, strict=True)]
    ones = [torch.ones(len(row), dtype=torch.bool, device=row.device) for row in rows]
    return PaddedVectors(pad_sequence(rows, batch_first=True), pad_sequence(ones, batch_first=True))


def _parts(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
