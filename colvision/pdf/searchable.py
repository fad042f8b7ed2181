"""A PDF of page images with their words beneath: what is seen is the image, what is found and copied is the text.

It is made of the images alone, so no file that came from elsewhere is opened for it, and what a viewer turns or crops
is turned and cropped already. The font has no glyphs: text that is never drawn needs none, only a code for each UTF-16
unit, and that table says which letter it is (PDF 32000-1, 9.7.4 and 9.10.3).
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PdfParser import IndirectReference, PdfDict, PdfName, PdfParser

from colvision.core.page import PrintedWord

_INVISIBLE = 3  # text rendering mode
_EM_WIDTH = 500  # of every letter, in thousandths of the font's size
_LETTERS, _BELOW = 0.8, 0.2  # of a word's height: the font's size, and what hangs below the line
_TO_UNICODE = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def /CMapType 2 def
1 begincodespacerange <0000> <FFFF> endcodespacerange
1 beginbfrange <0000> <FFFF> <0000> endbfrange
endcmap CMapName currentdict /CMap defineresource pop end end"""


@dataclass(frozen=True, slots=True)
class SearchablePage:
    """A page image as a JPEG (RGB or L), its words, and its (width, height) in points."""

    jpeg: bytes
    words: Sequence[PrintedWord]
    points: tuple[float, float]


def write_searchable(pages: Iterable[SearchablePage], path: Path) -> Iterator[int]:
    """Yields how many pages are written; exhaust it, or no complete PDF is left. One page is in memory at a time."""
    with path.open("w+b") as file, PdfParser(f=file) as pdf:
        pdf.write_header()
        pdf.pages_ref = pdf.next_object_id(0)
        font = _write_font(pdf)
        for count, page in enumerate(pages, 1):
            pdf.pages.append(_write_page(pdf, page, font))
            yield count
        pdf.write_obj(pdf.pages_ref, Type=PdfName("Pages"), Count=len(pdf.pages), Kids=pdf.pages)
        pdf.root_ref = pdf.write_obj(None, Type=PdfName("Catalog"), Pages=pdf.pages_ref)
        pdf.write_xref_and_trailer()


def _write_font(pdf: PdfParser) -> IndirectReference:
    name = PdfName("Invisible")
    flags = 5  # fixed pitch, symbolic
    descriptor = pdf.write_obj(
        None, Type=PdfName("FontDescriptor"), FontName=name, Flags=flags, FontBBox=[0, -200, _EM_WIDTH, 800],
        ItalicAngle=0, Ascent=800, Descent=-200, CapHeight=800, StemV=80,
    )  # fmt: skip
    letters = pdf.write_obj(
        None, Type=PdfName("Font"), Subtype=PdfName("CIDFontType2"), BaseFont=name, FontDescriptor=descriptor,
        CIDSystemInfo=PdfDict(Registry=b"Adobe", Ordering=b"Identity", Supplement=0), DW=_EM_WIDTH,
        CIDToGIDMap=PdfName("Identity"),
    )  # fmt: skip
    table = pdf.write_obj(None, stream=_TO_UNICODE)
    return pdf.write_obj(
        None, Type=PdfName("Font"), Subtype=PdfName("Type0"), BaseFont=name, Encoding=PdfName("Identity-H"),
        DescendantFonts=[letters], ToUnicode=table,
    )  # fmt: skip


def _write_page(pdf: PdfParser, page: SearchablePage, font: IndirectReference) -> IndirectReference:
    with Image.open(io.BytesIO(page.jpeg)) as image:
        (width, height), mode = image.size, image.mode
    drawn = pdf.write_obj(
        None,
        Type=PdfName("XObject"),
        Subtype=PdfName("Image"),
        Width=width,
        Height=height,
        ColorSpace=PdfName("DeviceGray" if mode == "L" else "DeviceRGB"),
        BitsPerComponent=8,
        Filter=PdfName("DCTDecode"),
        stream=page.jpeg,
    )
    picture = "q {:.3f} 0 0 {:.3f} 0 0 cm /I Do Q\n".format(*page.points)
    text = "".join(_shown(word, page.points) for word in page.words)
    content = pdf.write_obj(None, stream=f"{picture}BT {_INVISIBLE} Tr\n{text}ET".encode("ascii"))
    resources = PdfDict(XObject=PdfDict(I=drawn), Font=PdfDict(F=font))
    return pdf.write_page(None, MediaBox=[0, 0, *page.points], Resources=resources, Contents=content)


def _shown(word: PrintedWord, points: tuple[float, float]) -> str:
    """A word stretched over its box, with the blank behind it that keeps it from the next one."""
    box = word.box.scaled((1, 1))
    left, width = box.left * points[0], (box.right - box.left) * points[0]
    bottom, height = (1 - box.bottom) * points[1], (box.bottom - box.top) * points[1]
    units = word.text.encode("utf-16-be", "ignore")
    size = max(_LETTERS * height, 1.0)
    stretch = max(100 * width / (len(units) / 2 * size * _EM_WIDTH / 1000), 1.0)
    place = f"1 0 0 1 {left:.3f} {bottom + _BELOW * height:.3f} Tm"
    return f"/F {size:.3f} Tf {stretch:.2f} Tz {place} <{units.hex()}0020> Tj\n"
