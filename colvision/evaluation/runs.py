"""Runs: the ranked pages of every query, as TREC text `query_id Q0 doc#page rank score tag`, page from 0."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from colvision.atomic_io import atomic_path
from colvision.core.page import PageId
from colvision.errors import InputError

DEPTH = 160  # pages a query: 100 that count, once up to 60 neutral ones are out
_DIGITS = 9  # of a score, after the point: more than float32 similarities hold


class RunEntry(NamedTuple):
    """A page and its score, the higher the better."""

    page: PageId
    score: float


@dataclass(frozen=True, slots=True)
class Run:
    """What one system answers; each query's pages, best first."""

    tag: str
    answers: Mapping[str, tuple[RunEntry, ...]]

    def __post_init__(self) -> None:
        if len(self.tag.split()) != 1:
            raise ValueError(f"the tag of a run is one word, not {self.tag!r}")

    def ranking(self, query_id: str) -> tuple[PageId, ...]:
        """The query's pages, none where the run does not answer it."""
        return tuple(ranked.page for ranked in self.answers.get(query_id, ()))


def rank(found: Iterable[RunEntry]) -> tuple[RunEntry, ...]:
    """Best first by the digits that a run file keeps; ties by document and page, so that equal scores read alike."""
    kept = (RunEntry(page, round(score, _DIGITS)) for page, score in found)
    return tuple(sorted(kept, key=lambda ranked: (-ranked.score, ranked.page)))


def write_run(run: Run, path: Path) -> None:
    """Replaces the file whole, or leaves it as it was."""
    with atomic_path(path) as part, part.open("w", encoding="utf-8") as file:
        for query_id, answer in run.answers.items():
            for place, (page, score) in enumerate(answer, 1):
                file.write(f"{query_id} Q0 {page.document}#{page.page - 1} {place} {score:.{_DIGITS}f} {run.tag}\n")


def read_run(path: Path) -> Run:
    """A run of any system: ordered by score, then rank, then page. Raises `InputError`, naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give a TREC run") from error
    found: dict[str, dict[PageId, tuple[float, int]]] = {}
    tag = "run"
    for number, line in enumerate(lines, 1):
        try:
            query_id, page, order, tag = _fields(line)
        except ValueError as error:
            raise InputError(
                f"line {number} of {path.name} is not of a run ({error}); "
                "expected `query_id Q0 doc#page rank score tag`, page from 0"
            ) from error
        if page in found.setdefault(query_id, {}):
            raise InputError(f"line {number} of {path.name} ranks {page.document}#{page.page - 1} a second time")
        found[query_id][page] = order
    answers = {
        query_id: tuple(RunEntry(page, -order[0]) for page, order in sorted(pages.items(), key=lambda p: (p[1], p[0])))
        for query_id, pages in found.items()
    }
    return Run(tag, answers)


def _fields(line: str) -> tuple[str, PageId, tuple[float, int], str]:
    """(query id, page, (minus the score, rank), tag). A document's name may hold spaces."""
    query_id, _, rest = line.split(maxsplit=2)
    page_id, rank_text, score_text, tag = rest.rsplit(maxsplit=3)
    document, number = page_id.rsplit("#", 1)
    score = float(score_text)
    if not math.isfinite(score) or int(number) < 0:
        raise ValueError(f"score {score_text}, page {number}")
    return query_id, PageId(document, int(number) + 1), (-score, int(rank_text)), tag
