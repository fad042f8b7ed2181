"""How the constants of `colvision.core.query` were chosen: `python -m benchmarks.fusion PDFS QUERIES.jsonl [PAGES]`.

Prints nDCG@10 for neighbouring constants, and of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009); what
constants chosen without a document's questions do on these (each document left out in turn); and what happens to pages
without a text layer beside pages with one (half of the documents lose theirs, four times).
"""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from colvision import evaluation
from colvision.core.page import PageId
from colvision.core.query import TEXT_WEIGHT
from colvision.encoders import load_encoder
from colvision.evaluation.corpus_library import CorpusLibrary, EvaluationFolders, open_corpus
from colvision.evaluation.metrics import measure
from colvision.store import Store

WEIGHTS = (1.0, 1.5, 2.0, 3.0, 4.0)
UNREAD = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6)
RANK_CONSTANTS = (5, 10, 20, 60)
Table = NDArray[np.float64]
_BEST = 200  # pages that a ranking is made of


def main(pdfs: Path, questions: Path, listed: Path | None) -> None:
    pages = evaluation.read_pages_file(listed) if listed else None
    corpus = evaluation.find_corpus(pdfs, pages=pages)
    queries = [query for query in evaluation.read_queries(questions) if query.gold <= set(corpus.page_ids())]
    folders = EvaluationFolders(None, evaluation.default_cache())
    with open_corpus(corpus, load_encoder("mini"), folders=folders, progress=lambda step: None) as searched:
        names, match, text = shares(searched, queries)
    types = np.array([query.type for query in queries])
    owner = np.array([min(query.gold).document for query in queries])

    def report(name: str, found: Table) -> None:
        means = "  ".join(f"{kind} {found[types == kind].mean():.3f}" for kind in sorted(set(types.tolist())))
        print(f"{name:44s} {means}  all {found.mean():.3f}")

    report("pixels alone", measure_ndcg10(names, match, queries))
    report("text alone", measure_ndcg10(names, text, queries))
    by_choice = {}
    for weight, unread in product(WEIGHTS, UNREAD):
        by_choice[weight, unread] = measure_ndcg10(names, ordered(match, text, weight, unread), queries)
        report(f"text weight {weight:g}, unread {unread:g}", by_choice[weight, unread])
    for constant in RANK_CONSTANTS:
        by_rank = reciprocal(match, constant) + reciprocal(text, constant)
        report(f"reciprocal ranks, constant {constant}", measure_ndcg10(names, by_rank, queries))
    without = np.zeros(len(queries))
    for document in np.unique(owner):
        rest = owner != document
        best = max(by_choice, key=lambda choice: by_choice[choice][rest].mean())
        without[~rest] = by_choice[best][~rest]
    report("chosen without the question's document", without)
    report_mixed(names, match, text, (queries, owner))


def shares(searched: CorpusLibrary, queries: Sequence[evaluation.Query]) -> tuple[list[PageId], Table, Table]:
    """(pages, what MaxSim gives (queries, pages), what BM25 gives): of the best pages either way, 0 elsewhere."""
    names = sorted(searched.corpus.page_ids())
    at = {page: place for place, page in enumerate(names)}
    match, text = np.zeros((2, len(queries), len(names)))
    with Store(searched.library.path, read_only=True) as store:
        for i, query in enumerate(queries):
            most_text = store.text_scores(searched.name, query.text).best
            for text_fusion in (False, True):
                answer = searched.library.collection(searched.name).search(query.text, k=_BEST, text_fusion=text_fusion)
                most = float(answer.query.contributions(np.ones_like(answer.query.weights)).sum())
                for hit in answer:
                    source = searched.documents[hit.document_id]
                    place = at[PageId(source.name, source.numbers[hit.page - 1])]
                    match[i, place] = (hit.score - hit.score_terms.get("text", 0.0)) / most
                    text[i, place] = (hit.text_score or 0.0) / most_text if text_fusion else text[i, place]
    return names, match, text


def ordered(match: Table, text: Table, weight: float, unread: float) -> Table:
    """The order of `ScoredQuery.text_term` with other constants."""
    return match + weight * np.maximum(text, unread * match)


def reciprocal(worth: Table, constant: float) -> Table:
    """1 / (constant + rank) of the pages that are found at all, 0 of the others."""
    ranks = np.argsort(np.argsort(-worth, axis=1, kind="stable"), axis=1) + 1
    return np.where(worth > 0, 1 / (constant + ranks), 0.0)


def measure_ndcg10(names: Sequence[PageId], worth: Table, queries: Sequence[evaluation.Query]) -> Table:
    """(queries,) nDCG@10."""
    found = []
    for row, query in zip(worth, queries, strict=True):
        best = np.argsort(-np.round(row, 9), kind="stable")[:160]
        found.append(measure([names[i] for i in best], query).ndcg10)
    return np.array(found)


def report_mixed(
    names: Sequence[PageId], match: Table, text: Table, targets: tuple[Sequence[evaluation.Query], NDArray[np.str_]]
) -> None:
    queries, owner = targets
    documents = np.array([page.document for page in names])
    for unread in UNREAD:
        scans, others = [], []
        for seed in range(4):
            lost = np.random.default_rng(seed).permutation(np.unique(documents))[::2]
            left = np.where(np.isin(documents, lost), 0.0, text)
            found = measure_ndcg10(names, ordered(match, left, TEXT_WEIGHT, unread), queries)
            pixels = measure_ndcg10(names, match, queries)
            is_scan = np.isin(owner, lost)
            if is_scan.all() or not is_scan.any():
                raise SystemExit("questions about at least two documents are needed to take the text of some away")
            scans.append((found - pixels)[is_scan].mean())
            others.append((found - pixels)[~is_scan].mean())
        print(
            f"half the documents without text, unread {unread:g}: questions about these {np.mean(scans):+.3f}, "
            f"about the others {np.mean(others):+.3f} beside pixels alone"
        )


if __name__ == "__main__":
    arguments = [Path(each) for each in sys.argv[1:]]
    main(arguments[0], arguments[1], arguments[2] if len(arguments) > 2 else None)
