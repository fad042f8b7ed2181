"""Pooled collections: fewer vectors, the same pages, and a map through every patch of a cluster."""

import numpy as np
import pytest

from colvision.errors import LibraryError
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document

PAGES = [["bleed", "valve", "pump", "seal"] * 6, ["oil", "filter", "tank", "hose"] * 6]


@pytest.fixture
def file(quick_path):
    return save_document(quick_path / "pump.tiff", PAGES)


def vectors_of(library):
    return library.status().collections[0].vectors


def test_a_pooled_collection_has_fewer_vectors_and_finds_the_same_pages(quick_path, file):
    with open_library(quick_path / "all", encoder=ToyEncoder()) as whole:
        whole.ingest(file)
        with open_library(quick_path / "half", encoder=ToyEncoder()) as half:
            half.ingest(file, pool=2)
            assert vectors_of(half) <= 0.6 * vectors_of(whole)
            for text in ("bleed", "oil filter"):
                assert half.search(text)[0].page == whole.search(text)[0].page


def test_the_map_of_a_pooled_page_covers_every_patch_that_was_printed(quick_path, file):
    with open_library(quick_path / "half", encoder=ToyEncoder()) as library:
        library.ingest(file, pool=3)
        hit = library.search("bleed valve")[0]
        why = library.explain(hit)
    assert np.isfinite(why.similarity_map[0]).sum() == len(PAGES[0])  # the words' cells, and no other
    assert why.score == pytest.approx(hit.score, abs=1e-5)
    assert why.matches[0].cell is not None


def test_the_factor_belongs_to_the_collection_once_something_is_in_it(quick_path, file):
    """Words that are printed again may share a vector, or not, by how a processor rounds: at most half are kept."""
    half_a_page = len(PAGES[0]) // 2
    with open_library(quick_path / "half", encoder=ToyEncoder()) as library:
        library.ingest(file, pool=2)
        begun = vectors_of(library)
        more = save_document(quick_path / "more.tiff", PAGES[:1])
        library.ingest(more)
        assert 0 < vectors_of(library) - begun <= half_a_page
        with pytest.raises(LibraryError, match="begun with pool 2, not 3"):
            library.ingest(more, pool=3)
        library.ingest_again("pump.tiff")
        assert vectors_of(library) <= 3 * half_a_page
    with open_library(quick_path / "half", encoder=ToyEncoder(seed=1)) as library:
        library.reencode()
        assert vectors_of(library) <= 3 * half_a_page
        assert library.status().collections[0].encoder.pool == 2


def test_no_factor_below_one(quick_path, file):
    with (
        open_library(quick_path / "half", encoder=ToyEncoder()) as library,
        pytest.raises(ValueError, match="pool is 0"),
    ):
        library.ingest(file, pool=0)
