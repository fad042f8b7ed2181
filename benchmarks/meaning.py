"""What looking for other words brings: `python -m benchmarks.meaning PDFS [--level light] [--set choose]`.

`meaning.jsonl` asks for 60 pages of 20 manuals in words that the page mostly lacks, twice in English and once in
German. A document is named by the Debian package (bookworm) that it is from and its path there, with __ for /: PDFS
holds the files under these names. The constants were chosen on the questions of the set "choose"; the others are
"report".
Prints nDCG@10 by the query's own words alone and with others, and the difference, paired by question.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks.quality import show_step
from colvision import evaluation
from colvision.encoders import load_encoder
from colvision.evaluation.bootstrap import intervals
from colvision.evaluation.corpus_library import EvaluationFolders, open_corpus
from colvision.evaluation.metrics import measure_run

QUESTIONS = Path(__file__).with_suffix(".jsonl")


def questions_of(name: str) -> list[evaluation.Query]:
    """Those of one set."""
    lines = map(json.loads, QUESTIONS.read_text(encoding="utf-8").splitlines())
    ids = {line["query_id"] for line in lines if line["set"] == name}
    return [query for query in evaluation.read_queries(QUESTIONS) if query.query_id in ids]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("--level", default="clean", choices=evaluation.LEVELS)
    parser.add_argument("--set", default="report", choices=("choose", "report"))
    options = parser.parse_args()
    queries = questions_of(options.set)
    documents = {gold.document for query in queries for gold in query.gold}
    corpus = evaluation.find_corpus(options.pdfs, level=options.level)
    folders = EvaluationFolders(None, evaluation.default_cache())
    with open_corpus(corpus, load_encoder("mini"), folders=folders, progress=show_step) as searched:
        runs = [searched.search(queries, exact_words=exact, progress=show_step) for exact in (True, False)]
    found = [measure_run(run, queries) for run in runs]
    own, with_others = np.array([[each[query.query_id].ndcg10 for query in queries] for each in found])
    print(f"{corpus.pages} pages, level {options.level}, questions about {len(documents)} documents")
    print("| questions | | own words | with others | difference |")
    print("|---|---|---|---|---|")
    types = np.array([query.type for query in queries])
    for kind in sorted(set(types.tolist())):
        of_kind = types == kind
        change = (with_others - own)[of_kind]
        low, high = intervals(change[:, None])[0]
        means = f"{own[of_kind].mean():.3f} | {with_others[of_kind].mean():.3f}"
        print(f"| {kind} | {of_kind.sum()} | {means} | {change.mean():+.3f} [{low:+.3f}, {high:+.3f}] |")


if __name__ == "__main__":
    main()
