"""Why a page matched, from its stored codes and one encoded query: no page is encoded again, no model is opened."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.core.embedding import Floats, Ints, PatchGrid, VectorKind
from colvision.core.page import Box, PdfGeometry
from colvision.core.query import SEEN, ScoredQuery
from colvision.explain.heatmap import draw_heatmap
from colvision.explain.word_box import word_box
from colvision.maxsim import similarities
from colvision.maxsim.score_terms import compute_score_terms
from colvision.store.shards import ShardPage


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """What one query token found: the page's winning vector. `cell` and `box` are None if it has no place on the page.

    `cell` is (row, col) of the patch grid. `box` is where that is shown, as fractions of the page image: the printed
    word that the patch lies on (see `word_box`), or the patch itself (`PatchGrid.box`; of a token of text all of its
    cells) where there is none, for a token of no word, and where the page image was not at hand. `points` is the same
    box in PDF points. A token won by a vector without a place was matched by the whole page.
    """

    token: str
    word: str | None
    similarity: float
    contribution: float
    cell: tuple[int, int] | None
    box: Box | None
    points: Box | None


@dataclass(frozen=True, slots=True)
class Region:
    """A place that won for one or more tokens, strongest first; the contribution is their sum. See `TokenMatch`."""

    box: Box
    points: Box | None
    tokens: tuple[str, ...]
    contribution: float

    def pixels(self, size: tuple[int, int]) -> Box:
        """The region on an image of `size` (width, height)."""
        return self.box.scaled(size)


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One page and one query.

    `similarity_map` (query tokens, rows, cols) float32 holds real similarities, NaN where a cell has no vector;
    the contributions of `matches` and the extra `score_terms` sum to `score`. `in_text` are the query's words that the
    page's text layer holds, `text_boxes` where it has them, in fractions of the page image, as far as that is known.
    `image` is the page image, if the caller had one.
    """

    query: ScoredQuery
    grid: PatchGrid
    similarity_map: Floats
    matches: tuple[TokenMatch, ...]
    score_terms: Mapping[str, float]
    score: float
    image: Image.Image | None
    in_text: frozenset[str] = frozenset()
    text_boxes: Mapping[str, tuple[Box, ...]] = field(default_factory=dict)

    @property
    def words(self) -> tuple[str, ...]:
        """The query's words, in order."""
        return self.query.embedding.words

    @property
    def contributions(self) -> Floats:
        """(t,) what each token added to the score."""
        return np.array([match.contribution for match in self.matches], dtype=np.float32)

    @property
    def similarities(self) -> Floats:
        """(t,) the best similarity of each token on the page."""
        return np.array([match.similarity for match in self.matches], dtype=np.float32)

    def without_terms(self) -> "Explanation":
        """With the score of MaxSim alone."""
        return replace(self, score_terms={}, score=float(self.contributions.sum(dtype=np.float64)))

    def regions(self) -> tuple[Region, ...]:
        """The places of the winning patches, strongest first."""
        by_box: dict[Box, list[TokenMatch]] = {}
        for match in self.matches:
            if match.box is not None and match.contribution:
                by_box.setdefault(match.box, []).append(match)
        regions = [_region(box, matches) for box, matches in by_box.items()]
        return tuple(sorted(regions, key=lambda region: -region.contribution))

    def strength(self, word: str | None = None) -> Floats:
        """(rows, cols) in 0..1 for display: the strongest token in each cell, of one word or of all.

        Where the calibration gives a probability, that probability; else similarities from the map's median (0) to the
        page's highest (1). Cells without a vector are 0.
        """
        tokens = self._tokens_of(word)
        if self.query.calibration.is_probability:
            likeness = np.array(self.query.embedding.likeness or np.ones(len(self.matches)), np.float32)[tokens]
            shown = self.query.calibrated(np.nan_to_num(self.similarity_map, nan=-1.0))[tokens]  # (tokens, rows, cols)
            shown = shown * likeness[:, None, None]
        else:
            known = self.similarity_map[np.isfinite(self.similarity_map)]
            low, high = (float(np.median(known)), float(known.max())) if known.size else (0.0, 1.0)
            shown = np.nan_to_num((self.similarity_map[tokens] - low) / max(high - low, 1e-6), nan=0.0)
        strongest: Floats = np.clip(shown, 0, 1).max(axis=0).astype(np.float32)
        return np.where((self.grid.cells >= 0), strongest, np.float32(0))

    def heatmap(self, word: str | None = None, *, opacity: float = 0.85) -> Image.Image:
        """The page with the matching patches coloured, of one word or of all, and what the best lie on outlined.

        What was hardly seen is not outlined.
        Raises `ValueError` for a word that the query does not have, or when there is no page image.
        """
        if self.image is None:
            raise ValueError("there is no image of this page to draw on; only its similarity map is known")
        seen = self.query.values(self.similarities) >= (SEEN if self.query.calibration.is_probability else -np.inf)
        winners = (self.matches[token] for token in self._tokens_of(word) if seen[token])
        boxes = [match.box for match in winners if match.box is not None and match.contribution > 0]
        return draw_heatmap(self.image, self.strength(word), boxes, opacity=opacity)

    def _repr_png_(self) -> bytes | None:
        """For notebooks: the heatmap of the whole query, where there is a picture to draw on."""
        if self.image is None:
            return None
        data = io.BytesIO()
        self.heatmap().save(data, "PNG")
        return data.getvalue()

    def _tokens_of(self, word: str | None) -> list[int]:
        embedding = self.query.embedding
        if word is None:
            return [i for i, is_query in enumerate(embedding.is_query) if is_query] or list(
                range(len(embedding.tokens))
            )
        named = (tokens for each, tokens in embedding.tokens_of_words() if each.casefold() == word.casefold())
        tokens = [token for each in named for token in each]  # of every place where the query has the word
        if not tokens:
            raise ValueError(f"the query has no word {word!r}; it has {', '.join(self.words)}")
        return tokens


def explain_page(
    query: ScoredQuery,
    stored: ShardPage,
    *,
    quantisation_range: float,
    image: Image.Image | None = None,
    geometry: PdfGeometry | None = None,
    name: str = "",
    text_score: float = 0.0,
    others: Mapping[str, float] | None = None,
) -> Explanation:
    """The similarity map and every token's match, from the same codes and arithmetic as the score.

    `name` is the document's, in `page_form`, `text_score` what BM25 gives the page's text layer, `others` the scores of
    the page by those of `query.others` that have read it.
    """
    table = similarities(query.embedding.vectors, stored.codes, quantisation_range)  # (t, n)
    winner = table.argmax(axis=1)  # (t,)
    best = table[np.arange(len(table)), winner]
    contributions = query.contributions(best)
    similarity_map = stored.grid.to_cells(table)  # (t, rows, cols)
    cells = stored.grid.first_cells(len(stored.codes))[winner]  # (t, 2)
    places = _Places(stored, winner, cells)
    boxes = _boxes(query, places, similarity_map, image, contributions)
    matches = tuple(
        _match(query, i, (float(best[i]), float(contributions[i])), (cells[i], box, geometry))
        for i, box in enumerate(boxes)
    )
    terms = compute_score_terms(query, query.calibrated(table), [stored.grid], np.array([0, len(stored.codes)]))
    score_terms = {term: float(values[0]) for term, values in terms.items()}
    pixels = float(contributions.sum(dtype=np.float64)) + sum(score_terms.values())
    beside = {
        "text": float(query.text_term(np.array(pixels), np.array(text_score))),
        "document": float(query.document_term(best, query.named_tokens(name))),
    }
    score_terms |= {term: value for term, value in beside.items() if value > 0}
    own = pixels + sum(beside.values())
    by_others = {
        other: float(fused.scale.term(np.array(own), np.array((others or {}).get(other, fused.scale.zero))))
        for other, fused in query.others.items()
    }
    score_terms |= {term: value for term, value in by_others.items() if value > 0}
    score = own + sum(by_others.values())
    return Explanation(query, stored.grid, similarity_map, matches, score_terms, score, image)


def score_page(query: ScoredQuery, stored: ShardPage, *, quantisation_range: float) -> float:
    """The MaxSim score of a page, from the same codes and arithmetic as in a search."""
    table = similarities(query.embedding.vectors, stored.codes, quantisation_range)  # (t, n)
    return float(query.scores(table.max(axis=1)))


class _Places(NamedTuple):
    """Where each query token's winning vector, `winner` (t,), stands: its first of `cells` (t, 2), -1, -1 for none."""

    stored: ShardPage
    winner: NDArray[np.int64]
    cells: Ints

    def box(self, token: int) -> Box | None:
        """The first cell of a patch, all cells of a token of text; None where it has none."""
        row, col = self.cells[token].tolist()
        if row < 0:
            return None
        return (
            self.stored.grid.bounds(int(self.winner[token])) if self.is_text(token) else self.stored.grid.box(row, col)
        )

    def is_text(self, token: int) -> bool:
        return bool(self.stored.kind[self.winner[token]] == VectorKind.TEXT)

    def centre(self, token: int, strength: Floats, box: Box) -> tuple[float, float]:
        """(x, y) in fractions of the page: where a word is looked for."""
        if self.is_text(token):
            return (box.left + box.right) / 2, (box.top + box.bottom) / 2
        row, col = self.cells[token].tolist()
        return _centre(strength, row, col)


def _boxes(
    query: ScoredQuery,
    places: _Places,
    similarity_map: Floats,
    image: Image.Image | None,
    contributions: Floats,
) -> Iterator[Box | None]:
    """Where each token's match is shown: the word there, else the place itself; None where it has none.

    No word is looked for where a token contributes nothing: another spelling, or another word, does in its place.
    """
    strength = np.maximum(query.calibrated(np.nan_to_num(similarity_map, nan=-1.0)), 0)
    is_word = (query.embedding.word >= 0) & (not query.embedding.is_example) & (contributions != 0)  # (t,)
    for token in range(len(places.cells)):
        place = places.box(token)
        if place is not None and image is not None and is_word[token]:
            yield word_box(image, place, places.centre(token, strength[token], place))
        else:
            yield place


def _centre(strength: Floats, row: int, col: int) -> tuple[float, float]:
    """(x, y) in fractions of the page: the middle of a cell, moved towards what its neighbours see of the same word."""
    rows, cols = strength.shape
    around = np.pad(strength, 1)[row : row + 3, col : col + 3]
    return (col + 0.5 + _lean(around[1])) / cols, (row + 0.5 + _lean(around[:, 1])) / rows


def _lean(values: Floats) -> float:
    """The centre of gravity of three neighbours, from the middle one."""
    return float((values[2] - values[0]) / max(values.sum(), 1e-6))


def _match(
    query: ScoredQuery,
    number: int,
    values: tuple[float, float],
    place: tuple[Ints, Box | None, PdfGeometry | None],
) -> TokenMatch:
    (row, col), box, geometry = place
    embedding = query.embedding
    word = int(embedding.word[number])
    return TokenMatch(
        token=embedding.tokens[number],
        word=embedding.words[word] if word >= 0 else None,
        similarity=values[0],
        contribution=values[1],
        cell=(int(row), int(col)) if box is not None else None,
        box=box,
        points=geometry.to_points(box) if box is not None and geometry is not None else None,
    )


def _region(box: Box, matches: list[TokenMatch]) -> Region:
    ordered = sorted(matches, key=lambda match: -match.contribution)
    tokens = tuple(match.token for match in ordered)
    return Region(box, ordered[0].points, tokens, sum(match.contribution for match in matches))
