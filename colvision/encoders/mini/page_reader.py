"""How a page is read: only where there is print, and the right way up."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.page import Page
from colvision.encoders.mini.blank import find_print
from colvision.encoders.mini.geometry import PATCH_HEIGHT, PATCH_WIDTH
from colvision.encoders.mini.page_image import resize_page
from colvision.encoders.mini.page_tower import PageTower, TowerOutput

_LEAST_INK = -1.0  # logit: a patch is kept from a probability of print of about a quarter on
# A page whose letters are named with less confidence than this may lie on its side or stand on its head. Of 50 scans of
# the development set, light and heavy, upright ones have .67 to .89 (5 % to 95 %), those on their head .44 to .61 (most
# .63), those on their side .24 to .36; the upright reading of a page always had the highest legibility.
_MIN_CONFIDENCE = 0.66
_MIN_LETTER_CELLS = 60  # cells: two lines or so; strokes of a drawing are taken for some
# Two squares of print tell which way is up: so they did for all 120 turns of 15 training pages, light and heavy.
_SAMPLES, _SAMPLE_SIDE = 2, 192  # pixels


class Reading(NamedTuple):
    """A page as it was read one way up: `cells` (rows, cols) say which of the vectors (n, DIM) a patch has, or -1."""

    vectors: Floats
    cells: NDArray[np.int32]
    ink: Floats  # (rows, cols), -inf where nothing was read
    legibility: float
    confidence: float


def read_page(tower: PageTower, page: Page) -> Reading:
    """The most legible reading of the page, its cells as the page lies."""
    image = resize_page(page)
    reading = read_image(tower, image)
    if reading.confidence < _MIN_CONFIDENCE and (quarters := _find_quarters(tower, image, reading.ink)):
        turned = read_image(tower, resize_page(page, quarters))
        if turned.legibility > reading.legibility:
            return turned._replace(cells=np.rot90(turned.cells, -quarters), ink=np.rot90(turned.ink, -quarters))
    return reading


def read_image(tower: PageTower, image: NDArray[np.uint8]) -> Reading:
    """(height, width) grey; blank rows and columns of patches are left out, as if the page were joined there."""
    rows, cols = find_print(image)
    shape = image.shape[0] // PATCH_HEIGHT, image.shape[1] // PATCH_WIDTH
    patches = image.reshape(shape[0], PATCH_HEIGHT, shape[1], PATCH_WIDTH)[rows][:, :, cols]
    output = tower.read(patches.reshape(1, len(rows) * PATCH_HEIGHT, len(cols) * PATCH_WIDTH))
    ink = np.full(shape, -np.inf, np.float32)
    ink[np.ix_(rows, cols)] = output.ink[0]
    kept = ink > min(_LEAST_INK, float(ink.max()))
    if not kept.any():
        kept = ink == ink.max()
    cells = np.full(shape, -1, np.int32)
    cells[kept] = np.arange(kept.sum(), dtype=np.int32)
    vectors = np.ascontiguousarray(output.vectors[0][kept[np.ix_(rows, cols)]], dtype=np.float32)
    return Reading(vectors, cells, ink, *_legibility(output))


def _legibility(output: TowerOutput) -> tuple[float, float]:
    """How well the letters of the printed patches can be named, for telling which way is up.

    The legibility is the mean of the best name's probability over all cells of printed patches, cells without a letter
    counting 0; the confidence is the mean over the cells that have one.
    """
    printed = output.ink > min(_LEAST_INK, float(output.ink.max()))
    logits = output.letters[np.repeat(printed, output.letters.shape[2] // printed.shape[2], axis=2)]  # (cells, LETTERS)
    if not len(logits):
        return 0.0, 1.0
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    named = shares[:, 0] < 0.5  # class 0 is no letter
    if int(named.sum()) < _MIN_LETTER_CELLS:
        return 0.0, 1.0  # a drawing or a blank page: no way up is better
    best = shares[named, 1:].max(axis=1)
    return float(best.sum() / len(named)), float(best.mean())


def _find_quarters(tower: PageTower, image: NDArray[np.uint8], ink: Floats) -> int:
    """By how many quarters counterclockwise the page must be turned to be most legible, as far as its squares tell."""
    side = min(_SAMPLE_SIDE, *(length // PATCH_WIDTH * PATCH_WIDTH for length in image.shape))
    if not side:
        return 0
    squares = np.stack([image[down : down + side, right : right + side] for down, right in _most_printed(ink, side)])
    turns = (np.ascontiguousarray(np.rot90(squares, turn, axes=(1, 2))) for turn in range(4))
    return int(np.argmax([_legibility(tower.read(turned))[0] for turned in turns]))


def _most_printed(ink: Floats, side: int) -> list[tuple[int, int]]:
    """Where the squares with the most print begin, in pixels."""
    height, width = side // PATCH_HEIGHT, side // PATCH_WIDTH
    printed = 1 / (1 + np.exp(-ink.astype(np.float64)))
    places = []
    for _ in range(_SAMPLES):
        sums = np.pad(printed.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
        inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
        row, col = np.unravel_index(inside.argmax(), inside.shape)
        printed[row : row + height, col : col + width] = 0
        places.append((int(row) * PATCH_HEIGHT, int(col) * PATCH_WIDTH))
    return places
