"""What can be found out about a loaded ColBERT beyond its vectors: prompts, lengths, weights and drift."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch

from colvision.encoders.finding import Finding
from colvision.encoders.quantisation_range import generated_pages
from colvision.encoders.text.checkpoint import TextCheckpoint
from colvision.encoders.text.model import ColbertModel
from colvision.errors import EncoderError

_LEAST_COSINE = 0.95  # of a passage's vectors to those in float32, on average
_NAMED = 3  # weights that a message names


def check_model(model: ColbertModel, checkpoint: TextCheckpoint) -> Iterator[Finding]:
    """What is reported of the files' settings; weights against a second load; the drift of the device's precision."""
    layout = model.layout
    for task, prompt in (("query", layout.query_prompt), ("page", layout.document_prompt)):
        yield _check_prompt(f"{task} prompt", prompt, model)
    yield Finding("lengths", None, f"{_query_length(model)}; passages of up to {model.document_length:,} tokens")
    yield _check_skipped(model)
    try:
        reloaded = checkpoint.load(torch.device("cpu"), torch.float32)
    except EncoderError as error:
        yield Finding("weights", False, f"they no longer load: {error}")
        return
    yield _check_weights(model, reloaded)
    yield _check_drift(model, reloaded)


def _check_prompt(name: str, prompt: str, model: ColbertModel) -> Finding:
    """A marker that the vocabulary has must come out of the tokenizer as it is."""
    marker = next((each for each in model.layout.markers if each and prompt.startswith(each)), "")
    tokens = model.tokenizer.tokenize(prompt)
    if not marker:
        return Finding(name, None, repr(prompt))
    is_known = marker.strip() in model.tokenizer.get_vocab() or marker in model.tokenizer.get_vocab()
    told = f"{prompt!r}, read as {' '.join(tokens)}"
    if is_known and tokens[:1] not in ([marker], [marker.strip()]):
        return Finding(name, False, f"{told}: the marker is one token of the vocabulary")
    return Finding(name, True if is_known else None, told)


def _query_length(model: ColbertModel) -> str:
    expansion = model.layout.expansion
    if expansion is None:
        return f"queries of up to {model.query_length:,} tokens"
    seen = "which the model sees" if expansion.attends else "which no other token sees"
    rest = "longer ones are cut" if expansion.is_fixed else "longer ones stay as they are"
    return f"queries are filled up to {expansion.length} tokens, {seen}, and {rest}"


def _check_skipped(model: ColbertModel) -> Finding:
    """Words to skip that are no token skip nothing, here as in sentence-transformers."""
    unknown = sorted(set(model.layout.skipped) - set(model.skipped_words))
    told = f"{len(model.skipped_words)} tokens have no vector ({' and '.join(model.layout.skipped_in)})"
    if unknown:
        told += f"; {' '.join(unknown)}: no token of the tokenizer, so nothing is left out"
    return Finding("skipped", None, told if model.layout.skipped else "every token has a vector")


def _check_weights(model: ColbertModel, reloaded: ColbertModel) -> Finding:
    files = dict(reloaded.named_parameters())
    ours = dict(model.named_parameters())
    wrong = sorted(
        name
        for name in files.keys() | ours.keys()
        if name not in files or name not in ours or not _equal(ours[name], files[name])
    )
    if wrong:
        shown = ", ".join(wrong[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
        return Finding("weights", False, f"{len(wrong)} of {len(files)} are not those of the files: {shown}")
    return Finding("weights", True, f"all {len(files)} are those of the files")


def _equal(ours: torch.Tensor, files: torch.Tensor) -> bool:
    return ours.shape == files.shape and torch.equal(ours.detach().cpu(), files.detach().to(ours.dtype))


def _check_drift(model: ColbertModel, exact: ColbertModel) -> Finding:
    [page] = islice(generated_pages(), 1)
    passage = exact.document(page.text)
    [ours], [reference] = (each.vectors([passage]) for each in (model, exact))
    cosines = np.sum(ours * reference, axis=1)
    dtype = str(model.backbone.dtype).removeprefix("torch.")
    where = f"{model.device.type} in {dtype}"
    message = f"{where}: cosine to float32 on the CPU {cosines.mean():.5f} on average, {cosines.min():.5f} at least"
    return Finding("drift", bool(cosines.mean() > _LEAST_COSINE), message)
