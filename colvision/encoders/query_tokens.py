"""A query's tokens seen from its text: which belong to the query itself, and to which of its words."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colvision.core.embedding import Floats, QueryEmbedding

Span = tuple[int, int]  # from, to: characters


@dataclass(frozen=True, slots=True)
class PromptedQuery:
    """A query as a model reads it: `text` is prefix, query and suffix; `spans` are the places of `words` in it,
    `left_out` the words that are not in it, or not whole.
    """

    query: str
    text: str
    start: int  # of the query in `text`
    end: int
    words: tuple[str, ...]
    spans: tuple[Span, ...]
    left_out: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: str, *, prefix: str, suffix: str, length: int | None = None) -> "PromptedQuery":
        """The first `length` characters of a query, in the model's prompt.

        White space counts once, so that a trailing blank changes nothing.
        A word runs from blank to blank without the punctuation around it: `hydraulic-pump`, `AB-12/3.4`, `C++`.
        Raises ValueError for a query without a letter or digit.
        """
        whole = " ".join(query.split())
        words = whole[:length].rstrip()
        left_out = whole.split()[whole.count(" ", 0, len(words) + 1) :] if len(words) < len(whole) else []
        text = prefix + words + suffix
        start, end = len(prefix), len(prefix) + len(words)
        spans = [_trimmed(text, *match.span()) for match in re.compile(r"\S+").finditer(text, start, end)]
        spans = [span for span in spans if any(character.isalnum() for character in text[slice(*span)])]
        if not spans:
            raise ValueError(f"query {query!r} holds no letter or digit: there is nothing to look for")
        return cls(query, text, start, end, tuple(text[slice(*span)] for span in spans), tuple(spans), tuple(left_out))

    @property
    def asked(self) -> str:
        """The part of `text` that is the query: what of it is read, white space once."""
        return self.text[self.start : self.end]

    def own(self, token_spans: Sequence[Span]) -> list[Span]:
        """Those of the tokens that hold a visible character of the query: not the prefix's, nor augmentation."""
        return [span for span in token_spans if self._is_visible(span)]

    def length_of(self, limit: int, token_spans: Sequence[Span]) -> int | None:
        """Characters of the query before its token `limit` (from 0); None when it has no more tokens than that.

        Always fewer than there are, also where several tokens share the bytes of one character.
        """
        inside = self.own(token_spans)
        return inside[limit][0] - self.start if len(inside) > limit else None

    def embedding(self, vectors: Floats, token_spans: Sequence[Span], *, weight: float = 1.0) -> QueryEmbedding:
        """(t, dim) vectors of the tokens of `text` -> the query with its tokens joined to words, of equal weights."""
        return QueryEmbedding(
            text=self.query,
            vectors=vectors,
            tokens=tuple(self.text[start:end].strip() or self.text[start:end] for start, end in token_spans),
            is_query=np.array([self._is_visible(span) for span in token_spans], dtype=np.bool_),
            weights=np.full(len(token_spans), weight, dtype=np.float32),
            words=self.words,
            word=np.array([self._word(span) for span in token_spans], dtype=np.int32),
            left_out=self.left_out,
        )

    def _is_visible(self, token: Span) -> bool:
        return bool(self.text[max(token[0], self.start) : min(token[1], self.end)].strip())

    def _word(self, token: Span) -> int:
        """The first word that shares a character with the token, or -1."""
        sharing = (i for i, (start, end) in enumerate(self.spans) if token[0] < end and start < token[1])
        return next(sharing, -1)


def _trimmed(text: str, start: int, end: int) -> Span:
    """The span without the punctuation (Unicode categories P*) at its ends."""
    while start < end and unicodedata.category(text[start]).startswith("P"):
        start += 1
    while start < end and unicodedata.category(text[end - 1]).startswith("P"):
        end -= 1
    return start, end
