"""A further encoder beside mini: `python -m benchmarks.further_encoders PDFS QUERIES ENCODER [PAGES]`.

ENCODER is a checkpoint, such as the folder of all-MiniLM-L6-v2; the pages are those of PAGES, or all, as they are.
Prints nDCG@10 with 95 % intervals, of each alone and of both, what both find more, with the text layers and without,
and what a question costs.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.quality import show_step
from colvision import evaluation
from colvision.encoders import load_encoder
from colvision.evaluation.corpus_library import CorpusLibrary, EvaluationFolders, open_corpus
from colvision.evaluation.queries import Query
from colvision.evaluation.report import compare, measure_groups
from colvision.evaluation.runs import DEPTH, Run, RunEntry, rank

_NAME = "further"
_SEARCHES = {  # what is printed: (further encoders asked, text fusion)
    "mini": (("main",), False),
    "mini and further": ((_NAME,), False),
    "mini and text": (("main",), True),
    "mini, text and further": ((_NAME,), True),
}


def main(pdfs: Path, questions: Path, checkpoint: str, pages: Path | None) -> None:
    corpus = evaluation.find_corpus(pdfs, pages=evaluation.read_pages_file(pages) if pages else None)
    searched_pages = frozenset(corpus.page_ids())
    queries = [query for query in evaluation.read_queries(questions) if query.gold <= searched_pages]
    further = load_encoder(checkpoint)
    with tempfile.TemporaryDirectory() as folder:
        folders = EvaluationFolders(Path(folder) / "mini", evaluation.default_cache())
        with open_corpus(corpus, load_encoder("mini"), folders=folders, progress=show_step) as searched:
            searched.library.collection(searched.name).add_encoder(_NAME, further)
            runs = {
                name: found(searched, queries, encoders=encoders, text_fusion=text_fusion)
                for name, (encoders, text_fusion) in _SEARCHES.items()
            }
        folders = EvaluationFolders(Path(folder) / "further", evaluation.default_cache())
        with open_corpus(corpus, further, folders=folders, progress=show_step) as searched:
            runs["further"] = found(searched, queries, encoders=(), text_fusion=False)
            runs["further and text"] = found(searched, queries, encoders=(), text_fusion=True)
    for name, run in runs.items():
        for row in measure_groups(run, queries):
            print(f"{name:24s} {row.group:18s} {row.mean.ndcg10:.3f} {row.intervals[1]}")
    for more, less in (("mini and further", "mini"), ("mini, text and further", "mini and text")):
        for each in compare(runs[more], runs[less], queries):
            print(f"{more} minus {less}: {each.group:18s} {each.difference.ndcg10:+.3f} {each.intervals[1]}")


def found(searched: CorpusLibrary, queries: Sequence[Query], *, encoders: Sequence[str], text_fusion: bool) -> Run:
    """The answers; says what a question costs, after the first."""
    collection = searched.library.collection(searched.name)
    answers, seconds = {}, []
    for query in queries:
        started = time.process_time()
        hits = collection.search(query.text, k=DEPTH, encoders=encoders, text_fusion=text_fusion)
        seconds.append(time.process_time() - started)
        answers[query.query_id] = rank(RunEntry(searched.page_of(hit), hit.score) for hit in hits)
    print(f"{', '.join(encoders)} text {text_fusion}: {1000 * median(seconds[1:]):.1f} CPU ms a question")
    return Run("run", answers)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]) if len(sys.argv) > 4 else None)
