"""What a score holds beside MaxSim."""

import numpy as np
import pytest

from colvision import scoring
from colvision.embedding import Link, PatchGrid, QueryEmbedding, ScoredQuery
from colvision.scoring import page_terms

LINK = Link(slope=30.0, midpoint=0.5)
GRID = PatchGrid.full(6, 8)


def query(words: str, weights: tuple[float, ...] | None = None, link: Link = LINK) -> ScoredQuery:
    names = words.split()
    vectors = np.eye(len(names), 16, dtype=np.float32)
    embedding = QueryEmbedding.of_words(words, names, vectors)
    given = np.array(weights or [1.0] * len(names), np.float32)
    return ScoredQuery(embedding, given, link, 1, "f", mean_vectors=48.0)


def page(tokens: int, *places: tuple[int, int, int]) -> np.ndarray:
    """Similarities (t, 48) of a 6 x 8 page on which (token, row, col) stand, and nothing else."""
    table = np.full((tokens, 48), 0.1, np.float32)
    for token, row, col in places:
        table[token, row * 8 + col] = 0.95
    return table


def terms_of(asked: ScoredQuery, table: np.ndarray, grid: PatchGrid) -> dict[str, float]:
    """Of one page."""
    return {
        name: float(values[0])
        for name, values in page_terms(asked, table, [grid], np.array([0, table.shape[1]])).items()
    }


def test_without_a_probability_there_are_no_terms():
    assert terms_of(query("bleed pump", link=Link()), page(2, (0, 0, 0)), GRID) == {}


def test_a_page_that_has_none_of_the_words_gets_nothing():
    assert sum(terms_of(query("bleed pump"), page(2), GRID).values()) == 0.0


def test_words_in_the_order_of_the_query_count_more_than_the_other_way_round():
    asked = query("bleed pump")
    as_asked = terms_of(asked, page(2, (0, 1, 2), (1, 1, 3)), GRID)
    reversed_ = terms_of(asked, page(2, (1, 1, 2), (0, 1, 3)), GRID)
    assert as_asked["order"] == pytest.approx(1.0, abs=0.01)
    assert reversed_["order"] == 0.0
    assert as_asked["near"] == pytest.approx(reversed_["near"])


def test_a_line_further_down_is_near_and_the_far_end_of_the_page_is_not():
    asked = query("bleed pump")
    assert terms_of(asked, page(2, (0, 1, 2), (1, 2, 5)), GRID)["near"] == pytest.approx(1.0, abs=0.01)
    assert terms_of(asked, page(2, (0, 0, 0), (1, 5, 7)), GRID)["near"] == 0.0


def test_a_pair_counts_as_much_as_its_less_telling_word():
    terms = terms_of(query("the pump", weights=(0.2, 3.0)), page(2, (0, 1, 2), (1, 1, 3)), GRID)
    assert terms["order"] == pytest.approx(0.2, abs=0.01)
    assert terms["near"] == pytest.approx(0.2, abs=0.01)


def test_a_word_that_stands_more_often_counts_more_and_less_on_a_longer_page():
    asked = query("pump")
    once = terms_of(asked, page(1, (0, 0, 0)), GRID)["frequency"]
    often = terms_of(asked, page(1, (0, 0, 0), (0, 2, 0), (0, 4, 0)), GRID)["frequency"]
    table = np.concatenate([page(1, (0, 0, 0)), page(1)], axis=1)
    on_a_longer_page = terms_of(asked, table, PatchGrid.full(12, 8))["frequency"]
    assert on_a_longer_page < once < often


def test_frequency_is_saturated_as_in_bm25():
    chance = float(LINK(np.array([0.95], np.float32))[0])
    assert terms_of(query("pump"), page(1, (0, 0, 0)), GRID)["frequency"] == pytest.approx(0.4 * chance / (chance + 2))


def test_a_vector_without_a_place_is_counted_but_is_nobodys_neighbour():
    cells = np.arange(48, dtype=np.int32).reshape(6, 8)
    cells[1, 3] = -1
    terms = terms_of(query("bleed pump"), page(2, (0, 1, 2), (1, 1, 3)), PatchGrid(cells))
    assert terms["order"] == terms["near"] == 0.0
    assert terms["frequency"] > 0


def test_a_vector_of_several_cells_stands_where_it_is_met_first():
    cells = np.arange(48, dtype=np.int32).reshape(6, 8)
    cells[5, 7] = cells[1, 3]
    terms = terms_of(query("bleed pump"), page(2, (0, 1, 2), (1, 1, 3)), PatchGrid(cells))
    assert terms["order"] == pytest.approx(1.0, abs=0.01)


def test_terms_equal_what_loops_over_every_pair_of_patches_give():
    rng = np.random.default_rng(0)
    asked = query("a b c d", weights=(0.5, 2.0, 1.0, 3.0))
    table = rng.uniform(0.0, 0.5, (4, 48)).astype(np.float32)
    chance = np.where(LINK(table) > 0.05, LINK(table), 0).reshape(4, 6, 8)
    order, near = np.zeros((4, 4)), np.zeros((4, 4))
    for i, row, col in np.argwhere(chance > 0).tolist():
        for j, below, right in np.argwhere(chance > 0).tolist():
            both = chance[i, row, col] * chance[j, below, right]
            if row == below and 0 <= right - col <= 2:
                order[i, j] = max(order[i, j], both)
            if abs(row - below) <= 1 and abs(right - col) <= 4:
                near[i, j] = max(near[i, j], both)
    assert (chance > 0).sum(axis=(1, 2)).max() <= 16
    weights = asked.weights
    smaller = np.minimum.outer(weights, weights)
    terms = terms_of(asked, table, GRID)
    assert terms["order"] == pytest.approx(sum(order[i, i + 1] * smaller[i, i + 1] for i in range(3)), rel=1e-5)
    pairs = sum(near[i, j] * smaller[i, j] for i in range(4) for j in range(i + 1, 4))
    assert terms["near"] == pytest.approx(pairs / 3, rel=1e-5)


def test_on_a_page_full_of_matches_no_word_crowds_out_another():
    table = np.full((3, 48), 0.9, np.float32)
    terms = terms_of(query("a b c"), table, GRID)
    assert terms["order"] == pytest.approx(2.0, abs=0.01)


def test_the_similarity_of_a_probability_is_the_links_inverse():
    assert float(LINK(np.array([LINK.inverse(0.2)], np.float32))[0]) == pytest.approx(0.2, rel=1e-4)
    with pytest.raises(ValueError, match="identity"):
        Link().inverse(0.5)


def some_pages(tokens: int, pages: int) -> tuple[np.ndarray, list[PatchGrid], np.ndarray]:
    """Similarities, grids and starts of pages of different sizes, some of whose cells have no vector."""
    rng = np.random.default_rng(1)
    tables, grids = [], []
    for _ in range(pages):
        rows, cols = (int(side) for side in rng.integers(2, 12, 2))
        cells = np.full(rows * cols, -1, np.int32)
        filled = np.sort(rng.permutation(rows * cols)[: rows * cols // 2])
        cells[filled] = np.arange(len(filled))
        grids.append(PatchGrid(cells.reshape(rows, cols)))
        tables.append(np.where(rng.random((tokens, len(filled))) < 0.3, 0.7, 0.1).astype(np.float32))
    return np.concatenate(tables, axis=1), grids, np.cumsum([0, *(table.shape[1] for table in tables)])


def test_pages_scored_together_get_what_each_gets_alone():
    asked = query("a b c", weights=(1.0, 2.0, 0.5))
    tables, grids, starts = some_pages(3, 9)
    together = page_terms(asked, tables, grids, starts)
    for place, grid in enumerate(grids):
        alone = terms_of(asked, tables[:, starts[place] : starts[place + 1]], grid)
        assert {name: float(values[place]) for name, values in together.items()} == pytest.approx(alone)
    assert together["order"].max() > 0


def test_however_few_pairs_are_compared_at_once_the_terms_are_the_same(monkeypatch):
    asked, pages = query("a b c"), some_pages(3, 4)
    expected = page_terms(asked, *pages)
    monkeypatch.setattr(scoring, "_PAIRS", 5)
    found = page_terms(asked, *pages)
    assert expected and found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
