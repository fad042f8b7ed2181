"""The tables of docs/evaluation.md: `python -m benchmarks.quality EVAL PDFS`, or `make evaluate DEV=EVAL PDFS=PDFS`.

EVAL is the folder of the evaluation set (dev/queries.jsonl, dev/sub.pages, dev/ocr.jsonl, baseline.py, words.py), PDFS
the folder that its fetch.py filled. Runs and words that are there already are used: delete RUNS to make them again.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from colvision import evaluation
from colvision.evaluation import EvaluationReport, Query, Run
from colvision.evaluation.report import compare, measure_groups

DOCS = Path(__file__).parents[1] / "docs" / "evaluation.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
GROUPS = ("content", "content/visual", "content/table", "content/textual", "title", "known_item")


class Opponent(NamedTuple):
    """How baseline.py is called; `is_slow` ones have their words in the cache for the listed pages only."""

    name: str
    text: str
    level: evaluation.Level
    is_slow: bool


OPPONENTS = (
    Opponent("text layer + BM25, born digital", "layer", "clean", False),
    Opponent("Tesseract 5.3 + BM25, light scans", "tesseract", "light", True),
    Opponent("Tesseract 5.3 + BM25, heavy scans", "tesseract", "heavy", True),
    Opponent("RapidOCR 3.10 + BM25, heavy scans", "rapidocr", "heavy", True),
)
OURS: tuple[tuple[str, evaluation.Level, bool], ...] = (
    ("**mini**, clean", "clean", False),
    ("**mini**, light scans", "light", False),
    ("**mini**, heavy scans", "heavy", False),
    ("**mini + text layer**, clean", "clean", True),
)
PAIRS = (
    ("**mini**, clean", "text layer + BM25, born digital"),
    ("**mini**, light scans", "Tesseract 5.3 + BM25, light scans"),
    ("**mini**, heavy scans", "Tesseract 5.3 + BM25, heavy scans"),
    ("**mini**, heavy scans", "RapidOCR 3.10 + BM25, heavy scans"),
    ("**mini**, light scans", "text layer + BM25, born digital"),
    ("**mini**, heavy scans", "text layer + BM25, born digital"),
    ("**mini + text layer**, clean", "text layer + BM25, born digital"),
    ("**mini + text layer**, clean", "**mini**, clean"),
)


class Subset(NamedTuple):
    """All pages, or those of a list, and the queries they answer."""

    name: str
    pages: Path | None
    queries: tuple[Query, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eval", type=Path)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("--runs", type=Path, default=Path(".build/evaluation"))
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    lines = [line for subset in subsets(args.eval) for line in tables(args, subset)]
    text = DOCS.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOCS.write_text(before + BEGIN + "\n" + "\n".join(lines) + "\n" + END + after, encoding="utf-8")
    print(f"written: {DOCS}")


def subsets(folder: Path) -> tuple[Subset, Subset]:
    """The listed pages of the evaluation set, and all of it."""
    queries = evaluation.read_queries(folder / "dev" / "queries.jsonl")
    listed = folder / "dev" / "sub.pages"
    known = frozenset(evaluation.read_pages_file(listed))
    small = Subset("sub", listed, tuple(query for query in queries if query.gold <= known))
    return small, Subset("all", None, queries)


def tables(args: argparse.Namespace, subset: Subset) -> Iterator[str]:
    """What all systems find, then what the differences are worth."""
    systems: dict[str, Run] = {}
    for opponent in OPPONENTS:
        if not opponent.is_slow or subset.pages is not None:
            systems[opponent.name] = theirs(args, opponent, subset)
    reports = []
    for name, level, text_fusion in OURS:
        report, systems[name] = ours(args, level, subset, text_fusion=text_fusion)
        reports.append((name, report))
    pages = reports[0][1].setting.pages
    yield f"\n{pages:,} pages, {len(subset.queries)} questions, {date.today().isoformat()}:\n"
    yield from results_table(systems, subset.queries)
    yield f"\nPaired by question over the {pages:,} pages, nDCG@10 of the first minus the second:\n"
    yield from differences_table(systems, subset.queries)
    yield ""
    yield from (f"- {name}: {report.setting}" for name, report in reports)
    for name, report in reports:
        if report.pointing is not None:
            low, high = report.pointing.interval
            yield f"- {name}, best patch on the word: {report.pointing.share:.3f} [{low:.3f}, {high:.3f}]"


def ours(
    args: argparse.Namespace, level: evaluation.Level, subset: Subset, *, text_fusion: bool
) -> tuple[EvaluationReport, Run]:
    listed = evaluation.read_pages_file(subset.pages) if subset.pages else None
    corpus = evaluation.find_corpus(args.pdfs, level=level, pages=listed)
    point = None if text_fusion or subset.pages is None else words(args, level)
    options = evaluation.EvaluationOptions(text_fusion=text_fusion, words=point)
    report, run = evaluation.evaluate(corpus, subset.queries, options=options, progress=show_step)
    evaluation.write_run(run, args.runs / f"mini{'-text' if text_fusion else ''}-{level}-{subset.name}.trec")
    return report, run


def theirs(args: argparse.Namespace, opponent: Opponent, subset: Subset) -> Run:
    run = args.runs / f"{opponent.text}-{opponent.level}-{subset.name}.trec"
    if not run.exists():
        arguments = [
            args.pdfs,
            args.eval / "dev" / "queries.jsonl",
            run,
            "--text",
            opponent.text,
            "--level",
            opponent.level,
        ]
        if subset.pages is not None:
            arguments += ["--pages", subset.pages]
        if opponent.is_slow:
            cache = args.runs / "ocr.jsonl"
            if not cache.exists():
                shutil.copyfile(args.eval / "dev" / "ocr.jsonl", cache)
            arguments += ["--cache", cache]
        subprocess.run([sys.executable, args.eval / "baseline.py", *arguments], check=True)
    return evaluation.read_run(run)


def words(args: argparse.Namespace, level: evaluation.Level) -> Path:
    made: Path = args.runs / f"words-{level}.jsonl"
    if not made.exists():
        subprocess.run([sys.executable, args.eval / "words.py", args.pdfs, made, "--level", level], check=True)
    return made


def results_table(systems: dict[str, Run], queries: Sequence[Query]) -> Iterator[str]:
    found = {name: {row.group: row for row in measure_groups(run, queries)} for name, run in systems.items()}
    counts = {group: row.queries for group, row in next(iter(found.values())).items()}
    yield (
        "| system | " + " | ".join(f"{group.split('/')[-1]} ({counts[group]})" for group in GROUPS) + " | R@10 | MRR |"
    )
    yield "|---|" + "---|" * (len(GROUPS) + 2)
    for name, own in found.items():
        span = own["content"].intervals[1]  # of nDCG@10
        cells = [f"{own[group].mean.ndcg10:.3f}" for group in GROUPS]
        cells[0] += f" [{span.low:.3f}, {span.high:.3f}]"
        yield f"| {name} | {' | '.join(cells)} | {own['all'].mean.recall10:.3f} | {own['all'].mean.mrr:.3f} |"


def differences_table(systems: dict[str, Run], queries: Sequence[Query]) -> Iterator[str]:
    yield "| first | second | all | content | title | known-item |"
    yield "|---|---|---|---|---|---|"
    for first, second in PAIRS:
        if first in systems and second in systems:
            found = {each.group: each for each in compare(systems[first], systems[second], queries)}
            cells = []
            for group in ("all", "content", "title", "known_item"):
                span = found[group].intervals[1]
                cells.append(f"{found[group].difference.ndcg10:+.3f} [{span.low:+.3f}, {span.high:+.3f}]")
            yield f"| {first} | {second} | {' | '.join(cells)} |"


def show_step(step: evaluation.TaskProgress) -> None:
    end = "\n" if step.done == step.total else "\r"
    print(f"{step.task}: {step.done} of {step.total}   ", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
