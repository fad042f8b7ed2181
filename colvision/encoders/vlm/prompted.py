"""A query as a family's model is given it: prompted, tokenised, and cut where the model was trained with no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from colvision.encoders.query_tokens import PromptedQuery, Span

if TYPE_CHECKING:
    from colvision.encoders.vlm.family import Family


class TokenisedQuery(NamedTuple):
    """`spans`: the characters of `prompted.text` that each of the token `ids` stands for."""

    prompted: PromptedQuery
    ids: Sequence[int]
    spans: Sequence[Span]


def tokenise_query(family: Family, text: str, length: int | None = None) -> TokenisedQuery:
    """The first `length` characters of a query, fewer where they are more tokens than the model takes.

    Raises ValueError for a text without a letter or digit.
    """
    prompts = family.prompts
    prompted = PromptedQuery.of(text, prefix=prompts.query_prefix, suffix=prompts.query_suffix, length=length)
    tokens = family.tokenise(prompted.text, return_offsets_mapping=True)
    spans = [(start, end) for start, end in tokens["offset_mapping"]]
    others = len(spans) - len(prompted.own(spans))
    cut = prompted.length_of(family.query_limit(others), spans)
    return TokenisedQuery(prompted, tokens["input_ids"], spans) if cut is None else tokenise_query(family, text, cut)
