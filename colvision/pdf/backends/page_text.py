"""The text layer of a PDF page, as far as it is seen on the drawn page. Runs in the worker process only.

Letters without ink under them are on a hidden layer, white on white, or behind something: nobody sees them, so they are
no text of the page. Those of a font that is neither in the file nor here are: another machine shows them. The invisible
text over a picture is what a program has read on it.
"""

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from colvision.core.health import Note
from colvision.core.page import PrintedWord
from colvision.pdf.backends import pdfium_calls as calls
from colvision.pdf.backends.drawn import Bounds, DrawnPage, Place
from colvision.pdf.backends.page_objects import PageObjects, is_invisible, layer_of, pointer
from colvision.pdf.backends.page_words import LINE_HYPHEN, read_words

MAX_TEXT_CHARACTERS = 1_000_000  # of a page's text layer; a page crowded with small print has 20,000

_MAX_LETTERS = 50_000  # whose ink is looked for one by one: 0.3 s
_LEAST_STROKE = 0.1  # points
_THIN = 6  # pixels; a line that is drawn lower, and is no dot, may have lost its letters to a missing font
_PROBED_LETTERS = 4  # of a text object, whose ink is looked for
_SAMPLED_LETTERS = 200
_LINE_HYPHEN = re.compile(LINE_HYPHEN + r"\s*")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_EMPTY_LINES = re.compile("\n\\s*\n")
_MAX_NAME = 60  # characters
_LEAST_UNSEEN = 4  # letters of a page: of a single sign in a formula PDFium may not know the place
_WHITE = 250  # of 255, from which a colour is none to print with


@dataclass(frozen=True, slots=True)
class TextLayer:
    """`print_height` and `words` as in `Page`."""

    text: str = ""
    print_height: float | None = None
    notes: tuple[Note, ...] = ()
    words: tuple[PrintedWord, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """The letters of one text object; its address is 0 for the spaces that PDFium adds."""

    start: int
    length: int
    raw: int

    @property
    def letters(self) -> range:
        return range(self.start, self.start + self.length)


def read_text_layer(page: pdfium.PdfPage, objects: PageObjects, drawn: DrawnPage) -> TextLayer:
    """Within the visible box: plain lines, words broken at line ends joined, no control characters."""
    layer = page.get_textpage()
    try:
        count = layer.count_chars()
        if not count:
            return TextLayer()
        lines = [layer.get_rect(number) for number in range(min(layer.count_rects(), _MAX_LETTERS))]
        places = [place for line in lines if (place := drawn.place(line))]
        print_height = _print_height(layer, drawn)
        hidden = objects.hidden_layers()
        is_thin = any(_is_thin(line, drawn.scale) for line in lines)
        if count > _MAX_LETTERS or not (hidden or is_thin or not all(map(drawn.has_ink, places))):
            return TextLayer(_clean(layer.get_text_bounded()), print_height, words=read_words(layer, drawn))
        pictures = objects.picture_places(drawn)
        return replace(_seen_text(layer, drawn, hidden, pictures), print_height=print_height)
    finally:
        layer.close()


def _seen_text(layer: pdfium.PdfTextPage, drawn: DrawnPage, hidden: frozenset[int], pictures: list[Place]) -> TextLayer:
    kept, fonts, unseen = [], set(), 0
    left_out: list[range] = []
    page_text, boxes = _PageText(layer), _LetterBoxes(layer)
    for run in _runs(layer):
        text = page_text.range(run.start, run.length)
        if not run.raw or not text.strip():
            kept.append(text)
            continue
        letters = [run.start + place for place, letter in enumerate(text) if not letter.isspace()]
        probed = letters[:: -(-len(letters) // _PROBED_LETTERS)]
        places = [place for number in probed if (place := drawn.place(boxes.bounds(number)))]
        if run.raw in hidden:
            unseen += sum(map(str.isalnum, text))
            left_out.append(run.letters)
        elif not places:  # beside the visible box
            continue
        elif _has_ink(places, drawn) or (is_invisible(run.raw) and _lies_on(places[0], pictures)):
            kept.append(text)
        elif font := _missing_font(run.raw, text):
            kept.append(text)
            fonts.add(font)
        else:
            unseen += sum(map(str.isalnum, text))
            left_out.append(run.letters)
    has_unseen = unseen >= _LEAST_UNSEEN
    # Where all is kept, PDFium itself knows better which runs share a line.
    shown = _EMPTY_LINES.sub("\n", _clean("".join(kept))).strip() if has_unseen else _clean(layer.get_text_bounded())
    words = read_words(layer, drawn, left_out if has_unseen else ())
    return TextLayer(shown, notes=_notes(fonts, has_unseen=has_unseen), words=words)


def _has_ink(places: list[Place], drawn: DrawnPage) -> bool:
    """Of most letters."""
    most = (len(places) + 1) // 2
    return sum(1 for _ in islice(filter(drawn.has_ink, places), most)) == most


def _lies_on(letter: Place, pictures: list[Place]) -> bool:
    x, y = letter[:2]
    return any(left <= x < right and top <= y < bottom for left, top, right, bottom in pictures)


def _notes(fonts: set[str], *, has_unseen: bool) -> tuple[Note, ...]:
    notes = []
    if has_unseen:
        text = "has text that is not seen on it (on a hidden layer, without ink, or behind something) and not searched"
        notes.append(Note("hidden", text))
    if fonts:
        names = ", ".join(sorted(fonts)[:3])
        where = "neither in the file nor on this machine"
        notes.append(Note("fonts", f"has text that is not drawn, in fonts that are {where} ({names}): install them"))
    return tuple(notes)


def _runs(layer: pdfium.PdfTextPage) -> Iterator[_Run]:
    handle, start = calls.address(layer.raw), 0
    for raw, run in groupby(calls.letter_object(handle, number) for number in range(layer.count_chars())):
        length = sum(1 for _ in run)
        yield _Run(start, length, raw or 0)
        start += length


class _PageText:
    """The text of a page, fetched once; `range` is `PdfTextPage.get_text_range`, which fetches a part of it."""

    def __init__(self, layer: pdfium.PdfTextPage) -> None:
        self._handle = calls.address(layer.raw)
        count = layer.count_chars()
        buffer = (ctypes.c_ushort * (count + 1))()
        length = pdfium_c.FPDFText_GetText(layer, 0, count, buffer) - 1
        self._text = bytes(buffer)[: 2 * max(length, 0)]

    def range(self, start: int, length: int) -> str:
        """Of so many letters from one on; some of them may have no place in the text."""
        end = start + length
        while start < end and (first := calls.letter_offset(self._handle, start)) < 0:
            start += 1
        while start < end and (last := calls.letter_offset(self._handle, end - 1)) < 0:
            end -= 1
        if start == end:
            return ""
        return self._text[2 * first : 2 * min(last + 1, first + end - start)].decode("utf-16-le", "ignore")


class _LetterBoxes:
    """Where the letters of a page are."""

    def __init__(self, layer: pdfium.PdfTextPage) -> None:
        self._handle = calls.address(layer.raw)
        self._edges = [ctypes.c_double() for _ in range(4)]
        self._loose = pdfium_c.FS_RECTF()
        self._into = [ctypes.byref(edge) for edge in self._edges]

    def bounds(self, number: int) -> Bounds:
        """Of a letter's strokes; of its place in the line, where the font has none."""
        calls.letter_box(self._handle, number, *self._into)
        left, right, bottom, top = (edge.value for edge in self._edges)
        if top - bottom >= _LEAST_STROKE and right - left >= _LEAST_STROKE:
            return left, bottom, right, top
        calls.letter_place(self._handle, number, ctypes.byref(self._loose))
        return self._loose.left, self._loose.bottom, self._loose.right, self._loose.top


def _missing_font(raw: int, text: str) -> str:
    """The name of the text's font where it would be drawn, had this machine its letters; else empty."""
    handle = pdfium_c.FPDFTextObj_GetFont(pointer(raw))
    if not handle:
        return ""
    font = pdfium.PdfFont(handle)
    colour = [ctypes.c_uint() for _ in range(4)]
    pdfium_c.FPDFPageObj_GetFillColor(pointer(raw), *colour)
    *rgb, alpha = (value.value for value in colour)
    if font.is_embedded or is_invisible(raw) or layer_of(raw) is not None or min(rgb) >= _WHITE or not alpha:
        return ""
    letters = [ord(letter) for letter in dict.fromkeys(text) if not letter.isspace()][:20]
    missing = sum(not pdfium_c.FPDFFont_GetGlyphPath(font, letter, 12.0) for letter in letters)
    return printable(font.get_base_name()) if 2 * missing > len(letters) else ""


def _is_thin(line: Bounds, scale: float) -> bool:
    shorter, longer = sorted(((line[2] - line[0]) * scale, (line[3] - line[1]) * scale))
    return shorter < _THIN and longer >= 2 * _THIN


def _print_height(layer: pdfium.PdfTextPage, drawn: DrawnPage) -> float | None:
    """The size of the font of the middle one of some letters all over the text, in pixels."""
    handle, count, heights, matrix = calls.address(layer.raw), layer.count_chars(), [], pdfium_c.FS_MATRIX()
    for number in range(0, count, max(1, count // _SAMPLED_LETTERS)):
        if not chr(calls.letter_code(handle, number)).isspace():
            calls.letter_matrix(handle, number, ctypes.byref(matrix))
            size = calls.letter_size(handle, number) * math.hypot(matrix.c, matrix.d)
            heights.append(size * drawn.scale)
    middle = sorted(heights)[len(heights) // 2] if heights else 0.0
    return middle if 0 < middle < math.inf else None


def printable(text: str) -> str:
    """A name from a file, fit to be shown."""
    return "".join(letter for letter in text if letter.isprintable())[:_MAX_NAME]


def _clean(text: str) -> str:
    text = _LINE_HYPHEN.sub("", text[:MAX_TEXT_CHARACTERS]).replace("\r\n", "\n")
    return _CONTROL.sub("", text)
