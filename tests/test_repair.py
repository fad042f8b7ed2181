"""Flipped bits and cut ends of every kind of file: found and named, never a wrong answer; what a repair puts right."""

import shutil

import numpy as np
import pytest

from colvision.errors import ColvisionError, LibraryDamaged
from colvision.ingest import Callbacks, IngestOptions, ingest_files
from colvision.library import Library
from colvision.search import SearchOptions, search_pages
from colvision.store import Store, catalogue
from colvision.store.records import DAMAGED, READY
from colvision.testing import ToyEncoder, save_document
from tests.helpers.stores import TOO_SMALL, TOY, add, save_with_a_large_page, write

pytestmark = pytest.mark.slow

WORDS = {"pump.tiff": [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]], "seal.tiff": [["gasket"]]}


def flip(path, place, bit=2):
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    path.write_bytes(data)


def flip_code(path, row=0):
    """One bit of a code of a page whose vectors come after `row` others."""
    data = path.read_bytes()
    flip(path, 8 + int.from_bytes(data[:8], "little") + row * 16)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A library of two documents in one shard each, and the files they came from."""
    folder = tmp_path_factory.mktemp("kept")
    files = [save_document(folder / name, pages) for name, pages in WORDS.items()]
    with Store(folder / "library") as store:
        options = IngestOptions(metadata={"year": 2021})
        ingest_files(store, ToyEncoder(), files, options=options, callbacks=Callbacks())
    return folder


@pytest.fixture
def library(kept, quick_path):
    shutil.copytree(kept / "library", quick_path / "library")
    with Library(Store(quick_path / "library"), ToyEncoder()) as library:
        yield library


def answers(library):
    """What users get: documents, hits with scores and places, explanations, text, pictures."""
    told = [(each.name, each.id, each.pages, each.stored, each.state, each.metadata) for each in library.documents()]
    for word in ("valve", "gasket", "oil"):
        for hit in library.search(word, k=4):
            why = library.explain(hit)
            told.append((hit.document, hit.page, round(hit.score, 5), why.matches, why.image.tobytes()))
            told.append(library.page_text(hit.document, hit.page))
    return told


def one(library, pattern):
    return sorted(path for path in library.path.glob(pattern))[0]


def original_of(library, name):
    return library.original_path(name)


def test_an_intact_library_is_reported_as_intact(library):
    done = library.verify(repair=True)
    assert done.is_intact and done.found == ()


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_shard_is_named_and_its_pages_come_back(library, harm):
    expected = answers(library)
    path = one(library, "shards/*")
    {"flip": lambda: flip_code(path), "cut": lambda: path.write_bytes(path.read_bytes()[:-9]), "remove": path.unlink}[
        harm
    ]()
    (damage,) = library.verify().found
    assert (damage.kind, damage.path, damage.documents) == ("shard", path, ("pump.tiff",))
    assert {hit.document for hit in library.search("valve")} == {"seal.tiff"}
    done = library.verify(repair=True)
    assert done.is_intact and len(done.found) == 1
    assert answers(library) == expected


def test_only_the_lost_pages_of_a_damaged_shard_are_encoded_again(library):
    expected = answers(library)
    shard = library._store.snapshot("default").shards[0].shard
    flip_code(shard.path, row=int(shard.starts[1]))
    encoded = []

    class Counting(ToyEncoder):
        def encode_pages(self, pages):
            for page in pages:
                encoded.append(page.number)
                yield from super().encode_pages([page])

    with Library(Store(library.path), Counting()) as other:
        assert other.verify(repair=True).is_intact
    assert encoded == [2]
    assert answers(library) == expected


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_page_image_is_named_and_written_again(library, harm):
    expected = answers(library)
    path = one(library, "pages/*/0002.jpg")
    {"flip": lambda: flip(path, 700), "cut": lambda: path.write_bytes(path.read_bytes()[:500]), "remove": path.unlink}[
        harm
    ]()
    (damage,) = library.verify().found
    assert (damage.kind, damage.path, damage.documents) == ("page image", path, ("pump.tiff",))
    assert library.document("pump.tiff").state == READY
    assert library.verify(repair=True).is_intact
    assert answers(library) == expected


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_kept_file_is_named_and_ingesting_it_again_puts_it_right(library, kept, harm):
    expected = answers(library)
    path = original_of(library, "pump.tiff")
    {"flip": lambda: flip(path, 700), "cut": lambda: path.write_bytes(path.read_bytes()[:500]), "remove": path.unlink}[
        harm
    ]()
    done = library.verify(repair=True)
    assert [damage.documents for damage in done.remaining] == [("pump.tiff",)]
    assert done.remaining[0].kind == "file" and "ingest it again" in done.remaining[0].reason
    assert library.document("pump.tiff").state == DAMAGED
    assert {hit.document for hit in library.search("valve")} == {"pump.tiff", "seal.tiff"}
    (again,) = library.ingest(kept / "pump.tiff").files
    assert (again.outcome, again.pages) == ("new", 0)
    assert library.verify().is_intact
    assert answers(library) == expected


def test_pages_that_could_not_be_read_are_told_and_a_repair_tries_them_again(store, quick_path):
    path = save_with_a_large_page(quick_path / "plan.tiff")
    options = IngestOptions(limits=TOO_SMALL)
    ingest_files(store, ToyEncoder(), [path], options=options, callbacks=Callbacks())
    with Library(store, ToyEncoder()) as library:
        done = library.verify()
        assert done.is_intact, "all that was stored is there"
        assert [(each.name, each.health.summary) for each in done.unread] == [("plan.tiff", "1 page failed")]
        assert library.document("plan.tiff").to_dict()["health"]["failed"][0]["page"] == 2
        assert library.status().collections[0].not_whole == {"plan.tiff": "1 page failed"}
        assert library.search("two")[0].page != 2
        done = library.verify(repair=True)
        assert (done.found, done.failed, done.unread) == ((), (), ())
        assert library.search("two")[0].page == 2
        assert library.document("plan.tiff").health.is_whole and library.status().collections[0].not_whole == {}


def test_a_job_tries_the_failed_pages_of_a_document_that_stays_ready(store, quick_path):
    path = save_with_a_large_page(quick_path / "plan.tiff")
    options = IngestOptions(limits=TOO_SMALL)
    ingest_files(store, ToyEncoder(), [path], options=options, callbacks=Callbacks())
    with Library(store, ToyEncoder()) as library:
        document = library.document("plan.tiff")
        library.jobs.queue_resume(document.id, document.name)
        job = library.run_job(library.jobs.claim())
        assert (job.state, job.document, job.page, job.pages) == ("ready", document.id, 3, 3)
        assert library.document(document.id).stored == 3


def test_what_cannot_be_repaired_is_reported(library, kept):
    """The file is damaged as well as the pages that were made of it."""
    flip(original_of(library, "pump.tiff"), 0, bit=0)
    flip_code(one(library, "shards/*"))
    done = library.verify(repair=True)
    assert [(damage.kind, damage.documents) for damage in done.remaining] == [("file", ("pump.tiff",))]
    assert any("pump.tiff was not repaired" in reason for reason in done.failed)
    library.ingest(kept / "pump.tiff")
    assert library.verify().is_intact


def test_a_search_that_meets_damage_answers_from_the_rest(library):
    flip_code(one(library, "shards/*"))
    answer = library.search("valve")
    assert [hit.document for hit in answer] == ["seal.tiff"]
    assert library.document("pump.tiff").state == DAMAGED
    assert "codes of its page 1" in library.status().warnings[0]


def test_a_repair_with_another_encoder_says_which_one_it_takes(library):
    flip_code(one(library, "shards/*"))
    with Library(Store(library.path), ToyEncoder(seed=5)) as other:
        done = other.verify(repair=True)
        assert not done.is_intact and "filled by toy-0" in done.failed[0]
    assert library.verify(repair=True).is_intact


@pytest.fixture(scope="module")
def worded(tmp_path_factory):
    """A library of twelve small documents, and what it answers."""
    folder = tmp_path_factory.mktemp("worded")
    with Store(folder / "library") as store:
        for number in range(12):
            row = add(store, write(folder, f"doc{number}.pdf", f"{number}"), f"wa{number}", f"wb{number}", "common")
            store.writer.set_metadata(row, {"year": 2000 + number})
    return folder / "library", observed(folder / "library")


def observed(folder):
    """(hits, what is said of every page), with None for a page that is refused."""
    (query,) = TOY.encode_queries(["wb3 common"])
    with Store(folder) as store:

        def look(snapshot):
            for part in snapshot.shards:
                part.shard.check()
            return search_pages(snapshot, query, info=TOY.info, options=SearchOptions(k=100))

        hits = [(hit.document, hit.document_id, hit.page, round(hit.score, 5)) for hit in store.serve("default", look)]
        pages = {}
        for row in store.documents("default"):
            for number in range(1, row.pages + 1) if row.state != DAMAGED else ():
                pages[row.name, number] = told(store, row, number)
        return hits, pages


def told(store, row, number):
    try:
        page = store.page(row, number)
        codes = store.stored_page(row, number).codes.tobytes()
        return page.height, page.geometry, store.page_text(row, number), codes, dict(row.metadata)
    except ColvisionError:
        return None


def test_no_flipped_bit_of_the_catalogue_is_ever_believed(worded, quick_path):
    """Answers are right, or refused, or leave out what is said to be damaged; and `verify` finds what changed them."""
    folder, (hits, pages) = worded
    whole = (folder / catalogue.FILE_NAME).read_bytes()
    rng = np.random.default_rng(7)
    used = np.flatnonzero(np.frombuffer(whole, dtype=np.uint8))
    outcomes = {"same": 0, "less": 0, "refused": 0}
    for place, bit in zip(rng.choice(used, 60, replace=False).tolist(), rng.integers(0, 8, 60).tolist(), strict=True):
        copy = quick_path / f"{place}-{bit}"
        shutil.copytree(folder, copy)
        flip(copy / catalogue.FILE_NAME, place, bit)
        try:
            found_hits, found_pages = observed(copy)
        except ColvisionError as error:
            assert str(error)
            outcomes["refused"] += 1
            continue
        finally:
            named = is_named(copy)
            shutil.rmtree(copy)
        is_same = (found_hits, found_pages) == (hits, pages)
        assert is_same or named, f"bit {bit} of byte {place} changed an answer and was not found"
        assert set(found_hits) <= set(hits), f"bit {bit} of byte {place} made another hit"
        assert all(page is None or page == pages[key] for key, page in found_pages.items())
        outcomes["same" if is_same else "less"] += 1
    assert min(outcomes.values()) > 0, outcomes


def is_named(folder):
    """The states of documents that are damaged, or the kinds of damage that were found."""
    try:
        with Store(folder) as store:
            return {damage.kind for damage in store.verify()}
    except ColvisionError:
        return {"refused"}


@pytest.mark.parametrize("end", [0, 100, 4096, 20_000, -1])
def test_a_catalogue_that_was_cut_is_reported_as_damaged(worded, quick_path, end):
    folder, _ = worded
    shutil.copytree(folder, quick_path / "cut")
    path = quick_path / "cut" / catalogue.FILE_NAME
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(LibraryDamaged, match="put a copy of the whole library folder back"):
        observed(quick_path / "cut")


def test_damaged_word_lists_are_made_again(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "bleed", "valve")
    with store._db.write():
        store._db.execute("UPDATE page_text_data SET block = zeroblob(length(block)) WHERE id > 10")
    assert [damage.kind for damage in store.verify()] == ["text"]
    done = Library(store, TOY).verify(repair=True)
    assert done.is_intact and store.page_text(row, 1) == "bleed"


def test_damaged_words_are_made_again_from_the_text(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "bleed", "更换液压油泵")
    with store._db.write():
        store._db.execute("UPDATE page_text_content SET c1 = 'valve' WHERE id = 2")
    assert [damage.kind for damage in store.verify()] == ["text"]
    assert Library(store, TOY).verify(repair=True).is_intact
    assert store.text_holds([(row.id, 2)], ["油泵", "valve"]) == [{"油泵"}]


def test_a_page_whose_text_has_changed_is_read_again(library):
    expected = answers(library)
    with library._store._db.write():
        library._store._db.execute("UPDATE pages SET geometry = '[0,0,1,1,0]' WHERE number = 2")
    with pytest.raises(LibraryDamaged, match="entry of page 2"):
        library._store.page(library._store.find("pump.tiff"), 2)
    assert "entry" in {damage.kind for damage in library.verify().found}
    assert library.verify(repair=True).is_intact
    assert answers(library) == expected


def test_a_document_whose_entry_has_changed_is_left_out_and_can_be_deleted(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    row = add(store, write(quick_path, "b.pdf", "B"), "two")
    with store._db.write():
        store._db.execute("UPDATE documents SET name = 'c.pdf' WHERE id = ?", [row.id])
        store._db.execute("UPDATE collections SET generation = generation + 1")
    snapshot = store.snapshot("default")
    assert [each.name for each in snapshot.documents.values()] == ["a.pdf"]
    (found,) = (each for each in store.documents("default") if each.id == row.id)
    assert (found.state, found.is_intact) == (DAMAGED, False)
    assert [damage.kind for damage in store.verify()] == ["entry"]
    store.writer.delete(found)
    assert store.verify() == []
