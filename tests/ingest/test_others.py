"""What further encoders of a collection have read: it follows the documents, and never outlives its page."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from colvision.errors import DocumentNotFound, EncoderMismatch, EncoderNotFound, FurtherEncoderNotFound, PageNotFound
from colvision.library import open_library
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT
from tests.helpers.further_encoders import OTHER, all_pages, opened, places, read_by_other, save_files


@pytest.fixture
def files(quick_path):
    return save_files(quick_path)


@pytest.fixture
def library(quick_path, files):
    with opened(quick_path) as library:
        library.ingest(files)
        yield library


def test_what_comes_later_is_read_by_both(quick_path, library):
    library.add_encoder("other", OTHER)
    seen = []
    report = library.ingest(save_document(quick_path / "fan.tiff", [["rotor"], ["blade"]]), progress=seen.append)
    assert report.notices == () and "fan.tiff (other)" in {each.document for each in seen}
    assert read_by_other(library) == all_pages(library)
    assert [(each.documents, each.of, each.pages) for each in library.encoders()] == [(3, 3, 7)]
    library.jobs.queue(str(save_document(quick_path / "job.tiff", [["anchor"]])), "job.tiff")
    assert library.run_job(library.jobs.claim()).state == "ready"
    assert read_by_other(library) == all_pages(library) and len(all_pages(library)) == 8


def test_nothing_of_a_deleted_or_replaced_document_is_left(quick_path, library):
    library.add_encoder("other", OTHER)
    library.delete("crane.pdf")
    assert read_by_other(library) == all_pages(library) == {("pump.tiff", page) for page in (1, 2, 3)}
    before = library.search("hook")
    assert "crane.pdf" not in {hit.document for hit in before}
    save_document(quick_path / "pump.tiff", [["rotor"], ["anchor"]])

    def check(progress):
        if "(other)" not in progress.document:
            assert read_by_other(library) <= {("pump.tiff", page) for page in (1, 2, 3)}

    assert library.ingest(quick_path / "pump.tiff", progress=check).replaced
    assert read_by_other(library) == {("pump.tiff", 1), ("pump.tiff", 2)}
    assert places(library.search("rotor", k=1)) == [("pump.tiff", 1)]
    library.compact()
    assert library.verify().found == ()
    assert library._store._db.one("SELECT count(*) FROM documents")[0] == 2


def test_between_a_replacement_and_its_reading_the_other_says_nothing_of_the_new_version(quick_path, library):
    library.add_encoder("other", OTHER)
    save_document(quick_path / "pump.tiff", [["hook"], ["hook"]])
    seen = []
    library.ingest(
        quick_path / "pump.tiff", progress=seen.append, cancel=lambda: any("(other)" in e.document for e in seen)
    )
    assert read_by_other(library) == {("crane.pdf", 1), ("crane.pdf", 2)}
    answer = library.search("hook")
    assert answer.notice == "other has read 2 of 4 pages."
    terms = {(hit.document, hit.page): hit.score_terms.get("other", 0) for hit in answer}
    assert terms["pump.tiff", 1] == terms["pump.tiff", 2] == 0 < terms["crane.pdf", 1]
    with pytest.raises(
        PageNotFound, match="other has not read page 1 of 'pump.tiff': run `colvision add-encoder other`"
    ):
        library.explain(next(hit for hit in answer if hit.document == "pump.tiff"), encoder="other")
    assert [warning for warning in library.status().warnings if "other has read 1 of 2 documents" in warning]
    assert [file.name for file in library.add_encoder("other").files] == ["pump.tiff"]
    assert library.search("hook").notice == "" and library.status().warnings == ()


def test_names_and_facts_are_the_documents_own(library):
    library.add_encoder("other", OTHER)
    library.rename("crane.pdf", "lift.pdf")
    library.set_metadata("lift.pdf", {"machine": "lift"})
    (hit,) = library.search("hook", k=1)
    assert (hit.document, hit.metadata, set(hit.score_terms)) == ("lift.pdf", {"machine": "lift"}, {"other"})
    library.rename_collection("default", "machines")
    assert library.collection("machines").search("hook", k=1).retrievers == ("maxsim", "other")
    assert library.encoders() == ()  # of the empty default that the renamed one left


def test_reading_or_encoding_a_document_again_leaves_what_others_have_made_of_it(quick_path, library):
    library.add_encoder("other", OTHER)
    shards = library._store.companions.shards(library._store.companions.find("default", "other").key)
    seen = []
    library.ingest_again("pump.tiff", progress=seen.append)
    with opened(quick_path, ToyEncoder(seed=5)) as again:
        again.reencode(progress=seen.append)
        again._session.use_other(OTHER)
        assert not [each for each in seen if "(other)" in each.document]
        assert read_by_other(again) == all_pages(again) and len(all_pages(again)) == 5
        assert again._store.companions.shards(again._store.companions.find("default", "other").key) == shards
        assert again.search("hook").retrievers == ("maxsim", "other")
        assert again.verify().found == ()


def test_what_was_cut_short_goes_on(quick_path, library):
    seen = []
    report = library.add_encoder("other", OTHER, progress=seen.append, cancel=lambda: len(seen) >= 4)
    assert report.cancelled or len(report.files) == 1
    assert 0 < len(read_by_other(library)) < 5
    with pytest.raises(KeyboardInterrupt):
        library.add_encoder("other", OTHER, progress=lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    before = read_by_other(library)
    report = library.add_encoder("other")
    assert report.pages == 5 - len(before) and read_by_other(library) == all_pages(library)
    assert library.add_encoder("other", OTHER).files == ()
    assert library.verify().found == ()


def test_an_encoder_that_cannot_be_loaded_is_told_and_the_others_answer(quick_path, library):
    library.add_encoder("other", OTHER)
    library.close()
    with opened(quick_path) as later:
        answer = later.search("hook")
        assert answer.retrievers == ("maxsim",) and answer[0].document == "crane.pdf"
        assert "other was not asked: toy-3 " in answer.notice and "give it to add_encoder" in answer.notice
        assert answer.to_dict()["notice"] == answer.notice
        for asked in ({"encoders": ["other"]}, {"first_stage": "other"}):
            with pytest.raises(EncoderNotFound, match="which alone can load it"):
                later.search("hook", **asked)
        report = later.ingest(save_document(quick_path / "fan.tiff", [["rotor"]]))
        assert len(report.new) == 1
        (notice,) = report.notices
        assert notice.startswith("other has not read 1 document: toy-3 ") and "add-encoder other` goes on" in str(
            report
        )
        assert later.search("rotor", k=1, encoders=()).notice == ""
        assert later.add_encoder("other", OTHER).pages == 1
        assert later.search("rotor", k=1).retrievers == ("maxsim", "other")


def test_names_and_encoders_that_are_refused(library):
    for name in ("main", "text", "bm25", "", "a b", "x" * 41):
        with pytest.raises(ValueError, match="cannot be the name of a further encoder"):
            library.add_encoder(name, OTHER)
    with pytest.raises(EncoderMismatch, match="is the collection's own encoder already"):
        library.add_encoder("same", ToyEncoder())
    with pytest.raises(FurtherEncoderNotFound, match="no further encoder 'other': add one with"):
        library.add_encoder("other")
    library.add_encoder("other", OTHER)
    with pytest.raises(EncoderMismatch, match="is 'other' already"):
        library.add_encoder("again", OTHER)
    with pytest.raises(EncoderMismatch, match="choose another name, or run `colvision remove-encoder other`"):
        library.add_encoder("other", ToyEncoder(seed=9))
    assert [each.name for each in library.encoders()] == ["other"]


def test_removing_an_encoder_or_its_collection_leaves_no_file(quick_path, library):
    shards = quick_path / "library" / "shards"
    before = sorted(shards.iterdir())
    library.add_encoder("other", OTHER)
    assert len(list(shards.iterdir())) == len(before) + 2
    hit = library.search("hook")[0]
    assert library.remove_encoder("other").pages == 5
    assert sorted(shards.iterdir()) == before and library.encoders() == ()
    with pytest.raises(EncoderMismatch, match="other was removed since this search: search again"):
        library.explain(hit)
    with pytest.raises(FurtherEncoderNotFound, match="no further encoder 'other'"):
        library.explain(hit, encoder="other")
    library.add_encoder("other", OTHER)
    library.delete_collection("default")
    assert list(shards.iterdir()) == [] and library.encoders() == () and library.verify().found == ()


def test_small_shards_of_further_encoders_are_merged_and_dead_pages_dropped(quick_path, library):
    library.add_encoder("other", OTHER)
    for number in range(3):
        library.ingest(save_document(quick_path / f"{number}.tiff", [["rotor", f"w{number}"]]))
    key = library._store.companions.find("default", "other").key
    assert len(library._store.companions.shards(key)) == 5
    library.delete("1.tiff")
    library.compact()
    assert [shard.pages for shard in library._store.companions.shards(key)] == [7]
    assert read_by_other(library) == all_pages(library)
    assert library.verify().found == ()


def test_damage_of_its_shards_is_found_served_around_and_repaired(quick_path, library):
    library.add_encoder("other", OTHER)
    key = library._store.companions.find("default", "other").key
    shard, _ = library._store.companions.shards(key)
    path = quick_path / "library" / "shards" / shard.file_name
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    path.write_bytes(data[:begin] + bytes([data[begin] ^ 4]) + data[begin + 1 :])
    library.close()
    with opened(quick_path) as later:
        later._session.use_other(OTHER)
        answer = later.search("valve")
        assert len(answer) == 5 and "of 5 pages" in answer.notice
        assert {damage.kind for damage in later.verify().found} == {"shard"}
        assert later.search("valve").retrievers == ("maxsim", "other")
        verification = later.verify(repair=True)
        assert verification.remaining == () and verification.failed == ()
        assert read_by_other(later) == all_pages(later) and later.search("valve").notice == ""


def test_page_images_and_texts_are_stored_once(quick_path, library):
    pictures = quick_path / "library" / "pages"
    before = {path: path.stat().st_mtime_ns for path in pictures.rglob("*.jpg")}
    texts = library._store._db.one("SELECT count(*) FROM page_text")[0]
    library.add_encoder("other", OTHER)
    assert {path: path.stat().st_mtime_ns for path in pictures.rglob("*.jpg")} == before
    assert library._store._db.one("SELECT count(*) FROM page_text")[0] == texts


def test_without_further_encoders_none_is_loaded_and_only_when_asked(quick_path, library, monkeypatch):
    library.add_encoder("other", OTHER)
    library.close()
    with opened(quick_path) as later:
        monkeypatch.setattr(later._session, "_load_other", lambda info: pytest.fail("it is loaded"))
        later.search("hook", encoders=())
        later.ingest([quick_path / "pump.tiff"])
        later.status()
        later.delete("pump.tiff")


def test_mini_can_be_a_further_encoder_and_is_loaded_by_its_name(quick_path, library):
    library.add_encoder("words", "mini")
    library.close()
    with opened(quick_path) as later:
        answer = later.search("hook")
        assert answer.retrievers == ("maxsim", "words") and answer[0].document == "crane.pdf"
        assert later.explain(answer[0]).score == pytest.approx(answer[0].score, abs=1e-5)
    with open_library(quick_path / "library", encoder=ToyEncoder(), read_only=True) as reading:
        assert reading.search("hook").retrievers == ("maxsim", "words")


def test_two_processes_share_the_reading(quick_path, library):
    """Each reads what the other has not begun, and none reads a page twice."""
    many = [save_document(quick_path / f"{n}.tiff", [[f"w{n}"], [f"v{n}"]]) for n in range(6)]
    library.ingest(many)
    command = [sys.executable, "-m", "tests.helpers.add_encoder_process", str(quick_path / "library"), "1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) for _ in range(2)
    ]
    said = [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]
    assert [process.returncode for process in started] == [0, 0]
    if read_by_other(library) != all_pages(library):  # one ended while the other still worked on its last document
        library.add_encoder("other", OTHER)
    assert read_by_other(library) == all_pages(library)
    assert sum(each["pages"] for each in said) <= len(all_pages(library)) == 17
    assert library.verify().found == ()


@pytest.mark.slow
@pytest.mark.long
def test_kills_at_any_moment_lose_nothing_and_leave_no_page_twice(quick_path, library):
    library.ingest([save_document(quick_path / f"{n}.tiff", [[f"w{n}"], [f"v{n}"]]) for n in range(8)])
    command = [sys.executable, "-m", "tests.helpers.add_encoder_process", str(quick_path / "library"), "1"]
    rng, kills, before = np.random.default_rng(1), 0, set()
    while kills < 4 and before != all_pages(library):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        said = "".join(child.stdout.readline() for _ in range(int(rng.integers(2, 6))))
        time.sleep(rng.uniform(0.0, 0.2))
        child.kill()
        said += child.communicate()[0]
        kills += child.returncode == -9
        acknowledged = max((int(line) for line in said.split("\n")[:-1] if line.isdigit()), default=0)
        found = read_by_other(library)
        assert found >= before and len(found) >= acknowledged
        assert library.verify().found == ()
        before = found
    assert kills >= 2 and before
    library.add_encoder("other", OTHER)
    assert read_by_other(library) == all_pages(library) and len(all_pages(library)) == 21
    named = {row.file_name for row in library._store.shards("default")}
    named |= {row.file_name for row in library._store.companions.shards(library._store.companions.of("default")[0].key)}
    assert {path.name for path in (quick_path / "library" / "shards").iterdir()} == named


def test_a_kill_between_the_ingest_and_the_other_encoder_is_made_good_by_the_next_run(quick_path, library):
    library.add_encoder("other", OTHER)
    fan = save_document(quick_path / "fan.tiff", [["rotor"], ["blade"]])
    for step in ("before", "amid"):
        command = [
            sys.executable,
            "-m",
            "tests.helpers.add_encoder_process",
            str(quick_path / "library"),
            step,
            str(fan),
        ]
        killed = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert killed.returncode == -9, killed.stderr
        assert library.document("fan.tiff").state == "ready"
        assert len(read_by_other(library)) in (5, 6)
        answer = library.search("rotor", k=1)
        assert answer[0].document == "fan.tiff" and "pages." in answer.notice
        assert library.verify().found == ()
    library.ingest(fan)
    assert read_by_other(library) == all_pages(library) and len(all_pages(library)) == 7
    library.delete("fan.tiff")
    with pytest.raises(DocumentNotFound):
        library.document("fan.tiff")
    assert read_by_other(library) == all_pages(library)
