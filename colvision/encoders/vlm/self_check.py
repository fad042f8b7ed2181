"""What can be found out about a loaded vision-language encoder beyond its vectors: its weights and its positions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from colvision.encoders.finding import Finding
from colvision.encoders.options import Attention, Quantise
from colvision.encoders.quantisation_range import generated_pages
from colvision.encoders.vlm.direction import Direction
from colvision.encoders.vlm.family import Family
from colvision.encoders.vlm.layouts import PromptPart, Prompts
from colvision.encoders.vlm.loaded_checkpoint import LoadedCheckpoint
from colvision.encoders.vlm.quantised import quantised_weights
from colvision.encoders.vlm.resolution import check_resolution
from colvision.errors import EncoderError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_LEAST_COSINE = 0.95  # of a page's vectors to those in float32, on average; bfloat16 of a real model keeps .9998
_LEAST_OF_4BIT = 0.5  # random weights, which have nothing to lose it in, keep .66 to .96; noise would keep 0
_LEAST_MOVED = 1e-6  # of a component of a unit vector; a token that does not see what changed stays as it was, exactly
_PROMPTS: Mapping[str, Sequence[PromptPart]] = {
    "page prompt": ["page"],
    "query prompt": ["query_prefix", "query_suffix"],
}
_SPECIAL = re.compile(r"<[^<>\s]+>")  # what stands for one token in the prompts of all families
_NAMED = 3  # weights that a message names


def check_model(family: Family, checkpoint: LoadedCheckpoint, versions: Mapping[str, str]) -> Iterator[Finding]:
    """Weights against a second load from the files, positions, and the drift of the device's precision.

    `versions` are those of the encoder's `EncoderInfo`.
    """
    if family.model.device.type == "cuda":
        held = torch.cuda.max_memory_allocated(family.model.device) / 2**30
        yield Finding("device memory", None, f"{held:.1f} GB at most so far")
    yield Finding("attention", None, versions["attention"])
    yield from _check_prompts(family, checkpoint.prompts(family))
    yield check_resolution(family, checkpoint.patch_limit(family))
    yield _check_direction(family, checkpoint.direction)
    yield _check_grid_positions(family) if family.has_grid_positions else _without_grid_positions()
    needed = 4 * sum(weight.numel() for weight in family.model.parameters())
    if needed > _free_memory():
        message = f"not compared with the files: a second copy in float32 needs {needed / 2**30:.1f} GB of free memory"
        yield Finding("weights", None, message)
        return
    try:
        unquantised = checkpoint._replace(options=replace(checkpoint.options, quantise=None))
        reloaded = unquantised.load(torch.device("cpu"), torch.float32)
    except EncoderError as error:
        yield Finding("weights", False, f"they no longer load: {error}")
        return
    yield _check_weights(family, reloaded)
    yield _check_drift(
        family, reloaded, f"{family.model.device.type} in {versions['dtype']}", checkpoint.options.quantise
    )


def _check_prompts(family: Family, expected: Prompts) -> Iterator[Finding]:
    """Told, for no vector shows them; and those of the files and options, in tokens that the tokenizer knows."""
    for name, parts in _PROMPTS.items():
        told = ", ".join(f"{getattr(family.prompts, part)!r} ({family.prompts.source_of(part)})" for part in parts)
        wrong = [getattr(expected, part) for part in parts if getattr(expected, part) != getattr(family.prompts, part)]
        text = "".join(getattr(family.prompts, part) for part in parts)
        unknown = [mark for mark in _SPECIAL.findall(text) if not _is_token(family.tokenizer, mark)]
        if wrong:
            told += f"; expected {' and '.join(map(repr, wrong))}"
        if unknown:
            told += f"; {', '.join(sorted(set(unknown)))}: no token of the tokenizer, so the model reads its letters"
        yield Finding(name, not wrong and not unknown, told)


def _is_token(tokenizer: PreTrainedTokenizerFast, text: str) -> bool:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"]) == 1


def _check_direction(family: Family, expected: Direction) -> Finding:
    """Another last token moves those before it where the model reads both ways, and none where it reads causally."""
    if family.pools_last_token:
        return Finding(
            "direction", None, f"{expected.attention} ({expected.source}); its last token alone has a vector"
        )
    found = {what: _direction(family, inputs) for what, inputs in _both_inputs(family)}
    told = ", ".join(f"{what} {attention}" for what, attention in found.items())
    if set(found.values()) == {expected.attention}:
        return Finding("direction", True, f"{told} ({expected.source})")
    return Finding("direction", False, f"{told}; expected {expected.attention} ({expected.source})")


def _both_inputs(family: Family) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    yield "pages", _page_inputs(family).inputs
    prompted = family.prompts.query_prefix + "pump" + family.prompts.query_suffix
    yield "queries", family.query_inputs(*family.pad([family.token_ids(prompted)]))


def _direction(family: Family, inputs: Mapping[str, Tensor]) -> Attention:
    ids = inputs["input_ids"].clone()
    ids[0, -1] = next(word for word in family.token_ids("pump oil")[::-1] if word != ids[0, -1])
    [before], [after] = family.vectors(inputs), family.vectors({**inputs, "input_ids": ids})
    moved = np.abs(after - before)[:-1].max()
    return "bidirectional" if moved > _LEAST_MOVED else "causal"


def _without_grid_positions() -> Finding:
    return Finding("positions", None, "this family has positions of its own inside its vision encoder")


def _check_weights(family: Family, reloaded: Family) -> Finding:
    rounded = set(quantised_weights(family.model))
    ours, files = ({name: each for name, each in _weights(one) if name not in rounded} for one in (family, reloaded))
    absent = sorted(files.keys() ^ ours.keys())
    differ = [name for name in files.keys() & ours.keys() if not _equal(ours[name], files[name])]
    if absent or differ:
        wrong = sorted([*absent, *differ])
        shown = ", ".join(wrong[:_NAMED]) + (", ..." if len(wrong) > _NAMED else "")
        message = f"{len(wrong)} of {len(files)} are not those of the files: {shown}"
        return Finding("weights", False, message)
    adapters = sum(".lora_" in name for name in ours)
    message = f"all {len(files)} are those of the files" + (f", {adapters} of them an adapter's" if adapters else "")
    message += f"; {len(rounded)} more are rounded to fewer bits, see drift" if rounded else ""
    return Finding("weights", True, message)


def _weights(family: Family) -> Iterator[tuple[str, Tensor]]:
    """Names and values; an adapter that is put into the model and switched off counts as absent."""
    off = {name for name, part in family.model.named_modules() if getattr(part, "disable_adapters", False) is True}
    for name, weight in family.model.named_parameters():
        if ".lora_" not in name or name.partition(".lora_")[0] not in off:
            yield name, weight
    if family.query_model is not family.model:  # its other weights are the same ones
        yield from (
            (f"{name} of queries", each) for name, each in family.query_model.named_parameters() if ".lora_" in name
        )


def _equal(ours: Tensor, files: Tensor) -> bool:
    return ours.shape == files.shape and torch.equal(ours.detach().cpu(), files.detach().to(ours.dtype))


class _PageInputs(NamedTuple):
    inputs: dict[str, Tensor]
    cells: np.ndarray


def _page_inputs(family: Family) -> _PageInputs:
    [page] = islice(generated_pages(), 1)
    batch = family.page_batch([family.fit(page.image)])
    return _PageInputs(dict(batch.inputs), batch.grids[0].cells)


def _check_grid_positions(family: Family) -> Finding:
    """Patches stand in rows and columns, and the model takes notice: in one line it gives other vectors."""
    if family.pools_last_token:
        return _check_one_vector_positions(family)
    page = _page_inputs(family)
    positions = page.inputs["position_ids"]
    if positions.ndim < 3 or not _follow(positions[:, 0].numpy(), page.cells):
        message = "patches are numbered in one line, where the model was trained on rows and columns"
        return Finding("positions", False, message)
    [in_grid] = family.vectors(page.inputs)
    line = torch.arange(positions.shape[-1]).expand(1, -1)
    [in_line] = family.vectors({**page.inputs, "position_ids": line})
    if np.array_equal(in_grid, in_line):
        return Finding("positions", False, "the model takes no notice of rows and columns")
    return Finding("positions", True, f"patches stand in {len(page.cells)} rows and {page.cells.shape[1]} columns")


def _check_one_vector_positions(family: Family) -> Finding:
    inputs = _page_inputs(family).inputs
    line = torch.arange(inputs["position_ids"].shape[-1]).expand(1, -1)
    [in_grid], [in_line] = family.vectors(inputs), family.vectors({**inputs, "position_ids": line})
    notices = not np.array_equal(in_grid, in_line)
    return Finding("positions", notices, f"the model takes {'' if notices else 'no '}notice of rows and columns")


def _follow(positions: np.ndarray, cells: np.ndarray) -> bool:
    """Whether the last two axes are the cells' rows and columns, counted from anywhere: positions (axes, s)."""
    rows, cols = np.indices(cells.shape)
    return all(np.unique(positions[axis][cells] - place).size == 1 for axis, place in ((-2, rows), (-1, cols)))


def _check_drift(family: Family, exact: Family, where: str, quantise: Quantise | None) -> Finding:
    inputs = _page_inputs(family).inputs
    [ours], [reference] = family.vectors(inputs), exact.vectors(inputs)
    cosines = np.sum(ours * reference, axis=1)
    message = f"{where}: cosine to float32 on the CPU {cosines.mean():.5f} on average, {cosines.min():.5f} at least"
    least = _LEAST_OF_4BIT if quantise == "4bit" else _LEAST_COSINE
    return Finding("drift", bool(cosines.mean() > least), message)


def _free_memory() -> float:
    """Bytes; without limit where the system does not say."""
    names = ("SC_AVPHYS_PAGES", "SC_PAGE_SIZE")
    if not all(name in os.sysconf_names for name in names):
        return float("inf")
    return float(os.sysconf(names[0]) * os.sysconf(names[1]))
