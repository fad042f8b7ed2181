"""Pages in an engine that runs here, Qdrant's own shard and LanceDB: the same ten best, whatever happened before."""

import shutil
from contextlib import closing
from importlib.util import find_spec

import numpy as np
import pytest

from colvision.core.first_stage import PageScope
from colvision.engines import engine_in, export_collection, open_engine
from colvision.engines.engine import document_of_id
from colvision.errors import EncoderMismatch, LibraryError
from colvision.maxsim.int8 import rounded_query
from colvision.maxsim.quantisation import STEPS
from tests.helpers.made_pages import MadeEncoder, made_library, random_documents, unit

DOCUMENTS, QUERIES = random_documents(20, 50)
ENCODER = MadeEncoder(QUERIES)
UNIT = ENCODER.info.quantisation_range / STEPS  # of the library's score, in the engine's
PACKAGES = {"qdrant": "qdrant_edge", "lancedb": "lancedb"}


def needs(name):
    if find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{PACKAGES[name]} is not installed: pip install 'colvision[{name}]'")


@pytest.fixture(params=PACKAGES, scope="module")
def name(request):
    needs(request.param)
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("engines")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def library(folder):
    """1,000 pages of 25 vectors."""
    with made_library(folder / "library", ENCODER, DOCUMENTS) as library:
        yield library


@pytest.fixture(scope="module")
def engine(name, folder, library):
    with closing(engine_in(name, str(folder / name), exact=True)) as engine:
        assert str(export_collection(library, engine)).startswith(f"{name}: 1000 pages written, 0 there already, 0 re")
        yield engine


@pytest.fixture
def small(name, tmp_path):
    """A library of five pages in two documents, and an empty engine."""
    documents, _ = random_documents(2, 3, seed=1)
    documents["document 1.pdf"].pop()
    library = made_library(tmp_path / "library", ENCODER, documents)
    with library, closing(engine_in(name, str(tmp_path / name), exact=True)) as engine:
        yield library, engine


def pages(hits):
    return [(hit.document_id if hasattr(hit, "document_id") else hit.document, hit.page) for hit in hits]


def test_the_ten_best_of_an_engine_are_the_ten_best_here_in_the_same_order(engine, library):
    for number, query in enumerate(QUERIES):
        own = library.search(str(number), mode="exact")
        found = engine.find(rounded_query(query), 10, PageScope())
        assert pages(found) == pages(own)
        scores = [each.score * UNIT for each in found]
        np.testing.assert_allclose(scores, [hit.score for hit in own], atol=1e-3)  # they round the question to float16


def test_a_search_by_way_of_an_engine_gives_the_librarys_own_scores(engine, library):
    own = library.search("3", mode="exact")
    answer = library.search("3", first_stage=engine)
    assert [(hit.document_id, hit.page, hit.score) for hit in answer] == [
        (hit.document_id, hit.page, hit.score) for hit in own
    ]
    assert (answer.mode, answer.candidates, answer.notice) == ("rerank", 256, "")
    assert answer.retrievers == (engine.name, "maxsim") and answer.timing_ms[engine.name] > 0
    assert library.search_many(["3", "4"], first_stage=engine)[0][0].score == own[0].score
    assert library.explain(answer[0], image=False).score == pytest.approx(answer[0].score, abs=1e-5)


def test_filters_go_along_and_hold(engine, library):
    where = 'document="document 3.pdf" and page in 2-5 or document="document 7.pdf"'
    answer = library.search("1", where=where, first_stage=engine, k=60)
    assert pages(answer) == pages(library.search("1", where=where, mode="exact", k=60))
    assert len(answer) == 54
    ids = {row.name: row.id for row in library.documents()}
    scope = PageScope((ids["document 3.pdf"],), (2, 3))
    assert sorted(pages(engine.find(rounded_query(QUERIES[0]), 10, scope))) == [(scope.documents[0], n) for n in (2, 3)]
    assert engine.find(rounded_query(QUERIES[0]), 10, PageScope(("no'such",))) == []


def test_the_id_of_a_page_begins_with_that_of_its_document(engine, library):
    counts = {row.id: 50 for row in library.documents()}
    for each in engine.ids():
        counts[document_of_id(each)] -= 1
    assert set(counts.values()) == {0}


def test_an_export_that_was_stopped_goes_on_and_one_that_is_done_writes_nothing(small):
    library, engine = small
    steps = []

    def stop(step):
        steps.append((step.done, step.total))
        if step.done:
            raise KeyboardInterrupt

    report = export_collection(library, engine, progress=lambda step: steps.append((step.done, step.total)))
    assert (report.written, report.same, report.removed, steps) == (5, 0, 0, [(0, 5), (5, 5)])
    library.delete("document 1.pdf")
    assert export_collection(library, engine).to_dict() == {
        "engine": engine.name, "written": 0, "same": 3, "removed": 2,
    }  # fmt: skip
    engine.remove(list(engine.ids())[:2])
    with pytest.raises(KeyboardInterrupt):
        export_collection(library, engine, progress=stop)
    assert export_collection(library, engine).written == 2
    again = export_collection(library, engine)
    assert (again.written, again.same, again.removed, engine.pages) == (0, 3, 0, 3)
    assert len(set(engine.ids())) == 3


def test_what_has_changed_since_is_written_again_and_the_old_removed(small):
    library, engine = small
    export_collection(library, engine)
    before = set(engine.ids())
    library.rename("document 1.pdf", "pump.pdf")
    library.set_metadata("document 0.pdf", {"year": 2021})
    report = export_collection(library, engine)
    assert (report.written, report.same, report.removed, engine.pages) == (5, 0, 5, 5)
    assert before.isdisjoint(engine.ids())
    assert {document_of_id(each) for each in before} == {document_of_id(each) for each in engine.ids()}


def test_pages_that_the_engine_lacks_are_told_and_those_that_the_library_lacks_are_not_found(small):
    library, engine = small
    export_collection(library, engine)
    library.delete("document 1.pdf")
    answer = library.search("0", first_stage=engine)
    assert {hit.document for hit in answer} == {"document 0.pdf"} and len(answer) == 3
    assert answer.notice == f"{engine.name} holds 5 pages, the collection 3: export it again."


def test_a_place_with_another_librarys_pages_is_refused_and_left_as_it_is(engine, library, tmp_path):
    held = engine.pages
    other = made_library(tmp_path / "other", ENCODER, {"other.pdf": DOCUMENTS["document 0.pdf"][:1]})
    with other, pytest.raises(LibraryError, match="holds 1000 pages there, none of them of a document of this"):
        export_collection(other, engine)
    assert engine.pages == held


def test_vectors_of_another_length_are_refused(engine, tmp_path):
    documents, queries = random_documents(1, 1, dim=128)
    library = made_library(tmp_path / "other", MadeEncoder(queries), documents)
    with library, pytest.raises(LibraryError, match="give another folder"):
        export_collection(library, engine)


def test_an_engine_with_another_encoders_pages_is_refused(engine, tmp_path):
    encoder = MadeEncoder(QUERIES)
    encoder.info = type(encoder.info)("other", "0" * 64, 64, 0.45)
    library = made_library(tmp_path / "other", encoder, {"other.pdf": DOCUMENTS["document 0.pdf"][:1]})
    with library, pytest.raises(EncoderMismatch, match="holds pages of another encoder"):
        library.search("0", first_stage=engine)


def test_an_empty_collection_is_not_exported(small, tmp_path):
    _, engine = small
    with made_library(tmp_path / "empty", ENCODER, {}) as empty, pytest.raises(LibraryError, match="holds no page"):
        export_collection(empty, engine)


def test_an_engine_finds_candidates_for_scores_that_are_probabilities(name, tmp_path):
    """Their weights are those of the whole collection, and the order is the library's own."""
    documents, queries = random_documents(4, 25, seed=2)
    encoder = MadeEncoder(queries, probability=True)
    library = made_library(tmp_path / "library", encoder, documents)
    with library, closing(engine_in(name, str(tmp_path / name))) as engine:
        export_collection(library, engine)
        own = library.search("2", mode="exact", text_fusion=False)
        answer = library.search("2", first_stage=engine, text_fusion=False)
    assert [(hit.document, hit.page, hit.score) for hit in answer] == [
        (hit.document, hit.page, hit.score) for hit in own
    ]


def test_a_page_that_is_too_large_for_qdrant_is_named_before_anything_is_written(tmp_path):
    """Edge takes it; the server to which a shard may move does not."""
    needs("qdrant")
    large = unit(np.random.default_rng(0).standard_normal((16_385, 64)))
    library = made_library(tmp_path / "library", ENCODER, {"plan.pdf": [DOCUMENTS["document 0.pdf"][0], large]})
    with library, closing(open_engine(f"qdrant://{tmp_path}/shard")) as engine:
        with pytest.raises(LibraryError, match=r"page 2 of 'plan.pdf' has 16,385 vectors of 64 numbers; .* 16,384"):
            export_collection(library, engine)
        assert not (tmp_path / "shard").exists()


def test_qdrant_orders_candidates_by_its_int8_codes_unless_they_are_ignored(tmp_path):
    needs("qdrant")
    import qdrant_edge

    from colvision.engines.qdrant_edge import query_request, vector_params

    documents, queries = random_documents(2, 50, seed=3)
    encoder = MadeEncoder(queries)
    with made_library(tmp_path / "library", encoder, documents) as library:
        with closing(engine_in("qdrant", str(tmp_path / "shard"))) as engine:
            export_collection(library, engine)
        own = {(hit.document_id, hit.page): hit.score for hit in library.search("0", mode="exact", k=100)}
    small = qdrant_edge.EdgeOptimizersConfig(indexing_threshold=1)  # as of a shard of 20 MB
    config = qdrant_edge.EdgeConfig(vectors=vector_params(encoder.info), optimizers=small)
    shard = qdrant_edge.EdgeShard.load(str(tmp_path / "shard"), config)
    shard.optimize()
    worst = {}
    for ignore in (True, False):
        request = query_request(rounded_query(queries[0]), 10, PageScope(), exact=False, ignore=ignore)
        found = [
            (each.score * UNIT, own[each.payload["document_id"], each.payload["page"]]) for each in shard.query(request)
        ]
        worst[ignore] = max(abs(score - known) for score, known in found)
    shard.close()
    assert worst[True] < 1e-3
    assert worst[False] > 0.1


def test_lancedb_answers_from_an_index_without_a_word_unless_it_is_to_be_exact(folder, library):
    needs("lancedb")
    from lancedb.index import IvfPq

    address = f"lancedb://{folder / 'indexed'}"
    with closing(open_engine(address, exact=True)) as exact, closing(open_engine(address)) as quick:
        export_collection(library, exact)
        asked = [rounded_query(query) for query in QUERIES[:5]]
        before = [exact.find(query, 10, PageScope()) for query in asked]
        assert [quick.find(query, 10, PageScope()) for query in asked] == before
        exact.table.create_index(
            "patches", config=IvfPq(distance_type="cosine", num_partitions=4, num_sub_vectors=4, max_iterations=5)
        )
        silent = [exact.table.search(query, vector_column_name="patches").limit(10).to_list() for query in asked]
        assert [{(row["document_id"], row["page"]) for row in rows} for rows in silent] != [
            set(pages(f)) for f in before
        ]
        assert [exact.find(query, 10, PageScope()) for query in asked] == before
        assert [quick.find(query, 10, PageScope()) for query in asked] != before
        for query, best in zip(asked, before, strict=True):  # as many as a search asks for hold them
            assert set(pages(best)) <= set(pages(quick.find(query, 256, PageScope())))


def test_a_folder_alone_tells_its_engine(small, tmp_path, name):
    library, engine = small
    export_collection(library, engine)
    engine.close()
    with closing(open_engine(str(tmp_path / name))) as opened:
        assert (opened.name, opened.pages) == (name, 5)
    with pytest.raises(ValueError, match="is no folder of an engine's: name the engine"):
        open_engine(str(tmp_path))
    with (
        closing(open_engine(f"{name}://{tmp_path / 'nothing'}")) as missing,
        pytest.raises(LibraryError, match="first"),
    ):
        missing.find(rounded_query(QUERIES[0]), 1, PageScope())
