"""Small PDFs written out by hand for the tests, good ones and hostile ones."""

import base64
import hashlib
import io
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from PIL import ImageFont

NEEDS_POPPLER = pytest.mark.skipif(not shutil.which("pdftoppm"), reason="no poppler is installed: PDFium draws")
BOTH = [pytest.param("poppler", marks=NEEDS_POPPLER), "pdfium"]
SMALL = 100_000  # pixels of a page, where they do not matter

Objects = Mapping[int, str | bytes]

LETTER = "/MediaBox [0 0 612 792]"
HELVETICA = "/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
_PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")  # PDF 32000-1, 7.6.3.3

_BLACK_JPEG2000 = (  # Pillow's `Image.new("L", (9000, 9000)).save(..., "JPEG2000")`, which takes ten seconds; packed
    "c-muNVBpCLP*C9IYUg5LU=T?wsVvAUFj4@r8KAT-kj?<oVwo8!MGOqe8eq)G&JI$;z@MC-Q^W{n3NkP-9sw#&{_p=kkU<k91XT<N"
    "XnaO?M#ld^3_Ktv11k#)1LOY~24M#W503z3^go3`m4VT@C^fMpHANw*Qo+9<HP0)+)m@=1wWv5VKTp9(&s5Lk{{#juu&K^Kb0+`("
    "#~6P=8%+FnQ2)VN&#?Z1=pUy24gMe^97@zTgn!@yEBe9mzk=mIgFi^j|38C+U_i+F|Mf3B6Y7az)t>j>KUg(Xi<a3FV$}byZvcV+"
    "Hv!E0#dr"
)


def written(folder: Path, data: bytes, name: str = "manual.pdf") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def stream(content: bytes, entries: str = "") -> bytes:
    return b"<< /Length %d %s >>\nstream\n" % (len(content), entries.encode()) + content + b"\nendstream"


def pdf_file(objects: Objects, trailer: str = "") -> bytes:
    """A PDF of these objects, numbered without a gap from 1, its catalogue."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    rows = b"0000000000 65535 f \n"
    for number in range(1, len(objects) + 1):
        content = objects[number]
        rows += b"%010d 00000 n \n" % len(out)
        out += b"%d 0 obj\n" % number + (content if isinstance(content, bytes) else content.encode()) + b"\nendobj\n"
    table = len(out)
    out += b"xref\n0 %d\n" % (len(objects) + 1) + rows
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\n" % (len(objects) + 1, trailer.encode())
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % table


def pages_objects(pages: Sequence[tuple[str, bytes]], inherited: str = "") -> dict[int, str | bytes]:
    """Objects 1 (catalogue), 2 (page tree) and two a page, given as (its entries, its content)."""
    kids = " ".join(f"{3 + 2 * k} 0 R" for k in range(len(pages)))
    objects: dict[int, str | bytes] = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} {inherited} >>",
    }
    for k, (entries, content) in enumerate(pages):
        objects[3 + 2 * k] = f"<< /Type /Page /Parent 2 0 R /Contents {4 + 2 * k} 0 R {entries} >>"
        objects[4 + 2 * k] = stream(content)
    return objects


def pages_file(*pages: tuple[str, bytes], inherited: str = "") -> bytes:
    return pdf_file(pages_objects(pages, inherited))


def words(text: str, left: int = 72, bottom: int = 600) -> bytes:
    return f"BT /F1 24 Tf {left} {bottom} Td ({text}) Tj ET".encode()


def text_page(text: str) -> tuple[str, bytes]:
    return f"{LETTER} {HELVETICA}", words(text)


def lines_page(*lines: str) -> tuple[str, bytes]:
    """A page with these lines, from the top."""
    return f"{LETTER} {HELVETICA}", b" ".join(words(line, 40, 720 - 40 * at) for at, line in enumerate(lines))


def text_file(*texts: str) -> bytes:
    """One Letter page a text."""
    return pages_file(*map(text_page, texts))


def square(left: float, bottom: float, side: float) -> bytes:
    return f"0 g {left} {bottom} {side} {side} re f".encode()


def cut_file() -> bytes:
    """Three pages, of which a cut leaves the first whole, the second without content, the third not at all."""
    whole = text_file("alpha", "beta", "gamma")
    early = whole.replace(b"3 0 obj", b"trailer\n<< /Size 9 /Root 1 0 R >>\n3 0 obj", 1)
    return early[: early.index(b"6 0 obj")]


def picture_bomb(before: int = 0, after: int = 0) -> bytes:
    """A page whose 1 KB declare a picture of 10 thousand million pixels and unfold to 100 MB of it; slow in poppler."""
    first = 3 + 2 * (before + 1 + after)
    bomb = f"{LETTER} /Resources << /XObject << /I {first} 0 R >> >>", b"612 0 0 792 0 0 cm /I Do"
    objects = pages_objects([text_page("good")] * before + [bomb] + [text_page("good")] * after)
    packed = zlib.compress(zlib.compress(bytes(100_000_000), 9), 9)
    size = "/Width 100000 /Height 100000 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
    entries = f"/Type /XObject /Subtype /Image {size} /Filter [/FlateDecode /FlateDecode]"
    return pdf_file({**objects, first: stream(packed, entries)})


def black_file() -> bytes:
    """A page that is all black, if the renderer has the memory to decode its picture of 9,000 x 9,000 pixels."""
    objects = pages_objects([(f"{LETTER} /Resources << /XObject << /I 5 0 R >> >>", b"612 0 0 792 0 0 cm /I Do")])
    entries = "/Type /XObject /Subtype /Image /Width 9000 /Height 9000 /ColorSpace /DeviceGray /Filter /JPXDecode"
    return pdf_file({**objects, 5: stream(zlib.decompress(base64.b85decode(_BLACK_JPEG2000)), entries)})


def content_bomb() -> bytes:
    """1 KB that unfold to 300 MB of drawing that draws nothing; then a good page."""
    packing = zlib.compressobj(1)
    once = b"".join(packing.compress(bytes(10_000_000)) for _ in range(30)) + packing.flush()
    objects = pages_objects([text_page("bomb"), text_page("good")])
    objects[4] = stream(zlib.compress(once, 9), "/Filter [/FlateDecode /FlateDecode]")
    return pdf_file(objects)


def forms_bomb(before: int = 0, bombs: int = 1, after: int = 0, depth: int = 10) -> bytes:
    """Pages of 10 ** `depth` squares: forms that draw the next form ten times each. PDFium is slow to open them."""
    count = before + bombs + after
    first = 3 + 2 * count
    bomb = f"{LETTER} /Resources << /XObject << /X {first} 0 R >> >>", b"/X Do"
    pages = [text_page("good")] * before + [bomb] * bombs + [text_page("good")] * after
    objects = pages_objects(pages)
    for level in range(depth):
        last = level == depth - 1
        inner = "" if last else f"/Resources << /XObject << /X {first + level + 1} 0 R >> >>"
        content = square(100, 100, 10) if last else b"/X Do " * 10
        objects[first + level] = stream(content, f"/Type /XObject /Subtype /Form /BBox [0 0 612 792] {inner}")
    return pdf_file(objects)


def filled_form() -> bytes:
    """A page whose only ink is in a filled-in field: 100 x 40 points of black at (100, 600)."""
    objects = pages_objects([(f"{LETTER} /Annots [5 0 R]", b"")])
    objects[1] = "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [5 0 R] >> >>"
    objects[5] = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (serial) /V (4711) /F 4 /P 3 0 R "
        "/Rect [100 600 200 640] /AP << /N 6 0 R >> >>"
    )
    objects[6] = stream(b"0 g 0 0 100 40 re f", "/Type /XObject /Subtype /Form /BBox [0 0 100 40]")
    return pdf_file(objects)


def locked_file(password: bytes, text: str = "secret") -> bytes:
    """Encrypted as in PDF 1.1 (RC4, 40 bits), to be opened with `password`: b"" is how printing is forbidden."""
    owner, permissions, file_id = bytes(range(32)), -64, b"0123456789abcdef"
    padded = (password + _PADDING)[:32]
    key = hashlib.md5(padded + owner + permissions.to_bytes(4, "little", signed=True) + file_id).digest()[:5]
    objects = pages_objects([text_page(text)])
    content_key = hashlib.md5(key + (4).to_bytes(3, "little") + bytes(2)).digest()[:10]
    objects[4] = stream(_rc4(content_key, words(text)))
    objects[5] = (
        f"<< /Filter /Standard /V 1 /R 2 /O <{owner.hex()}> /U <{_rc4(key, _PADDING).hex()}> /P {permissions} >>"
    )
    return pdf_file(objects, f"/Encrypt 5 0 R /ID [<{file_id.hex()}> <{file_id.hex()}>]")


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j = list(range(256)), 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


SLOW = {"poppler": picture_bomb, "pdfium": forms_bomb}  # a page that keeps the renderer itself busy


def unmapped_file(*lines: str) -> bytes:
    """A page that prints well, by glyph numbers of a font that does not say which letters they are."""
    from fontTools.ttLib import TTFont

    font = TTFont(ImageFont.load_default(14).path)  # the one that Pillow brings
    numbers = {chr(code): font.getGlyphID(name) for code, name in font.getBestCmap().items()}
    for table in ("cmap", "post", "GSUB", "GPOS", "GDEF"):
        if table in font:
            del font[table]
    kept = io.BytesIO()
    font.save(kept)
    shown = "".join(f"1 0 0 1 72 {720 - 20 * i} Tm <{_numbered(line, numbers)}> Tj " for i, line in enumerate(lines))
    fonts = "/Resources << /Font << /F1 5 0 R >> >>"
    objects = pages_objects([(f"{LETTER} {fonts}", f"BT /F1 14 Tf {shown} ET".encode())])
    objects[5] = (
        "<< /Type /Font /Subtype /Type0 /BaseFont /AAAAAA+Subset /Encoding /Identity-H /DescendantFonts [6 0 R] >>"
    )
    objects[6] = (
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /AAAAAA+Subset /CIDToGIDMap /Identity /FontDescriptor 7 0 R "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /DW 550 >>"
    )
    objects[7] = (
        "<< /Type /FontDescriptor /FontName /AAAAAA+Subset /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 "
        "/Ascent 900 /Descent -200 /CapHeight 700 /StemV 80 /FontFile2 8 0 R >>"
    )
    objects[8] = stream(kept.getvalue())
    return pdf_file(objects)


def _numbered(text: str, numbers: Mapping[str, int]) -> str:
    return "".join(f"{numbers[each]:04x}" for each in text)
