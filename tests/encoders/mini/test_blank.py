"""Blank rows and columns of patches are found whatever the paper is like, and no print is taken for blank."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from colvision.encoders.mini.blank import find_print
from colvision.encoders.mini.geometry import PATCH_HEIGHT, PATCH_WIDTH
from colvision.evaluation.scans import SCAN_SETTINGS, simulate_scan

HEIGHT, WIDTH = 640, 832
ROWS, COLS = HEIGHT // PATCH_HEIGHT, WIDTH // PATCH_WIDTH
SIZE = 12  # pixels: 9 pt


def sheet(*places, paper=255, ink=0, text="5"):
    """A sheet with a word at each (top, left)."""
    image = Image.new("L", (WIDTH, HEIGHT), paper)
    for top, left in places:
        ImageDraw.Draw(image).text((left, top), text, fill=ink, font=ImageFont.load_default(SIZE))
    return np.array(image)


def scanned(image, seed):
    """As a bad scanner sees it at 150 dpi, brought to size."""
    large = Image.fromarray(image).resize((WIDTH * 3 // 2, HEIGHT * 3 // 2), Image.Resampling.BICUBIC)
    scan = simulate_scan(large, replace(SCAN_SETTINGS["heavy"], turn=0, shift=0), rng=np.random.default_rng(seed))
    return np.array(scan.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def places_of(image):
    rows, cols = find_print(image)
    return set(rows.tolist()), set(cols.tolist())


def test_print_is_read_with_a_patch_around_it_and_nothing_else():
    top, left = 20 * PATCH_HEIGHT + 1, 10 * PATCH_WIDTH + 8
    assert places_of(sheet((top, left))) == ({19, 20, 21}, {9, 10, 11})


@pytest.mark.parametrize("seed", range(5))
def test_a_lone_page_number_is_seen_on_the_worst_scan_and_its_margins_are_not_read(seed):
    row, col = 3 + 7 * seed, 4 + 4 * seed
    rows, cols = places_of(scanned(sheet((row * PATCH_HEIGHT + 1, col * PATCH_WIDTH + 8), text="57"), seed))
    assert row in rows and col in cols
    assert len(rows) * len(cols) < ROWS * COLS / 2


@pytest.mark.parametrize(("paper", "ink"), [(255, 200), (0, 255), (90, 160), (230, 190)])
def test_pale_print_and_light_print_on_dark_are_seen(paper, ink):
    rows, cols = places_of(sheet((200, 320), paper=paper, ink=ink, text="pump"))
    assert 200 // PATCH_HEIGHT in rows and {10, 11} <= cols


def test_a_page_full_of_print_is_read_whole():
    lines = [(top, 0) for top in range(0, HEIGHT, PATCH_HEIGHT)]
    page = sheet(*lines, text="The relief valve opens at 250 bar and the pump stops. " * 4, ink=120, paper=200)
    rows, cols = find_print(page)
    assert len(rows) == ROWS
    assert len(cols) == COLS


def test_a_blank_sheet_of_any_grey_keeps_one_patch():
    for paper in (0, 128, 255):
        rows, cols = find_print(sheet(paper=paper))
        assert (len(rows), len(cols)) == (1, 1)
    shadow = np.tile(np.linspace(255, 90, WIDTH).astype(np.uint8), (HEIGHT, 1))
    assert len(find_print(shadow)[0]) == 1
