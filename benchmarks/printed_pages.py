"""Pages with known words, printed in ways that readers stumble over: what `benchmarks/mini.py` measures mini on.

Each page is drawn at 300 dpi in a face that mini was never trained on (Aileron, which Pillow carries; others where the
system has them), then spoilt as the case says. A word's box is in fractions of the page.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from pydoc_data.topics import topics

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from colvision.core.page import Box, Page, PdfGeometry

DPI = 300
LETTER, A3, SLIDE = (8.5, 11.0), (11.7, 16.5), (13.33, 7.5)  # inches, width and height
_GERMAN = """Der Ölstand wird bei kaltem Motor geprüft. Schließen Sie das Überdruckventil, bevor Sie die Förderhöhe
ändern. Größere Beschädigungen am Gehäuse müssen geschweißt werden. Das Kühlmittel läuft über den Rücklauf ab."""
_FRENCH = """Vérifiez le niveau après le démarrage. La clé à œil sert à desserrer l'écrou du côté extérieur. Fenêtre de
contrôle, pièce détachée, arrêt forcé, sécurité, mâchoire, élément, réglage, température, français."""
_SPANISH = """Presión máxima del depósito según la sección eléctrica. Compruebe el tamaño del tornillo y añada aceite.
La válvula está dañada, señal de alarma, motor pequeño, dirección, atención, cañería, avería, lámpara."""


@dataclass(frozen=True)
class PrintedPage:
    """A page and its words: folded to lower case, with all boxes on which each stands."""

    page: Page
    words: dict[str, list[Box]]


@dataclass(frozen=True)
class Case:
    """One way of printing. `query_word` turns a printed word into the one that is searched for."""

    name: str
    words: Callable[[random.Random], list[str]]
    points: float = 11
    size: tuple[float, float] = LETTER
    columns: int = 1
    dpi: int = 150
    ink: tuple[int, int] = (0, 255)  # grey of letters and of paper
    spoil: Callable[[Image.Image, np.random.Generator], Image.Image] | None = None
    turn: int = 0  # quarter turns, against the clock
    hyphens: bool = False
    moves: bool = False  # spoiling moves the words, so that their boxes are not known
    query_word: Callable[[str], str] | None = None


def draw_page(case: Case, seed: int) -> PrintedPage:
    """One page of a case."""
    rng = random.Random(seed)
    width, height = (round(side * DPI) for side in case.size)
    image = Image.new("L", (width, height), case.ink[1])
    boxes = _set(ImageDraw.Draw(image), case, rng)
    words: dict[str, list[Box]] = {}
    for text, places in boxes:
        parts = [Box(left / width, top / height, right / width, bottom / height) for left, top, right, bottom in places]
        words.setdefault(text, []).extend(_turned(part, case.turn) for part in parts)
    if case.turn:
        image = image.transpose(Image.Transpose(case.turn + 1))  # ROTATE_90, 180, 270 are 2, 3, 4
        width, height = image.size
    small = image.resize((width * case.dpi // DPI, height * case.dpi // DPI), Image.Resampling.BOX)
    if case.spoil is not None:
        small = case.spoil(small, np.random.default_rng(seed))
    geometry = PdfGeometry((0, 0, width * 72 / DPI, height * 72 / DPI))
    return PrintedPage(Page(small.convert("RGB"), geometry=geometry), words)


def _turned(box: Box, quarters: int) -> Box:
    for _ in range(quarters):
        box = Box(box.top, 1 - box.right, box.bottom, 1 - box.left)
    return box


_Place = tuple[float, float, float, float]


def _set(pen: ImageDraw.ImageDraw, case: Case, rng: random.Random) -> list[tuple[str, list[_Place]]]:
    """Sets words in columns from the top; returns each word with the places (two if it was broken) it stands on."""
    font = ImageFont.load_default(case.points * DPI / 72)
    line = case.points * DPI / 72 * 1.35
    margin, gap = 0.8 * DPI, 0.3 * DPI
    wide = (case.size[0] * DPI - 2 * margin - gap * (case.columns - 1)) / case.columns
    space = pen.textlength(" ", font)
    words = iter(case.words(rng))
    found = []
    for column in range(case.columns):
        left = margin + column * (wide + gap)
        x, y = left, margin
        while y + line < case.size[1] * DPI - margin:
            word = next(words, None)
            if word is None:
                return found
            length = pen.textlength(word, font)
            places = []
            if x + length > left + wide:
                half = len(word) // 2
                head = word[:half] + "-"
                if case.hyphens and len(word) > 7 and x + pen.textlength(head, font) <= left + wide:
                    places.append(_draw(pen, head, (x, y), font, case))
                    word_left = word[half:]
                else:
                    word_left = word
                x, y = left, y + line
                if y + line >= case.size[1] * DPI - margin:
                    break
                length = pen.textlength(word_left, font)
            else:
                word_left = word
            places.append(_draw(pen, word_left, (x, y), font, case))
            x += length + space
            if not case.hyphens or len(places) == 2:
                found.append((word, places))
    return found


def _draw(
    pen: ImageDraw.ImageDraw, text: str, at: tuple[float, float], font: ImageFont.FreeTypeFont, case: Case
) -> _Place:
    pen.text(at, text, case.ink[0], font)
    return pen.textbbox(at, text, font)


def running_text(rng: random.Random) -> list[str]:
    """Words of Python's own documentation from a random place on."""
    text = re.findall(r"[A-Za-z]+", topics[rng.choice(sorted(name for name in topics if len(topics[name]) > 8000))])
    start = rng.randrange(max(1, len(text) - 900))
    return text[start:] + text[:start]


def part_numbers(rng: random.Random) -> list[str]:
    """Codes as parts lists have them, among words."""
    shapes = ("{0}{1}{2}{3}{4}", "{5}{6}{0}{1}{2}", "{0}{1}{2}{5}{3}{4}", "{5}{0}{1}{2}{3}{6}")
    words = []
    for word in running_text(rng)[:900]:
        digits = [str(rng.randrange(10)) for _ in range(5)]
        letters = [rng.choice("ABCDEFGHKLMNPRSTUVWXZ") for _ in range(2)]
        words += [word, rng.choice(shapes).format(*digits, *letters)]
    return words


def words_of(text: str) -> Callable[[random.Random], list[str]]:
    """A page of the text's words, many times, in a random order."""

    def shuffled(rng: random.Random) -> list[str]:
        plain = [word.strip(".,") for word in text.split() if "'" not in word]
        return [word for _ in range(20) for word in rng.sample(plain, len(plain))]

    return shuffled


def _skew(angle: float) -> Callable[[Image.Image, np.random.Generator], Image.Image]:
    def turn(page: Image.Image, rng: np.random.Generator) -> Image.Image:
        return page.rotate(angle * float(rng.choice([-1, 1])), Image.Resampling.BICUBIC, fillcolor=255)

    return turn


def _fax(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Fine mode: 204 x 196 dots an inch, black or white."""
    small = page.resize((round(page.width * 204 / 200), round(page.height * 196 / 200)), Image.Resampling.BICUBIC)
    noisy = np.asarray(small, np.float32) + rng.normal(0, 35, (small.height, small.width))
    return Image.fromarray(np.where(noisy > 128, 255, 0).astype(np.uint8)).resize(page.size, Image.Resampling.BOX)


def _photograph(page: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Held slightly askew, out of focus, lit from one side."""
    width, height = page.size
    dx, dy = 0.015 * width, 0.015 * height
    corners = [(dx, 0), (0, height), (width - dx / 2, height - dy), (width, dy)]
    quad = [coordinate for corner in corners for coordinate in corner]
    askew = page.transform(page.size, Image.Transform.QUAD, quad, Image.Resampling.BICUBIC, fillcolor=200)
    light = np.linspace(1.0, 0.55, width)[None, :] * np.linspace(0.9, 1.0, height)[:, None]
    grey = np.asarray(askew.filter(ImageFilter.GaussianBlur(0.8)), np.float32) * light
    return Image.fromarray(np.clip(grey + rng.normal(0, 6, grey.shape), 0, 255).astype(np.uint8))


def _other_form(word: str) -> str:
    """The plural of a singular and the other way round."""
    return word[:-1] if word.endswith("s") else word + "s"


CASES = (
    Case("body text, 11 pt", running_text),
    Case("part numbers and codes", part_numbers),
    Case("9 pt", running_text, points=9),
    Case("7 pt", running_text, points=7),
    Case("5 pt", running_text, points=5),
    Case("headings, 24 pt", running_text, points=24),
    Case("three columns, 9 pt", running_text, points=9, columns=3),
    Case("white on black", running_text, ink=(255, 0)),
    Case("pale grey", running_text, ink=(150, 235)),
    Case("skewed by 1.5 degrees", running_text, spoil=_skew(1.5), moves=True),
    Case("skewed by 3 degrees", running_text, spoil=_skew(3), moves=True),
    Case("on its side", running_text, turn=1),
    Case("on its head", running_text, turn=2),
    Case("words broken at line ends", running_text, points=12, columns=3, hyphens=True),
    Case("asked for in the other number", running_text, query_word=_other_form),
    Case("German", words_of(_GERMAN)),
    Case("French", words_of(_FRENCH)),
    Case("Spanish", words_of(_SPANISH)),
    Case("A3", running_text, size=A3),
    Case("slide, 28 pt", running_text, size=SLIDE, points=28),
    Case("fax, 1 bit", running_text, dpi=200, spoil=_fax),
    Case("photographed", running_text, spoil=_photograph, moves=True),
    Case("100 dpi", running_text, dpi=100),
    Case("200 dpi", running_text, dpi=200),
    Case("300 dpi", running_text, dpi=300),
)
