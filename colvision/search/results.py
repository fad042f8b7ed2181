"""What a search answers."""

import base64
import html
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, overload

import numpy as np
from PIL import Image

from colvision.core.embedding import Floats
from colvision.core.metadata import Metadata
from colvision.core.query import ScoredQuery
from colvision.errors import LibraryError

NO_MATCH = "No page matches well: too few of these words were found together. The nearest pages are shown."
UNREAD = "These letters are not read from pictures, and no page's text has the words: {}."
LEFT_OUT = "The query is too long. Not looked for by the encoder: {}."
UNSEEN = "Seen on none of the pages: {}."
NOT_RERANKED = "{} of {} candidates have no {} that {} could read: they stand below the others, in their first order."
# What the best page must reach, as a share of what a page gets that surely has every word once, by itself. The best of
# more pages is better by chance, about as the logarithm of their number. `benchmarks/no_match.py` measures how often
# the notice is wrong; both values were chosen on the sample manual (20 pages) and 300 pages of the development set.
_MATCHES_WELL, _MORE_PAGES = 0.04, 0.05
_HELD = 0.5  # of the words' weights that a text layer must hold to count
_NAMED, _LETTERS = 5, 40  # words that were left out, and of each, that a notice shows
_OWN_TERMS = frozenset({"frequency", "order", "near"})  # of a score, made of the same similarities as its words' shares
_THUMBNAIL = 160, 220  # (width, height) in pixels of a page in a notebook


class PageReader(Protocol):
    """What can show a stored page: a library."""

    def check_version(self, document: str, sha256: str) -> None: ...
    def page_image(self, document: str, page: int) -> Image.Image: ...
    def page_text(self, document: str, page: int) -> str: ...


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """A page and why: `similarity` and `contributions` are (t,), in the order of `query.embedding.tokens`.

    `score` is the sum of `contributions` and of `score_terms`, what else it holds, by name: the one number by which
    an answer is ordered, unless a reranker ordered it: then `rerank_score` is that number, and None for a page that the
    reranker did not score, which stands below all others. `rank` counts from 1. `text_score` is the BM25 score that the
    term "text" comes from, None without text fusion; `in_text` are the query's words that the page's text holds,
    whether or not it counted, `in_name` those that the document's name, or its folder's, holds.
    `metadata` and `folder` (where it came from) are what was known of the document when it was found, `sha256` is that
    of its file; `image()` and `text` are read from the library.
    """

    document: str
    document_id: str
    page: int
    score: float
    similarity: Floats
    contributions: Floats
    score_terms: Mapping[str, float]
    query: ScoredQuery
    rank: int
    text_score: float | None = None
    in_text: frozenset[str] = frozenset()
    in_name: frozenset[str] = frozenset()
    metadata: Metadata = field(default_factory=dict)
    folder: str = ""
    sha256: str = ""
    reader: PageReader | None = None
    rerank_score: float | None = None

    def __repr__(self) -> str:
        reranked = "" if self.rerank_score is None else f"rerank score {self.rerank_score:.3f}, "
        return f"Hit({self.document!r}, page {self.page}, {reranked}score {self.score:.3f})"

    def image(self) -> Image.Image:
        """The page's picture, RGB. Raises `DocumentNotFound` when the document was deleted or replaced since."""
        return self._reader.page_image(self.document_id, self.page)

    @property
    def text(self) -> str:
        """The PDF's own text layer, or what OCR has read; "" where there is neither. Raises as `image` does."""
        return self._reader.page_text(self.document_id, self.page)

    @property
    def _reader(self) -> PageReader:
        if self.reader is None:
            raise ValueError(f"{self!r} was not found by a library, which alone can show its page")
        self.reader.check_version(self.document_id, self.sha256)
        return self.reader

    @property
    def shares(self) -> dict[str, float]:
        """What of the score came from where: `maxsim`, what the collection's own encoder found on the page; `text`, its
        text layer; `document`, its document's name; further encoders by their names. They sum to `score`.
        """
        beside = {name: value for name, value in self.score_terms.items() if name not in _OWN_TERMS}
        return {"maxsim": self.score - sum(beside.values()), **beside}

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold; arrays are left out."""
        return {
            "rank": self.rank,
            "document": self.document,
            "document_id": self.document_id,
            "folder": self.folder,
            "page": self.page,
            "score": self.score,
            "rerank_score": self.rerank_score,
            "shares": self.shares,
            "score_terms": dict(self.score_terms),
            "text_score": self.text_score,
            "in_text": [word for word in self.query.embedding.words if word in self.in_text],
            "in_name": [word for word in self.query.embedding.words if word in self.in_name],
            "metadata": dict(self.metadata),
        }


@dataclass(frozen=True, slots=True)
class Reranking:
    """The reranker's `name`, what it `reads`, how many `candidates` it was given and for how many pages it had nothing
    to read (`unread`).
    """

    name: str
    reads: str
    candidates: int
    unread: int = 0

    @property
    def notice(self) -> str:
        """A sentence on the pages that it could not score, "" where there are none."""
        return NOT_RERANKED.format(self.unread, self.candidates, self.reads, self.name) if self.unread else ""


@dataclass(frozen=True, slots=True, eq=False)
class Answer(Sequence[Hit]):
    """Hits, best first, of the `pages` that were searched.

    `mode` says how: "exact" (every page's codes were compared), "lists" (those of the best `candidates` by inverted
    lists) or "rerank" (by their sign bits, or by a first stage). `retrievers` are what the pages were found by:
    "maxsim", "bm25" where the text layers know a word of the query and text fusion is on, and the names of the further
    encoders that were asked;
    `notices` are sentences on those that could not be, or have not read all pages. `unseen` are numbers and codes of
    the query that no page was seen to have. `timing_ms` says how long each part took. `judged` are the hits by which
    the notice is made, where fewer were asked for. `other_words` are those that were looked for besides, by the word of
    the query that they stand for. `reranking` says whose order it is, where that is not the score's.
    """

    hits: tuple[Hit, ...]
    query: ScoredQuery
    pages: int
    mode: str
    candidates: int
    timing_ms: Mapping[str, float]
    retrievers: tuple[str, ...] = ("maxsim",)
    unseen: tuple[str, ...] = ()
    judged: tuple[Hit, ...] = ()
    notices: tuple[str, ...] = ()
    reranking: Reranking | None = None

    def __repr__(self) -> str:
        lines = "".join(f"\n  {hit!r}" for hit in self.hits)
        return f"Answer({self.query.embedding.text!r}: {len(self.hits)} of {self.pages} pages{lines})"

    def _repr_html_(self) -> str:
        """For notebooks: the pages that were found, small, with what they are and their scores."""
        cells = "".join(f"<td style='text-align:center;vertical-align:top'>{_cell(hit)}</td>" for hit in self.hits)
        asked = f"{html.escape(self.query.embedding.text)}: {len(self.hits)} of {self.pages} pages"
        return f"<p>{asked}</p><table><tr>{cells}</tr></table>"

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold: what `colvision search --json` prints."""
        return {
            "query": self.query.embedding.text,
            "hits": [hit.to_dict() for hit in self.hits],
            "notice": self.notice,
            "other_words": {word: list(others) for word, others in self.other_words.items()},
            "pages": self.pages,
            "mode": self.mode,
            "candidates": self.candidates,
            "retrievers": list(self.retrievers),
            "reranker": None if self.reranking is None else asdict(self.reranking),
            "timing_ms": dict(self.timing_ms),
        }

    @property
    def other_words(self) -> dict[str, tuple[str, ...]]:
        return self.query.embedding.other_words

    @property
    def notice(self) -> str:
        """Sentences on what was not looked for, as the query is too long, and on what was not found: no page matches
        well, letters are not read, a number was seen nowhere; on the further encoders: see `notices`; and on what a
        reranker could not read.

        A page matches well by what is seen of the query's words and by what its text layer holds of them. Nothing is
        said of that where the encoder's calibration gives no probability: a similarity alone does not tell.
        """
        left_out = left_out_notice(self.query.embedding.left_out)
        not_read = "" if self.reranking is None else self.reranking.notice
        return " ".join(filter(None, (left_out, *self._not_found(), *self.notices, not_read)))

    def _not_found(self) -> list[str]:
        if not self.hits or not self.query.calibration.is_probability or self.query.embedding.is_example:
            return []
        judged = self.judged or self.hits
        told = frozenset[str]().union(*(hit.in_text | hit.in_name for hit in judged))
        unread = [word for word in self.query.embedding.words if word in self.query.embedding.unread - told]
        unseen = [word for word in self.unseen if word not in told]
        sentences = [UNREAD.format(", ".join(unread))] if unread else []
        sentences += [UNSEEN.format(", ".join(unseen))] if unseen else []
        is_match = any(self._matches_well(hit, frozenset(unread)) for hit in judged)
        return sentences if is_match else [NO_MATCH, *sentences]

    def _matches_well(self, hit: Hit, unread: frozenset[str]) -> bool:
        """Whether a page has enough of the words, but for those `unread` and those that its document's name holds.

        If none is left nothing can be said against it.
        """
        left = self.query.embedding.tokens_of_words()
        tokens = {word: of for word, of in left if word not in unread | hit.in_name}
        total_weight = sum(float(self.query.weights[of].sum()) for of in tokens.values())
        needed = (_MATCHES_WELL + _MORE_PAGES * math.log(self.pages)) * total_weight
        return _evidence(hit, tokens) >= needed

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[place]


def left_out_notice(words: Sequence[str]) -> str:
    """What is said of the words that there were no vectors for; "" of none."""
    if not words:
        return ""
    more = f" and {len(words) - _NAMED:,} more" if len(words) > _NAMED else ""
    return LEFT_OUT.format(", ".join(each[:_LETTERS] for each in words[:_NAMED]) + more)


def _evidence(hit: Hit, tokens: Mapping[str, list[int]]) -> float:
    """What the hit's pixels have of these words; those that its text layer holds are seen, where it holds half.

    One word of several is on many a page, in one of its other forms as well. Other words in the place of these do not
    count: something like them stands on pages about anything.
    """
    own = hit.query.embedding.is_own
    alone = replace(
        hit.query, embedding=hit.query.embedding.without_other_words(), weights=hit.query.weights[own]
    ).contributions(hit.similarity[own])
    seen = np.zeros_like(hit.contributions)
    seen[own] = alone
    own_share = float(alone.sum()) / max(float(hit.contributions.sum()), 1e-9)
    in_text = [token for word, of in tokens.items() if word in hit.in_text for token in of]
    every = [token for of in tokens.values() for token in of]
    weights = hit.query.weights
    if weights[in_text].sum() >= _HELD * weights[every].sum():
        seen[in_text] = weights[in_text]
    beside = sum(
        value for name, value in hit.score_terms.items() if name not in {"text", "document"} | hit.query.others.keys()
    )
    return float(seen[every].sum()) + beside * min(own_share, 1.0)


def _cell(hit: Hit) -> str:
    picture = ""
    with suppress(LibraryError, ValueError):  # deleted since, or found without a library: told without its picture
        image = hit.image()
        image.thumbnail(_THUMBNAIL)
        data = io.BytesIO()
        image.save(data, "JPEG", quality=80)
        picture = f"<img src='data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}'><br>"
    score = f"{hit.score:.3f}" if hit.rerank_score is None else f"{hit.rerank_score:.3f} (score {hit.score:.3f})"
    return f"{picture}{hit.rank}. {html.escape(hit.document)}, page {hit.page}<br>{score}"
