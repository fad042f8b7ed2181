"""Items in batches that fit a budget: in their order, or sorted by size within a window."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches(items: Iterable[T], cost: Callable[[T], int], budget: int) -> Iterator[list[T]]:
    """Runs of items whose padded size, longest times count, is at most `budget`; an item beyond it comes alone.

    Reads one item further than the batch that it yields, so endless input is fine.
    """
    batch: list[T] = []
    longest = 0
    for item in items:
        size = cost(item)
        if batch and max(longest, size) * (len(batch) + 1) > budget:
            yield batch
            batch, longest = [], 0
        batch.append(item)
        longest = max(longest, size)
    if batch:
        yield batch


def windows(items: Iterable[T], cost: Callable[[T], int], budget: int) -> Iterator[list[T]]:
    """Runs of items that cost at least `budget` together; the last may cost less."""
    window: list[T] = []
    spent = 0
    for item in items:
        window.append(item)
        spent += cost(item)
        if spent >= budget:
            yield window
            window, spent = [], 0
    if window:
        yield window


def sorted_batches(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Places of items in batches of nearly equal sizes: little of a batch is padding."""
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    return list(batches(order, sizes.__getitem__, budget))
