"""Search and explain over stored codes: the score is MaxSim, and its parts are reported."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import colvision
from colvision import maxsim
from colvision.core.embedding import PatchGrid, QueryEmbedding, VectorKind
from colvision.core.encoder import Calibration
from colvision.core.query import ScoredQuery
from colvision.explain import explain_page
from colvision.search import SearchOptions, ranking
from colvision.store.shards import ShardPage
from colvision.testing import ToyEncoder, text_page
from colvision.testing.toy import CELL_COLS, CELL_ROWS

SHAPE = (1600, 1312)  # (height, width) with the area that pages are brought to: every patch stays as it is printed
PAGES = {
    "pump.png": ["pump", "oil", "bolt", "seal", "the"],
    "valve.png": ["valve", "oil", "the", "nut"],
    "motor.png": ["motor", "bolt", "the", "fan", "belt", "the"],
}


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    for name, words in PAGES.items():
        text_page(words, shape=SHAPE).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory, scans):
    with colvision.open_library(tmp_path_factory.mktemp("library"), encoder=ToyEncoder(dim=64)) as opened:
        opened.ingest(scans)
        yield opened


@pytest.fixture(scope="module")
def sharp(tmp_path_factory, scans):
    """The same pages found by an encoder whose link is a probability."""
    encoder = ToyEncoder(dim=64)
    info = encoder.info
    encoder.info = colvision.EncoderInfo(
        info.name, "sharp", info.dim, info.quantisation_range, Calibration(slope=30, midpoint=0.8)
    )
    with colvision.open_library(tmp_path_factory.mktemp("sharp"), encoder=encoder) as opened:
        opened.ingest(scans)
        yield opened


def test_however_few_pages_are_compared_in_one_product_their_terms_are_those_of_each_alone(sharp, monkeypatch):
    monkeypatch.setattr(ranking, "_PAGES_A_PRODUCT", 2)
    answer = sharp.search("oil bolt the")
    assert len(answer) == 3
    for hit in answer:
        assert dict(hit.score_terms) == pytest.approx(dict(sharp.explain(hit).score_terms), abs=1e-6)
        assert hit.score_terms["frequency"] > 0


def test_the_page_with_both_words_comes_first(library):
    answer = library.search("pump seal")
    assert (answer[0].document, answer[0].page) == ("pump.png", 1)
    assert answer.pages == len(answer) == 3
    assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)


def test_an_answer_prints_as_a_list_of_pages(library):
    answer = library.search("pump seal", k=1)
    assert repr(answer) == f"Answer('pump seal': 1 of 3 pages\n  Hit('pump.png', page 1, score {answer[0].score:.3f}))"


def test_scores_are_maxsim_by_brute_force(library):
    query = library.encoder.encode_queries(["oil bolt"])[0]
    answer = library.search("oil bolt")
    assert len(answer) == 3
    for hit in answer:
        page = library._store.stored_page(library._store.find(hit.document_id), hit.page)
        rows = maxsim.dequantise(page.codes, 1.0)
        brute = sum(max(float(token @ row) for row in rows) for token in query.vectors)
        assert hit.score == pytest.approx(brute, abs=0.05)  # the query is quantised too


def test_contributions_and_terms_sum_to_the_score_in_search_and_in_explain(library, sharp):
    for opened in (library, sharp):
        answer = opened.search("oil bolt the")
        assert len(answer) == 3
        for hit in answer:
            why = opened.explain(hit)
            extra = sum(hit.score_terms.values())
            assert float(hit.contributions.sum()) + extra == pytest.approx(hit.score, abs=1e-5)
            assert why.score == pytest.approx(hit.score, abs=1e-5)
            assert dict(why.score_terms) == pytest.approx(dict(hit.score_terms), abs=1e-6)
            found = sum(match.contribution for match in why.matches)
            assert found + sum(why.score_terms.values()) == pytest.approx(hit.score, abs=1e-5)
            np.testing.assert_array_equal([match.similarity for match in why.matches], hit.similarity)


def test_only_the_given_documents_are_searched_and_their_scores_stay(sharp):
    everywhere = {hit.document: hit.score for hit in sharp.search("oil the")}
    answer = sharp.search("oil the", document=["valve.png", "motor.png"])
    assert {hit.document: hit.score for hit in answer} == {
        name: score for name, score in everywhere.items() if name != "pump.png"
    }


def test_a_rare_word_weighs_more_than_one_on_every_page(sharp):
    weights = dict(zip(("seal", "the"), sharp.search("seal the").query.weights.tolist(), strict=True))
    assert weights["seal"] > 2 * weights["the"]
    plain = sharp.search("seal the", soft_idf=False).query.weights
    np.testing.assert_array_equal(plain, [1, 1])


def test_pages_of_equal_score_come_in_the_order_of_their_names_and_numbers(tmp_path):
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        frames = [text_page(["pump"], shape=SHAPE), text_page(["pump"], shape=SHAPE)]
        for name in ("b.tiff", "a.tiff"):
            frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], compression=None)
            frames.append(text_page(["nut"], shape=SHAPE))  # other bytes
            library.ingest(tmp_path / name)
        found = [(hit.document, hit.page) for hit in library.search("pump", k=4)]
    assert found == [("a.tiff", 1), ("a.tiff", 2), ("b.tiff", 1), ("b.tiff", 2)]


def test_an_empty_library_answers_with_nothing(tmp_path):
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder()) as library:
        answer = library.search("pump")
    assert len(answer) == answer.pages == 0


def test_asking_for_no_page_is_refused():
    with pytest.raises(ValueError, match="at least one page"):
        SearchOptions(k=0)


def test_the_map_is_hot_where_the_word_is_printed(library):
    why = library.explain(library.search("seal")[0])
    assert why.similarity_map.shape == (1, SHAPE[0] // CELL_ROWS, SHAPE[1] // CELL_COLS)
    assert why.matches[0].cell == (0, 3)  # the fourth word
    hot = np.unravel_index(np.nanargmax(why.similarity_map[0]), why.similarity_map.shape[1:])
    assert hot == (0, 3)
    assert why.grid.box(0, 3).scaled((SHAPE[1], SHAPE[0])) == pytest.approx((96, 0, 128, 16))


def test_the_region_of_a_word_is_its_ink(library):
    (region,) = library.explain(library.search("seal")[0]).regions()
    left, top, right, bottom = region.pixels((SHAPE[1], SHAPE[0]))
    page = np.asarray(library.page_image("pump.png", 1).convert("L"))
    rows, cols = np.nonzero(page[0:16, 96:128] < 128)
    ink = (cols.min() + 96, rows.min(), cols.max() + 97, rows.max() + 1)
    assert (left, top, right, bottom) == pytest.approx(ink, abs=1)


def test_the_heatmap_colours_the_winning_patch_and_leaves_blank_paper_alone(library):
    why = library.explain(library.search("belt")[0])
    picture = np.asarray(why.heatmap("belt", opacity=1.0), dtype=int)
    plain = np.asarray(library.page_image("motor.png", 1), dtype=int)
    changed = np.abs(picture - plain).sum(axis=2) > 30
    assert changed[0:16, 128:160].mean() > 0.5
    assert not changed[48:, :].any()
    assert why.heatmap("Belt", opacity=1.0) == why.heatmap("belt", opacity=1.0)  # mini folds its words, people do not
    with pytest.raises(ValueError, match="no word 'fan'; it has belt"):
        why.heatmap("fan")


def test_a_probe_of_any_page_needs_no_search_result(library):
    why = library.explain("nut", "valve.png", 1)
    assert why.matches[0].cell == (0, 3)


def _query(vectors, calibration=None, is_query=None):
    tokens = tuple(f"t{i}" for i in range(len(vectors)))
    of_query = np.ones(len(vectors), np.bool_) if is_query is None else np.array(is_query)
    ones = np.ones(len(vectors), np.float32)
    word = np.where(of_query, np.cumsum(of_query) - 1, -1).astype(np.int32)
    words = tuple(t for t, q in zip(tokens, of_query, strict=True) if q)
    embedding = QueryEmbedding("x", np.array(vectors, np.float32), tokens, of_query, ones, words, word)
    return ScoredQuery(embedding, ones, calibration or Calibration(), "f")


def test_a_token_won_by_a_global_vector_has_no_place_on_the_page():
    codes = maxsim.quantise(np.array([[1, 0], [0, 1]], np.float32), 1.0)
    page = ShardPage(
        codes, PatchGrid(np.array([[0]], np.int32)), np.array([VectorKind.PATCH, VectorKind.GLOBAL], np.uint8)
    )
    why = explain_page(_query([[0, 1], [1, 0]]), page, quantisation_range=1.0)
    assert why.matches[0].cell is None
    assert why.matches[1].cell == (0, 0)
    assert [region.tokens for region in why.regions()] == [("t1",)]


def test_a_prefix_token_counts_but_is_no_word():
    codes = maxsim.quantise(np.array([[1, 0], [0, 1]], np.float32), 1.0)
    page = ShardPage(codes, PatchGrid.full(1, 2), np.zeros(2, np.uint8))
    why = explain_page(_query([[0, 1], [1, 0]], is_query=[False, True]), page, quantisation_range=1.0)
    assert [match.word for match in why.matches] == [None, "t1"]
    assert why.score == pytest.approx(2.0, abs=1e-3)
    np.testing.assert_array_equal(why.strength(), [[1, 0]])  # the prefix is not drawn


def test_a_hot_patch_on_a_tall_page_lands_where_it_is():
    rows, cols = 9, 4
    vectors = np.tile(np.array([[0, 1]], np.float32), (rows * cols, 1))
    vectors[6 * cols + 1] = [1, 0]
    page = ShardPage(maxsim.quantise(vectors, 1.0), PatchGrid.full(rows, cols), np.zeros(rows * cols, np.uint8))
    why = explain_page(_query([[1, 0]]), page, quantisation_range=1.0, image=Image.new("L", (40, 180), 255))
    assert why.matches[0].cell == (6, 1)
    painted = np.abs(np.asarray(why.heatmap(), dtype=int) - 255).sum(axis=2) > 30
    ys, xs = np.nonzero(painted)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == pytest.approx((8, 118, 21, 141), abs=1)  # framed
