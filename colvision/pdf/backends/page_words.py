"""The words of a PDF page's text layer, and where they stand. Runs in the worker process only."""

import ctypes
import re
from collections.abc import Iterable, Iterator

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from colvision.core.page import PrintedWord
from colvision.pdf.backends import pdfium_calls as calls
from colvision.pdf.backends.drawn import Bounds, DrawnPage
from colvision.pdf.sandbox.protocol import MAX_WORDS

LINE_HYPHEN = "[\x02\ufffe]"  # PDFium's marks for a word that is broken at the end of a line
_WORD = re.compile(rf"(?:{LINE_HYPHEN}\s*|\S)+")
_BROKEN = re.compile(rf"{LINE_HYPHEN}\s*")
_UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


def read_words(layer: pdfium.PdfTextPage, drawn: DrawnPage, unseen: Iterable[range] = ()) -> tuple[PrintedWord, ...]:
    """In the order of the layer, without the letters that are `unseen`; those beside the visible box are left out.

    A word that is broken at the end of a line is whole, and stands where its first part does.
    """
    handle = calls.address(layer.raw)
    letters = _letters(layer, handle)
    for numbers in unseen:
        letters[numbers.start : numbers.stop] = " " * len(numbers)
    return tuple(_words(handle, "".join(letters), drawn))


def _letters(layer: pdfium.PdfTextPage, handle: int) -> list[str]:
    """By PDFium's numbers: its text has one unit a letter, unless some letters have none or two."""
    count = layer.count_chars()
    buffer = (ctypes.c_ushort * (count + 1))()
    length = pdfium_c.FPDFText_GetText(layer, 0, count, buffer) - 1
    if length == count and calls.letter_offset(handle, count - 1) == count - 1:
        return list(bytes(buffer)[: 2 * count].decode("utf-16-le", "surrogatepass")[:count].ljust(count))
    return [chr(calls.letter_code(handle, number)) for number in range(count)]


def _words(handle: int, letters: str, drawn: DrawnPage) -> Iterator[PrintedWord]:
    count, place = 0, _LetterPlace(handle)
    for found in _WORD.finditer(letters):
        text = _UNFIT.sub("", _BROKEN.sub("", found[0]))
        broken = _BROKEN.search(found[0])
        end = found.start() + broken.start() if broken and broken.start() else found.end()
        box = drawn.fractions(_union(place(found.start()), place(end - 1)))
        if text and box is not None:
            yield PrintedWord(text, box)
            count += 1
            if count == MAX_WORDS:
                return


def _union(first: Bounds, last: Bounds) -> Bounds:
    return min(first[0], last[0]), min(first[1], last[1]), max(first[2], last[2]), max(first[3], last[3])


class _LetterPlace:
    """Where a letter stands in its line: as high as its font is."""

    def __init__(self, handle: int) -> None:
        self._handle, self._box = handle, pdfium_c.FS_RECTF()
        self._into = ctypes.byref(self._box)

    def __call__(self, number: int) -> Bounds:
        calls.letter_place(self._handle, number, self._into)
        return self._box.left, self._box.bottom, self._box.right, self._box.top
