"""What a page is worth when its pixels and its text layer are both searched: one number from two scores."""

import numpy as np
from numpy.typing import NDArray

TEXT_WEIGHT = 2.0  # of the text's share beside 1 of MaxSim's: chosen on the dev set, see docs/evaluation.md
UNREAD = 0.4  # of its own MaxSim share is what a page is thought to hold where its text says less: chosen there, too

Shares = NDArray[np.float64]


def share(scores: Shares, *, best: float, floor: float = 0.0) -> Shares:
    """(n,) scores -> how much of the way from `floor` to the best score that a page could have they have gone."""
    return (scores - floor) / max(best - floor, 1e-9)


def fuse(match: Shares, text: Shares) -> Shares:
    """(n,) shares of MaxSim and of BM25 -> (n,) what pages are ordered by.

    A weighted mean, in which a text layer can only add: a page whose text says less than `UNREAD` of what its pixels
    say (a scan, a garbled or nearly empty layer, words inside a figure) counts as if it said that much.
    """
    return (match + TEXT_WEIGHT * np.maximum(text, UNREAD * match)) / (1.0 + TEXT_WEIGHT)
