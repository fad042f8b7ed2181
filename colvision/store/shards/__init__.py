"""A shard, one immutable file of stored pages: its layout, writing and reading.

    codes int8 (n, dim) | bits uint64 (n, dim / 64) | starts int64 (pages + 1,) | owners int64 (pages, 2)
    sums uint64 (pages, 2) | shapes int32 (pages, 2) | cells int32 (m,) | kinds uint8 (n,)
    residuals int8 (n, r) | list_pages uint16 (n,) | lists int32 (l,) | list_starts int32 (l + 1,)
    list_sums uint64 (l,)

Page i owns the rows starts[i] to starts[i + 1] of `codes`, `bits` and `kinds`; its grid has shapes[i] = (rows, cols)
and takes rows * cols of `cells`; owners[i] is its document's key and its number in that document. There is no padding:
a padded row of zeros would win the max of a page that matches badly. `bits`, the signs of the codes, are left out where
dim is no multiple of 64, and where there are lists. The last two rows of arrays are `InvertedLists`, which a shard has
once its collection has centroids: see `colvision.maxsim.inverted_lists`.
"""

from colvision.store.shards.layout import BITS_A_WORD, SHARD_FORMAT
from colvision.store.shards.page import PageRef, ShardLists, ShardPage
from colvision.store.shards.reading import SMALL_BYTES, Shard, file_sha256
from colvision.store.shards.writing import write_shard

__all__ = [
    "BITS_A_WORD",
    "SHARD_FORMAT",
    "SMALL_BYTES",
    "PageRef",
    "Shard",
    "ShardLists",
    "ShardPage",
    "file_sha256",
    "write_shard",
]
