"""A library made by colvision 0.1.0 at format 2 (commit e61b224) opens, answers as it did then, and goes on.

Its collection "default" holds pump.tiff (three pages, metadata, from a path), manual.pdf (four pages with a text layer,
of which the third cannot be drawn) and crane.tiff (by a job that is done); the row of the deleted old.tiff is dead in
its shard. "archive" was ingested with `--keep float16`. One job waits. The encoder is the toy with dim 64.
"""

import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from colvision.errors import LibraryDamaged
from colvision.library import Library
from colvision.store import Store, catalogue
from colvision.store.schema import FORMAT
from colvision.store.shards import Shard
from colvision.testing import ToyEncoder, save_document
from tests.helpers.stores import add, write

FILE = Path(__file__).with_name("library-format-2.zip")
WIDE = ToyEncoder(dim=64)

# (collection, query) -> (document, page, score, text score) of the three best, as the colvision that made it said.
ANSWERS = {
    ("default", "bleed valve"): [
        ("pump.tiff", 1, 2.00147, 0.0),
        ("manual.pdf", 2, 1.16602, 0.83475),
        ("crane.tiff", 1, 1.46777, 0.0),
    ],
    ("default", "oil"): [
        ("pump.tiff", 3, 1.00057, 0.0),
        ("manual.pdf", 1, 0.37622, 0.44583),
        ("pump.tiff", 2, 0.6239, 0.0),
    ],
    ("default", "pump"): [
        ("pump.tiff", 2, 0.8652, None),
        ("pump.tiff", 1, 0.84126, None),
        ("crane.tiff", 1, 0.78999, None),
    ],
    ("default", "spare parts"): [
        ("pump.tiff", 2, 1.99856, 0.0),
        ("manual.pdf", 4, 1.22066, 0.95691),
        ("crane.tiff", 1, 1.48208, 0.0),
    ],
    ("default", "hook"): [
        ("crane.tiff", 1, 1.00001, None),
        ("pump.tiff", 1, 0.7914, None),
        ("pump.tiff", 3, 0.75323, None),
    ],
    ("archive", "valve"): [
        ("fan.tiff", 2, 1.00146, None),
        ("fan.tiff", 1, 0.67632, None),
        ("fan.pdf", 1, 0.58904, None),
    ],
    ("archive", "blade angle"): [
        ("fan.tiff", 1, 2.00014, 0.0),
        ("fan.pdf", 1, 1.18335, 0.7762),
        ("fan.tiff", 2, 1.34293, 0.0),
    ],
    ("archive", "motor"): [
        ("fan.pdf", 2, 0.65591, 0.42985),
        ("fan.tiff", 1, 0.78346, 0.0),
        ("fan.tiff", 2, 0.69702, 0.0),
    ],
}


@pytest.fixture
def library(quick_path):
    folder = quick_path / "older"
    with zipfile.ZipFile(FILE) as file:
        file.extractall(folder)
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone()[0] == 2
    with Library(Store(folder), WIDE) as opened:
        yield opened


def answers(library):
    found = {}
    for collection, query in ANSWERS:
        answer = library.collection(collection).search(query, text_fusion=True, k=3)
        found[collection, query] = [(hit.document, hit.page, pixels(hit), hit.text_score) for hit in answer]
    return found


def pixels(hit):
    """Since format 4 the score holds what the text and the document's name add."""
    return hit.score - sum(hit.score_terms.values())


def assert_same_answers(library):
    for asked, hits in answers(library).items():
        for hit, expected in zip(hits, ANSWERS[asked], strict=True):
            assert hit[:2] == expected[:2], asked
            assert hit[2:] == pytest.approx(expected[2:], abs=1e-5), asked


def test_it_holds_and_answers_what_it_did(library):
    assert library.collections() == ["default", "archive"]
    listed = {each.name: (each.pages, each.stored, each.state) for each in library.documents()}
    assert listed == {"crane.tiff": (1, 1, "ready"), "manual.pdf": (4, 3, "ready"), "pump.tiff": (3, 3, "ready")}
    pump = library.document("pump.tiff")
    assert (pump.metadata, pump.source, pump.is_upload) == (
        {"year": 2021, "site": "Halle 3"},
        "/manuals/pump.tiff",
        False,
    )
    assert library.document("fan.pdf").metadata == {"year": 1998}
    (failed,) = library.failed_pages("manual.pdf")
    assert failed.number == 3 and "100 times as long as wide" in failed.reason
    assert library.page_text("manual.pdf", 2) == "bleed the pump and close the valve"
    assert library.page_image("pump.tiff", 2).size == library.page_image("pump.tiff", 3).size
    jobs = [(job.name, job.collection, job.replace, job.state) for job in library.jobs.all()]
    assert jobs == [("crane.tiff", "default", False, "ready"), ("next.pdf", "archive", True, "queued")]
    assert_same_answers(library)
    assert library.verify().found == ()


def test_the_catalogue_is_of_this_format_once_it_was_opened(library):
    library.close()
    with closing(sqlite3.connect(library.path / catalogue.FILE_NAME)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone()[0] == FORMAT
    with Library(Store(library.path), WIDE) as again:
        assert_same_answers(again)


def test_it_is_read_where_it_cannot_be_written(quick_path):
    with zipfile.ZipFile(FILE) as file:
        file.extractall(quick_path)
    before = (quick_path / catalogue.FILE_NAME).read_bytes()
    with Library(Store(quick_path, read_only=True), WIDE) as library:
        assert_same_answers(library)
        assert library.verify().found == ()
    assert (quick_path / catalogue.FILE_NAME).read_bytes() == before


def test_compacting_drops_the_dead_and_changes_no_answer(library):
    assert library.status().collections[0].shard_bytes.dead > 0
    done = library.compact()
    assert (done.shards_before, done.shards) == (4, 2)
    assert library.status().collections[0].shard_bytes.dead == 0
    assert_same_answers(library)
    assert library.verify().found == ()


def test_more_is_ingested_and_deleted_again(library, quick_path):
    library.collection("archive").ingest(save_document(quick_path / "new.tiff", [["gasket"]]))
    assert library.collection("archive").search("gasket", k=1)[0].document == "new.tiff"
    library.collection("archive").delete("new.tiff")
    assert_same_answers(library)
    store = library._store
    add(store, write(quick_path, "a.pdf", "A"), "flange", encoder=WIDE)
    assert library.search("flange", k=1)[0].document == "a.pdf"
    assert library.verify().found == ()


def test_a_file_that_it_holds_is_the_same_again(library, quick_path):
    copy = shutil.copy(library.original_path("crane.tiff"), quick_path / "crane.tiff")
    assert [file.outcome for file in library.ingest(copy).files] == ["same"]


def test_both_collections_are_encoded_again(library):
    ids = {each.name: each.id for name in library.collections() for each in library.collection(name).documents()}
    with Library(Store(library.path), ToyEncoder(seed=3, dim=64)) as other:
        for name in other.collections():
            other.collection(name).reencode()
        found = {each.name: each.id for name in other.collections() for each in other.collection(name).documents()}
        assert found == ids
        assert other.search("hook", k=1)[0].document == "crane.tiff"
        assert other.collection("archive").search("blade angle", k=1)[0].document == "fan.tiff"
        assert other.verify().found == ()


def with_float16(library):
    """The shards of "archive" that hold the vectors that nothing reads."""
    files = [library._store.files.shard_path(row.file_name) for row in library._store.shards("archive")]
    return [path for path in files if not Shard(path).is_current]


def test_vectors_that_are_not_read_any_more_go_with_the_next_compaction(library):
    assert len(with_float16(library)) == 2
    library.collection("archive").delete("fan.tiff")
    (path,) = with_float16(library)
    before = path.stat().st_size
    library.compact()
    (row,) = library._store.shards("archive")
    assert with_float16(library) == [] and row.bytes < before - row.vectors * 64 * 2
    library.compact()
    assert library._store.shards("archive") == [row]  # there is nothing left to do
    assert library.collection("archive").search("motor", k=1)[0].document == "fan.pdf"


def test_damage_to_vectors_that_are_not_read_is_found_by_verify_alone(library):
    path = with_float16(library)[0]
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    data[8 + length + json.loads(data[8 : 8 + length])["master"]["data_offsets"][0]] ^= 1
    path.write_bytes(data)
    assert_same_answers(library)
    (damage,) = library.verify().found
    assert (damage.kind, damage.path) == ("shard", path)


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        ("UPDATE documents SET name = 'pumq.tiff' WHERE name = 'pump.tiff'", {"entry"}),
        ("UPDATE pages SET height = height + 1 WHERE number = 2", {"entry"}),
        ("UPDATE shards SET vectors = vectors + 1 WHERE key = 4", {"shard"}),
        ("UPDATE collections SET name = 'archivf' WHERE name = 'archive'", {"catalogue"}),
    ],
)
def test_damage_from_before_the_upgrade_is_found_after_it(quick_path, harm, kinds):
    with zipfile.ZipFile(FILE) as file:
        file.extractall(quick_path)
    with closing(sqlite3.connect(quick_path / catalogue.FILE_NAME)) as raw, raw:
        raw.execute(harm)
    with Store(quick_path) as store:
        assert kinds <= {damage.kind for damage in store.verify()}


def test_a_library_whose_tables_were_changed_is_not_upgraded(quick_path):
    with zipfile.ZipFile(FILE) as file:
        file.extractall(quick_path)
    with closing(sqlite3.connect(quick_path / catalogue.FILE_NAME)) as raw:
        raw.execute("DROP INDEX documents_name")
    with pytest.raises(LibraryDamaged, match="tables are not what was made"):
        Store(quick_path)
    with closing(sqlite3.connect(quick_path / catalogue.FILE_NAME)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone()[0] == 2


def definitions(folder):
    """{table or index: its columns with their types and constraints}."""
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        names = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'index')")]
        return {name: {row[1:] for row in raw.execute(f"PRAGMA table_info ({name})")} for name in names}


@pytest.mark.parametrize("number", [1, 2])
def test_an_upgraded_library_has_the_tables_of_a_new_one(quick_path, number):
    """Whatever is added to a table must be added to those of older libraries, too."""
    with zipfile.ZipFile(FILE.with_name(f"library-format-{number}.zip")) as file:
        file.extractall(quick_path / "older")
    for name in ("older", "new"):
        Store(quick_path / name).close()
    assert definitions(quick_path / "older") == definitions(quick_path / "new")
