"""One who searches a library while it changes, and knows what every answer may be."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.errors import DocumentNotFound, EncoderMismatch, PageNotFound
from colvision.library import Library
from colvision.maxsim import quantise, token_maxima
from colvision.search import Answer
from colvision.search.options import Mode
from colvision.store import Store
from tests.faults.history import History
from tests.faults.processes import StopFlag
from tests.faults.state import ENCODERS, State, encoded

MODES: tuple[Mode, ...] = ("auto", "exact")
QUERIES = ("bleed p1", "a 2 p2", "b bleed", "c 4", "p3 0")
_ALL = 1000  # hits: more than there are pages
_TOLERANCE = 1e-5
_REOPENED = 0.05  # how often, of all answers, the library is closed and opened before


Similarities = dict[tuple[str, int], Floats]  # by document and page


@cache
def _query(text: str, encoder: int) -> QueryEmbedding:
    return ENCODERS[encoder].encode_queries([text])[0]


@cache
def similarity(version: str, number: int, encoder: int, text: str) -> Floats:
    """(t,) of a page alone: it tells one page from another, and is the same however pages are searched."""
    quantisation_range = ENCODERS[encoder].info.quantisation_range
    codes = quantise(encoded(version, number, encoder).embedding.vectors, quantisation_range)
    maxima: Floats = token_maxima(_query(text, encoder).vectors, codes, np.array([0, len(codes)]), quantisation_range)
    return maxima[0]


def similarities(state: State, text: str) -> Similarities:
    """Of every page of a state."""
    return {
        (document.name, number): similarity(document.version, number, state.encoder, text)
        for document in state.documents
        for number in document.pages
    }


def warm_up() -> str:
    """To be run in a process of its own before readers are: what is compiled at first use is then compiled once."""
    return str(similarity("a.1.0", 1, 0, QUERIES[0]))


class Reader:
    """`path` is the library, `history` what it is to hold."""

    def __init__(self, path: Path, history: History, seed: int) -> None:
        self._path, self._history = path, history
        self._rng = np.random.default_rng(seed)
        self._library: Library | None = None
        self._encoder = 0
        self._answers = self._by_lists = 0

    def until(self, stop_flag: StopFlag) -> str:
        """Looks again and again; how often, and how often inverted lists were read.

        Raises `AssertionError` for an answer that no state gives.
        """
        self.look()
        while not stop_flag.is_set:
            self.look()
        return f"{self._answers} {self._by_lists}"

    def look(self) -> None:
        """One search, and one look at what it found."""
        if self._library is None or self._rng.random() < _REOPENED:
            self._open()
        text, mode = str(self._rng.choice(QUERIES)), MODES[int(self._rng.integers(len(MODES)))]
        place = self._history.acknowledged
        try:
            answer = self.library.search(text, k=_ALL, mode=mode)
        except EncoderMismatch:
            assert any(state.encoder != self._encoder for state in self._history.since(place))
            self._encoder = 1 - self._encoder
            self._open()
            return
        self._answers += 1
        self._by_lists += answer.mode == "lists"
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
        found = found_in(answer)
        assert len(found) == len(answer), "a page came twice"
        ranked = [hit.score for hit in answer]
        assert ranked == sorted(ranked, reverse=True)
        candidates = [similarities(state, text) for state in states if state.encoder == self._encoder or not found]
        assert any(fits(answer, candidate) for candidate in candidates), f"{found} is in none of {states}"

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


def found_in(answer: Answer) -> Similarities:
    return {(hit.document, hit.page): hit.similarity for hit in answer}


def fits(answer: Answer, expected: Similarities) -> bool:
    """Whether an answer is one to a library with these pages; inverted lists may leave some of them out."""
    is_whole = answer.mode == "lists" or len(answer) == len(expected)
    return is_whole and answer.pages == len(expected) and is_within(found_in(answer), expected)


def is_within(found: Similarities, expected: Similarities) -> bool:
    """Whether what was found is there, with these similarities."""
    return found.keys() <= expected.keys() and all(
        np.allclose(found[key], expected[key], rtol=0, atol=_TOLERANCE) for key in found
    )
