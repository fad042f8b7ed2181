"""Which way a language model reads: a token sees those before it (causal), or all of them (bidirectional).

A wrong direction changes every vector and raises nothing: ColQwen3.5 trained in both directions loses 2.5 nDCG@10 when
it runs causally (its author's figure).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from colvision.encoders.options import Attention
from colvision.encoders.vlm.layouts import CheckpointLayout
from colvision.errors import EncoderError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PARTS = ("vlm_config", "text_config")  # where a configuration holds another one that may say it
_BOTH_WAYS = (True, "all")  # of Gemma's key, which may also be "vision"


class Direction(NamedTuple):
    """`source` says who decided it, as a user is told it."""

    attention: Attention
    source: str


def choose_direction(
    config: Mapping[str, object], layout: CheckpointLayout, wanted: Attention | None, default: Direction
) -> Direction:
    """What the caller wants, else what `config.json` states, else the default.

    Raises ValueError for a direction in which a model cannot be run, EncoderError for a configuration that states both.
    """
    if not layout.is_turnable:
        if wanted not in (None, layout.attention):
            raise ValueError(f"attention is {wanted!r}; this model is {layout.attention} by what it is: leave it out")
        return Direction(layout.attention, "what the model is")
    if wanted is not None:
        return Direction(wanted, "the options given")
    stated = set(_stated(config))
    if len(stated) > 1:
        raise EncoderError(
            "config.json says is_causal true in one place and false in another: "
            "load it with attention='bidirectional' or attention='causal', as it was trained"
        )
    if stated:
        return Direction(stated.pop(), "config.json")
    return default


def transformers_direction(config: Mapping[str, object]) -> Attention:
    """What transformers makes of the same configuration: it looks in one place, and leaves out the attention layers."""
    while isinstance(inner := next((config[part] for part in _PARTS if part in config), None), Mapping):
        config = inner
    return "bidirectional" if config.get("is_causal") is False else "causal"


def set_direction(model: PreTrainedModel, attention: Attention) -> None:
    """In the configuration, which `sdpa` masks by, and in every layer, which flash-attention asks instead."""
    for part in model.vlm.get_decoder().modules():
        if hasattr(part, "is_causal"):
            part.is_causal = attention == "causal"
        if hasattr(part, "config"):
            part.config.is_causal = attention == "causal"


def _stated(config: Mapping[str, object]) -> Iterator[Attention]:
    is_causal = config.get("is_causal")
    if is_causal not in (None, True, False):
        raise EncoderError(
            f"config.json says is_causal is {is_causal!r}; expected true or false: load it with "
            "attention='bidirectional' or attention='causal', as it was trained"
        )
    if is_causal is not None:
        yield "causal" if is_causal else "bidirectional"
    if config.get("use_bidirectional_attention") in _BOTH_WAYS:
        yield "bidirectional"
    for part in _PARTS:
        if isinstance(inner := config.get(part), Mapping):
            yield from _stated(inner)
