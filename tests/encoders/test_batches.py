from itertools import count, islice

import numpy as np

from colvision.encoders.batching import batches, sorted_batches, windows


def size(item: int) -> int:
    return item


def test_batches_keep_the_order_and_every_item():
    sizes = np.random.default_rng(0).integers(1, 60, 200).tolist()
    assert [item for batch in batches(sizes, size, 100) for item in batch] == sizes


def test_no_batch_pads_beyond_the_budget_unless_one_item_does():
    sizes = np.random.default_rng(1).integers(1, 150, 200).tolist()
    made = list(batches(sizes, size, 100))
    assert made
    for batch in made:
        assert max(batch) * len(batch) <= 100 or len(batch) == 1


def test_equal_items_fill_the_budget():
    assert [len(batch) for batch in batches([25] * 9, size, 100)] == [4, 4, 1]


def test_endless_input_gives_its_first_batches():
    assert list(islice(batches(count(10), size, 26), 2)) == [[10, 11], [12, 13]]


def test_windows_close_when_they_cost_enough():
    assert list(windows([3, 4, 5, 1], cost=int, budget=6)) == [[3, 4], [5, 1]]
    assert list(windows([9], cost=int, budget=6)) == [[9]]
    assert list(windows([], cost=int, budget=6)) == []


def test_sorted_batches_keep_sizes_together_and_every_place():
    sizes = [100, 3, 90, 4, 2]
    made = sorted_batches(sizes, budget=200)
    assert sorted(place for batch in made for place in batch) == [0, 1, 2, 3, 4]
    assert made == [[4, 1, 3], [2, 0]]
