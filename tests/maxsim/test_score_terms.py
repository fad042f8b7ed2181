"""What a score holds beside MaxSim."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colvision.core.embedding import PatchGrid, QueryEmbedding
from colvision.core.encoder import Calibration
from colvision.core.query import ScoredQuery
from colvision.maxsim.score_terms import bound_score_terms, compute_score_terms

LINK = Calibration(slope=30.0, midpoint=0.5)
GRID = PatchGrid.full(6, 8)


def query(words: str, weights: tuple[float, ...] | None = None, calibration: Calibration = LINK) -> ScoredQuery:
    names = words.split()
    vectors = np.eye(len(names), 16, dtype=np.float32)
    embedding = QueryEmbedding.of_words(words, names, vectors)
    of_words = np.array(weights or [1.0] * len(names), np.float32)
    return ScoredQuery(embedding, of_words, calibration, "f", mean_vectors=48.0)


def page(tokens: int, *places: tuple[int, int, int]) -> np.ndarray:
    """Similarities (t, 48) of a 6 x 8 page on which (token, row, col) stand, and nothing else."""
    table = np.full((tokens, 48), 0.1, np.float32)
    for token, row, col in places:
        table[token, row * 8 + col] = 0.95
    return table


def terms_of(scored: ScoredQuery, table: np.ndarray, grid: PatchGrid) -> dict[str, float]:
    terms = compute_score_terms(scored, scored.calibrated(table), [grid], np.array([0, table.shape[1]]))
    return {name: float(values[0]) for name, values in terms.items()}


def test_without_a_probability_there_are_no_terms():
    assert terms_of(query("bleed pump", calibration=Calibration()), page(2, (0, 0, 0)), GRID) == {}


def test_a_page_that_has_none_of_the_words_gets_nothing():
    assert sum(terms_of(query("bleed pump"), page(2), GRID).values()) == 0.0


def test_words_in_the_order_of_the_query_count_more_than_the_other_way_round():
    scored = query("bleed pump")
    in_order = terms_of(scored, page(2, (0, 1, 2), (1, 1, 3)), GRID)
    reversed_ = terms_of(scored, page(2, (1, 1, 2), (0, 1, 3)), GRID)
    assert in_order["order"] == pytest.approx(1.0, abs=0.01)
    assert reversed_["order"] == 0.0
    assert in_order["near"] == pytest.approx(reversed_["near"])


def test_a_line_further_down_is_near_and_the_far_end_of_the_page_is_not():
    scored = query("bleed pump")
    assert terms_of(scored, page(2, (0, 1, 2), (1, 2, 5)), GRID)["near"] == pytest.approx(1.0, abs=0.01)
    assert terms_of(scored, page(2, (0, 0, 0), (1, 5, 7)), GRID)["near"] == 0.0


def test_a_pair_counts_as_much_as_its_less_telling_word():
    terms = terms_of(query("the pump", weights=(0.2, 3.0)), page(2, (0, 1, 2), (1, 1, 3)), GRID)
    assert terms["order"] == pytest.approx(0.2, abs=0.01)
    assert terms["near"] == pytest.approx(0.2, abs=0.01)


def test_a_word_that_stands_more_often_counts_more_and_less_on_a_longer_page():
    scored = query("pump")
    once = terms_of(scored, page(1, (0, 0, 0)), GRID)["frequency"]
    often = terms_of(scored, page(1, (0, 0, 0), (0, 2, 0), (0, 4, 0)), GRID)["frequency"]
    table = np.concatenate([page(1, (0, 0, 0)), page(1)], axis=1)
    on_a_longer_page = terms_of(scored, table, PatchGrid.full(12, 8))["frequency"]
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


def oracle(scored: ScoredQuery, table: np.ndarray, grid: PatchGrid) -> dict[str, float]:
    """Every pair of the 16 most probable patches of every two words."""
    chance = np.where(LINK(table) > 0.05, LINK(table), 0).astype(np.float64)  # (t, n)
    cell = {int(vector): (row, col) for (row, col), vector in reversed(list(np.ndenumerate(grid.cells)))}
    places = [[v for v in np.argsort(-of_word, kind="stable")[:16] if of_word[v] > 0] for of_word in chance]
    tokens = len(table)
    order, near = np.zeros((tokens, tokens)), np.zeros((tokens, tokens))
    for i, j in zip(*np.triu_indices(tokens, 1), strict=True):
        for one in set(places[i]) & cell.keys():
            for other in set(places[j]) & cell.keys():
                below, right = np.subtract(cell[other], cell[one])
                both = chance[i, one] * chance[j, other]
                if below == 0 and 0 <= right <= 2 and j == i + 1:
                    order[i, j] = max(order[i, j], both)
                if abs(below) <= 1 and abs(right) <= 4:
                    near[i, j] = max(near[i, j], both)
    times = chance.sum(axis=1)
    frequency = scored.weights * times / (times + 2 * (0.25 + 0.75 * table.shape[1] / 48))
    smaller = np.minimum.outer(scored.weights, scored.weights)
    terms = {"frequency": 0.4 * frequency.sum(), "order": (order * smaller).sum()}
    return terms | {"near": (near * smaller).sum() / (tokens - 1)}


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    tokens=st.integers(2, 6),
    share=st.sampled_from([0.0, 0.05, 0.3, 0.9]),
    seed=st.integers(0, 999),
)
def test_terms_equal_what_loops_over_every_pair_of_patches_give(rows, cols, tokens, share, seed):
    """Some cells are blank, some share a vector, some vectors have no cell, and values come twice, as in codes."""
    rng = np.random.default_rng(seed)
    vectors = int(rng.integers(1, rows * cols + 1))
    grid = PatchGrid(rng.integers(-1, vectors, (rows, cols), dtype=np.int32))
    likely = rng.random((tokens, vectors)) < share
    table = np.where(likely, rng.integers(40, 60, likely.shape) / 100, 0.1).astype(np.float32)
    scored = query(" ".join("abcdef"[:tokens]), weights=tuple(rng.uniform(0.1, 3, tokens)))
    expected = oracle(scored, table, grid)
    grid.cells.setflags(write=False)  # as in a mapped shard
    for same in (table, np.asfortranarray(table)):
        assert terms_of(scored, same, grid) == pytest.approx(expected, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("words", ["a", "a b c", "a b c d e f g h i j"])
def test_a_page_has_the_same_terms_alone_and_among_others(words):
    """To the last bit: pages of several lengths and shapes, one with a match everywhere, one without any."""
    rng = np.random.default_rng(4)
    scored, grids, tables = query(words), [], []
    for rows, cols, share in ((6, 8, 0.2), (3, 5, 1.0), (9, 4, 0.0), (1, 1, 0.5), (12, 20, 0.05)):
        grids.append(PatchGrid(rng.integers(-1, rows * cols, (rows, cols), dtype=np.int32)))
        likely = rng.random((len(scored.weights), rows * cols)) < share
        tables.append(np.where(likely, rng.uniform(0.4, 0.9, likely.shape), 0.1).astype(np.float32))
    starts = np.cumsum([0, *(table.shape[1] for table in tables)])
    together = compute_score_terms(scored, scored.calibrated(np.concatenate(tables, axis=1)), grids, starts)
    for number, (table, grid) in enumerate(zip(tables, grids, strict=True)):
        assert terms_of(scored, table, grid) == {name: values[number] for name, values in together.items()}
    assert together["frequency"][2] == 0.0 < together["frequency"].max()


def test_each_page_counts_the_spelling_that_it_prints():
    """A code is printed as one token or as two: both of its pages, and one with half a code, in one table."""
    embedding = QueryEmbedding.of_words("e 11 e11 fuse", ["e", "11", "e11", "fuse"], np.eye(4, 16, dtype=np.float32))
    embedding = replace(embedding, words=("e11", "fuse"), word=np.array([0, 0, 0, 1], np.int32), spelling=(0, 0, 1, 0))
    scored = replace(query("a b c d"), embedding=embedding)
    apart = page(4, (0, 1, 2), (1, 1, 3), (3, 1, 4))
    joined = page(4, (2, 1, 3), (3, 1, 4))
    half = page(4, (0, 1, 2), (3, 1, 3))
    tables = np.concatenate([apart, joined, half], axis=1)
    terms = compute_score_terms(scored, scored.calibrated(tables), [GRID] * 3, np.array([0, 48, 96, 144]))
    # The code's weight of 3 is shared by its two tokens where they stand apart.
    np.testing.assert_allclose(terms["order"], [1.5 + 1.0, 1.0, 0.0], atol=0.01)
    np.testing.assert_allclose(terms["near"], [(1.5 + 1.0 + 1.0) / 2, 1.0, 0.0], atol=0.01)


def test_words_that_are_all_in_letters_that_are_not_read_are_nowhere():
    unread = query("bleed pump")
    unread = replace(unread, embedding=replace(unread.embedding, unread=frozenset({"bleed", "pump"})))
    assert set(terms_of(unread, page(2, (0, 1, 2), (1, 1, 3)), GRID).values()) == {0.0}


def test_on_a_page_full_of_matches_no_word_crowds_out_another():
    table = np.full((3, 48), 0.9, np.float32)
    terms = terms_of(query("a b c"), table, GRID)
    assert terms["order"] == pytest.approx(2.0, abs=0.01)


def test_a_grid_that_lies_at_an_odd_address_and_weights_of_another_type_are_read_as_they_are():
    """As in a shard behind codes of 33 dimensions, and from an encoder that knows float64 alone."""
    scored, table = query("bleed pump", weights=(0.5, 2.0)), page(2, (0, 1, 2), (1, 1, 3))
    memory = np.zeros(GRID.cells.nbytes + 1, np.uint8)
    memory[1:] = GRID.cells.reshape(-1).view(np.uint8)
    odd = PatchGrid(memory[1:].view(np.int32).reshape(6, 8))
    assert not odd.cells.flags.aligned
    of_doubles = replace(scored, weights=scored.weights.astype(np.float64))
    assert terms_of(of_doubles, table, odd) == terms_of(scored, table, GRID)


def test_probabilities_of_another_query_are_refused():
    with pytest.raises(ValueError, match="3 rows of probabilities for the 2 tokens"):
        compute_score_terms(query("bleed pump"), page(3), [GRID], np.array([0, 48]))


@given(st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_terms_are_never_above_their_bound(seed, tokens):
    rng = np.random.default_rng(seed)
    names = " ".join(f"w{number}" for number in range(tokens))
    scored = query(names, weights=tuple(rng.uniform(0.1, 4, tokens).tolist()))
    if rng.random() < 0.5 and tokens > 2:  # two spellings of the first word
        word, spelling = np.maximum(np.arange(tokens) - 1, 0).astype(np.int32), (0, 1, *[0] * (tokens - 2))
        embedding = replace(scored.embedding, word=word, spelling=spelling, words=scored.embedding.words[: tokens - 1])
        scored = replace(scored, embedding=embedding)
    table = rng.uniform(0.2, 0.7, (tokens, 3 * 48)).astype(np.float32)
    probabilities, starts = scored.calibrated(table), np.array([0, 48, 96, 144])
    terms = compute_score_terms(scored, probabilities, [GRID] * 3, starts)
    bound = bound_score_terms(scored, np.maximum.reduceat(probabilities, starts[:-1], axis=1).T)
    assert (sum(terms.values()) <= bound * (1 + 1e-6) + 1e-9).all()
