"""What inverted lists tell of a query: the pages that may hold its words, and how probably they do.

Read are the lists nearest to each of a query's tokens; a page's other similarities count as none. Shards that have no
lists yet are compared as a whole.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from colvision.core.embedding import Floats, QueryEmbedding
from colvision.core.encoder import EncoderInfo
from colvision.maxsim import token_maxima
from colvision.maxsim.inverted_lists import Probe, entry_similarities, probe
from colvision.maxsim.selection import Pages
from colvision.parallel import parallel_map
from colvision.search.scan import PageTable
from colvision.store import SnapshotShard

LISTS_A_TOKEN = 64
NONE = -1.0  # the similarity of what is not in the lists that were read
_LEAST_PROBABILITY = 0.001  # of a word on a page, below which it counts as none
# Of what the lists that were not read are expected to hold, what they do: from .1 to .2 on 1,685 manual pages, drawn or
# as light scans, where sums of probabilities are 17 % too small without.
_UNREAD_SHARE = 0.12
_STEPS = np.linspace(-1.0, 1.0, 401, dtype=np.float32)[:, None]  # similarities whose probabilities are computed
_NODES, _NODE_WEIGHTS = (
    each.astype(np.float32) for each in np.polynomial.hermite_e.hermegauss(9)
)  # a normal deviate's
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()
_TOKENS = 16  # whose lists are read together: long queries would read all


@dataclass(frozen=True, slots=True, eq=False)
class ListMaxima:
    """Of `pages` (m,), sorted rows of the table, the best similarities (m, t) that their entries have; else `NONE`.

    `unread` (t,) is how many pages hold each token in the lists that were not read, as expected.
    """

    pages: Pages
    maxima: Floats
    unread: Floats

    def at(self, places: Pages) -> "ListMaxima":
        """Some of the pages, by their sorted places."""
        return replace(self, pages=self.pages[places], maxima=self.maxima[places])

    def with_pages(self, others: Pages) -> "ListMaxima":
        """With pages that have nothing."""
        pages = np.union1d(self.pages, others)
        return replace(self, pages=pages, maxima=self.of(pages))

    def of(self, pages: Pages) -> Floats:
        """(n, t) the similarities of sorted rows of the table."""
        found = np.full((len(pages), self.maxima.shape[1]), NONE, np.float32)
        if len(self.pages):
            place = np.minimum(np.searchsorted(self.pages, pages), len(self.pages) - 1)
            is_found = self.pages[place] == pages
            found[is_found] = self.maxima[place[is_found]]
        return found


def list_maxima(
    table: PageTable, query: QueryEmbedding, info: EncoderInfo, *, least: float | None = None
) -> ListMaxima:
    """The pages that hold one of a query's tokens with more than the `least` similarity.

    None for the one of which a token's word is there with a probability of `_LEAST_PROBABILITY`. Raises
    `LibraryDamaged`.
    """
    midpoints = info.calibration.midpoints(query.tokens)
    reach = math.log(_LEAST_PROBABILITY / (1 - _LEAST_PROBABILITY)) / info.calibration.slope
    floors = midpoints + np.float32(reach) if least is None else np.full(len(midpoints), least, np.float32)
    blocks = [slice(first, first + _TOKENS) for first in range(0, len(floors), _TOKENS)]
    sets = {id(part.centroids): part.centroids for part in table.snapshot.shards}
    probes = {
        key: [probe(centroids, query.vectors[block], LISTS_A_TOKEN) for block in blocks]
        for key, centroids in sets.items()
        if centroids is not None
    }

    def of_shard(at: int) -> tuple[Pages, Floats]:
        part = table.snapshot.shards[at]
        if part.centroids is None:
            part.shard.check(table.rows[at])
            found = token_maxima(
                query.vectors, part.shard.codes, part.shard.starts, info.quantisation_range, pages=table.rows[at]
            )
            rows = table.rows[at]
            found[found <= floors] = NONE
        else:
            found = _read(part, probes[id(part.centroids)], blocks, floors)
            rows = np.flatnonzero((found > NONE).any(axis=1) & part.live)
            found = found[rows]
        is_touched = (found > NONE).any(axis=1)
        return table.starts[at] + np.searchsorted(table.rows[at], rows[is_touched]), found[is_touched]

    every = parallel_map(of_shard, range(len(table.snapshot.shards)))
    nothing = np.zeros(0, np.int64), np.zeros((0, len(floors)), np.float32)
    pages, maxima = zip(nothing, *every, strict=True)
    return ListMaxima(np.concatenate(pages), np.concatenate(maxima), _unread(table, query, info, probes))


def _unread(
    table: PageTable, query: QueryEmbedding, info: EncoderInfo, probes: Mapping[int, Sequence[Probe]]
) -> Floats:
    """(t,) what is expected of the lists that were not read, from their centroids' similarities and their sizes.

    A similarity is the centroid's and a normal deviate; the probabilities of the entries are added up. That counts a
    page for each of its vectors, and a deviate's tails are longer than those of residuals: `_UNREAD_SHARE` of it is.
    """
    midpoints = info.calibration.midpoints(query.tokens)[:, None]  # (t, 1)
    expected = np.zeros(len(query.tokens), np.float64)
    for key, probed in probes.items():
        sizes, first = _list_sizes(table, key), 0
        for each in probed:
            block = slice(first, first + len(each.tokens))
            values = info.calibration(_STEPS + each.spread[:, None, None] * _NODES, midpoints[block, None])
            of_entry = (values @ _NODE_WEIGHTS).astype(np.float32)  # (t, steps)
            near = each.all_similarities.clip(-1, 1)  # centroids are quantised: their length is not quite 1
            step = np.rint((near + 1) * (len(_STEPS) // 2)).astype(np.int32)
            for token, (similar, steps) in enumerate(zip(of_entry, step, strict=True), start=first):
                expected[token] += similar[steps] @ sizes - similar[steps[each.lists]] @ sizes[each.lists]
            first = block.stop
    return (_UNREAD_SHARE * expected).astype(np.float32)


def _list_sizes(table: PageTable, key: int) -> Floats:
    """(k,) float32, how many entries the lists of some centroids have, on live pages."""
    sizes = table.snapshot.derived.setdefault("list sizes", {})
    if key not in sizes:
        parts = [part for part in table.snapshot.shards if id(part.centroids) == key]
        assert parts[0].centroids is not None
        found = np.zeros(len(parts[0].centroids), np.float32)
        for part in parts:
            lists, counts = part.shard.list_sizes()
            found[lists] += counts * (part.live.sum() / len(part.live))
        sizes[key] = found
    of_key: Floats = sizes[key]
    return of_key


def _read(part: SnapshotShard, probes: list[Probe], blocks: list[slice], floors: Floats) -> Floats:
    """(pages, t) of all pages of a shard, also of those that are not live."""
    assert part.centroids is not None
    maxima = np.full((len(part.shard), len(floors)), NONE, np.float32)
    for probed, block in zip(probes, blocks, strict=True):
        place, pages, residuals = part.shard.read_lists(probed.lists)
        found = entry_similarities(probed, place, residuals, part.centroids.residual_range)
        token, entry = np.nonzero(found > floors[block, None])
        np.maximum.at(maxima, (pages[entry], token + block.start), found[token, entry])
    return maxima
