"""Inverted lists: every page vector stands in the list of the centroid that is nearest to it.

A search reads the lists that are nearest to each query token, and no others: the first stage of PLAID (Santhanam et
al. 2022, arXiv:2205.09707) and WARP (Scheerer et al. 2025, arXiv:2501.17788). As in these, what a vector has beside
its centroid, the residual, is kept in fewer numbers: its components along the residuals' main axes, as int8. So a
similarity is q . centroid + (axes q) . (axes residual), up to what lies on the other axes.

Centroids stand in groups, so that a vector is compared with those of the nearest groups alone.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.maxsim.clustering import Groups, cluster, nearest, unit_means
from colvision.maxsim.int8 import similarities
from colvision.maxsim.quantisation import Codes, dequantise, quantise
from colvision.maxsim.selection import Starts
from colvision.parallel import parallel_map

ListIds = NDArray[np.int32]

LISTS_PAGES = 2000  # below it a scan takes no longer
AXES = 48  # of residuals that are kept, 1 byte each: the vectors of mini lie near a space of 64 dimensions
SAMPLE = 16  # vectors a centroid that training takes
MAX_PAGES = 1 << 16  # of a shard with lists, whose entries name pages in 16 bits
_CENTROIDS_A_ROOT = 14.0  # times the square root of the number of vectors, brought to a power of two
_FEWEST, _MOST = 256, 1 << 17
_ROUNDS = 3  # of k-means
_GROUPS_COMPARED = 3
_RANGE_QUANTILE = 0.999  # of residuals that their codes reach
_RESIDUALS = 65_536  # that tell where residuals lie
_BLOCK = 65_536  # vectors that are assigned at once: 32 MB


def has_lists(info: EncoderInfo, pages: int) -> bool:
    """Whether a collection of so many pages by this encoder gets inverted lists."""
    return pages >= LISTS_PAGES and info.calibration.is_probability and info.dim % 8 == 0


def centroid_count(vectors: int) -> int:
    """How many centroids so many vectors get: about 14 times their square root, a power of two."""
    wanted = _CENTROIDS_A_ROOT * np.sqrt(max(vectors, 1))
    return int(2 ** np.clip(np.rint(np.log2(wanted)), np.log2(_FEWEST), np.log2(_MOST)))


@dataclass(frozen=True, slots=True, eq=False)
class Centroids:
    """`codes` (k, dim) int8 are centroids in units of `step`, those of a group end to end: `starts` (groups + 1,).

    `groups` (groups, dim) are what groups are compared by, `axes` (r, dim) those of residuals, which reach to
    +- `residual_range` along them; `covariance` (dim, dim) is that of whole residuals.
    """

    codes: Codes
    quantisation_range: float
    starts: Starts
    groups: Floats
    axes: Floats
    residual_range: float
    covariance: Floats

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def vectors(self) -> Floats:
        """(k, dim) float32."""
        return dequantise(self.codes, self.quantisation_range)

    def to_bytes(self) -> bytes:
        buffer = io.BytesIO()
        np.savez(
            buffer,
            codes=self.codes,
            starts=self.starts,
            groups=self.groups,
            axes=self.axes,
            covariance=self.covariance,
            ranges=np.array([self.quantisation_range, self.residual_range]),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Centroids":
        """What `to_bytes` gave. Raises `ValueError` for anything else."""
        try:
            return cls._read(data)
        except (KeyError, OSError, EOFError, BadZipFile) as error:
            raise ValueError(f"no centroids: {error}") from error

    @classmethod
    def _read(cls, data: bytes) -> "Centroids":
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            quantisation_range, residual_range = found["ranges"].tolist()
            return cls(
                found["codes"],
                quantisation_range,
                found["starts"],
                found["groups"],
                found["axes"],
                residual_range,
                found["covariance"],
            )


def train_centroids(sample: Floats, count: int) -> Centroids:
    """About `count` centroids of a sample (n, dim) of page vectors, the same ones for the same sample."""
    rng = np.random.default_rng(0)
    sample = sample / np.maximum(np.linalg.norm(sample, axis=1, keepdims=True), np.float32(1e-9))
    groups = cluster(sample, int(2 ** np.ceil(np.log2(count) / 2)), rounds=_ROUNDS, rng=rng)
    owner = nearest(sample, groups)
    members = [sample[owner == group] for group in range(len(groups))]
    parts = [
        cluster(each, max(round(count * len(each) / len(sample)), 1), rounds=_ROUNDS, rng=rng)
        for each in members
        if len(each)
    ]
    groups = np.stack([unit_means(part, np.zeros(len(part), np.int64))[0] for part in parts])
    found = np.concatenate(parts)
    reach = float(np.abs(found).max())
    starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    nothing = np.zeros((0, sample.shape[1]), np.float32)
    centroids = Centroids(quantise(found, reach), reach, starts, groups, nothing, 1.0, nothing)
    some = sample[:: max(len(sample) // _RESIDUALS, 1)]
    residuals = some - centroids.vectors[assign(centroids, some)]
    covariance = (residuals.T @ residuals / len(residuals)).astype(np.float32, copy=False)
    axes = _main_axes(covariance)
    reach = float(np.quantile(np.abs(residuals @ axes.T), _RANGE_QUANTILE)) or 1.0
    return replace(centroids, axes=axes, residual_range=reach, covariance=covariance)


def _main_axes(covariance: Floats) -> Floats:
    """(r, dim) orthogonal unit vectors, along which residuals are largest."""
    _, axes = np.linalg.eigh(covariance.astype(np.float64))
    return np.ascontiguousarray(axes[:, ::-1][:, : _axes_kept(len(axes))].T, np.float32)


def _axes_kept(dim: int) -> int:
    return min(AXES, dim // 8 * 8)  # whole words of 8 bytes


def entry_bytes(dim: int) -> int:
    """What a vector takes in its list: its residual and its page."""
    return _axes_kept(dim) + np.dtype(np.uint16).itemsize


def assign(centroids: Centroids, vectors: Floats) -> ListIds:
    """(n, dim) -> (n,) the number of each vector's nearest centroid among those of the groups nearest to it."""
    centres = centroids.vectors

    def of_block(first: int) -> ListIds:
        return _assign_block(centroids, centres, vectors[first : first + _BLOCK])

    blocks = parallel_map(of_block, range(0, len(vectors), _BLOCK))
    return np.concatenate([np.zeros(0, np.int32), *blocks])


def _assign_block(centroids: Centroids, centres: Floats, vectors: Floats) -> ListIds:
    compared = min(_GROUPS_COMPARED, len(centroids.groups))
    near = _highest(vectors @ centroids.groups.T, compared)
    best, found = np.full(len(vectors), -np.inf, np.float32), np.zeros(len(vectors), np.int32)
    order = np.argsort(near, axis=None, kind="stable")
    ends = np.searchsorted(near.ravel()[order], np.arange(len(centroids.groups) + 1))
    for group, (first, last) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
        if first == last:
            continue
        rows, begin = order[first:last] // compared, int(centroids.starts[group])
        products = vectors[rows] @ centres[begin : int(centroids.starts[group + 1])].T
        winner = np.argmax(products, axis=1)
        value = products[np.arange(len(rows)), winner]
        is_better = value > best[rows]
        best[rows[is_better]], found[rows[is_better]] = value[is_better], winner[is_better] + begin
    return found


def _highest(values: Floats, count: int) -> NDArray[np.intp]:
    """(n, m) -> (n, count) the columns of its highest values, which are lost: quicker than to sort, for a few."""
    rows, found = np.arange(len(values)), np.empty((len(values), count), np.intp)
    for place in range(count):
        found[:, place] = values.argmax(axis=1)
        values[rows, found[:, place]] = -np.inf
    return found


@dataclass(frozen=True, slots=True, eq=False)
class InvertedLists:
    """The lists of a shard that are not empty, in order: `lists` (m,) are their numbers, `starts` (m + 1,).

    Entry i is a vector of page `pages[i]` (n,), uint16; its residual is `residuals[i]` (n, r) int8. In a list entries
    stand in the order of their pages.
    """

    lists: ListIds
    starts: NDArray[np.int32]
    pages: NDArray[np.uint16]
    residuals: Codes

    @property
    def page_count(self) -> int:
        """How many pages they are of: each has at least one vector."""
        return int(self.pages.max()) + 1


def build_lists(centroids: Centroids, codes: Codes, starts: Starts, quantisation_range: float) -> InvertedLists:
    """Of pages that lie end to end: `codes` (n, dim) int8, `starts` (pages + 1,). Raises `ValueError` for too many."""
    if len(starts) - 1 > MAX_PAGES:
        raise ValueError(f"{len(starts) - 1} pages in one shard; inverted lists name at most {MAX_PAGES}")
    centres = centroids.vectors

    def of_block(first: int) -> tuple[ListIds, Codes]:
        vectors = dequantise(codes[first : first + _BLOCK], quantisation_range)
        found = _assign_block(centroids, centres, vectors)
        residuals = ((vectors - centres[found]) @ centroids.axes.T).astype(np.float32, copy=False)
        return found, quantise(residuals, centroids.residual_range)

    blocks = parallel_map(of_block, range(0, len(codes), _BLOCK))
    pages = np.repeat(np.arange(len(starts) - 1, dtype=np.uint16), np.diff(starts))
    return _sort_entries(
        np.concatenate([each[0] for each in blocks]), pages, np.concatenate([each[1] for each in blocks])
    )


def join_lists(parts: Sequence[tuple[InvertedLists, NDArray[np.int64]]]) -> InvertedLists:
    """The lists of one shard from those of several, in order, with the pages (sorted rows) that are kept of each.

    Entries are copied.
    """
    numbers, pages, residuals, before = [], [], [], 0
    for lists, kept in parts:
        place = np.full(MAX_PAGES, -1, np.int64)
        place[kept] = np.arange(before, before + len(kept))
        found = place[lists.pages]
        is_kept = found >= 0
        numbers.append(np.repeat(lists.lists, np.diff(lists.starts))[is_kept])
        pages.append(found[is_kept])
        residuals.append(lists.residuals[is_kept])
        before += len(kept)
    if before > MAX_PAGES:
        raise ValueError(f"{before} pages in one shard; inverted lists name at most {MAX_PAGES}")
    return _sort_entries(np.concatenate(numbers), np.concatenate(pages).astype(np.uint16), np.concatenate(residuals))


def _sort_entries(numbers: ListIds, pages: NDArray[np.uint16], residuals: Codes) -> InvertedLists:
    order = np.lexsort((pages, numbers))
    lists, first = np.unique(numbers[order], return_index=True)
    starts = np.append(first, len(numbers)).astype(np.int32)
    return InvertedLists(lists.astype(np.int32), starts, pages[order], residuals[order])


class Probe(NamedTuple):
    """What a query asks lists for: `lists` (p,) sorted, the similarities (t, p) of its tokens to their centroids, and
    the tokens along the residuals' axes (t, r). `all_similarities` (t, k) are those to all centroids, `spread` (t,) the
    standard deviation of what residuals add.
    """

    lists: ListIds
    similarities: Floats
    tokens: Floats
    all_similarities: Floats
    spread: Floats


def probe(centroids: Centroids, query: Floats, lists_a_token: int) -> Probe:
    """The lists nearest to each token of a query (t, dim), together."""
    near = similarities(query, centroids.codes, centroids.quantisation_range)  # (t, k)
    count = min(lists_a_token, len(centroids))
    wanted = np.unique(np.argpartition(-near, count - 1, axis=1)[:, :count]).astype(np.int32)
    spread = np.sqrt(np.maximum(((query @ centroids.covariance) * query).sum(axis=1), 0.0))
    return Probe(wanted, near[:, wanted], query @ centroids.axes.T, near, spread)


def entry_similarities(probed: Probe, place: Groups, residuals: Codes, residual_range: float) -> Floats:
    """(t, n) similarities of the tokens to entries: `residuals` (n, r) of vectors in the lists at `place` (n,)."""
    found: Floats = similarities(probed.tokens, residuals, residual_range)
    found += probed.similarities[:, place]
    return found
