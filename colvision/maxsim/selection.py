"""Pages as segments of flat rows: checked, cut into blocks of whole pages, and gathered when only some are wanted."""

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Starts = NDArray[np.int64]
Pages = NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)


class PageSelection(NamedTuple):
    """The pages to score, in order, and where each would begin if they lay end to end: `ends` has one more."""

    pages: Pages
    ends: Starts

    def blocks(self, vectors: int) -> Iterator["PageSelection"]:
        """Runs of pages of about `vectors` rows each; a page is never cut."""
        first = 0
        while first < len(self.pages):
            last = int(np.searchsorted(self.ends, self.ends[first] + vectors, side="right")) - 1
            last = min(max(last, first + 1), len(self.pages))
            yield PageSelection(self.pages[first:last], self.ends[first : last + 1] - self.ends[first])
            first = last

    def runs(self, starts: Starts) -> list[tuple[int, int]]:
        """(first, last + 1) rows of pages that are neighbours."""
        breaks = np.flatnonzero(np.diff(self.pages) != 1)
        firsts = self.pages[np.concatenate([[0], breaks + 1])]
        lasts = self.pages[np.concatenate([breaks, [len(self.pages) - 1]])]
        return list(zip(starts[firsts].tolist(), starts[lasts + 1].tolist(), strict=True))

    def rows(self, flat: NDArray[_Number], starts: Starts) -> NDArray[_Number]:
        """The pages' rows end to end: a view where the pages are neighbours, else a copy."""
        runs = [flat[first:last] for first, last in self.runs(starts)]
        return runs[0] if len(runs) == 1 else np.concatenate(runs)


def select_pages(rows: int, starts: Starts, pages: Pages | None) -> PageSelection:
    """Checks what every kernel relies on. `pages` None means all of them.

    Raises `ValueError` when `starts` do not divide the rows into pages of at least one each (on an empty segment
    `np.maximum.reduceat` hands out its neighbour's value), or when `pages` are not sorted rows of them.
    """
    lengths = np.diff(starts)
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != rows:
        raise ValueError(f"starts must run from 0 to {rows}, the number of vectors; got {_ends(starts)}")
    if (lengths < 1).any():
        raise ValueError(f"page {int(np.argmin(lengths))} of the shard has no vector; every page keeps at least one")
    if pages is None:
        return PageSelection(np.arange(len(lengths), dtype=np.int64), starts)
    if len(pages) and (pages[0] < 0 or pages[-1] >= len(lengths) or (np.diff(pages) < 1).any()):
        raise ValueError(f"pages must be sorted, each once, from 0 to {len(lengths) - 1}")
    return PageSelection(pages, np.concatenate([[0], np.cumsum(lengths[pages])]).astype(np.int64))


def _ends(starts: Starts) -> str:
    return f"{starts[0]} to {starts[-1]}" if len(starts) else "none"
