"""The boxes of words on pages that are drawn here: a word's true box is that of its ink."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import PatchGrid
from colvision.core.page import Box
from colvision.evaluation.scans import SCAN_SETTINGS, simulate_scan
from colvision.explain.word_box import word_box

SIZE = (1000, 1400)
PATCH = (42, 21)  # width and height in pixels, as mini's at 128 dpi
FONT = ImageFont.load_default(20)
LINES = ("check that the relief valve", "opens before the bleed screw", "is tight and the pump is off")


@pytest.fixture(scope="module")
def printed():
    """A page, and the box of each word in pixels."""
    page, words = Image.new("L", SIZE, 255), {}
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(LINES):
        x = 300.0
        for word in line.split():
            at = (round(x), 500 + 30 * number)
            words[word] = pen.textbbox(at, word, FONT)
            pen.text(at, word, 0, FONT)
            x += pen.textlength(word, FONT) + 7  # a blank of a third of an em
    return page, words


def _patch(box, *, right=0.0, down=0.0):
    """A patch whose middle is so many widths and heights off the middle of a box."""
    x, y = (box[0] + box[2]) / 2 + right * PATCH[0], (box[1] + box[3]) / 2 + down * PATCH[1]
    return Box(x - PATCH[0] / 2, y - PATCH[1] / 2, x + PATCH[0] / 2, y + PATCH[1] / 2)


def _found(page, patch):
    """The box in pixels; the patch is in pixels, too."""
    share = Box(patch.left / SIZE[0], patch.top / SIZE[1], patch.right / SIZE[0], patch.bottom / SIZE[1])
    box = word_box(page, share, ((share.left + share.right) / 2, (share.top + share.bottom) / 2))
    return tuple(box.scaled(page.size))


@pytest.mark.parametrize("right", [-0.4, 0, 0.4])
@pytest.mark.parametrize("down", [-0.4, 0, 0.4])
def test_the_box_is_the_words_wherever_in_it_the_patch_lies(printed, right, down):
    page, words = printed
    for word in ("relief", "before", "screw", "tight"):
        assert _found(page, _patch(words[word], right=right, down=down)) == pytest.approx(words[word], abs=2)


def test_light_print_on_dark_paper_is_read_alike(printed):
    page, words = printed
    dark = Image.eval(page, lambda grey: 200 - grey // 2)
    assert _found(dark, _patch(words["bleed"], down=0.3)) == pytest.approx(words["bleed"], abs=2)


def test_a_scan_has_the_same_boxes(printed):
    page, words = printed
    settings = dataclasses.replace(SCAN_SETTINGS["heavy"], turn=0, shift=0)
    scan = simulate_scan(page, settings, rng=np.random.default_rng(0))
    assert _found(scan, _patch(words["bleed"], down=0.3)) == pytest.approx(words["bleed"], abs=4)


@pytest.mark.parametrize("angle", [-2, 2])
def test_a_turned_line_is_still_one_line(printed, angle):
    page, words = printed
    left, top, right, bottom = words["bleed"]
    centre = ((left + right) / 2, (top + bottom) / 2)
    turned = page.rotate(angle, Image.Resampling.BICUBIC, center=centre, fillcolor=255)
    assert _found(turned, _patch(words["bleed"], down=0.3)) == pytest.approx(words["bleed"], abs=4)


def test_the_rules_of_a_table_are_not_ink(printed):
    page, words = printed
    ruled = page.copy()
    pen = ImageDraw.Draw(ruled)
    left, top, right, bottom = words["bleed"]
    for y in (top - 4, bottom + 4):
        pen.line((100, y, 900, y), 0, 2)
    for x in (left - 3, right + 2):
        pen.line((x, 300, x, 800), 0, 2)
    assert _found(ruled, _patch(words["bleed"], down=0.3)) == pytest.approx(words["bleed"], abs=2)


def test_a_word_on_the_dark_head_of_a_table_is_told_from_the_paper_below():
    page = Image.new("L", SIZE, 255)
    pen = ImageDraw.Draw(page)
    pen.rectangle((200, 480, 800, 530), 40)
    pen.text((400, 494), "Torque", 250, FONT)
    box = pen.textbbox((400, 494), "Torque", FONT)
    assert _found(page, _patch(box, down=0.3)) == pytest.approx(box, abs=2)


def _photograph():
    coarse = np.random.default_rng(0).integers(0, 255, (28, 20), dtype=np.uint8)
    return Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)


def _shape():
    page = Image.new("L", SIZE, 255)
    ImageDraw.Draw(page).rectangle((100, 200, 900, 900), 0)
    return page


def _noise():
    return Image.fromarray(np.random.default_rng(0).normal(220, 6, SIZE[::-1]).clip(0, 255).astype(np.uint8))


def _dust():
    page = Image.new("L", SIZE, 255)
    page.putpixel((500, 510), 0)
    return page


@pytest.mark.parametrize("page", [Image.new("L", SIZE, 255), _dust(), _noise(), _photograph(), _shape()])
def test_where_there_is_no_word_the_patch_is_kept(page):
    patch = _patch((480, 500, 520, 520))
    assert _found(page, patch) == pytest.approx(patch)


def test_a_patch_that_holds_two_lines_is_kept_since_it_does_not_say_which(printed):
    page, words = printed
    left, top, _, _ = words["relief"]
    coarse = Box(left, top - 4, left + 40, top + 56)
    assert _found(page, coarse) == pytest.approx(coarse)


@pytest.mark.parametrize("at", [(0, 0), (SIZE[0] - 60, SIZE[1] - 30)])
def test_a_word_in_the_corner_of_a_page_is_found(at):
    page = Image.new("RGB", SIZE, (255, 255, 255))
    pen = ImageDraw.Draw(page)
    pen.text(at, "oil", (0, 0, 160), FONT)
    box = pen.textbbox(at, "oil", FONT)
    assert _found(page, _patch(box)) == pytest.approx(box, abs=2)


def test_any_box_lies_on_the_page_whatever_is_on_it():
    rng = np.random.default_rng(0)
    for _ in range(150):
        width, height = rng.integers(1, 300, 2).tolist()
        pixels = np.full((height, width), 255, np.uint8)
        for x, y, side in zip(
            rng.integers(0, width, 9), rng.integers(0, height, 9), rng.integers(1, 12, 9), strict=True
        ):
            pixels[y : y + side, x : x + 12 - side] = rng.integers(0, 255)
        rows, cols = rng.integers(1, 40, 2).tolist()
        patch = PatchGrid.full(rows, cols).box(int(rng.integers(rows)), int(rng.integers(cols)))
        centre = (rng.uniform(patch.left, patch.right), rng.uniform(patch.top, patch.bottom))
        left, top, right, bottom = word_box(Image.fromarray(pixels), patch, centre)
        assert 0 <= left < right <= 1 and 0 <= top < bottom <= 1
