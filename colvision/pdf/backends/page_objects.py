"""The objects of a PDF page as PDFium holds them: pictures that it cannot decode, text on layers that are not shown."""

import ctypes
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from colvision.pdf.backends import pdfium_calls as calls
from colvision.pdf.backends.drawn import Bounds, DrawnPage, Place

_MAX_OBJECTS = 5000  # looked at on a page: forms within forms can hold a thousand million
_PICTURE_SECONDS = 3.0  # of processor time, for decoding pictures of a page to see whether they can be
_MAX_DARK_PIXELS = 16_000_000  # of a picture whose place is dark: it is there, or its stream breaks off
_TOO_MANY_PIXELS = 2**30  # for any renderer
_LEAST_SIDE = 12  # pixels; a picture that is drawn smaller is not missed
_LAYER_SECONDS = 3.0  # of processor time, for drawing a page without one layer after the other
_CELL_POINTS = 12.0  # text in one such square of a page is taken for text at one place
_LAYER_PIXELS = 300_000  # of such a drawing: print of 6 pt still leaves a mark
_WHOLE_FILTERS = {"FlateDecode", "LZWDecode", "RunLengthDecode", "ASCII85Decode", "ASCIIHexDecode"}
_INVISIBLE = (pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE, pdfium_c.FPDF_TEXTRENDERMODE_CLIP)
_BUFFER, _LENGTH = ctypes.create_string_buffer(512), ctypes.c_ulong()  # for names


_Object = tuple[int, pdfium.PdfMatrix]  # its address, and the matrix from its own space to the page


class PageObjects:
    """The pictures and texts of a page, also of those within forms, in one walk."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        self._page = page
        self._pictures: list[_Object] = []
        self._texts: list[_Object] = []
        of_kind = {pdfium_c.FPDF_PAGEOBJ_IMAGE: self._pictures, pdfium_c.FPDF_PAGEOBJ_TEXT: self._texts}
        for raw, kind, matrix in _objects(page):
            if kind in of_kind:
                of_kind[kind].append((raw, matrix))

    def count_lost_pictures(self, drawn: DrawnPage) -> int:
        """How many pictures of the page cannot be decoded, of those whose place on the drawn page is empty.

        A picture that other things are drawn upon is not asked, as decoding takes as long as drawing. On a blank page a
        picture that shows something counts as well, whatever hides it.
        """
        found, begin = 0, time.process_time()
        for raw, matrix in self._pictures:
            if time.process_time() - begin > _PICTURE_SECONDS:
                break
            place = drawn.place(_bounds(raw, matrix))
            if place and _may_be_lost(raw, drawn, place):
                found += _is_lost(raw, self._page, must_show=drawn.is_blank)
        return found

    def picture_places(self, drawn: DrawnPage) -> list[Place]:
        """Where pictures are, in pixels of the drawn page."""
        return [place for raw, matrix in self._pictures if (place := drawn.place(_bounds(raw, matrix)))]

    def hidden_layers(self) -> frozenset[int]:
        """The addresses of text objects on layers without which the page looks the same: those that are not shown.

        Asked are layers whose text mostly stands upon other text, as that of another language does; of the rest the
        ink tells as much, without drawing the page again. Text that is invisible by itself is left out: a scan's text
        may be on a layer of its own.
        """
        layers: defaultdict[str, list[_Object]] = defaultdict(list)
        for raw, matrix in self._texts:
            if not is_invisible(raw):
                layers[layer_of(raw) or ""].append((raw, matrix))
        hidden: set[int] = set()
        doubtful = _overprinted(layers) if len(layers) > 1 else []
        begin, whole = time.process_time(), _thumbnail(self._page) if doubtful else b""
        for layer in doubtful:
            if time.process_time() - begin > _LAYER_SECONDS:
                break
            objects = [raw for raw, _ in layers[layer]]
            for raw in objects:
                calls.set_active(raw, False)
            if _thumbnail(self._page) == whole:
                hidden.update(objects)
            for raw in objects:
                calls.set_active(raw, True)
        return frozenset(hidden)


def pointer(raw: int) -> object:
    """To an object, as pypdfium2 declares it."""
    return ctypes.cast(raw, pdfium_c.FPDF_PAGEOBJECT)


def is_invisible(raw: int) -> bool:
    """Whether a text object draws nothing wherever it stands, as the text that is laid over a scan."""
    return calls.text_mode(raw) in _INVISIBLE


def layer_of(raw: int) -> str | None:
    """The name of the layer that an object is marked with, "?" for one without a name; None for no layer."""
    for number in range(calls.count_marks(raw)):
        mark = calls.get_mark(raw, number)
        if _text(calls.mark_name, mark) == "OC":
            return _text(calls.mark_value, mark, b"Name") or "?"
    return None


def _overprinted(layers: Mapping[str, list[_Object]]) -> list[str]:
    """The layers of which at least half of the text stands where another layer has some, but for "", which is none."""

    def cells(bounds: Bounds) -> set[tuple[int, int]]:
        left, bottom, right, top = bounds
        return {(int(x // _CELL_POINTS), int((bottom + top) // 2 // _CELL_POINTS)) for x in (left, (left + right) / 2)}

    places = {layer: [cells(_bounds(*each)) for each in objects] for layer, objects in layers.items()}
    users: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for layer, texts in places.items():
        for cell in (cell for text in texts for cell in text):
            users[cell].add(layer)
    shared = {cell for cell, names in users.items() if len(names) > 1}
    return [
        layer
        for layer, texts in places.items()
        if layer and 2 * sum(not shared.isdisjoint(text) for text in texts) >= len(texts)
    ]


def _objects(page: pdfium.PdfPage) -> Iterator[tuple[int, int, pdfium.PdfMatrix]]:
    """(address, kind, matrix to the page) of each object, also of those within forms."""
    waiting = [(calls.address(page.raw), calls.count_objects, calls.get_object, pdfium.PdfMatrix())]
    seen = 0
    while waiting:
        parent, count, get, matrix = waiting.pop()
        for number in range(min(count(parent), _MAX_OBJECTS)):
            seen += 1
            raw = get(parent, number)
            if seen > _MAX_OBJECTS or not raw:
                return
            kind = calls.object_kind(raw)
            yield raw, kind, matrix
            if kind == pdfium_c.FPDF_PAGEOBJ_FORM:
                own = pdfium_c.FS_MATRIX()
                calls.object_matrix(raw, ctypes.byref(own))
                inner = pdfium.PdfMatrix.from_raw(own).multiply(matrix)
                waiting.append((raw, calls.count_form_objects, calls.get_form_object, inner))


def _bounds(raw: int, matrix: pdfium.PdfMatrix) -> Bounds:
    """On the page."""
    left, bottom, right, top = edges = [ctypes.c_float() for _ in range(4)]
    calls.object_bounds(raw, *map(ctypes.byref, edges))
    bounds: Bounds = matrix.on_rect(left.value, bottom.value, right.value, top.value)
    return bounds


def _may_be_lost(raw: int, drawn: DrawnPage, place: Place) -> bool:
    if min(place[2] - place[0], place[3] - place[1]) < _LEAST_SIDE or not drawn.is_plain(place):
        return False
    width, height = ctypes.c_uint(), ctypes.c_uint()
    pdfium_c.FPDFImageObj_GetImagePixelSize(pointer(raw), width, height)
    pixels = width.value * height.value
    return not _MAX_DARK_PIXELS < pixels < _TOO_MANY_PIXELS or not drawn.is_dark(place)


def _is_lost(raw: int, page: pdfium.PdfPage, *, must_show: bool) -> bool:
    picture = pointer(raw)
    handle = pdfium_c.FPDFImageObj_GetBitmap(picture)
    if not handle:
        return True
    bitmap = pdfium.PdfBitmap.from_raw(handle)
    try:
        if must_show and len(set(bitmap.to_pil().convert("L").getextrema())) > 1:
            return True
    finally:
        bitmap.close()
    image = pdfium.PdfImage(picture, page=page)
    try:
        filters, size = image.get_filters(), image.get_metadata()
    except (pdfium.PdfiumError, UnicodeError):
        return False
    if not _WHOLE_FILTERS.issuperset(filters):
        return False
    # Of a stream that breaks off what is missing is drawn black.
    expected = (size.width * size.bits_per_pixel + 7) // 8 * size.height
    return bool(pdfium_c.FPDFImageObj_GetImageDataDecoded(picture, None, 0) * 2 < expected)


def _thumbnail(page: pdfium.PdfPage) -> bytes:
    width, height = page.get_size()
    bitmap = page.render(scale=(_LAYER_PIXELS / (width * height)) ** 0.5, grayscale=True)
    try:
        return bytes(bitmap.buffer)
    finally:
        bitmap.close()


def _text(function: Callable[..., int], *arguments: object) -> str:
    """What one of PDFium's functions writes as UTF-16."""
    done = function(*arguments, _BUFFER, len(_BUFFER), ctypes.byref(_LENGTH))
    is_written = done and _LENGTH.value <= len(_BUFFER)
    return ctypes.string_at(_BUFFER, _LENGTH.value).decode("utf-16-le", "replace").rstrip("\0") if is_written else ""
