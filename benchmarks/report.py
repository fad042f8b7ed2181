"""Tables in Markdown, and their place in the docs."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from benchmarks.machine import commit, machine
from benchmarks.roofline import Roofline
from benchmarks.timing import Measurement


class Row(Protocol):
    """A way's figures."""

    @property
    def name(self) -> str: ...
    @property
    def measured(self) -> Measurement: ...
    @property
    def bytes_a_page(self) -> float: ...
    @property
    def roof(self) -> float | None: ...


def conditions(more: str) -> str:
    """Machine, commit and date, without which a figure says nothing."""
    today = datetime.now(tz=UTC).date().isoformat()
    return f"Measured on {today}, commit `{commit()}`: {machine()}; {more}."


def roof(best: Roofline) -> str:
    return (
        f"This machine's roof in the same run, one thread: int8 {best.int8 / 1e9:.0f} and float32 "
        f"{best.float32 / 1e9:.0f} thousand million operations a second, {best.words / 1e9:.1f} "
        f"thousand million words compared and counted, {best.bytes / 1e9:.1f} GB read."
    )


def table(title: str, rows: Sequence[Row], pages: int, notes: Sequence[str]) -> str:
    """Slowest first; the ratio is to the slowest."""
    ordered = sorted(rows, key=lambda row: -row.measured.median)
    slowest = ordered[0].measured.median
    lines = [
        f"**{title}**",
        "",
        "| way | us a page (least) | ms a query | times as fast | recall@10 | bytes a page | share of roof |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ordered:
        median, least, recall = row.measured
        share = "" if row.roof is None else f"{row.roof * pages / median:.0%}"
        lines.append(
            f"| {row.name} | {median / pages * 1e6:.1f} ({least / pages * 1e6:.1f}) | {median * 1e3:.1f} "
            f"| {slowest / median:.1f} | {recall:.3f} | {row.bytes_a_page:,.0f} | {share} |"
        )
    return "\n".join([*lines, *(f"\n{note}" for note in notes)])


def write(page: Path, part: str, text: str) -> None:
    """Replaces what stands between the marks of the part, or puts it behind the last part of the same first word.

    Raises `ValueError` for a page without such a part.
    """
    begin, end = f"<!-- {part}: written by benchmarks -->", f"<!-- {part}: end -->"
    before, block = page.read_text(), f"{begin}\n{text}\n{end}"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if pattern.search(before):
        page.write_text(pattern.sub(lambda _: block, before))
        return
    others = list(re.finditer(rf"<!-- {part.split()[0]}\b[^\n]*: end -->", before))
    if not others:
        raise ValueError(f"{page} has no {begin} ... {end}: put both where the tables are to stand")
    place = others[-1].end()
    page.write_text(f"{before[:place]}\n\n{block}{before[place:]}")
