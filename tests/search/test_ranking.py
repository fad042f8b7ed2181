"""What a part may leave out of its best pages, and what is made of several parts."""

import numpy as np

from colvision.core.query import ScoredQuery
from colvision.search.partial import PartialAnswer, merge_answers
from colvision.search.ranking import FoundDocument, RankedPages, best_rows, may_be_best
from tests.helpers.answers import sharp_toy


def test_parts_leave_out_no_page_that_is_among_the_best_of_those_that_all_would_have_ranked():
    drawn = np.random.default_rng(3)
    for k, ranked in ((3, 12), (1, 4), (2, 5)):
        for _ in range(200):
            first = drawn.integers(0, 12, 60) / 4  # with ties
            whole = first + 4 * drawn.random(60).round(1)
            most = whole + drawn.random(60).round(1) / 4
            kept = []
            for part in np.split(np.arange(60), 3):
                chosen = part[best_rows(first[part], ranked)]
                begun, others = np.split(chosen[np.argsort(-most[chosen], kind="stable")], [k + 2])
                kept += [*begun, *others[may_be_best(most[others], first[others], whole[begun], first[begun], k)]]
            among = best_rows(first, ranked)
            best = among[best_rows(whole[among], k)]
            least = whole[best].min()
            assert (whole[np.intersect1d(kept, among)] >= least).sum() >= k
            assert set(among[whole[among] > least]) <= set(kept)


def test_a_page_that_all_together_would_not_have_ranked_is_in_no_answer():
    """Though the part that has the better ones sends only those of them that can be among the best."""
    encoder = sharp_toy()
    [embedding] = encoder.encode_queries(["valve"])
    query = ScoredQuery(embedding, embedding.weights, encoder.info.calibration, "f")

    def part(name, all_first, first, whole):
        n = len(first)
        tokens = np.zeros((n, len(query.weights)), np.float32)
        document = FoundDocument(name, name, name, {}, "", "")
        ranked = RankedPages(
            query,
            np.array(all_first),
            np.array(first),
            np.array(whole),
            np.zeros(n, np.int64),
            np.arange(1, n + 1, dtype=np.int32),
            tokens,
            tokens,
            {},
            {},
            None,
            (document,),
        )
        return PartialAnswer(ranked, len(all_first), "exact", len(all_first), ("maxsim",), None, {})

    parts = [part("a", [2.0] * 110, [2.0] * 20, [2.5] * 20), part("b", [1.0] * 9, [1.0] * 9, [3.0] * 9)]
    assert {hit.document for hit in merge_answers(parts, 10)} == {"a"}
