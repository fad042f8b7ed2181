"""mini as an encoder: pages are brought to the size it reads, encoded one by one, blank patches left out."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from colvision.core.embedding import PageEmbedding, PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.health import Note
from colvision.core.page import Page
from colvision.encoders.mini.geometry import DIM, DPI
from colvision.encoders.mini.other_words import LIKENESS, other_words
from colvision.encoders.mini.page_image import reading_scale
from colvision.encoders.mini.page_reader import read_page
from colvision.encoders.mini.page_tower import PageTower, onnxruntime_version
from colvision.encoders.mini.query_tower import SHAPES, QueryTower
from colvision.encoders.mini.words import QueryWord, foreign_script, query_words
from colvision.errors import EncoderNotFound, WeightsMismatch

SHIPPED = Path(__file__).with_name("weights")
PAGE_TOWER, QUERY_TOWER = "page.onnx", "query.safetensors"  # in that folder
# Changes with the way pages are brought to size and read: part of the fingerprint. Stored pages do not depend on query
# words.
_READING_VERSION = "4"
# As every weights file calls calibration and range.
_SETTINGS = ("link_slope", "link_midpoint", "link_midpoint_digits", "code_range")
# A font of 5.5 pt at that resolution: four words in ten are read at 5 pt, nine at 7 pt (docs/mini.md).
_SMALLEST_PRINT = 5.5 / 72 * DPI
# Of a query, whose places on the best 100 pages are compared two by two: 256 of common words take nearly 2 CPU seconds.
_MOST_VECTORS = 256
_ONLY_TEXT = ": only its text can be found"

_Ways = tuple[tuple[str, ...], ...]  # of printing a word: the runs of each


class MiniEncoder:
    """The embedded page reader: words printed in Latin letters, English ones for some German; it knows no pictures."""

    def __init__(self, folder: Path = SHIPPED) -> None:
        tensors, settings = _read_query_weights(folder / QUERY_TOWER)
        self._query = QueryTower(tensors)
        self._page = PageTower(folder / PAGE_TOWER)
        self._info = EncoderInfo(
            name="mini",
            fingerprint=_fingerprint(folder),
            dim=DIM,
            quantisation_range=settings["code_range"],
            calibration=Calibration(
                slope=settings["link_slope"],
                midpoint=settings["link_midpoint"],
                digits_midpoint=settings["link_midpoint_digits"],
            ),
            versions={"onnxruntime": onnxruntime_version(), "pillow": version("pillow")},
        )

    @property
    def info(self) -> EncoderInfo:
        return self._info

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        """Page by page: on a CPU a batch is no faster, and so a page's vectors cannot depend on its neighbours."""
        for page in pages:
            reading = read_page(self._page, page)
            yield PageEmbedding.from_patches(reading.vectors, PatchGrid(np.ascontiguousarray(reading.cells)))

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        """One vector a word, several for a code that may be printed in several ways; see `query_words`.

        Words are taken in order as long as all have no more than 256 vectors; the others are `left_out`. Raises
        `ValueError` for a text without a letter or digit, and for one of nothing but a code that is too long.
        """
        return [self._encode_query(text) for text in texts]

    def unreadable(self, page: Page) -> tuple[Note, ...]:
        """Scripts other than Latin and print that is too small, as far as the page's text tells."""
        notes = []
        if script := foreign_script(page.text):
            notes.append(Note("script", f"is printed in {script} letters, which mini does not read{_ONLY_TEXT}"))
        if page.print_height is not None and page.print_height * reading_scale(page) < _SMALLEST_PRINT:
            notes.append(Note("small", f"is printed in letters that are too small for mini to read{_ONLY_TEXT}"))
        return tuple(notes)

    def _encode_query(self, text: str) -> QueryEmbedding:
        found = query_words(text)
        if not found:
            raise ValueError(f"query {text!r} has no letter or digit to look for")
        taken = {each.text for each in found}
        fitting = _fitting([(each, (*each.spellings, *_others(each, taken))) for each in found])
        if not fitting:
            raise ValueError(
                f"query {text[:40]!r}... is nothing but a code of more parts than {_MOST_VECTORS} vectors can "
                "look for: ask for a part of it"
            )
        words = [each for each, _ in fitting]
        spelled = [
            (place, way, run)
            for place, (_, ways) in enumerate(fitting)
            for way, runs in enumerate(ways)
            for run in runs
        ]
        tokens = [run for *_, run in spelled]
        word = np.array([place for place, *_ in spelled], dtype=np.int32)
        is_own = np.array([way < len(words[place].spellings) for place, way, _ in spelled])
        return QueryEmbedding(
            text=text,
            vectors=self._query.encode(tokens),
            tokens=tuple(tokens),
            is_query=np.ones(len(tokens), dtype=np.bool_),
            weights=(is_own / np.bincount(word, is_own)[word]).astype(np.float32),  # a code weighs as much as a word
            words=tuple(each.text for each in words),
            word=word,
            spelling=tuple(way for _, way, _ in spelled),
            likeness=() if is_own.all() else tuple(np.where(is_own, 1.0, LIKENESS).tolist()),
            unread=frozenset(each.text for each in words if each.is_unread),
            left_out=tuple(each.text for each in found if each not in words),
        )


def _fitting(words: Iterable[tuple[QueryWord, _Ways]]) -> list[tuple[QueryWord, _Ways]]:
    """The words, with the ways of printing each, that a query has room for, in order."""
    kept, room = [], _MOST_VECTORS
    for word, ways in words:
        needed = sum(map(len, ways))
        if needed <= room:
            kept.append((word, ways))
            room -= needed
    return kept


def _others(word: QueryWord, taken: set[str]) -> list[tuple[str]]:
    """What is looked for besides, each in one spelling, and for one word of the query: `taken` have been before."""
    found = [] if word.is_exact else [other for other in other_words(word.text) if other not in taken]
    taken.update(found)
    return [(other,) for other in found]


def _fingerprint(folder: Path) -> str:
    """Of both towers, the constants that go with them, and the way pages are read: the same on every machine."""
    try:
        digest = hashlib.sha256((folder / PAGE_TOWER).read_bytes())
    except FileNotFoundError as error:
        raise _missing(folder / PAGE_TOWER) from error
    digest.update((folder / QUERY_TOWER).read_bytes())
    digest.update(f"reading {_READING_VERSION}".encode())
    return digest.hexdigest()


def _read_query_weights(path: Path) -> tuple[dict[str, NDArray[np.float16]], dict[str, float]]:
    """Every weight of the query tower and none left over, with the constants that go with both towers."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except FileNotFoundError as error:
        raise _missing(path) from error
    except SafetensorError as error:
        raise WeightsMismatch(f"mini's weights at {path} are damaged ({error}): install colvision again") from error
    if "mini" not in metadata:
        raise WeightsMismatch(f"{path} holds no weights of mini: it has no 'mini' record beside its tensors")
    names = tensors.keys() | SHAPES.keys()
    odd = sorted(name for name in names if name not in tensors or tensors[name].shape != SHAPES.get(name))
    if odd:
        raise WeightsMismatch(
            f"{path} does not fit this version of mini: {len(odd)} weights are missing, unexpected or of another "
            f"shape, such as {odd[0]}; install colvision again"
        )
    try:
        settings = {name: float(json.loads(metadata["mini"])[name]) for name in _SETTINGS}
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsMismatch(
            f"mini's weights at {path} lack a constant ({error!r}): install colvision again"
        ) from error
    return tensors, settings


def _missing(path: Path) -> EncoderNotFound:
    return EncoderNotFound(f"mini's weights are missing at {path}: install colvision again")
