"""What an image says of itself is used, and what stands beside the picture never refuses it."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from colvision.core.page import Page
from colvision.ingest import Upload
from colvision.pdf import FailedPage, inspect_file, read_pages

pytestmark = pytest.mark.slow

SMALL = 20_000  # pixels of a page, where they do not matter
JUNK = b"rubbish" * 99


def picture(mode: str = "L", size: tuple[int, int] = (120, 160)) -> Image.Image:
    """White paper with a black bar across its top."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle((0, 0, size[0], size[1] // 4), fill="black")
    return image.convert(mode)


def saved(kind: str, image: Image.Image, **options) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def only_page(folder: Path, data: bytes) -> Page:
    path = folder / "image"
    path.write_bytes(data)
    [page] = read_pages(path, pixels=SMALL)
    assert isinstance(page, Page), page
    return page


def shape(page: Page) -> float:
    """Width over height."""
    return page.image.width / page.image.height


def paper_and_ink(page: Page) -> tuple[int, int]:
    grey = page.image.convert("L")
    middle = grey.width // 2
    return grey.getpixel((middle, grey.height * 3 // 4)), grey.getpixel((middle, grey.height // 8))


def png_with(*chunks: tuple[bytes, bytes], at_end: bool = False, wrong: bytes = b"", image: Image.Image | None = None):
    """A good PNG with chunks before its picture or behind it; the checksum of `wrong` is not right."""
    whole = saved("PNG", image or picture())
    place = len(whole) - 12 if at_end else 33
    extra = b""
    for name, data in chunks:
        checksum = zlib.crc32(name + data) ^ (name == wrong)
        extra += struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    return whole[:place] + extra + whole[place:]


def jpeg_with(*segments: tuple[int, bytes], image: Image.Image | None = None, jfif: bool = True) -> bytes:
    whole = saved("JPEG", image or picture())
    extra = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return whole[:2] + (whole[2:20] if jfif else b"") + extra + whole[20:]


def webp_with(*chunks: tuple[bytes, bytes], flags: int = 0x2C) -> bytes:
    whole = saved("WEBP", picture("RGB"), lossless=True)
    size = struct.pack("<I", 119)[:3] + struct.pack("<I", 159)[:3]
    parts = struct.pack("<4sIB3x", b"VP8X", 10, flags) + size + whole[12:]
    for name, data in chunks:
        parts += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


def exif(x: float = 0, y: float = 0, orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[274] = orientation
    if x:
        tags[282], tags[283], tags[296] = x, y, 2
    return tags.tobytes()


def tiff_with(tags: dict[int, object], mode: str = "L", image: Image.Image | None = None, **options) -> bytes:
    return saved("TIFF", image or picture(mode), tiffinfo=tags, **options)


TEXT = b"k\0\0" + zlib.compress(bytes(3_000_000))
XMP = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 30_000_000)
BESIDE: dict[str, bytes] = {
    "a text of 3 MB": png_with((b"zTXt", TEXT)),
    "80 texts of 3 MB behind the picture": png_with(*[(b"zTXt", TEXT)] * 80, at_end=True),
    "XMP of 30 MB": png_with((b"iTXt", XMP)),
    "a profile of 3 MB": png_with((b"iCCP", TEXT)),
    "a profile that is none": png_with((b"iCCP", b"sRGB")),
    "broken EXIF": png_with((b"eXIf", JUNK)),
    "EXIF that ends early": png_with((b"eXIf", exif(300, 300)[6:40])),
    "EXIF behind the picture": png_with((b"eXIf", JUNK), at_end=True),
    "short chunks": png_with((b"gAMA", b""), (b"cHRM", b"1"), (b"sRGB", b""), (b"pHYs", b"1"), (b"tRNS", b"")),
    "a wrong checksum of a text": png_with((b"tEXt", b"a\0b"), wrong=b"tEXt"),
    "a wrong checksum of a density": png_with((b"pHYs", struct.pack(">IIB", 9000, 3000, 1)), wrong=b"pHYs"),
    "an animation that is none": png_with((b"acTL", b"1"), (b"fcTL", b"2")),
    "a cut text at the end": png_with((b"tEXt", b"a\0" + JUNK), at_end=True)[:-300],
    "JPEG: broken EXIF": jpeg_with((0xE1, b"Exif\0\0" + JUNK)),
    "JPEG: EXIF that points out of itself": jpeg_with((0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
    "JPEG: EXIF of a strange kind": jpeg_with((0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x1a\0\x63\0\0\0\1")),
    "JPEG: broken list of pictures": jpeg_with((0xE2, b"MPF\0" + JUNK)),
    "JPEG: broken Photoshop block": jpeg_with((0xED, b"Photoshop 3.0\x008BIM" + JUNK)),
    "JPEG: half a profile": jpeg_with((0xE2, b"ICC_PROFILE\0")),
    "JPEG: short JFIF": jpeg_with((0xE0, b"JFIF\0"), jfif=False),
    "JPEG: short Adobe": jpeg_with((0xEE, b"Adobe")),
    "JPEG: XMP": jpeg_with(*[(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + bytes(65_000))] * 40),
    "WebP: broken EXIF": webp_with((b"EXIF", JUNK)),
    "WebP: broken profile and XMP": webp_with((b"ICCP", JUNK), (b"XMP ", JUNK)),
    "WebP: profile that is not there": webp_with(flags=0x20),
    "WebP: EXIF that ends early": webp_with((b"EXIF", JUNK))[:-400],
    "TIFF: broken EXIF": tiff_with({34665: 2**31}),
    "TIFF: broken profile": tiff_with({34675: JUNK}),
    "TIFF: XMP": tiff_with({700: JUNK * 3000}),
    "TIFF: broken place on earth": tiff_with({34853: 7}, compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_a_picture_never_refuses_it(tmp_path, name):
    page = only_page(tmp_path, BESIDE[name])
    assert (paper_and_ink(page), shape(page)) == ((255, 0), pytest.approx(0.75, rel=0.02))


def test_a_part_that_draws_the_picture_still_counts(tmp_path):
    (tmp_path / "a.png").write_bytes(png_with((b"PLTE", b"abc"), wrong=b"PLTE"))
    with pytest.raises(Exception, match=r"a\.png is a damaged PNG file"):
        inspect_file(tmp_path / "a.png")


DENSITIES: dict[str, Callable[[float, float], bytes]] = {
    "TIFF": lambda x, y: saved("TIFF", picture("1"), resolution_unit=2, x_resolution=x, y_resolution=y),
    "TIFF, a centimetre": lambda x, y: saved("TIFF", picture(), resolution_unit=3, x_resolution=x, y_resolution=y),
    "TIFF, no unit": lambda x, y: saved("TIFF", picture(), resolution_unit=1, x_resolution=x, y_resolution=y),
    "PNG": lambda x, y: png_with((b"pHYs", struct.pack(">IIB", round(x * 39.37), round(y * 39.37), 1))),
    "PNG, no unit": lambda x, y: png_with((b"pHYs", struct.pack(">IIB", int(x), int(y), 0))),
    "PNG, EXIF": lambda x, y: png_with((b"eXIf", exif(x, y)[6:])),
    "JPEG": lambda x, y: saved("JPEG", picture(), dpi=(int(x), int(y))),
    "JPEG, no unit": lambda x, y: saved("JPEG", picture()).replace(
        struct.pack(">BHH", 0, 1, 1), struct.pack(">BHH", 0, int(x), int(y)), 1
    ),
    "JPEG, EXIF": lambda x, y: jpeg_with((0xE1, exif(x, y))),
    "WebP, EXIF": lambda x, y: webp_with((b"EXIF", exif(x, y)[6:])),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_a_page_has_the_shape_of_its_paper(tmp_path, name):
    assert shape(only_page(tmp_path, DENSITIES[name](204, 98))) == pytest.approx(0.75 * 98 / 204, rel=0.02)
    assert shape(only_page(tmp_path, DENSITIES[name](200, 400))) == pytest.approx(1.5, rel=0.02)
    assert shape(only_page(tmp_path, DENSITIES[name](7200, 72))) == pytest.approx(0.75, rel=0.02), "a slip"


@pytest.mark.parametrize("name", ["TIFF", "JPEG", "WebP"])
def test_the_density_is_that_of_the_stored_rows(tmp_path, name):
    data = {
        "TIFF": tiff_with({274: 6, 282: 200.0, 283: 100.0, 296: 2}),
        "JPEG": jpeg_with((0xE1, exif(200, 100, orientation=6))),
        "WebP": webp_with((b"EXIF", exif(200, 100, orientation=6)[6:])),
    }
    # 120 x 160 pixels of 1 x 2 are 120 x 320, turned 320 x 120.
    assert shape(only_page(tmp_path, data[name])) == pytest.approx(320 / 120, rel=0.02)


def test_an_image_in_memory_keeps_the_shape_of_its_paper(tmp_path):
    fax = Image.open(io.BytesIO(saved("TIFF", picture("1"), dpi=(204, 98))))
    with Upload(fax, "fax.png").open() as path:
        assert shape(only_page(tmp_path, path.read_bytes())) == pytest.approx(0.75 * 98 / 204, rel=0.02)
    fax.info["dpi"] = ("many", None)
    with Upload(fax, "fax.png").open() as path:
        assert shape(only_page(tmp_path, path.read_bytes())) == pytest.approx(0.75, rel=0.02)


def wide(values: np.ndarray, kind: str = "PNG", **options) -> bytes:
    return saved(kind, Image.fromarray(values), **options)


def levels(paper: int, ink: int = 0) -> np.ndarray:
    values = np.full((160, 120), paper, dtype=np.uint16)
    values[:40] = ink
    return values


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_white_is_the_largest_value_of_the_bits_that_are_used(tmp_path, kind, bits):
    assert paper_and_ink(only_page(tmp_path, wide(levels(2**bits - 1), kind))) == (255, 0)


def test_white_is_the_value_that_a_tiff_names(tmp_path):
    data = wide(levels(2500), "TIFF", tiffinfo={281: 2500})
    assert paper_and_ink(only_page(tmp_path, data)) == (255, 0)
    brighter = wide(levels(5000), "TIFF", tiffinfo={281: 2500})
    assert paper_and_ink(only_page(tmp_path, brighter))[0] == pytest.approx(5000 / 16383 * 255, abs=1)


@pytest.mark.parametrize("bits", [12, 16])
def test_colours_of_12_bits_in_16_are_not_dark(tmp_path, bits):
    rows = np.repeat(levels(2**bits - 1)[:, :, None], 3, axis=2).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 120, 160, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in parts]
    assert paper_and_ink(only_page(tmp_path, b"\x89PNG\r\n\x1a\n" + b"".join(chunks))) == (255, 0)


@pytest.mark.parametrize("kind", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "LAB"])
def test_paper_is_white_in_every_tiff(tmp_path, kind):
    assert paper_and_ink(only_page(tmp_path, tiff_with({}, kind)))[0] == 255


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "F"])
def test_a_tiff_whose_zero_is_white_is_not_a_negative(tmp_path, mode):
    if mode == "I;16":
        data = wide(levels(0, 65535), "TIFF", tiffinfo={262: 0})
    elif mode == "F":
        data = saved("TIFF", Image.fromarray(levels(0, 1).astype(np.float32)), tiffinfo={262: 0})
    else:
        data = tiff_with({262: 0}, mode)
    assert paper_and_ink(only_page(tmp_path, data)) == (255, 0)


def test_ink_of_four_colours_is_the_right_way_round(tmp_path):
    adobe = saved("JPEG", picture("CMYK"))
    assert b"Adobe" in adobe
    assert paper_and_ink(only_page(tmp_path, adobe))[0] > 250
    plain = saved("JPEG", Image.eval(picture("CMYK"), lambda value: 255 - value))
    start = plain.index(b"\xff\xee")
    plain = plain[:start] + plain[start + 16 :]
    assert paper_and_ink(only_page(tmp_path, plain))[0] > 250


def test_a_long_strip_and_a_large_sheet_say_that_they_were_shrunk(tmp_path):
    def kinds(image: Image.Image, **options) -> list[str]:
        path = tmp_path / "image"
        path.write_bytes(saved("TIFF", image, compression="group4", **options))
        [page] = read_pages(path, pixels=2_100_000)
        assert not isinstance(page, FailedPage)
        return [note.kind for note in page.notes]

    assert kinds(picture("1", (600, 10_000))) == ["shrunk"]
    assert kinds(picture("1", (60, 1000))) == [], "enlarged"
    assert kinds(picture("1", (3300, 2350)), dpi=(100, 100)) == ["shrunk"], "A1"
    assert kinds(picture("1", (3300, 2350)), dpi=(200, 200)) == [], "A3"
    assert kinds(picture("1", (3300, 2350)), dpi=(72, 72)) == [], "what a camera says of paper"
