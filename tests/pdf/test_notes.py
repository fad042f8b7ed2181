"""What of a PDF is not on its page images is told, and text that nobody sees is no text of the page."""

import io
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from colvision.core.page import Page
from colvision.pdf import RENDER_PIXELS, RendererChoice, inspect_file, read_pages
from tests.helpers.pdf_files import (
    BOTH,
    HELVETICA,
    LETTER,
    pages_file,
    pages_objects,
    pdf_file,
    stream,
    text_file,
    words,
    written,
)

pytestmark = pytest.mark.slow

PIXELS = 600_000  # 80 dots an inch of a Letter page
A1 = "/MediaBox [0 0 2384 1684]"


@pytest.fixture(params=BOTH)
def renderer(request) -> RendererChoice:
    return request.param


def only_page(folder: Path, data: bytes, renderer: RendererChoice = "pdfium", pixels: int = PIXELS) -> Page:
    [page] = read_pages(written(folder, data), renderer=renderer, pixels=pixels)
    assert isinstance(page, Page), page
    return page


def kinds(page: Page) -> list[str]:
    return [note.kind for note in page.notes]


def sketch() -> Image.Image:
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).rectangle((50, 50, 150, 150), fill=0)
    return image


def packed(kind: str) -> bytes:
    data = io.BytesIO()
    sketch().save(data, kind)
    return data.getvalue()


def picture_file(entries: str, data: bytes, *, others: bytes = b"", page: str = LETTER, form: bool = False) -> bytes:
    """A page with a picture of 400 x 400 points, and what else is drawn; within a form, where that is asked for."""
    shown = b"q 400 0 0 400 72 72 cm /I Do Q "
    fonts = "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    holder = f"/Resources << /XObject << /I 5 0 R >> {fonts} >>"
    objects = pages_objects([(f"{page} {holder}", shown + others)])
    objects[5] = stream(data, f"/Type /XObject /Subtype /Image {entries}")
    if form:
        objects[4] = stream(b"q .5 0 0 .5 100 100 cm /X Do Q")
        objects[3] = f"<< /Type /Page /Parent 2 0 R /Contents 4 0 R {page} /Resources << /XObject << /X 6 0 R >> >> >>"
        objects[6] = stream(shown + others, f"/Type /XObject /Subtype /Form /BBox [0 0 612 792] {holder}")
    return pdf_file(objects)


SIZE = "/Width 200 /Height 200 /BitsPerComponent 8"
GREY = f"{SIZE} /ColorSpace /DeviceGray"
JUNK = bytes(range(256)) * 20
LOST: dict[str, tuple[str, bytes]] = {
    "DCT": (f"{GREY} /Filter /DCTDecode", JUNK),
    "DCT, its head alone": (f"{GREY} /Filter /DCTDecode", packed("JPEG")[:300]),
    "JPX": (f"{GREY} /Filter /JPXDecode", JUNK),
    "JPX, its head alone": (f"{GREY} /Filter /JPXDecode", packed("JPEG2000")[:100]),
    "JBIG2": ("/Width 200 /Height 200 /BitsPerComponent 1 /ColorSpace /DeviceGray /Filter /JBIG2Decode", JUNK),
    "Flate": (f"{GREY} /Filter /FlateDecode", JUNK),
    "Flate, its head alone": (f"{GREY} /Filter /FlateDecode", zlib.compress(JUNK * 8)[:40]),
    "LZW": (f"{GREY} /Filter /LZWDecode", JUNK),
    "no such filter": (f"{GREY} /Filter /NoSuchDecode", JUNK),
    "no such colours": (f"{SIZE} /ColorSpace /Impossible", sketch().tobytes()),
    "colours that are not there": (f"{SIZE} /ColorSpace [/ICCBased 99 0 R]", sketch().tobytes()),
    "77 bits": ("/Width 200 /Height 200 /BitsPerComponent 77 /ColorSpace /DeviceGray", sketch().tobytes()),
    "2^31 pixels": ("/Width 65536 /Height 32768 /BitsPerComponent 8 /ColorSpace /DeviceGray", sketch().tobytes()),
    "no pixels": (GREY, b""),
}


@pytest.mark.parametrize("name", LOST)
def test_a_picture_that_cannot_be_decoded_is_missed(tmp_path, name):
    page = only_page(tmp_path, picture_file(*LOST[name]))
    assert kinds(page) == ["blank"]
    assert "a picture" in page.notes[0].text


@pytest.mark.parametrize("name", ["DCT", "Flate"])
def test_a_lost_picture_is_missed_beside_text_and_in_a_form_and_by_both_renderers(tmp_path, renderer, name):
    beside = picture_file(*LOST[name], others=words("a caption", 72, 700))
    assert [note.text for note in only_page(tmp_path, beside, renderer).notes] == [
        "is drawn without a picture that it holds: damaged and not to be decoded"
    ]
    assert kinds(only_page(tmp_path, picture_file(*LOST[name], form=True), renderer)) == ["blank"]


@pytest.mark.parametrize(
    ("entries", "data"),
    [
        (f"{GREY} /Filter /DCTDecode", packed("JPEG")),
        (f"{GREY} /Filter /JPXDecode", packed("JPEG2000")),
        (f"{GREY} /Filter /FlateDecode", zlib.compress(sketch().tobytes())),
        (GREY, b"\xff" * 40_000),
        ("/Width 200 /Height 200 /BitsPerComponent 1 /ColorSpace /DeviceGray", b"\xff" * 5000),
    ],
)
def test_a_picture_that_is_drawn_is_not_missed_even_where_it_is_white(tmp_path, renderer, entries, data):
    assert kinds(only_page(tmp_path, picture_file(entries, data), renderer)) == []


def test_a_page_that_is_meant_to_be_blank_says_nothing(tmp_path, renderer):
    assert only_page(tmp_path, pages_file((LETTER, b"1 g 0 0 612 792 re f")), renderer).notes == ()


def layered_file(content: bytes) -> bytes:
    """A page with two layers, of which L2 is not shown; /I is the picture of a scan."""
    properties = "/Properties << /L1 5 0 R /L2 6 0 R >> /XObject << /I 7 0 R >>"
    fonts = "/Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >>"
    objects = pages_objects([(f"{LETTER} /Resources << {fonts} {properties} >>", content)])
    objects[1] = "<< /Type /Catalog /Pages 2 0 R /OCProperties << /OCGs [5 0 R 6 0 R] /D << /OFF [6 0 R] >> >> >>"
    objects[5], objects[6] = "<< /Type /OCG /Name (English) >>", "<< /Type /OCG /Name (Deutsch) >>"
    objects[7] = stream(packed("JPEG"), f"/Type /XObject /Subtype /Image {GREY} /Filter /DCTDecode")
    return pdf_file(objects)


def layer(name: str, content: bytes) -> bytes:
    return f"/OC /{name} BDC ".encode() + content + b" EMC "


SCAN = b"q 500 0 0 500 50 250 cm /I Do Q "


@pytest.mark.parametrize("bottom", [500, 600], ids=["beside", "upon"])
def test_text_on_a_layer_that_is_not_shown_is_no_text_of_the_page(tmp_path, renderer, bottom):
    content = layer("L1", words("relief valve")) + layer("L2", words("Ventil pruefen", 72, bottom))
    page = only_page(tmp_path, layered_file(content), renderer)
    assert (page.text, kinds(page)) == ("relief valve", ["hidden"])
    assert "on a hidden layer" in page.notes[0].text


@pytest.mark.parametrize(
    "hidden",
    [
        b"3 Tr " + words("nobody sees this", 72, 500) + b" 0 Tr",
        b"1 g " + words("nobody sees this", 72, 500) + b" 0 g",
        words("nobody sees this", 72, 500) + b" 1 g 60 480 500 60 re f 0 g",
    ],
    ids=["invisible", "white", "covered"],
)
def test_text_without_ink_is_no_text_of_the_page(tmp_path, renderer, hidden):
    page = only_page(tmp_path, pages_file((f"{LETTER} {HELVETICA}", hidden + b" " + words("relief valve"))), renderer)
    assert (page.text, kinds(page)) == ("relief valve", ["hidden"])


@pytest.mark.parametrize("named", [False, True], ids=["plain", "on a layer of its own"])
def test_the_invisible_text_over_a_scan_stays(tmp_path, renderer, named):
    text = b"3 Tr " + words("read by OCR", 200, 480)
    page = only_page(tmp_path, layered_file(SCAN + (layer("L1", text) if named else text)), renderer)
    assert (page.text, page.notes) == ("read by OCR", ())


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_ink_is_looked_for_where_a_turned_and_cropped_page_has_it(tmp_path, renderer, turn):
    boxes = f"/MediaBox [0 0 700 900] /CropBox [50 100 450 700] /Rotate {turn}"
    content = words("seen", 72, 650) + b" 1 g " + words("white", 72, 150) + b" 0 g " + words("outside", 500, 800)
    page = only_page(tmp_path, pages_file((f"{boxes} {HELVETICA}", content)), renderer)
    assert (page.text, kinds(page)) == ("seen", ["hidden"])


def asian_file() -> bytes:
    """Chinese in a font that is not in the file, as every reader was once to have it."""
    font = (
        "<< /Type /Font /Subtype /Type0 /BaseFont /NoSuch-Light /Encoding /UniGB-UCS2-H /DescendantFonts [<< /Type "
        "/Font /Subtype /CIDFontType0 /BaseFont /NoSuch-Light /DW 1000 /CIDSystemInfo << /Registry (Adobe) /Ordering "
        "(GB1) /Supplement 0 >> /FontDescriptor << /Type /FontDescriptor /FontName /NoSuch-Light /Flags 6 /FontBBox "
        "[-25 -254 1000 880] /ItalicAngle 0 /Ascent 752 /Descent -271 /CapHeight 737 /StemV 58 >> >>] >>"
    )
    shown = "液压油泵".encode("utf-16-be").hex()
    return pages_file(
        (f"{LETTER} /Resources << /Font << /F1 {font} >> >>", f"BT /F1 20 Tf 72 700 Td <{shown}> Tj ET".encode())
    )


def test_text_in_a_font_that_is_nowhere_stays_and_is_told(tmp_path, renderer):
    page = only_page(tmp_path, asian_file(), renderer)
    if page.image.convert("L").getextrema() != (255, 255):
        pytest.skip("this machine has a Chinese font")
    assert (page.text, kinds(page)) == ("液压油泵", ["fonts"])
    assert "NoSuch-Light" in page.notes[0].text


def test_print_has_the_size_of_its_font_in_pixels(tmp_path):
    for turn in (0, 90):
        page = only_page(tmp_path, pages_file((f"{LETTER} {HELVETICA} /Rotate {turn}", words("a word"))))
        assert page.print_height == pytest.approx(24 * (PIXELS / 612 / 792) ** 0.5, rel=0.01)
    scaled = b"q 2 0 0 2 0 0 cm BT /F1 1 Tf 9 0 0 9 36 300 Tm (a word) Tj ET Q"
    page = only_page(tmp_path, pages_file((f"{LETTER} {HELVETICA}", scaled)))
    assert page.print_height == pytest.approx(18 * (PIXELS / 612 / 792) ** 0.5, rel=0.01)
    assert only_page(tmp_path, pages_file((LETTER, b"0 g 9 9 9 9 re f"))).print_height is None


def test_a_sheet_that_is_shrunk_too_far_says_so(tmp_path, renderer):
    scan = f"{GREY} /Filter /DCTDecode", packed("JPEG")
    assert kinds(only_page(tmp_path, picture_file(*scan, page=A1), renderer, RENDER_PIXELS)) == ["shrunk"]
    assert (
        kinds(only_page(tmp_path, picture_file(*scan, page="/MediaBox [0 0 1191 842]"), renderer, RENDER_PIXELS)) == []
    ), "A3"
    for points, expected in ((11, ["shrunk"]), (24, [])):
        content = f"BT /F1 {points} Tf 72 600 Td (a word) Tj ET".encode()
        assert (
            kinds(only_page(tmp_path, pages_file((f"{A1} {HELVETICA}", content)), renderer, RENDER_PIXELS)) == expected
        )


def test_a_file_says_what_it_holds_beside_its_pages(tmp_path):
    objects = pages_objects([(LETTER, b"")])
    objects[1] = (
        "<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [(a.pdf) 5 0 R (b.pdf) 5 0 R] >> >> "
        "/NeedsRendering true /AcroForm << /Fields [] /XFA 7 0 R >> >>"
    )
    objects[5] = "<< /Type /Filespec /F (a.pdf) /UF (a.pdf) /EF << /F 6 0 R >> >>"
    objects[6] = stream(text_file("unread"), "/Type /EmbeddedFile")
    objects[7] = stream(b"<xdp/>")
    attachments, form = inspect_file(written(tmp_path, pdf_file(objects)), renderer="pdfium").notes
    assert (attachments.kind, form.kind) == ("attachments", "form")
    assert attachments.text.startswith("holds 2 files that were not read (a.pdf, ")
    assert inspect_file(written(tmp_path, text_file("a")), renderer="pdfium").notes == ()


def test_names_from_a_file_are_shown_without_what_a_terminal_would_obey(tmp_path):
    objects = pages_objects([(LETTER, b"")])
    objects[1] = "<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles << /Names [(a) 5 0 R (b) 6 0 R] >> >> >>"
    objects[5] = "<< /Type /Filespec /F (a\\033[2J\\n.pdf) >>"
    objects[6] = f"<< /Type /Filespec /UF <FEFFD800> /F ({'x' * 5000}) >>"
    [note] = inspect_file(written(tmp_path, pdf_file(objects)), renderer="pdfium").notes
    assert note.text.isprintable()
    assert len(note.text) < 200


def test_a_file_that_is_pinned_to_a_page_is_told_of_the_page(tmp_path):
    objects = pages_objects([(f"{LETTER} /Annots [5 0 R]", b"")])
    objects[5] = "<< /Type /Annot /Subtype /FileAttachment /Rect [9 9 30 30] /FS 6 0 R >>"
    objects[6] = "<< /Type /Filespec /F (a.pdf) >>"
    assert [note.text for note in only_page(tmp_path, pdf_file(objects)).notes] == ["carries 1 file that was not read"]
