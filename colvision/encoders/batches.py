"""Items in order, in batches that fit a budget."""

from collections.abc import Callable, Iterable, Iterator
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
