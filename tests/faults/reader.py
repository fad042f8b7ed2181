"""One who searches a library while it changes, and knows what every answer may be."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from colvision.core.embedding import QueryEmbedding
from colvision.core.query import DOCUMENT_WEIGHT
from colvision.errors import DocumentNotFound, EncoderMismatch, PageNotFound
from colvision.library import Library
from colvision.maxsim import quantise, token_maxima
from colvision.search import Answer
from colvision.store import Store
from tests.faults.history import History
from tests.faults.processes import StopFlag
from tests.faults.state import ENCODERS, State, encoded

QUERIES = ("bleed p1", "a 2 p2", "b bleed", "c 4", "p3 0")
_ALL = 1000  # hits: more than there are pages
_TOLERANCE = 1e-5
_REOPENED = 0.05  # how often, of all answers, the library is closed and opened before


@cache
def _query(text: str, encoder: int) -> QueryEmbedding:
    return ENCODERS[encoder].encode_queries([text])[0]


@cache
def score(version: str, number: int, encoder: int, text: str) -> float:
    """Of a page alone: the arithmetic has tests of its own, here it tells one page from another."""
    quantisation_range = ENCODERS[encoder].info.quantisation_range
    codes = quantise(encoded(version, number, encoder).embedding.vectors, quantisation_range)
    maxima = token_maxima(_query(text, encoder).vectors, codes, np.array([0, len(codes)]), quantisation_range)
    named = np.array([word == version.split(".")[0] for word in text.split()])  # a document's name is evidence
    return float(maxima.sum(dtype=np.float64) + DOCUMENT_WEIGHT * np.clip(1 - maxima[0, named], 0, 1).sum())


def scores(state: State, text: str) -> dict[tuple[str, int], float]:
    return {
        (document.name, number): score(document.version, number, state.encoder, text)
        for document in state.documents
        for number in document.pages
    }


def warm_up() -> str:
    """To be run in a process of its own before readers are: what is compiled at first use is then compiled once."""
    return str(score("a.1.0", 1, 0, QUERIES[0]))


class Reader:
    """`path` is the library, `history` what it is to hold."""

    def __init__(self, path: Path, history: History, seed: int) -> None:
        self._path, self._history = path, history
        self._rng = np.random.default_rng(seed)
        self._library: Library | None = None
        self._encoder = 0

    def until(self, stop_flag: StopFlag) -> str:
        """Looks again and again; how often. Raises `AssertionError` for an answer that no state gives."""
        self.look()
        count = 1
        while not stop_flag.is_set:
            self.look()
            count += 1
        return str(count)

    def look(self) -> None:
        """One search, and one look at what it found."""
        if self._library is None or self._rng.random() < _REOPENED:
            self._open()
        text = str(self._rng.choice(QUERIES))
        place = self._history.acknowledged
        try:
            answer = self.library.search(text, k=_ALL)
        except EncoderMismatch:
            assert any(state.encoder != self._encoder for state in self._history.since(place))
            self._encoder = 1 - self._encoder
            self._open()
            return
        self._check(answer, text, self._history.since(place))
        if len(answer):
            self._look_at(answer, place)

    @property
    def library(self) -> Library:
        assert self._library is not None
        return self._library

    def _open(self) -> None:
        if self._library is not None:
            self._library.close()
        self._library = Library(Store(self._path), ENCODERS[self._encoder])

    def _check(self, answer: Answer, text: str, states: list[State]) -> None:
        found = {(hit.document, hit.page): hit.score for hit in answer}
        assert len(found) == len(answer) == answer.pages, "a page came twice, or was left out"
        ranked = [hit.score for hit in answer]
        assert ranked == sorted(ranked, reverse=True)
        candidates = [scores(state, text) for state in states if state.encoder == self._encoder or not found]
        assert any(is_equal(found, candidate) for candidate in candidates), f"{found} is in none of {states}"

    def _look_at(self, answer: Answer, place: int) -> None:
        """The words of a page that was found are those of its version, or it has gone since."""
        hit = answer[int(self._rng.integers(len(answer)))]
        try:
            text = self.library.page_text(hit.document_id, hit.page)
            self.library.page_image(hit.document_id, hit.page)
        except (DocumentNotFound, PageNotFound):
            now = [state.get(hit.document) for state in self._history.since(place)]
            has_gone = [each is None or each.id != hit.document_id or hit.page not in each.pages for each in now]
            assert any(has_gone), "it was there all the time"
            return
        versions = _versions(self._history.since(place), hit.document)
        assert text in {encoded(version, hit.page, 0).text.text for version in versions}


def _versions(states: list[State], name: str) -> Iterator[str]:
    for state in states:
        document = state.get(name)
        if document is not None:
            yield document.version


def is_equal(found: dict[tuple[str, int], float], expected: dict[tuple[str, int], float]) -> bool:
    return found.keys() == expected.keys() and all(abs(found[key] - expected[key]) < _TOLERANCE for key in found)
