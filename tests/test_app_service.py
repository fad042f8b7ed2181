"""The use cases of the application, over a real library with the toy encoder."""

import base64
import io
import os
from pathlib import Path

import numpy as np
import pytest
from pdf_files import text_file, written
from PIL import Image
from toy import ToyEncoder, save_document

from app import intake as intake_module
from app import questions as questions_module
from app.questions import Question
from app.service import Service
from app.settings import Quota, Refused, Settings, is_loopback
from app.why import words_of
from colvision.embedding import Link, QueryEmbedding
from colvision.errors import DocumentNotFound, PageNotFound, UnsupportedFile
from colvision.evaluation.queries import read_queries
from colvision.ingest import Upload
from colvision.library import open_library
from colvision.page import PageId

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]


def ask(service, text, *, k=10, **limits):
    return service.questions.ask(Question(text, **limits), k=k)


@pytest.fixture
def library(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield library


@pytest.fixture
def service(library):
    return Service(library, Settings(library.path))


@pytest.fixture
def upload(service, tmp_path):
    """Uploads a file with these words and reads it, as the worker would."""

    def uploading(name="pump.tiff", pages=PUMP):
        path = save_document(tmp_path / "file.tiff", pages)
        job = service.intake.upload(path, name)
        service.library.run_job(service.library.jobs.claim("test"))
        return job

    return uploading


def test_an_upload_is_queued_under_its_name_and_its_file_is_taken_over(service, tmp_path):
    path = save_document(tmp_path / "file.tiff", PUMP)
    job = service.intake.upload(path, "../../etc/pump\u202e.tiff")
    assert (job.name, job.state) == ("pump.tiff", "queued")
    assert not path.exists()
    assert service.overview().jobs == (job,)


def test_an_uploaded_page_is_found_and_explained(service, upload):
    upload()
    answer = ask(service, "oil  filter", k=2)
    best = answer.hits[0]
    assert (best.document, best.page, best.pages, answer.pages) == ("pump.tiff", 3, 3, 3)
    assert [word.word for word in best.words] == ["oil", "filter"]
    assert set(answer.timing_ms) == {"encode", "score", "total"}
    why = service.questions.explain(Question("oil filter"), best.document_id, best.page)
    assert [match.cell for match in why.matches] == [(0, 0), (0, 1)]
    assert sum(match.contribution for match in why.matches) == pytest.approx(best.score, abs=1e-5)


def test_the_bytes_of_a_map_are_its_similarities_to_half_a_step(service, upload):
    upload()
    hit = ask(service, "spare parts").hits[0]
    why = service.questions.explain(Question("spare parts"), hit.document_id, hit.page)
    codes = np.frombuffer(base64.b64decode(why.map), dtype=np.uint8).reshape(len(why.matches), why.rows, why.cols)
    exact = service.library.explain_page("spare parts", hit.document_id, hit.page).similarity_map
    step = (why.scale.high - why.scale.low) / 254
    back = why.scale.low + (codes.astype(np.float64) - 1) * step
    assert np.array_equal(codes == 0, np.isnan(exact))
    assert np.nanmax(np.abs(np.where(codes == 0, np.nan, back) - exact)) <= step / 2 + 1e-6


def test_any_page_can_be_explained_with_the_scale_of_the_results(service, upload):
    upload()
    best = ask(service, "valve", k=1).hits[0]
    why = service.questions.explain(Question("valve"), best.document_id, 2)
    assert why.page == 2
    assert why.scale.shown_to == pytest.approx(best.words[0].similarity, abs=1e-6)


def test_a_page_can_be_explained_without_a_search_before(service, upload):
    upload()
    document = service.overview().documents[0]
    assert service.questions.explain(Question("valve"), document.id, 1).matches[0].cell == (0, 1)


def test_an_answer_that_was_asked_for_again_is_kept_longest(service, upload, monkeypatch):
    monkeypatch.setattr(questions_module, "_ANSWERS", 2)
    upload()
    for text in ("oil", "valve", "oil", "spare"):
        ask(service, text)
    assert [Question(text) in service.questions._answers for text in ("oil", "valve", "spare")] == [
        True,
        False,
        True,
    ]


def test_a_search_can_be_limited_to_one_document(service, upload):
    upload()
    upload("press.tiff", [["bleed", "press"]])
    press = next(each for each in service.overview().documents if each.name == "press.tiff")
    assert {hit.document for hit in ask(service, "bleed", document=press.id).hits} == {"press.tiff"}


def test_text_layers_are_asked_where_that_is_wished_and_a_hit_tells_their_score(service, tmp_path):
    service.library.ingest(written(tmp_path, text_file("the flange", "a gasket")))
    asked = {use: ask(service, "gasket", text_fusion=use) for use in (True, False)}
    assert [answer.arms for answer in asked.values()] == [("maxsim", "text"), ("maxsim",)]
    assert asked[True].hits[0].page == 2 and asked[True].hits[0].text_score > 0
    assert asked[False].hits[0].text_score is None


def test_pages_like_another_one_are_found_and_explained_as_a_whole(service, upload):
    upload()
    upload("press.tiff", [["oil", "filter", "press"], ["spare"]])
    pump = next(each for each in service.overview().documents if each.name == "pump.tiff")
    like = Question("", like=f"{pump.id}:3")
    answer = service.questions.ask(like)
    best = answer.hits[0]
    assert (best.document, best.page, best.words) == ("press.tiff", 1, ())
    assert (pump.id, 3) not in [(hit.document_id, hit.page) for hit in answer.hits]
    why = service.questions.explain(like, best.document_id, 1)
    assert why.matches[0].word == "place 1"
    assert len({match.cell for match in why.matches}) == len(why.matches)
    assert sum(match.contribution for match in why.matches) == pytest.approx(best.score, abs=1e-5)
    with pytest.raises(ValueError, match="is no DOCUMENT:PAGE"):
        service.questions.ask(Question("", like="pump"))
    with pytest.raises(ValueError, match="ask with one"):
        Question("oil", like=f"{pump.id}:3")


def test_a_search_can_be_limited_by_a_filter_and_a_wrong_filter_is_a_sentence(service, upload):
    upload()
    assert [hit.page for hit in ask(service, "bleed", where="page in 2-3", mode="exact").hits] in ([2, 3], [3, 2])
    with pytest.raises(ValueError, match="no document has metadata 'machine'"):
        ask(service, "bleed", where="machine=pump")
    with pytest.raises(Refused, match="the limit is 500"):
        ask(service, "bleed", where="x" * 501)


def test_the_same_file_again_is_said_to_be_there_already(service, upload):
    upload()
    upload("copy of pump.tiff")
    view = service.overview()
    assert [each.name for each in view.documents] == ["pump.tiff"]
    (job,) = view.jobs
    assert (job.state, job.document) == ("ready", view.documents[0].id)
    assert "already here" in job.reason


def test_after_a_deletion_nothing_of_a_document_can_be_reached(service, upload):
    upload()
    document = service.overview().documents[0].id
    ask(service, "valve")
    service.delete(document)
    assert service.overview().documents == ()
    assert ask(service, "valve").hits == ()
    for reach in (service.document, service.original, lambda each: service.picture(each, 1)):
        with pytest.raises(DocumentNotFound):
            reach(document)
    with pytest.raises((DocumentNotFound, PageNotFound)):
        service.questions.explain(Question("valve"), document, 1)


def test_deleting_a_document_that_is_being_read_stops_its_job(service, tmp_path):
    service.intake.upload(save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    jobs = service.library.jobs
    job = jobs.claim("test")
    draft = service.library.ingest(job.path, cancel=lambda: False).files[0]
    service.intake._dismissed.add(job.key)
    service.delete(draft.document_id)
    jobs.finish(job, "cancelled")
    assert service.overview().jobs == ()


class Killed(BaseException):
    """What ends a reading without a word to the library."""


def _kill(*_):
    raise Killed


@pytest.fixture
def leave_half_read(service, tmp_path):
    """Starts to read a document and stops there, as a kill would; gives its id."""

    def leaving(name, pages=PUMP):
        known = {each.id for each in service.overview().documents}
        with pytest.raises(Killed):
            service.library.ingest(Upload(save_document(tmp_path / "half.tiff", pages), name), progress=_kill)
        return next(each.id for each in service.overview().documents if each.id not in known)

    return leaving


@pytest.mark.parametrize("name", ["press.tiff", "pump.tiff"])
def test_deleting_a_half_read_document_leaves_another_ones_job_alone(service, tmp_path, leave_half_read, name):
    stale = leave_half_read(name)
    service.intake.upload(save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    key = service.library.jobs.claim("test").key
    assert [job.document for job in service.overview().jobs] == [""]
    service.delete(stale)
    assert not service.library.jobs.get(key).cancel
    assert [job.key for job in service.overview().jobs] == [key]


def test_a_job_is_shown_with_the_document_it_fills_and_stops_when_that_is_deleted(service, tmp_path, leave_half_read):
    other = leave_half_read("pump.tiff", [["oil"]])
    service.intake.upload(save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    key = service.library.jobs.claim("test").key
    document = leave_half_read("pump.tiff")  # by the name of "pump (2).tiff"
    assert [(job.key, job.document) for job in service.overview().jobs] == [(key, document)]
    assert document != other
    service.delete(document)
    assert service.library.jobs.get(key).cancel


def test_a_cancelled_upload_leaves_no_file_behind(service, tmp_path):
    job = service.intake.upload(save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    assert service.intake.cancel(job.key).state == "cancelled"
    assert list((service.library.path / "uploads").iterdir()) == []
    service.intake.forget(job.key)
    assert service.overview().jobs == ()


def test_uploads_that_nothing_waits_for_are_swept_at_the_next_start(service, tmp_path):
    service.intake.upload(save_document(tmp_path / "file.tiff", PUMP), "pump.tiff")
    stray = service.library.path / "uploads" / "stray.pdf"
    stray.write_bytes(b"left by a kill")
    arriving = stray.with_name("arriving.pdf")
    arriving.write_bytes(b"half")
    for path in stray.parent.iterdir():
        if path != arriving:
            os.utime(path, (0, 0))
    Service(service.library, service.settings)
    assert (stray.exists(), arriving.exists()) == (False, True)
    assert Path(service.library.jobs.all()[0].path).exists()


def test_judged_pages_are_kept_told_and_exported_as_questions_to_evaluate(library, service, upload, tmp_path):
    upload()
    document = service.overview().documents[0].id
    for page, verdict in ((3, "relevant"), (1, "irrelevant"), (2, "relevant"), (2, "")):
        service.questions.judge(Question("oil  filter"), document, page, verdict)
    service.questions.judge(Question("hook"), document, 1, "irrelevant")
    again = Service(library, service.settings)
    assert [hit.verdict for hit in ask(again, "oil filter").hits] == ["relevant", "", "irrelevant"]
    path = tmp_path / "judged.jsonl"
    path.write_text(again.export_judgements())
    (query,) = read_queries(path)
    assert (query.text, query.gold) == ("oil filter", frozenset([PageId("pump", 3)]))
    with pytest.raises(PageNotFound):
        again.questions.judge(Question("oil"), document, 9, "relevant")
    again.delete(document)
    assert (again.export_judgements(), again.overview().judgements) == ("", 0)


def test_judgements_have_a_limit(library, upload):
    upload()
    service = Service(library, Settings(library.path, quota=Quota(judgements=1)))
    document = service.overview().documents[0].id
    for verdict in ("relevant", "irrelevant"):
        service.questions.judge(Question("oil"), document, 1, verdict)
    with pytest.raises(Refused, match="1 pages are judged, the limit"):
        service.questions.judge(Question("oil"), document, 2, "relevant")


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\u202eb", "a\x00b"])
def test_a_collections_name_is_short_and_printable(service, tmp_path, name):
    path = save_document(tmp_path / "file.tiff", PUMP)
    with pytest.raises(Refused, match="1 to 60 letters"):
        service.intake.upload(path, "pump.tiff", collection=name)


def test_a_refusal_names_the_file_as_its_sender_does(service, tmp_path):
    path = tmp_path / "0f3a.pdf"
    path.write_bytes(b"<html>not a PDF</html>")
    with pytest.raises(UnsupportedFile, match="^manual.pdf"):
        service.intake.upload(path, "manual.pdf")


def test_a_collection_of_another_encoder_is_told_and_queued_to_be_encoded_again_once(library, quick_path, upload):
    upload()
    with open_library(library.path, encoder=ToyEncoder(seed=3)) as other:
        changed = Service(other, Settings(other.path))
        assert changed.overview().collections[0].needs_reencoding
        jobs = [changed.intake.reencode("default") for _ in range(2)]
        assert jobs[0] == jobs[1] and jobs[0].kind == "reencode"
        other.run_job(other.jobs.claim("test"))
        view = changed.overview()
        assert (view.jobs, view.collections[0].needs_reencoding) == ((), False)
        assert ask(changed, "valve").hits[0].page == 1


def test_a_kept_answer_of_another_encoder_is_asked_for_again(library, upload):
    upload()
    with open_library(library.path, encoder=ToyEncoder(seed=3)) as other:
        changed = Service(other, Settings(other.path))
        other.reencode()
        document = changed.overview().documents[0].id
        kept = Question("valve")
        changed.questions.ask(kept)
        with open_library(library.path, encoder=ToyEncoder(seed=4)) as third:
            third.reencode()
            changed.library._encoder = third.encoder
        assert changed.questions.explain(kept, document, 1).matches[0].cell == (0, 1)


@pytest.mark.parametrize(
    ("quota", "sentence"),
    [
        (Quota(file_bytes=2**20 // 2), "the limit is 0 MB: split"),
        (Quota(queue=0), "0 files are waiting, the limit is 0: add"),
        (Quota(free_bytes=2**60), "make room first"),
    ],
)
def test_an_upload_beyond_a_quota_is_refused_with_the_limit(library, tmp_path, quota, sentence):
    path = save_document(tmp_path / "file.tiff", PUMP)
    with pytest.raises(Refused, match=sentence):
        Service(library, Settings(library.path, quota=quota)).intake.upload(path, "pump.tiff")


def test_a_file_that_is_no_document_is_refused_at_once(service, tmp_path):
    path = tmp_path / "page.pdf"
    path.write_bytes(b"<html>not a PDF</html>")
    with pytest.raises(UnsupportedFile, match="not a PDF"):
        service.intake.upload(path, "page.pdf")


@pytest.mark.parametrize(
    ("text", "k", "sentence"),
    [(" ", 10, "type a few words"), ("x" * 301, 10, "300"), ("valve", 51, "expected 1 to 50")],
)
def test_a_question_beyond_a_limit_is_refused_with_the_limit(service, text, k, sentence):
    with pytest.raises(Refused, match=sentence):
        ask(service, text, k=k)


def test_a_thumbnail_is_as_wide_as_asked_and_keeps_the_aspect(service, upload):
    upload()
    document = service.overview().documents[0].id
    whole = service.library.page_image(document, 1)
    small = Image.open(io.BytesIO(service.picture(document, 1, width=200)))
    assert small.width == 200
    assert small.height == pytest.approx(200 * whole.height / whole.width, abs=1)
    with pytest.raises(ValueError, match="expected 64 to 2000"):
        service.picture(document, 1, width=5000)


def test_the_sample_manual_is_loaded_once_and_stays_deleted(service, tmp_path, monkeypatch):
    path = save_document(tmp_path / "sample-manual.tiff", PUMP)
    monkeypatch.setattr(intake_module, "sample_files", lambda: (path,))
    assert [job.name for job in service.intake.load_sample_once()] == ["sample-manual.tiff"]
    service.library.run_job(service.library.jobs.claim("test"))
    assert path.exists()
    service.delete("sample-manual.tiff")
    assert service.intake.load_sample_once() == []
    assert [job.name for job in service.intake.load_sample()] == ["sample-manual.tiff"]


def test_tokens_of_one_word_are_joined_and_augmentation_is_left_out():
    vectors = np.eye(4, dtype=np.float32)
    query = QueryEmbedding(
        text="bleed pump",
        vectors=vectors,
        tokens=("ble", "ed", "pump", "<pad>"),
        is_query=np.array([True, True, True, False]),
        weights=np.ones(4, dtype=np.float32),
        words=("bleed", "pump"),
        word=np.array([0, 0, 1, -1], dtype=np.int32),
    )
    assert [(word.text, word.tokens) for word in words_of(query)] == [("bleed", (0, 1)), ("pump", (2,))]


class SureEncoder(ToyEncoder):
    """The toy encoder with a link that calls hardly anything a match."""

    def __init__(self):
        super().__init__()
        self.info = type(self.info)("sure", "f" * 64, self.info.dim, self.info.code_range, Link(60.0, 1.2))


def test_a_calibrated_encoder_says_when_no_page_matches_well(quick_path, tmp_path):
    with open_library(quick_path / "sure", encoder=SureEncoder()) as library:
        service = Service(library, Settings(library.path))
        library.ingest(save_document(tmp_path / "pump.tiff", PUMP))
        assert "No page matches well" in ask(service, "valve").notice


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("127.0.0.2", False),  # the guard refuses it as a name
        ("0.0.0.0", False),
        ("box", False),
    ],
)
def test_loopback_addresses_are_told_from_others(host, expected):
    assert is_loopback(host) is expected


def test_another_address_is_refused_without_a_token():
    with pytest.raises(ValueError, match="set COLVISION_TOKEN"):
        Settings(Path("library"), host="0.0.0.0")
    assert Settings(Path("library"), host="0.0.0.0", token="a secret of mine").token
    with pytest.raises(ValueError, match="use at least 16"):
        Settings(Path("library"), token="short")
