"""The objects of a PDF page as PDFium holds them: pictures that it cannot decode, text on layers that are not shown."""

import ctypes
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

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


def address(raw: object) -> int:
    """By which two handles of one object are the same."""
    return ctypes.cast(raw, ctypes.c_void_p).value or 0  # type: ignore[arg-type]  # a pointer


def is_invisible(raw: object) -> bool:
    """Whether a text object draws nothing wherever it stands, as the text that is laid over a scan."""
    return pdfium_c.FPDFTextObj_GetTextRenderMode(raw) in _INVISIBLE


def count_lost_pictures(page: pdfium.PdfPage, drawn: DrawnPage) -> int:
    """How many pictures of the page cannot be decoded, of those whose place on the drawn page is empty.

    A picture that other things are drawn upon is not asked, as decoding takes as long as drawing. On a blank page a
    picture that shows something counts as well, whatever hides it.
    """
    found, begin = 0, time.process_time()
    for raw, kind, matrix in _objects(page):
        if time.process_time() - begin > _PICTURE_SECONDS:
            break
        if kind != pdfium_c.FPDF_PAGEOBJ_IMAGE:
            continue
        place = drawn.place(matrix.on_rect(*_bounds(raw)))
        if place and _may_be_lost(raw, drawn, place):
            found += _is_lost(raw, page, must_show=drawn.is_blank)
    return found


def picture_places(page: pdfium.PdfPage, drawn: DrawnPage) -> list[Place]:
    """Where pictures are, in pixels of the drawn page."""
    pictures = [(raw, matrix) for raw, kind, matrix in _objects(page) if kind == pdfium_c.FPDF_PAGEOBJ_IMAGE]
    return [place for raw, matrix in pictures if (place := drawn.place(matrix.on_rect(*_bounds(raw))))]


def hidden_layers(page: pdfium.PdfPage) -> frozenset[int]:
    """The addresses of text objects on layers without which the page looks the same: those that are not shown.

    Asked are layers whose text mostly stands upon other text, as that of another language does; of the rest the ink
    tells as much, without drawing the page again. Text that is invisible by itself is left out: a scan's text may be
    on a layer of its own.
    """
    layers: defaultdict[str, list[tuple[object, Bounds]]] = defaultdict(list)
    for raw, kind, matrix in _objects(page):
        if kind == pdfium_c.FPDF_PAGEOBJ_TEXT and not is_invisible(raw):
            layers[layer_of(raw) or ""].append((raw, matrix.on_rect(*_bounds(raw))))
    hidden: set[int] = set()
    doubtful = _overprinted(layers) if len(layers) > 1 else []
    begin, whole = time.process_time(), _thumbnail(page) if doubtful else b""
    for layer in doubtful:
        if time.process_time() - begin > _LAYER_SECONDS:
            break
        objects = [raw for raw, _ in layers[layer]]
        for raw in objects:
            pdfium_c.FPDFPageObj_SetIsActive(raw, False)
        if _thumbnail(page) == whole:
            hidden.update(map(address, objects))
        for raw in objects:
            pdfium_c.FPDFPageObj_SetIsActive(raw, True)
    return frozenset(hidden)


def _overprinted(layers: Mapping[str, list[tuple[object, Bounds]]]) -> list[str]:
    """The layers of which at least half of the text stands where another layer has some, but for "", which is none."""

    def cells(bounds: Bounds) -> set[tuple[int, int]]:
        left, bottom, right, top = bounds
        return {(int(x // _CELL_POINTS), int((bottom + top) // 2 // _CELL_POINTS)) for x in (left, (left + right) / 2)}

    users: defaultdict[tuple[int, int], set[str]] = defaultdict(set)
    for layer, texts in layers.items():
        for cell in (cell for _, bounds in texts for cell in cells(bounds)):
            users[cell].add(layer)
    shared = {cell for cell, names in users.items() if len(names) > 1}
    return [
        layer
        for layer, texts in layers.items()
        if layer and 2 * sum(not shared.isdisjoint(cells(bounds)) for _, bounds in texts) >= len(texts)
    ]


def layer_of(raw: object) -> str | None:
    """The name of the layer that an object is marked with, "?" for one without a name; None for no layer."""
    for number in range(pdfium_c.FPDFPageObj_CountMarks(raw)):
        mark = pdfium_c.FPDFPageObj_GetMark(raw, number)
        if _text(pdfium_c.FPDFPageObjMark_GetName, mark) == "OC":
            return _text(pdfium_c.FPDFPageObjMark_GetParamStringValue, mark, b"Name") or "?"
    return None


def _objects(page: pdfium.PdfPage) -> Iterator[tuple[object, int, pdfium.PdfMatrix]]:
    """(handle, kind, matrix to the page) of each object, also of those within forms."""
    waiting = [(page.raw, pdfium_c.FPDFPage_CountObjects, pdfium_c.FPDFPage_GetObject, pdfium.PdfMatrix())]
    seen = 0
    while waiting:
        parent, count, get, matrix = waiting.pop()
        for number in range(min(count(parent), _MAX_OBJECTS)):
            seen += 1
            raw = get(parent, number)
            if seen > _MAX_OBJECTS or not raw:
                return
            kind = pdfium_c.FPDFPageObj_GetType(raw)
            yield raw, kind, matrix
            if kind == pdfium_c.FPDF_PAGEOBJ_FORM:
                own = pdfium_c.FS_MATRIX()
                pdfium_c.FPDFPageObj_GetMatrix(raw, own)
                inner = pdfium.PdfMatrix.from_raw(own).multiply(matrix)
                waiting.append((raw, pdfium_c.FPDFFormObj_CountObjects, pdfium_c.FPDFFormObj_GetObject, inner))


def _bounds(raw: object) -> Bounds:
    edges = [ctypes.c_float() for _ in range(4)]
    pdfium_c.FPDFPageObj_GetBounds(raw, *edges)
    return edges[0].value, edges[1].value, edges[2].value, edges[3].value


def _may_be_lost(raw: object, drawn: DrawnPage, place: Place) -> bool:
    if min(place[2] - place[0], place[3] - place[1]) < _LEAST_SIDE or not drawn.is_plain(place):
        return False
    width, height = ctypes.c_uint(), ctypes.c_uint()
    pdfium_c.FPDFImageObj_GetImagePixelSize(raw, width, height)
    pixels = width.value * height.value
    return not _MAX_DARK_PIXELS < pixels < _TOO_MANY_PIXELS or not drawn.is_dark(place)


def _is_lost(raw: object, page: pdfium.PdfPage, *, must_show: bool) -> bool:
    handle = pdfium_c.FPDFImageObj_GetBitmap(raw)
    if not handle:
        return True
    bitmap = pdfium.PdfBitmap.from_raw(handle)
    try:
        if must_show and len(set(bitmap.to_pil().convert("L").getextrema())) > 1:
            return True
    finally:
        bitmap.close()
    image = pdfium.PdfImage(raw, page=page)
    try:
        filters, size = image.get_filters(), image.get_metadata()
    except (pdfium.PdfiumError, UnicodeError):
        return False
    if not _WHOLE_FILTERS.issuperset(filters):
        return False
    # Of a stream that breaks off what is missing is drawn black.
    expected = (size.width * size.bits_per_pixel + 7) // 8 * size.height
    return bool(pdfium_c.FPDFImageObj_GetImageDataDecoded(raw, None, 0) * 2 < expected)


def _thumbnail(page: pdfium.PdfPage) -> bytes:
    width, height = page.get_size()
    bitmap = page.render(scale=(_LAYER_PIXELS / (width * height)) ** 0.5, grayscale=True)
    try:
        return bytes(bitmap.buffer)
    finally:
        bitmap.close()


def _text(function: Callable[..., int], *arguments: object) -> str:
    """What one of PDFium's functions writes as UTF-16."""
    length = ctypes.c_ulong()
    buffer = ctypes.create_string_buffer(512)
    wide = ctypes.cast(buffer, ctypes.POINTER(pdfium_c.FPDF_WCHAR))
    done = function(*arguments, wide, len(buffer), length)
    return buffer.raw[: length.value].decode("utf-16-le", "replace").rstrip("\0") if done else ""
