"""Image files as pages: every mode becomes RGB or L on white, upright, at the size of a drawn page."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from colvision.core.page import Page
from colvision.errors import DamagedFile, LimitExceeded, UnsupportedFile
from colvision.pdf import RENDER_PIXELS, FailedPage, FileInfo, Limits, inspect_file, read_pages
from colvision.pdf.backends.pillow import to_page_image

pytestmark = pytest.mark.slow

SMALL = 100_000  # pixels of a page, where they do not matter


def saved(folder: Path, image: Image.Image, name: str, **options) -> Path:
    image.save(folder / name, **options)
    return folder / name


def only_page(path: Path, **options) -> Page:
    [page] = read_pages(path, **{"pixels": SMALL} | options)
    assert isinstance(page, Page), page
    return page


def corners(page: Page) -> str:
    """The colours of the picture's corners as letters, clockwise from the top left."""
    names = {(255, 0, 0): "R", (0, 255, 0): "G", (0, 0, 255): "B", (255, 255, 255): "W"}
    width, height = page.image.size
    spots = [(9, 9), (width - 9, 9), (width - 9, height - 9), (9, height - 9)]
    rounded = [tuple(255 * (value > 127) for value in page.image.getpixel(spot)) for spot in spots]
    return "".join(names[colour] for colour in rounded)


def quarters(width: int = 300, height: int = 200) -> Image.Image:
    """Red, green, blue and white, clockwise from the top left."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for colour, (left, top) in {"red": (0, 0), "lime": (1, 0), "blue": (1, 1)}.items():
        x, y = left * width // 2, top * height // 2
        draw.rectangle((x, y, x + width // 2 - 1, y + height // 2 - 1), fill=colour)
    return image


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
@pytest.mark.parametrize("size", [(300, 200), (3000, 2000)])
def test_an_image_file_is_one_page_of_the_asked_area(tmp_path, name, size):
    path = saved(tmp_path, quarters(*size), name)
    info = inspect_file(path)
    assert info == FileInfo("image", 1, info.renderer)
    assert info.renderer.startswith("pillow 1")
    page = only_page(path, pixels=RENDER_PIXELS)
    height, width = page.shape
    assert width * height == pytest.approx(RENDER_PIXELS, rel=0.01)
    assert width / height == pytest.approx(1.5, rel=0.01)
    assert (corners(page), page.geometry, page.text, page.source) == ("RGBW", None, "", name)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png", "a.webp"])
def test_a_photo_is_turned_upright(tmp_path, name):
    upright = {1: "RGBW", 2: "GRWB", 3: "BWRG", 4: "WBGR", 5: "RWBG", 6: "WRGB", 7: "BGRW", 8: "GBWR"}
    for orientation, expected in upright.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = saved(tmp_path, quarters(), name, exif=exif)
        page = only_page(path)
        assert corners(page) == expected, f"orientation {orientation}"
        height, width = page.shape
        assert (width > height) == (orientation < 5)


def test_the_pages_of_a_tiff_are_pages(tmp_path):
    grey = Image.new("L", (200, 300), 77)
    fax = Image.new("1", (500, 400), 1)
    path = saved(tmp_path, quarters(), "scan.tiff", save_all=True, append_images=[grey, fax, quarters(3000, 2000)])
    assert inspect_file(path).pages == 4
    pages = list(read_pages(path, pixels=SMALL))
    assert [page.number for page in pages] == [1, 2, 3, 4]
    assert [page.image.mode for page in pages] == ["RGB", "L", "L", "RGB"]
    assert [page.image.getextrema() for page in pages[1:3]] == [(77, 77), (255, 255)]
    assert (corners(pages[0]), corners(pages[3])) == ("RGBW", "RGBW")
    again = list(read_pages(path, pixels=SMALL, numbers=[4, 2, 4]))
    assert [page.shape for page in again] == [pages[n].shape for n in (3, 1, 3)]


def test_a_damaged_page_of_a_tiff_costs_only_itself(tmp_path):
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8)) for _ in range(3)]
    path = saved(tmp_path, noise[0], "scan.tif", save_all=True, append_images=noise[1:], compression="tiff_deflate")
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third + 20_000 : third + 30_000] = bytes(10_000)
    path.write_bytes(data)
    first, second, third_page = read_pages(path, pixels=SMALL)
    assert isinstance(second, FailedPage)
    assert second.reason.startswith("is damaged: ")
    assert isinstance(first, Page)
    assert isinstance(third_page, Page)


def test_an_image_that_is_cut_short_fails_and_is_not_half_grey(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8))
    for name in ("a.jpg", "a.png"):
        path = saved(tmp_path, noise, name)
        path.write_bytes(path.read_bytes()[:-5000])
        [page] = read_pages(path)
        assert isinstance(page, FailedPage)
        assert page.reason.startswith("is damaged: "), name
    path = saved(tmp_path, noise, "a.webp")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DamagedFile, match=r"a\.webp is a damaged WEBP file; copy"):
        next(read_pages(path))


@pytest.mark.parametrize(("name", "kind"), [("a.webp", "WEBP"), ("a.png", "PNG"), ("a.jpg", "MPO")])
def test_of_an_animation_or_a_stereo_photo_the_first_frame_is_the_page(tmp_path, name, kind):
    black = Image.new("RGB", (300, 200))
    path = saved(tmp_path, quarters(), name, format=kind, save_all=True, append_images=[black])
    assert inspect_file(path).pages == 1
    assert corners(only_page(path)) == "RGBW"


def png_that_declares(width: int, height: int) -> bytes:
    small = BytesIO()
    Image.new("RGB", (16, 16)).save(small, "PNG")
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    checksum = zlib.crc32(header).to_bytes(4, "big")
    return small.getvalue()[:12] + header + checksum + small.getvalue()[33:]


def test_a_declared_size_is_checked_before_anything_is_decoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_that_declares(2_000_000, 1_000))
    with pytest.raises(
        LimitExceeded, match=r"2000000 x 1000 = 2,000,000,000 pixels; the limit image_pixels is 150,000,000"
    ):
        inspect_file(tmp_path / "bomb.png")
    path = saved(tmp_path, quarters(), "two.tif", save_all=True, append_images=[quarters(600, 400)])
    first, second = read_pages(path, pixels=SMALL, limits=Limits(image_pixels=100_000))
    assert isinstance(first, Page)
    assert second == FailedPage(2, "measures 600 x 400 = 240,000 pixels; the limit image_pixels is 100,000")


def test_a_dot_and_a_rule_are_not_pages(tmp_path):
    for size, reason in {(1, 1): "too small to hold", (5000, 20): "more than 100 times as long as wide"}.items():
        [page] = read_pages(saved(tmp_path, Image.new("RGB", size), "tiny.png"))
        assert isinstance(page, FailedPage)
        assert reason in page.reason


def middle(image: Image.Image, pixels: int = 20_000) -> tuple[str, int | tuple[int, ...]]:
    page = to_page_image(image, pixels)
    assert page.mode in ("RGB", "L")
    return page.mode, page.getpixel((page.width // 2, page.height // 2))


def filled(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (120, 90), colour)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (filled("1", 1), ("L", 255)),
        (filled("L", 99), ("L", 99)),
        (filled("LA", (0, 0)), ("L", 255)),
        (filled("LA", (40, 255)), ("L", 40)),
        (filled("RGB", (9, 99, 199)), ("RGB", (9, 99, 199))),
        (filled("RGBA", (0, 0, 0, 0)), ("RGB", (255, 255, 255))),
        (filled("RGBA", (255, 0, 0, 255)), ("RGB", (255, 0, 0))),
        (filled("RGBA", (0, 0, 0, 128)), ("RGB", (127, 127, 127))),
        (filled("RGBa", (0, 0, 0, 0)), ("RGB", (255, 255, 255))),
        (filled("P", 0).convert("RGB").quantize(4), ("RGB", (0, 0, 0))),
        (filled("CMYK", (0, 0, 0, 0)), ("RGB", (255, 255, 255))),
        (filled("CMYK", (0, 255, 255, 0)), ("RGB", (255, 0, 0))),
        (filled("YCbCr", (255, 128, 128)), ("RGB", (255, 255, 255))),
        (filled("I;16", 65535), ("L", 255)),
        (filled("I;16", 32768), ("L", 128)),
        (filled("I;16", 200), ("L", 200)),
        (filled("I;16", 4095), ("L", 255)),
        (filled("I", 65535), ("L", 255)),
        (filled("I", 200), ("L", 200)),
        (filled("F", 1.0), ("L", 255)),
        (filled("F", 0.5), ("L", 128)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value[1]),
)
def test_every_mode_keeps_its_colours(image, expected):
    assert middle(image) == expected


@pytest.mark.parametrize("mode", ["I", "F"])
def test_grey_of_an_unusual_range_is_spread_over_the_usual_one(mode):
    image = filled(mode, -1000)
    image.paste(900_000, (0, 0, 60, 90))
    assert to_page_image(image, 20_000).getextrema() == (0, 255)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_a_colour_that_is_declared_transparent_shows_white(tmp_path, mode):
    image = quarters().quantize(8) if mode == "P" else Image.new(mode, (300, 200), "black")
    clear = image.getpixel((9, 9))
    page = only_page(saved(tmp_path, image, "clear.png", transparency=clear))
    assert page.image.convert("RGB").getpixel((9, 9)) == (255, 255, 255)


def test_sixteen_bits_a_channel_are_read(tmp_path):
    ramp = np.linspace(0, 65535, 300).astype(np.uint16) * np.ones((200, 1), dtype=np.uint16)
    for name in ("ramp.png", "ramp.tif"):
        page = only_page(saved(tmp_path, Image.fromarray(ramp), name))
        row = np.asarray(page.image)[page.shape[0] // 2].astype(int)
        assert page.image.mode == "L"
        assert np.abs(row - np.linspace(0, 255, row.size)).max() < 3, name


def test_a_page_in_lab_keeps_its_colours(tmp_path):
    to_lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(quarters(), *to_lab, outputMode="LAB")
    assert corners(only_page(saved(tmp_path, lab, "lab.tif"))) == "RGBW"


def test_a_whole_tiff_of_an_uncommon_width_is_not_called_damaged(tmp_path):
    path = tmp_path / "a.tif"
    Image.new("L", (40, 30), 200).save(path)
    data = path.read_bytes()
    eight, three = (struct.pack("<HHII", 258, 3, 1, bits) for bits in (8, 3))
    assert data.count(eight) == 1
    path.write_bytes(data.replace(eight, three))
    with pytest.raises(
        UnsupportedFile, match=r"a\.tif is a TIFF with samples of an uncommon width or kind; save it as"
    ):
        inspect_file(path)
