"""How a page is read: only where there is print, the right way up, and finer where print is small."""

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
# Where print is small nearly every cell has a letter, but few are named surely, and a finer image names them better:
# of generated pages, in 7 pt .64 with a confidence of .68, in 9 pt .80 with .86. There the two squares tell.
FINER = 4 / 3
_MAX_CONFIDENCE, _MIN_NAMED, _MIN_GAIN = 0.8, 0.5, 1.1
_ALIKE = 0.9  # cosine from which two neighbours on a line say the same, so that one vector does for both


class Reading(NamedTuple):
    """A page as it was read one way up: `cells` (rows, cols) say which of the vectors (n, DIM) a patch has, or -1."""

    vectors: Floats
    cells: NDArray[np.int32]
    ink: Floats  # (rows, cols), -inf where nothing was read
    legibility: float
    confidence: float


def read_page(tower: PageTower, page: Page) -> Reading:
    """The most legible reading of the page, its cells as the page lies, neighbours that say the same as one vector."""
    image = resize_page(page)
    reading, quarters = read_image(tower, image), 0
    if reading.confidence < _MIN_CONFIDENCE and (turn := _find_quarters(tower, image, reading.ink)):
        other = resize_page(page, turn)
        turned = read_image(tower, other)
        if turned.legibility > reading.legibility:
            image, reading, quarters = other, turned, turn
    if _may_be_small(reading):
        finer = resize_page(page, quarters, FINER)
        if _is_read_better(tower, finer, image, reading.ink):
            reading = read_image(tower, finer)
    reading = _join_alike(reading)
    return reading._replace(cells=np.rot90(reading.cells, -quarters), ink=np.rot90(reading.ink, -quarters))


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


def _join_alike(reading: Reading) -> Reading:
    """One vector for two neighbours on a line that are alike: the mean, at a cosine of .97 or more to each."""
    vectors, cells = reading.vectors, reading.cells
    left, right = cells[:, :-1], cells[:, 1:]
    is_alike = (left >= 0) & (right >= 0)
    is_alike[is_alike] = (vectors[left[is_alike]] * vectors[right[is_alike]]).sum(axis=1) > _ALIKE
    number = np.arange(is_alike.shape[1])
    begin = np.maximum.accumulate(np.where(is_alike, -1, number), axis=1)  # where the last one that is not alike was
    joined = is_alike & ((number - begin) % 2 == 1)  # every other pair of a run, so that no vector is in two
    means = vectors[left[joined]] + vectors[right[joined]]
    owner = np.arange(len(vectors), dtype=np.int32)
    owner[right[joined]] = left[joined]
    kept = np.unique(owner)
    joint = vectors.copy()
    joint[left[joined]] = means / np.linalg.norm(means, axis=1, keepdims=True)
    number_of = np.full(len(vectors) + 1, -1, np.int32)  # the last is that of cells without a vector
    number_of[:-1] = np.searchsorted(kept, owner)
    return reading._replace(vectors=joint[kept], cells=number_of[cells])


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


def _may_be_small(reading: Reading) -> bool:
    is_dense = reading.legibility > _MIN_NAMED * reading.confidence
    return is_dense and reading.confidence < _MAX_CONFIDENCE


def _is_read_better(tower: PageTower, finer: NDArray[np.uint8], image: NDArray[np.uint8], ink: Floats) -> bool:
    """Whether the squares with the most print are much more legible in the finer image of the same page."""
    side = _square_side(image)
    if not side:
        return False
    places = _most_printed(ink, side)
    here = _legibility(tower.read(_squares(image, places, side)))[0]
    places = [(round(down * FINER), round(right * FINER)) for down, right in places]
    there = _legibility(tower.read(_squares(finer, places, _whole_patches(side * FINER))))[0]
    return there > _MIN_GAIN * here


def _find_quarters(tower: PageTower, image: NDArray[np.uint8], ink: Floats) -> int:
    """By how many quarters counterclockwise the page must be turned to be most legible, as far as its squares tell."""
    side = _square_side(image)
    if not side:
        return 0
    squares = _squares(image, _most_printed(ink, side), side)
    turns = (np.ascontiguousarray(np.rot90(squares, turn, axes=(1, 2))) for turn in range(4))
    return int(np.argmax([_legibility(tower.read(turned))[0] for turned in turns]))


def _square_side(image: NDArray[np.uint8]) -> int:
    return min(_SAMPLE_SIDE, *(_whole_patches(length) for length in image.shape))


def _whole_patches(pixels: float) -> int:
    return int(pixels) // PATCH_WIDTH * PATCH_WIDTH


def _squares(image: NDArray[np.uint8], places: list[tuple[int, int]], side: int) -> NDArray[np.uint8]:
    """(places, side, side), moved where they would reach out of the image."""
    height, width = image.shape
    corners = [(min(down, height - side), min(right, width - side)) for down, right in places]
    return np.stack([image[down : down + side, right : right + side] for down, right in corners])


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
