"""Tiny checkpoints load as what they are; each seed is another. All else is in the tests of the families."""

import pytest

from colvision.encoders import load_encoder
from colvision.testing import tiny_checkpoint
from colvision.testing.checkpoints import FAMILIES
from colvision.testing.text_checkpoints import TEXT_FAMILIES

pytestmark = pytest.mark.slow


def test_a_checkpoint_is_made_where_it_is_asked_for_and_told_apart_by_its_seed(tmp_path):
    folders = [tmp_path / "new" / name for name in ("one", "same", "other")]
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        assert tiny_checkpoint(str(folder), "neomme", seed=seed) == folder
    one, same, other = (load_encoder(folder, device="cpu", dtype="float32").info for folder in folders)
    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert one.dim == 32


def test_the_families_are_those_that_its_docstring_names_and_others_are_refused(tmp_path):
    assert all(family in tiny_checkpoint.__doc__ for family in (*FAMILIES, *TEXT_FAMILIES))
    with pytest.raises(ValueError, match="no tiny checkpoint of 'colbort'; there is one of colpali, colqwen2, "):
        tiny_checkpoint(tmp_path / "never", "colbort")
    assert not (tmp_path / "never").exists()
