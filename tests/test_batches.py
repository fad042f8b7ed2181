from itertools import count, islice

import numpy as np

from colvision.encoders.batches import batches


def size(item: int) -> int:
    return item


def test_batches_keep_the_order_and_every_item():
    sizes = np.random.default_rng(0).integers(1, 60, 200).tolist()
    assert [item for batch in batches(sizes, size, 100) for item in batch] == sizes


def test_no_batch_pads_beyond_the_budget_unless_one_item_does():
    sizes = np.random.default_rng(1).integers(1, 150, 200).tolist()
    for batch in batches(sizes, size, 100):
        assert max(batch) * len(batch) <= 100 or len(batch) == 1


def test_equal_items_fill_the_budget():
    assert [len(batch) for batch in batches([25] * 9, size, 100)] == [4, 4, 1]


def test_endless_input_gives_its_first_batches():
    assert list(islice(batches(count(10), size, 26), 2)) == [[10, 11], [12, 13]]
