"""Where a page is blank, so that margins and the space between blocks are not read.

Print is where grey changes and changes back within a few pixels: means of 4 x 4 pixels that differ from their two
neighbours, across or along. Shadows and paper do not, noise is averaged away, a speck reaches few such means.
The constants leave .58 (clean), .63 (light scans) and .59 (heavy ones) of 30 training pages to be read, and lose one
in 27,000 patches on which letters are named.
"""

import numpy as np
from numpy.typing import NDArray

from colvision.encoders.mini.geometry import PATCH_HEIGHT, PATCH_WIDTH

_SIDE = 4  # pixels
_SPECKS = 4  # means of a patch that may stand out without being print: a speck of 2 x 2 pixels touches up to four
_NOISE_QUANTILE, _NOISE_TIMES = 0.1, 5.0  # a tenth of every page's patches is blank
_LEAST, _MOST = 5.0, 12.0  # grey levels: above the noise of a clean scan; below the palest print on a dense page
_MARGIN = 1  # patches around print, which the tower sees it in


def find_print(image: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """(height, width) grey in whole patches -> the rows and the columns of patches that have print, or are beside it.

    A blank page keeps one of each.
    """
    contrast = _contrast(image)
    noise = float(np.quantile(contrast, _NOISE_QUANTILE)) * _NOISE_TIMES
    printed: NDArray[np.bool_] = contrast > min(max(noise, _LEAST), _MOST)
    rows, cols = (np.logical_or.reduce(printed, axis=axis) for axis in (1, 0))
    return _with_margin(rows), _with_margin(cols)


def _contrast(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(rows, cols): how far means lie from their neighbours', in grey levels, a patch's few largest passed over."""
    height, width = image.shape
    means = image.reshape(height // _SIDE, _SIDE, width // _SIDE, _SIDE).mean(axis=(1, 3), dtype=np.float32)
    padded = np.pad(means, 1, mode="edge")
    down = np.abs(padded[:-2, 1:-1] + padded[2:, 1:-1] - 2 * means)
    across = np.abs(padded[1:-1, :-2] + padded[1:-1, 2:] - 2 * means)
    rows, cols = height // PATCH_HEIGHT, width // PATCH_WIDTH
    by_patch = np.maximum(down, across).reshape(rows, PATCH_HEIGHT // _SIDE, cols, PATCH_WIDTH // _SIDE) / 2
    flat = by_patch.transpose(0, 2, 1, 3).reshape(rows, cols, -1)
    found: NDArray[np.float32] = np.partition(flat, -1 - _SPECKS, axis=-1)[..., -1 - _SPECKS]
    return found


def _with_margin(printed: NDArray[np.bool_]) -> NDArray[np.intp]:
    near = np.convolve(printed, np.ones(2 * _MARGIN + 1))[_MARGIN : _MARGIN + len(printed)] > 0
    return np.flatnonzero(near) if printed.any() else np.array([0])
