"""What pages cost, measured: the constants of estimates for libraries that are larger than any that was measured.

`docs/benchmarks.md` says by which commands; whoever measures again changes the numbers here.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

EncoderKind = Literal["mini", "vlm"]


class Cost(NamedTuple):
    """`fixed + factor * pages ** exponent`"""

    fixed: float
    factor: float
    exponent: float = 1.0

    def __call__(self, pages: float) -> float:
        grown: float = pages**self.exponent
        return self.fixed + self.factor * grown


class EncoderCosts(NamedTuple):
    """Of one kind of encoder. A page has `vectors` of `dim` numbers, of each of which the first stage keeps so many
    bytes; `search` are seconds a question on the two cores of `PROCESSOR`, `memory` bytes that a search reads and the
    process itself, `read` seconds of one core a page (None: it takes a GPU, see `gpu_pages_a_second`).
    """

    vectors: float
    dim: int
    first_stage: float
    search: Cost
    memory: Cost
    read: float | None


PROCESSOR = "an Intel Xeon with AMX, two cores"
VECTOR_BYTES = 5  # beside its codes and sign bits: its kind, and a cell of the grid
PAGE_BYTES = 64  # of a shard's tables
CATALOGUE = Cost(4_304_896, 11_700)  # bytes: 4 MB kept back; the sample manual, pages of 380 words with their boxes
PAGE_IMAGE = 271_000  # bytes of a page's JPEG: the sample manual and its scan, 40 pages
KEPT_FILE = 68_000  # bytes a page of the file itself, likewise

COSTS: Mapping[EncoderKind, EncoderCosts] = {
    "mini": EncoderCosts(
        vectors=546,  # every 56th page of 38 real manuals
        dim=128,
        first_stage=50,  # inverted lists
        # By inverted lists, 256 vectors a page: 5,000 pages take 24 ms, 168,784 take 149, beside other work.
        search=Cost(0.0, 2.85e-4, 0.52),
        memory=Cost(1.61e8, 546 * 50),  # the lists, most of which a question does not read
        read=0.106,
    ),
    "vlm": EncoderCosts(
        vectors=700,
        dim=128,
        first_stage=16,  # sign bits
        search=Cost(3.8e-3, 1.76e-6),  # 5,000 pages: 12.6 ms; 50,000: 92 ms
        memory=Cost(1.61e8, 700 * 128 / 8),  # all sign bits are compared, and the codes of a few
        read=None,
    ),
}
