"""From a labelled page to what a training step takes: a turned, scaled, degraded crop and its targets."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colvision.encoders.mini.geometry import LETTER_WIDTH, PATCH_HEIGHT, PATCH_WIDTH
from colvision.encoders.mini.training.degrade import degrade
from colvision.encoders.mini.training.labelled_page import LabelledPage
from colvision.encoders.mini.words import fold

SIDE = 512  # pixels of a crop: 32 x 16 patches
ROWS, COLS = SIDE // PATCH_HEIGHT, SIDE // PATCH_WIDTH
UNKNOWN = -100  # letter target that the loss leaves out
_SCALE = (0.65, 1.5)  # of the 98 dpi that the encoder sees
_MOST_TURN = 2.0  # degrees
_INK = 48  # grey levels between the darkest and the lightest pixel of a patch that has print
_EDGE = 3.0  # pixels: a line whose middle is so near a row's edge is nobody's mistake in the next row


class Crop(NamedTuple):
    """Pixels and targets. `pairs` (n, 2) are (patch, word): the word's middle half lies on the patch."""

    image: NDArray[np.uint8]  # (SIDE, SIDE)
    letters: NDArray[np.int8]  # (ROWS, SIDE / LETTER_WIDTH): 0 none, else ASCII - 32, UNKNOWN
    ink: NDArray[np.bool_]  # (ROWS, COLS)
    words: list[str]
    pairs: NDArray[np.int32]
    neutral: NDArray[np.int32]  # (m, 2): count neither way


def cut_crop(page: LabelledPage, dpi: float, rng: np.random.Generator) -> Crop | None:
    """A random place of the page; `dpi` is what it was drawn at. None where there is next to nothing."""
    scale = 98.0 / dpi * float(np.exp(rng.uniform(*np.log(_SCALE))))
    reach = SIDE / scale  # side of the crop in the page's pixels
    height, width = page.image.shape
    left = rng.uniform(min(0, width - reach), max(0, width - reach))
    top = rng.uniform(min(0, height - reach), max(0, height - reach))
    angle = float(np.clip(rng.normal(0, 0.7), -_MOST_TURN, _MOST_TURN))
    clean = _cut_image(page.image, (left, top, reach), angle)
    boxes = _move(page.boxes, (left, top, scale), angle)
    inside = _inside(boxes)
    if inside.sum() < 20:
        return None
    letters = _letters(page.codes[inside], boxes[inside])
    tiles = clean.reshape(ROWS, PATCH_HEIGHT, COLS, PATCH_WIDTH)
    ink = np.ptp(tiles, axis=(1, 3)) > _INK
    words, pairs, neutral = _pairs(page, (left, top, scale), angle)
    return Crop(degrade(clean, rng), letters, ink, words, pairs, neutral)


def _cut_image(pixels: NDArray[np.uint8], place: tuple[float, float, float], angle: float) -> NDArray[np.uint8]:
    left, top, reach = place
    height, width = pixels.shape
    x0, y0 = math.floor(left), math.floor(top)
    x1, y1 = math.floor(left + reach) + 1, math.floor(top + reach) + 1
    paper = int(np.median(pixels[:: max(1, height // 32), :: max(1, width // 32)]))
    region = np.full((y1 - y0, x1 - x0), paper, np.uint8)
    sx, sy, ex, ey = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    region[sy - y0 : ey - y0, sx - x0 : ex - x0] = pixels[sy:ey, sx:ex]
    box = (left - x0, top - y0, min(left - x0 + reach, x1 - x0), min(top - y0 + reach, y1 - y0))
    image = Image.fromarray(region).resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    if abs(angle) > 0.05:
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=paper)
    return np.asarray(image)


def _move(boxes: NDArray[np.float32], place: tuple[float, float, float], angle: float) -> NDArray[np.float32]:
    """Boxes on the page -> boxes on the crop; a box keeps its size and its middle turns."""
    left, top, scale = place
    boxes = (boxes - np.array([left, top, left, top], np.float32)) * np.float32(scale)
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    middle = (boxes[:, 2:] + boxes[:, :2]) / 2 - SIDE / 2
    turn = np.deg2rad(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    turned = np.stack([cos * middle[:, 0] + sin * middle[:, 1], cos * middle[:, 1] - sin * middle[:, 0]], 1) + SIDE / 2
    return np.concatenate([turned - half, turned + half], axis=1).astype(np.float32)


def _inside(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: NDArray[np.bool_] = np.logical_and(middle >= 0, middle < SIDE).min(axis=1)
    return inside


def _letters(codes: NDArray[np.int32], boxes: NDArray[np.float32]) -> NDArray[np.int8]:
    target = np.zeros((ROWS, SIDE // LETTER_WIDTH), dtype=np.int8)
    distance = np.full(target.shape, np.inf)
    for code, (left, top, right, bottom) in zip(codes.tolist(), boxes.tolist(), strict=True):
        row = int((top + bottom) / 2 / PATCH_HEIGHT)
        middle = (left + right) / 2
        first = min(int(np.ceil(left / LETTER_WIDTH - 0.5)), int(middle / LETTER_WIDTH))
        last = max(int(np.floor(right / LETTER_WIDTH - 0.5)), int(middle / LETTER_WIDTH))
        for col in range(max(first, 0), min(last + 1, target.shape[1])):
            far = abs((col + 0.5) * LETTER_WIDTH - middle)
            if far < distance[row, col]:
                distance[row, col] = far
                target[row, col] = _letter_class(code)
    return target


def _letter_class(code: int) -> int:
    if 32 < code < 127:
        return code - 32
    plain = fold(chr(code))
    if len(plain) == 1 and plain.isascii() and plain.isalnum():
        return ord(plain.upper() if chr(code).isupper() else plain) - 32
    return UNKNOWN


def _pairs(
    page: LabelledPage, place: tuple[float, float, float], angle: float
) -> tuple[list[str], NDArray[np.int32], NDArray[np.int32]]:
    names: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    neutral: list[tuple[int, int]] = []
    if page.words:
        boxes = _move(np.array([word[1:] for word in page.words], np.float32), place, angle)
        for index in np.flatnonzero(_inside(boxes)).tolist():
            left, top, right, bottom = boxes[index].tolist()
            word = names.setdefault(page.words[index].text, len(names))
            quarter = (right - left) / 4
            first, last = int((left + quarter) / PATCH_WIDTH), int((right - quarter) / PATCH_WIDTH)
            middle = (top + bottom) / 2
            row = int(middle / PATCH_HEIGHT)
            outer = range(max(0, int(left / PATCH_WIDTH)), min(COLS, int(right / PATCH_WIDTH) + 1))
            for col in outer:
                (pairs if first <= col <= last else neutral).append((row * COLS + col, word))
            for near in {int((middle - _EDGE) / PATCH_HEIGHT), int((middle + _EDGE) / PATCH_HEIGHT)} - {row}:
                if 0 <= near < ROWS:
                    neutral.extend((near * COLS + col, word) for col in outer)
    return list(names), np.array(pairs, np.int32).reshape(-1, 2), np.array(neutral, np.int32).reshape(-1, 2)
