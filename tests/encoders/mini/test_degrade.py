"""Crops are degraded as machines would, and their letters stay where the targets say."""

import numpy as np
import pytest

from colvision.encoders.mini.training.degrade import degrade

SEEDS = range(60)


@pytest.fixture(scope="module")
def crop():
    """White paper with one black square a quarter, none at a place that a mirror or a turn would map onto another."""
    paper = np.full((128, 192), 255, np.uint8)
    for row, col in ((8, 12), (20, 140), (84, 52), (100, 160)):
        paper[row : row + 12, col : col + 12] = 0
    return paper


def draws(crop):
    return [degrade(crop, np.random.default_rng(seed)) for seed in SEEDS]


def test_print_stays_in_its_place_whatever_happens_to_it(crop):
    print_is = crop == 0
    for seed, picture in zip(SEEDS, draws(crop), strict=True):
        assert picture.shape == crop.shape
        assert picture.dtype == np.uint8
        alike = abs(np.corrcoef(picture.ravel(), print_is.ravel())[0, 1])
        moved = [abs(np.corrcoef(picture.ravel(), np.roll(print_is, 3, axis).ravel())[0, 1]) for axis in (0, 1)]
        assert alike > max(moved), seed


def test_crops_come_clean_inverted_as_fax_and_with_grey_ink(crop):
    pictures = draws(crop)
    assert any((picture == crop).all() for picture in pictures)
    assert any(np.median(picture) < 100 for picture in pictures)
    binary = [picture for picture in pictures if set(np.unique(picture)) == {0, 255}]
    assert any((picture != crop).any() for picture in binary)
    assert any(np.median(picture[crop == 0]) > 50 for picture in pictures)


def test_the_same_seed_degrades_alike_and_leaves_the_crop_as_it_was(crop):
    before = crop.copy()
    np.testing.assert_array_equal(degrade(crop, np.random.default_rng(3)), degrade(crop, np.random.default_rng(3)))
    np.testing.assert_array_equal(crop, before)
