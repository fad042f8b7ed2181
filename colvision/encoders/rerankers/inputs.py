"""How a query and a page become the tokens that a reranker reads: a pair, or a chat. Long texts become windows.

A page's text that is longer than the model reads is cut into windows that overlap, and the page has the score of its
best window: nothing of it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from colvision.errors import EncoderNotFound

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Tokens = Mapping[str, Sequence[int]]  # input_ids, attention_mask and what else the model takes, one value a token

_LEAST_WINDOW = 32  # tokens of a text that must fit beside the query
_OVERLAP = 64  # tokens that two windows share, so that no sentence is only in halves; at most a quarter of a window
_MARGIN = 8  # tokens by which a piece of a text may become longer than it was within the whole
_MARKS = ("\N{OBJECT REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}")  # of query and page, to try a template


class TextInputs(Protocol):
    def windows(self, query: str, text: str) -> list[Tokens]:
        """At least one. Raises ValueError for a query that leaves no room for a text."""
        ...


def plain_text(text: str, tokenizer: PreTrainedTokenizerFast) -> str:
    """The text without the spelling of a special token: a page must not be able to end its own turn in a chat."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    for token in special.union(tokenizer.all_special_tokens):
        if token.strip() and token in text:
            text = text.replace(token, f"{token[0]} {token[1:]}")
    return text


@dataclass(frozen=True, slots=True)
class PairInputs:
    """Query and text beside each other, as a classifier reads them; `prompt` stands before the query."""

    tokenizer: PreTrainedTokenizerFast
    max_length: int
    prompt: str = ""

    def windows(self, query: str, text: str) -> list[Tokens]:
        first, second = self.prompt + plain_text(query, self.tokenizer), plain_text(text, self.tokenizer)
        whole = self.tokenizer(first, second, verbose=False)  # of a text that is longer than the model reads
        if len(whole["input_ids"]) <= self.max_length:
            return [dict(whole)]
        size = _room(self.max_length - len(self.tokenizer(first, "")["input_ids"]), query, self.max_length)
        cut = self.tokenizer(
            first,
            second,
            truncation="only_second",
            max_length=self.max_length,
            stride=_overlap(size),
            return_overflowing_tokens=True,
        )
        return [{name: cut[name][number] for name in whole} for number in range(len(cut["input_ids"]))]


@dataclass(frozen=True, slots=True)
class ChatInputs:
    """Query and text in the roles of a chat template; `prompt` is the system's message, `template` its arguments."""

    tokenizer: PreTrainedTokenizerFast
    max_length: int
    template: Mapping[str, object]
    prompt: str = ""
    is_flat: bool = True

    def __post_init__(self) -> None:
        rendered = self.render(*_MARKS)
        if any(rendered.count(mark) != 1 for mark in _MARKS):
            raise EncoderNotFound(
                f"the chat template of {self.tokenizer.name_or_path} writes a query and a page as {rendered!r}: a "
                "reranker's has a place for both (roles query and document)"
            )

    def render(self, query: str, text: str) -> str:
        return render_chat(self.tokenizer, self.prompt, self._part(query), self._part(text), **self.template)

    def windows(self, query: str, text: str) -> list[Tokens]:
        asked, written = plain_text(query, self.tokenizer), plain_text(text, self.tokenizer)
        whole = self._tokens(asked, written)
        if len(whole["input_ids"]) <= self.max_length:
            return [whole]
        used = len(self._tokens(asked, "")["input_ids"]) + _MARGIN
        size = _room(self.max_length - used, query, self.max_length)
        spans = self.tokenizer(written, add_special_tokens=False, return_offsets_mapping=True, verbose=False)[
            "offset_mapping"
        ]
        step = size - _overlap(size)
        starts = range(0, max(len(spans) - _overlap(size), 1), step)
        pieces = [spans[start : start + size] for start in starts]
        return [self._tokens(asked, written[piece[0][0] : piece[-1][1]]) for piece in pieces]

    def _tokens(self, query: str, text: str) -> Tokens:
        return dict(self.tokenizer(self.render(query, text), add_special_tokens=False, verbose=False))

    def _part(self, text: str) -> object:
        return text if self.is_flat else [{"type": "text", "text": text}]


def render_chat(
    tokenizer: PreTrainedTokenizerFast, prompt: str, query: object, page: object, **template: object
) -> str:
    """What a chat template writes of a query and a page, in the roles that sentence-transformers gives them."""
    messages = [{"role": "query", "content": query}, {"role": "document", "content": page}]
    if prompt:
        system = prompt if isinstance(query, str) else [{"type": "text", "text": prompt}]
        messages.insert(0, {"role": "system", "content": system})
    rendered: str = tokenizer.apply_chat_template(messages, tokenize=False, **template)
    return rendered


def pad(tokens: Sequence[Tokens], *, pad_id: int, side: str) -> dict[str, Tensor]:
    """(texts, longest) of each sort; what pads has attention 0."""
    longest = max(len(each["input_ids"]) for each in tokens)
    padded = {}
    for name in tokens[0]:
        fill = pad_id if name == "input_ids" else 0
        rows = [
            [fill] * (longest - len(each[name])) * (side == "left")
            + list(each[name])
            + [fill] * (longest - len(each[name])) * (side != "left")
            for each in tokens
        ]
        padded[name] = torch.tensor(rows)
    return padded


def _room(left: int, query: str, max_length: int) -> int:
    if left < _LEAST_WINDOW:
        raise ValueError(
            f"the query {query[:40]!r}... leaves {max(left, 0)} of the {max_length} tokens that the reranker reads for "
            "a page: ask with fewer words"
        )
    return left


def _overlap(size: int) -> int:
    return min(_OVERLAP, size // 4)
