"""What an evaluation found, as a table to read and as values for JSON."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from colvision.core.encoder import Calibration, EncoderInfo
from colvision.core.query import DOCUMENT_WEIGHT, TEXT_WEIGHT, UNREAD
from colvision.errors import InputError
from colvision.evaluation.bootstrap import Interval, intervals
from colvision.evaluation.corpus import Level
from colvision.evaluation.metrics import LABELS, Measures, by_group, mean, measure_run
from colvision.evaluation.pointing import Pointing
from colvision.evaluation.queries import Query
from colvision.evaluation.runs import Run

_NDCG10 = LABELS.index("nDCG@10")  # the headline: the measure whose interval the table shows


@dataclass(frozen=True, slots=True)
class EvaluationSetting:
    """All that another run must share to be comparable. `corpus` stands for level, files and pages searched."""

    encoder: EncoderInfo
    renderers: tuple[str, ...]
    level: Level
    documents: int
    pages: int
    failed_pages: int
    corpus: str
    soft_idf: bool
    exact_words: bool
    retrievers: tuple[str, ...]
    reranker: str = ""  # "" for none
    candidates: int = 0  # that it orders
    ocr: str = ""  # what has read the text of pages that have none

    def __str__(self) -> str:
        read = f", text of scans by {self.ocr}" if self.ocr else ""
        failed = f" ({self.failed_pages} failed)" if self.failed_pages else ""
        pooled = f", pool {self.encoder.pool}" if self.encoder.pool > 1 else ""
        return (
            f"encoder {self.encoder.name} {self.encoder.fingerprint[:12]}{pooled}, "
            f"renderer {', '.join(self.renderers)}, level {self.level}, "
            f"{self.pages} pages{failed} of {self.documents} documents (corpus {self.corpus}){read}, "
            f"retrievers: {', '.join(self.retrievers)}, scoring: {'; '.join(self._scoring())}"
        )

    def _scoring(self) -> Iterator[str]:
        calibration = self.encoder.calibration
        yield _scoring_formula(calibration) + (", soft idf" if self.soft_idf and calibration.is_probability else "")
        if self.exact_words:
            yield "the questions' own words alone"
        if calibration.is_probability:
            yield "word frequency, order and nearness of the best pages"
        yield f"words of the document's name, {DOCUMENT_WEIGHT:g} of their weight"
        if "bm25" in self.retrievers:
            yield f"BM25 of the text layer, weight {TEXT_WEIGHT:g} beside 1, at least {UNREAD:g} of the pixels' share"
        if self.reranker:
            yield f"the best {self.candidates} ordered by {self.reranker}"


@dataclass(frozen=True, slots=True)
class GroupMeasures:
    """A group of queries: the mean of each measure, and its interval."""

    group: str
    queries: int
    mean: Measures
    intervals: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A group of queries in two runs: `difference` is ours minus theirs, its intervals are paired by query.

    `better` and `worse` count the queries on which our nDCG@10 is higher and lower.
    """

    group: str
    queries: int
    theirs: Measures
    difference: Measures
    intervals: tuple[Interval, ...]
    better: int
    worse: int


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """The setting, a row a group, and what the options asked for."""

    setting: EvaluationSetting
    rows: tuple[GroupMeasures, ...]
    against: str = ""
    comparisons: tuple[Comparison, ...] = ()
    pointing: Pointing | None = None

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        setting, info = self.setting, self.setting.encoder
        report: dict[str, object] = {
            "encoder": {"name": info.name, "fingerprint": info.fingerprint, "versions": dict(info.versions)},
            "pool": info.pool,
            "renderers": list(setting.renderers),
            "level": setting.level,
            "documents": setting.documents,
            "pages": setting.pages,
            "failed_pages": setting.failed_pages,
            "corpus": setting.corpus,
            "retrievers": list(setting.retrievers),
            "reranker": {"name": setting.reranker, "candidates": setting.candidates} if setting.reranker else None,
            "ocr": setting.ocr or None,
            "scoring": {
                "calibration": asdict(info.calibration),
                "soft_idf": setting.soft_idf and info.calibration.is_probability,
                "exact_words": setting.exact_words,
                "document": DOCUMENT_WEIGHT,
                "bm25": {"weight": TEXT_WEIGHT, "unread": UNREAD} if "bm25" in setting.retrievers else None,
            },
            "groups": [{"group": row.group, "queries": row.queries, **_values(row.mean, row)} for row in self.rows],
        }
        if self.against:
            report["against"] = {"run": self.against, "groups": [_comparison_dict(each) for each in self.comparisons]}
        if self.pointing is not None:
            report["pointing"] = {
                "words": self.pointing.words,
                "share": self.pointing.share,
                "interval": list(self.pointing.interval),
            }
        return report

    def _lines(self) -> Iterator[str]:
        yield str(self.setting)
        yield ""
        columns = "  ".join(f"{label:>7s}" for label in LABELS)
        yield f"{'type':18s} {'n':>4s}  {columns}  95 % of nDCG@10"
        for row in self.rows:
            means = "  ".join(f"{value:7.3f}" for value in row.mean)
            yield f"{row.group:18s} {row.queries:4d}  {means}  {_span(row.intervals[_NDCG10], '.3f')}"
        if self.against:
            yield ""
            yield f"nDCG@10 against {self.against}, paired by query"
            yield f"{'type':18s} {'n':>4s}     ours   theirs  difference  {'95 %':16s}  better  worse"
            for each in self.comparisons:
                theirs, difference = each.theirs.ndcg10, each.difference.ndcg10
                span = _span(each.intervals[_NDCG10], "+.3f")
                yield (
                    f"{each.group:18s} {each.queries:4d}  {theirs + difference:7.3f}  {theirs:7.3f}  "
                    f"{difference:+10.3f}  {span:16s}  {each.better:6d}  {each.worse:5d}"
                )
        if self.pointing is not None:
            yield ""
            share, span = self.pointing.share, _span(self.pointing.interval, ".3f")
            yield f"best patch on the word: {share:.3f} of {self.pointing.words} words, 95 % {span}"


def measure_groups(run: Run, queries: Sequence[Query]) -> tuple[GroupMeasures, ...]:
    """A row a group of queries: all, each type, content by what answers it."""
    groups = by_group(measure_run(run, queries), queries)
    return tuple(GroupMeasures(name, len(each), mean(each), intervals(each)) for name, each in groups.items())


def compare(ours: Run, theirs: Run, queries: Sequence[Query]) -> tuple[Comparison, ...]:
    """The same groups for two runs over the same pages."""
    own, other = measure_run(ours, queries), measure_run(theirs, queries)
    own_groups, other_groups = by_group(own, queries), by_group(other, queries)
    return tuple(_comparison(name, own_groups[name], other_groups[name]) for name in own_groups)


def check_same_pages(run: Run, name: str, searched: Iterable[object]) -> None:
    """Raises `InputError` for a run over pages that were not searched here: over fewer pages every score is higher."""
    known = frozenset(searched)
    for answer in run.answers.values():
        for page, _ in answer:
            if page not in known:
                raise InputError(
                    f"{name} ranks {page.document}#{page.page - 1}, which is not searched here; "
                    "compare runs over the same pages"
                )


def _comparison(group: str, ours: list[Measures], theirs: list[Measures]) -> Comparison:
    table = np.array(ours) - np.array(theirs)  # (queries, measures)
    return Comparison(
        group=group,
        queries=len(ours),
        theirs=mean(theirs),
        difference=Measures._make(table.mean(axis=0).tolist()),
        intervals=intervals(table),
        better=int((table[:, _NDCG10] > 0).sum()),
        worse=int((table[:, _NDCG10] < 0).sum()),
    )


def _comparison_dict(each: Comparison) -> dict[str, object]:
    values = _values(each.difference, each)
    counts = {"queries": each.queries, "better": each.better, "worse": each.worse}
    return {"group": each.group, **counts, "theirs": each.theirs._asdict(), "difference": values}


def _values(means: Measures, row: GroupMeasures | Comparison) -> dict[str, object]:
    return {
        name: {"mean": value, "low": span.low, "high": span.high}
        for name, value, span in zip(Measures._fields, means, row.intervals, strict=True)
    }


def _scoring_formula(calibration: Calibration) -> str:
    if not calibration.is_probability:
        return "sum of similarities"
    digits = "" if calibration.digits_midpoint is None else f", {calibration.digits_midpoint:g} of tokens with a digit"
    return f"sum of 1 / (1 + exp(-{calibration.slope:g} (similarity - {calibration.midpoint:g}{digits})))"


def _span(interval: Interval, form: str) -> str:
    return f"{interval.low:{form}} .. {interval.high:{form}}"
