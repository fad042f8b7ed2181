"""Pages made from nothing: words set in many fonts, in columns, tables, labels, headings and boxes.

They hold what real training pages have little of: other typefaces, part numbers, made-up words, light on dark.
"""

import string
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fontTools.ttLib import TTFont, TTLibError
from numpy.typing import NDArray
from PIL import ImageFont

from colvision.encoders.mini.training.labelled_page import (
    LabelledPage,
    LabelledWord,
    broken_word,
    line_extent,
    printed_words,
)

DPI = 130  # of a generated page
_HEIGHT, _WIDTH = 1430, 1105  # pixels: US Letter
_BASE_SIZE = 17  # pixels of the middle font size: 9.4 pt
_SHORTEST_PART = 3  # letters of a word that are left on a line
_LETTERS = string.ascii_letters + string.digits + string.punctuation
_HELD_OUT = ("b612", "quicksand", "Courier Prime", "carlito", "oldstandard")  # never trained on: the floor test's fonts


class Glyph(NamedTuple):
    """A letter's darkness and where it stands, in pixels from the pen on the base line."""

    ink: NDArray[np.uint8]  # (height, width), 255 = full ink
    left: int
    top: int
    advance: float


def find_fonts(folders: Sequence[Path], *, held_out: bool = False) -> list[Path]:
    """Text fonts with all of ASCII below `folders`; the held-out families apart."""
    paths = sorted({path for folder in folders for end in ("ttf", "otf") for path in folder.rglob(f"*.{end}")})
    return [path for path in paths if _is_held_out(path) == held_out and _sets_ascii(path)]


def _is_held_out(path: Path) -> bool:
    return any(name.replace(" ", "").casefold() in path.name.casefold() for name in _HELD_OUT)


def _sets_ascii(path: Path) -> bool:
    try:
        with TTFont(path, lazy=True) as font:
            known = font.getBestCmap() or {}
        ImageFont.truetype(path, _BASE_SIZE)  # a font of bitmaps has other sizes, or none
    except (TTLibError, OSError, ValueError, KeyError, AttributeError, AssertionError):
        return False
    symbols = ("math", "symbol", "emoji", "dingbat", "icons", "display")
    return all(ord(c) in known for c in _LETTERS + "äöüéñß") and not any(s in path.name.casefold() for s in symbols)


@lru_cache(maxsize=30_000)
def _glyph(font: Path, size: int, letter: str) -> Glyph:
    face = _face(font, size)
    mask, (left, top) = face.getmask2(letter, mode="L", anchor="ls")
    width, height = mask.size
    ink = np.array(mask, dtype=np.uint8).reshape(height, width) if width and height else np.zeros((0, 0), np.uint8)
    return Glyph(ink, int(left), int(top), face.getlength(letter))


@lru_cache(maxsize=400)
def _face(font: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font, size)


class PageCanvas:
    """A page while it is drawn: ink, letters and words so far."""

    def __init__(self) -> None:
        self.ink = np.zeros((_HEIGHT, _WIDTH), np.uint8)
        self.codes: list[int] = []
        self.boxes: list[tuple[float, float, float, float]] = []
        self.words: list[LabelledWord] = []

    def draw_token(self, text: str, x: float, base: int, font: Path, size: int) -> float:
        """Draws one blank-free token with its pen at (x, base); returns where the pen ends."""
        boxes = []
        high, low = line_extent(base, size)
        for letter in text:
            glyph = _glyph(font, size, letter)
            left, top = round(x) + glyph.left, base + glyph.top
            height, width = glyph.ink.shape
            if left < 0 or top < 0 or left + width > _WIDTH or top + height > _HEIGHT:
                return x
            place = self.ink[top : top + height, left : left + width]
            np.maximum(place, glyph.ink, out=place)
            boxes.append((left, high, left + max(width, 1), low))
            x += glyph.advance
        self.codes.extend(map(ord, text))
        self.boxes.extend(boxes)
        self.words.extend(printed_words(text, np.array(boxes, dtype=np.float32)))
        return x

    def draw_rest(self, broken: "_BrokenWord", x: float, base: int, font: Path, size: int) -> float:
        """Draws the second part of a broken word, and says where the word lies."""
        begin = len(self.boxes)
        end = self.draw_token(broken.second, x, base, font, size)
        boxes = np.array([*broken.boxes, *self.boxes[begin:]], dtype=np.float32)
        if len(boxes) == len(broken.first) + len(broken.second):
            self.words.extend(broken_word(broken.first, broken.second, boxes))
        return end


class _BrokenWord(NamedTuple):
    """A word of which the first part stands at a line's end, and where its letters stand."""

    first: str
    second: str
    boxes: list[tuple[float, float, float, float]]


def _width(token: str, font: Path, size: int) -> float:
    return sum(_glyph(font, size, letter).advance for letter in token)


class PageGenerator:
    """Draws labelled pages: `running_text` are tokens in reading order, `words` single words, `fonts` files."""

    def __init__(self, fonts: Sequence[Path], words: Sequence[str], running_text: Sequence[str]) -> None:
        if not fonts or not words:
            raise ValueError(f"{len(fonts)} fonts and {len(words)} words: install some of each to generate pages")
        self._fonts, self._words, self._running_text = fonts, words, running_text or words

    def labelled_page(self, rng: np.random.Generator) -> LabelledPage:
        """One page, of one to three columns with a style each."""
        canvas = PageCanvas()
        columns = int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))
        margin, gap = int(rng.uniform(20, 90)), int(rng.uniform(20, 50))
        width = (_WIDTH - 2 * margin - (columns - 1) * gap) // columns
        for number in range(columns):
            left = margin + number * (width + gap)
            self._draw_column(canvas, left, left + width, rng)
        _draw_rules(canvas, rng)
        paper = int(rng.uniform(225, 256))
        dark = int(rng.uniform(0, 90))
        image = (paper - canvas.ink.astype(np.float32) * ((paper - dark) / 255)).astype(np.uint8)
        _draw_bands(image, rng)
        codes, boxes = np.array(canvas.codes, np.int32), np.array(canvas.boxes, np.float32).reshape(-1, 4)
        return LabelledPage(image, codes, boxes, canvas.words)

    def _draw_column(self, canvas: PageCanvas, left: int, right: int, rng: np.random.Generator) -> None:
        y = int(rng.uniform(30, 80))
        while y < _HEIGHT - 40:
            size = int(np.clip(rng.lognormal(np.log(_BASE_SIZE), 0.28), 9, 40))
            if rng.random() < 0.15:
                size = int(min(60, size * rng.uniform(1.3, 2.2)))
            font = self._fonts[int(rng.integers(len(self._fonts)))]
            style = rng.choice(["text", "table", "words", "codes"], p=[0.35, 0.15, 0.15, 0.35])
            tokens = self._tokens(str(style), rng)
            leading = size * rng.uniform(1.1, 1.55)
            broken: _BrokenWord | None = None
            for _ in range(int(rng.integers(1, 9))):
                y += round(leading)
                if y > _HEIGHT - 30:
                    return
                broken = self._draw_line(canvas, tokens, broken, (left, right, y), (font, size), str(style), rng)
            y += round(rng.uniform(0.2, 1.6) * size)

    def _draw_line(
        self,
        canvas: PageCanvas,
        tokens: Iterator[str],
        broken: "_BrokenWord | None",
        place: tuple[int, int, int],
        face: tuple[Path, int],
        style: str,
        rng: np.random.Generator,
    ) -> "_BrokenWord | None":
        """Draws the rest of the last line's last word, and words until the line is full; returns one that is broken."""
        left, right, base = place
        font, size = face
        space = size * rng.uniform(0.22, 0.4)
        x = left + (rng.uniform(0, 0.5) * (right - left) if rng.random() < 0.1 else 0)
        if broken is not None:
            x = canvas.draw_rest(broken, left, base, font, size) + space
        for token in tokens:
            if x + _width(token, font, size) > right:
                return self._break_word(canvas, token, (x, right, base), face, rng)
            x = canvas.draw_token(token, x, base, font, size) + space
            if style == "table" and rng.random() < 0.6:
                x += size * rng.uniform(1, 5)
        return None

    def _break_word(
        self,
        canvas: PageCanvas,
        token: str,
        place: tuple[float, int, int],
        face: tuple[Path, int],
        rng: np.random.Generator,
    ) -> "_BrokenWord | None":
        """Draws the first part of a word that the line has no room for, with a hyphen, where that fits."""
        x, right, base = place
        font, size = face
        if not token.isalpha() or len(token) < 2 * _SHORTEST_PART:
            return None
        first = int(rng.integers(_SHORTEST_PART, len(token) - _SHORTEST_PART + 1))
        if x + _width(token[:first] + "-", font, size) > right:
            return None
        begin = len(canvas.boxes)
        canvas.draw_token(token[:first] + "-", x, base, font, size)
        return _BrokenWord(token[:first], token[first:], canvas.boxes[begin : begin + first])

    def _tokens(self, style: str, rng: np.random.Generator) -> Iterator[str]:
        case = rng.random()
        start = int(rng.integers(len(self._running_text)))
        while True:
            if style == "text":
                token = self._running_text[start % len(self._running_text)]
                start += 1
            elif style == "codes" or rng.random() < 0.2:
                token = _random_code(rng)
            else:
                token = self._words[int(rng.integers(len(self._words)))]
            if rng.random() < 0.03:
                token = _random_word(rng)
            if case < 0.1:
                token = token.upper()
            elif case < 0.2:
                token = token.capitalize()
            yield token


def _random_code(rng: np.random.Generator) -> str:
    """A part number, a version, a size, a date, a path: what people look up letter by letter."""
    pattern = str(
        rng.choice(
            ["A-0000", "AA00", "000.00", "00/00", "A0", "0000", "AAA-000-A", "0.0.0", "aaa.aaa", "aa_aaa", "--aaaa",
             "00-00-0000", "A00000", "000", "0,00", "M0x00", "aaaa/aaa", "AA-00.000", "a0a0", "(00)", "000V", "00mm",
             "00000AA", "AA00000", "000AA0", "A0000-00", "AAA0000A", "A0A0A0", "000000"]
        )
    )  # fmt: skip
    kinds = {"A": string.ascii_uppercase, "a": string.ascii_lowercase, "0": string.digits}
    return "".join(kinds[c][int(rng.integers(len(kinds[c])))] if c in kinds else c for c in pattern)


def _random_word(rng: np.random.Generator) -> str:
    length = int(rng.integers(2, 12))
    return "".join(string.ascii_lowercase[i] for i in rng.integers(0, 26, length))


def _draw_rules(canvas: PageCanvas, rng: np.random.Generator) -> None:
    """Lines and boxes across the page, and blocks of pattern that are no text."""
    for _ in range(int(rng.integers(0, 9))):
        y, x = int(rng.integers(10, _HEIGHT - 10)), int(rng.integers(10, _WIDTH - 10))
        thick, dark = int(rng.integers(1, 4)), int(rng.integers(120, 256))
        if rng.random() < 0.6:
            canvas.ink[y : y + thick, x : x + int(rng.integers(100, 1000))] = dark
        else:
            canvas.ink[y : y + int(rng.integers(60, 800)), x : x + thick] = dark
    if rng.random() < 0.25:
        _draw_texture(canvas, rng)


def _draw_texture(canvas: PageCanvas, rng: np.random.Generator) -> None:
    height, width = int(rng.integers(60, 260)), int(rng.integers(60, 400))
    y, x = int(rng.integers(0, _HEIGHT - height)), int(rng.integers(0, _WIDTH - width))
    grain = int(rng.integers(1, 12))
    noise = rng.integers(0, 256, (height // grain + 1, width // grain + 1), dtype=np.uint8)
    block = np.kron(noise, np.ones((grain, grain), np.uint8))[:height, :width]
    canvas.ink[y : y + height, x : x + width] = block
    covered = [y < (b[1] + b[3]) / 2 < y + height and x - 8 < (b[0] + b[2]) / 2 < x + width + 8 for b in canvas.boxes]
    keep = [i for i, hidden in enumerate(covered) if not hidden]
    canvas.codes, canvas.boxes = [canvas.codes[i] for i in keep], [canvas.boxes[i] for i in keep]
    canvas.words = [w for w in canvas.words if w.bottom < y or w.top > y + height or w.right < x or w.left > x + width]


def _draw_bands(image: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Light on dark, and tinted grounds."""
    for _ in range(int(rng.integers(0, 3))):
        y, x = int(rng.integers(0, _HEIGHT - 200)), int(rng.integers(0, _WIDTH - 200))
        block = image[y : y + int(rng.integers(30, 200)), x : x + int(rng.integers(200, _WIDTH))]
        if rng.random() < 0.5:
            np.subtract(255, block, out=block)
        else:
            np.multiply(block, rng.uniform(0.65, 0.95), out=block, casting="unsafe")
