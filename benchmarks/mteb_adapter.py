"""colvision as a model of mteb, and a retrieval task of one's own pages: nothing is fetched.

python -m benchmarks.mteb_adapter [PDF QUESTIONS]: the questions about the sample's scan, asked through mteb, which is
to be installed beside colvision (written for 2.26). `ColvisionSearch` follows its protocol of a search: it takes tasks
of mteb over page images as well, where they can be fetched. Such a corpus is images alone: no text layer is read.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from datasets import Dataset
from mteb import evaluate
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata
from mteb.models.model_meta import ModelMeta, ScoringFunction

import colvision
from colvision import Page
from colvision.evaluation.queries import Query, read_queries
from colvision.pdf import read_pages


class ColvisionSearch:
    """`index` ingests the corpus, a document a page, into a library in `folder`; `search` asks it."""

    def __init__(self, encoder: str = "mini", folder: str | Path | None = None) -> None:
        self._encoder, self._folder = encoder, Path(folder or tempfile.mkdtemp())
        about = {
            "name": f"colvision/{Path(encoder).name}",
            "revision": colvision.__version__,
            "model_type": ["late-interaction"],
            "similarity_fn_name": ScoringFunction.MAX_SIM,
            "modalities": ["image", "text"],
        }
        self.mteb_model_meta = ModelMeta.create_empty(overwrites=about)

    def index(
        self, corpus: Dataset, *, task_metadata: TaskMetadata, hf_subset: str, hf_split: str, **_: object
    ) -> None:
        self._ids = {f"{number:07}": str(key) for number, key in enumerate(corpus["id"])}
        library = self._folder / task_metadata.name / hf_subset / hf_split
        self._library = colvision.open_library(library, encoder=self._encoder)
        pages = (
            colvision.Upload(page["image"].convert("RGB"), name=name)
            for name, page in zip(self._ids, corpus, strict=True)
        )
        report = self._library.ingest(pages)
        if report.failed:
            raise RuntimeError(f"{len(report.failed)} pages were not read: {report.failed[0].reason}")

    def search(
        self, queries: Dataset, *, top_k: int, top_ranked: dict[str, list[str]] | None = None, **_: object
    ) -> dict[str, dict[str, float]]:
        """{query: {page: score}}; of a reranking task only the pages of `top_ranked` are searched."""
        names = {key: name for name, key in self._ids.items()}
        found = {}
        for query in queries:
            only = None if top_ranked is None else [names[str(key)] for key in top_ranked[query["id"]]]
            hits = self._library.search(query["text"], k=top_k, document=only)
            found[query["id"]] = {self._ids[hit.document]: float(hit.score) for hit in hits}
        return found


class PagesTask(AbsTaskRetrieval):  # type: ignore[misc]  # mteb has no types
    """Page images and the questions about them."""

    metadata = TaskMetadata(
        name="Pages",
        description="Questions about pages of one's own.",
        type="DocumentUnderstanding",
        category="t2i",
        modalities=["text", "image"],
        dataset={"path": "local", "revision": "local"},
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score="ndcg_at_10",
    )

    def __init__(self, pages: Iterable[Page], queries: Iterable[Query]) -> None:
        super().__init__()
        queries = list(queries)
        self.dataset = {
            "default": {
                "test": {
                    "corpus": Dataset.from_list([{"id": _key(page.number), "image": page.image} for page in pages]),
                    "queries": Dataset.from_list([{"id": query.query_id, "text": query.text} for query in queries]),
                    "relevant_docs": {query.query_id: {_key(gold.page): 1 for gold in query.gold} for query in queries},
                    "top_ranked": None,
                }
            }
        }
        self.data_loaded = True


def _key(page: int) -> str:
    return f"page-{page}"


def _images(pdf: Path) -> Iterator[Page]:
    for page in read_pages(pdf):
        assert isinstance(page, Page), page
        yield page


def main() -> None:
    data = Path(__file__).parents[1] / "data"
    pdf, questions = map(Path, sys.argv[1:] or (data / "sample-manual-scan.pdf", data / "questions-scan.jsonl"))
    task = PagesTask(_images(pdf), read_queries(questions))
    result = evaluate(ColvisionSearch(), task, cache=None, show_progress_bar=False, co2_tracker=False)
    [scores] = result.task_results[0].scores["test"]
    print({name: scores[name] for name in ("ndcg_at_10", "recall_at_1", "mrr_at_10")})


if __name__ == "__main__":
    main()
