"""What a folder will take, against what it takes."""

import pytest

from colvision.errors import InputError
from colvision.ingest import LeftOut
from colvision.ingest.estimate import SAMPLE_PAGES, estimate_files
from colvision.library import open_library
from colvision.maxsim.binary import FIRST_STAGE_PAGES, has_first_stage
from colvision.testing import ToyEncoder, save_document

WORDS = ["bleed", "valve", "pump", "seal", "oil"]


@pytest.fixture
def folder(quick_path):
    folder = quick_path / "manuals"
    (folder / "old").mkdir(parents=True)
    save_document(folder / "pump.pdf", [WORDS] * 6)
    save_document(folder / "old" / "crane.tiff", [WORDS] * 3)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    (folder / "notes.txt").write_text("not a page")
    return folder


@pytest.mark.slow
def test_a_plan_says_what_the_library_will_hold(folder, quick_path):
    encoder = ToyEncoder(dim=64)
    estimate = estimate_files([folder], encoder)
    assert (estimate.files, estimate.pages, estimate.sampled) == (2, 9, SAMPLE_PAGES)
    ((path, reason),) = estimate.failed
    assert path.endswith("broken.pdf") and "broken.pdf" in reason
    with open_library(quick_path / "library", encoder=encoder) as library:
        library.ingest(folder)
        (state,) = library.status().collections
        kept = [library.page_image_path(name, 1).stat().st_size for name in ("pump.pdf", "crane.tiff")]
        originals = sum(library.original_path(each.id).stat().st_size for each in library.documents())
    assert estimate.vectors_per_page * estimate.pages == pytest.approx(state.vectors)
    assert estimate.int8 == state.vectors * (64 + 5) and estimate.first_stage == state.vectors * 8
    assert estimate.page_images == pytest.approx(sum(kept) / 2 * 9, rel=0.3)
    assert estimate.originals == originals
    assert estimate.bytes == estimate.int8 + estimate.first_stage + estimate.page_images + estimate.originals
    assert estimate.seconds > 0


@pytest.mark.slow
def test_what_a_search_reads_depends_on_the_way_it_goes(folder):
    estimate = estimate_files([folder], ToyEncoder(dim=64))
    assert estimate.memory == estimate.int8  # few pages are scanned
    info = ToyEncoder(dim=64).info
    assert has_first_stage(info, FIRST_STAGE_PAGES) and not has_first_stage(info, FIRST_STAGE_PAGES - 1)
    assert not has_first_stage(ToyEncoder(dim=16).info, FIRST_STAGE_PAGES)  # no whole words of bits
    assert estimate_files([folder], ToyEncoder(dim=16)).first_stage == 0


def test_what_a_folder_leaves_out_is_named(quick_path):
    save_document(quick_path / "a.tiff", [["bleed"]])
    (quick_path / "notes.docx").write_bytes(b"PK")
    (quick_path / "cut.pdf").write_bytes(b"%PDF-1.7")
    found = estimate_files([quick_path], ToyEncoder())
    assert found.files == 1 and found.left_out == (LeftOut(str(quick_path / "notes.docx"), "format"),)
    assert [path for path, _ in found.failed] == [str(quick_path / "cut.pdf")]


def test_a_folder_without_a_page_is_refused(folder):
    with pytest.raises(InputError, match="no page of 1 files can be read"):
        estimate_files([folder / "broken.pdf"], ToyEncoder())
