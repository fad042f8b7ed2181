"""What fewer bytes cost: `python -m benchmarks.compression EVAL PDFS [--level light] [--only codes]`.

EVAL and PDFS are those of `benchmarks.quality`. Prints, over the listed pages and over all: how many of mini's ten best
pages by float32 vectors are among the ten best by their int8 codes, and among the best by their sign bits; nDCG@10 of
MaxSim by the vectors and by the codes; bytes a page and nDCG@10 of a library's answers without pooling and with a pool
of 2 and 3, each difference paired by question.
"""

import argparse
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.fusion import measure_ndcg10
from benchmarks.quality import Subset, show_step, subsets
from colvision import evaluation
from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding
from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.page import Page
from colvision.core.query import ScoredQuery
from colvision.encoders import load_encoder
from colvision.evaluation.corpus_library import EvaluationFolders, Preparation, open_corpus
from colvision.evaluation.report import compare
from colvision.maxsim import bit_maxima, exact_maxima, quantise, sign_bits, token_maxima
from colvision.pdf import read_pages
from colvision.search.idf import expected_counts, soft_idf

POOLS = (1, 2, 3)
_NDCG10, _BEST = 1, 10
_CANDIDATES = (200, 800)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("eval", type=Path)
    parser.add_argument("pdfs", type=Path)
    parser.add_argument("--level", default="light", choices=evaluation.LEVELS)
    parser.add_argument("--only", choices=MEASURED)
    args = parser.parse_args()
    encoder = CachingEncoder(load_encoder("mini"))
    for subset in subsets(args.eval):
        listed = evaluation.read_pages_file(subset.pages) if subset.pages else None
        corpus = evaluation.find_corpus(args.pdfs, level=args.level, pages=listed)
        print(f"\n{corpus.pages:,} pages, {len(subset.queries)} questions, level {args.level}\n")
        for name, found in MEASURED.items():
            for line in found(corpus, subset, encoder) if args.only in (None, name) else ():
                print(line, flush=True)


class CachingEncoder:
    """Encodes a page once, however often it is read."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: dict[bytes, PageEmbedding] = {}

    @property
    def info(self) -> EncoderInfo:
        return self._encoder.info

    def encode_pages(self, pages: Iterable[Page]) -> Iterator[PageEmbedding]:
        for page in pages:
            key = hashlib.sha256(page.image.tobytes()).digest()
            if key not in self._known:
                (self._known[key],) = self._encoder.encode_pages([page])
            yield self._known[key]

    def encode_queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        return self._encoder.encode_queries(texts)


def pooling(corpus: evaluation.Corpus, subset: Subset, encoder: Encoder) -> Iterator[str]:
    """A row of means a pool, then a row of differences from the first."""
    groups = ("all", *sorted({query.type for query in subset.queries}))
    yield "| pool | vectors a page | bytes a page | " + " | ".join(groups) + " |"
    yield "|---|---|---|" + "---|" * len(groups)
    runs, renderers = [], set()
    for pool in POOLS:
        vectors, size = sizes(corpus, encoder, pool)
        options = evaluation.EvaluationOptions(pool=pool)
        report, run = evaluation.evaluate(corpus, subset.queries, encoder=encoder, options=options, progress=show_step)
        runs.append(run)
        renderers.add(report.setting.renderers)
        if len(renderers) > 1:
            raise SystemExit(
                f"the pages were drawn by {renderers}: delete the evaluation's libraries, or use one renderer"
            )
        found = {row.group: (row.mean.ndcg10, row.intervals[_NDCG10]) for row in report.rows}
        cells = [f"{found[group][0]:.3f} [{found[group][1].low:.3f}, {found[group][1].high:.3f}]" for group in groups]
        yield f"| {pool} | {vectors:.0f} | {size:,.0f} | {' | '.join(cells)} |"
    for pool, run in zip(POOLS[1:], runs[1:], strict=True):
        differences = {each.group: each for each in compare(run, runs[0], subset.queries)}
        spans = [(differences[group].difference.ndcg10, differences[group].intervals[_NDCG10]) for group in groups]
        yield f"| {pool} - 1 | | | {' | '.join(f'{mean:+.3f} [{s.low:+.3f}, {s.high:+.3f}]' for mean, s in spans)} |"


def sizes(corpus: evaluation.Corpus, encoder: Encoder, pool: int) -> tuple[float, float]:
    """(vectors, bytes in shards) a page, without what is dead."""
    folders = EvaluationFolders(None, evaluation.default_cache())
    with open_corpus(corpus, encoder, folders=folders, progress=show_step, preparation=Preparation(pool)) as searched:
        searched.library.compact()
        (status,) = [each for each in searched.library.status().collections if each.name == searched.name]
        return status.vectors / status.pages, status.bytes / status.pages


def codes(corpus: evaluation.Corpus, subset: Subset, encoder: Encoder) -> Iterator[str]:
    """A page's score is MaxSim with the link and soft idf; by sign bits, the sum of the best agreements."""
    quantisation_range = encoder.info.quantisation_range
    paths = corpus.files(evaluation.default_cache() / "pdfs", progress=show_step)
    pages = [embedding.vectors for path in paths for embedding in encoder.encode_pages(drawn(path))]
    starts, vectors = np.cumsum([0, *map(len, pages)]), np.concatenate(pages)
    stored, bits = quantise(vectors, quantisation_range), sign_bits(vectors)
    found: dict[str, list[float]] = {}
    worth: list[tuple[Floats, Floats]] = []
    encoded = encoder.encode_queries([query.text for query in subset.queries])
    for query in (each.without_other_words() for each in encoded):
        scored = ScoredQuery(query, query.weights, encoder.info.calibration, encoder.info.fingerprint)
        by_floats = scored.values(exact_maxima(query.vectors, vectors, starts))
        by_codes = scored.values(token_maxima(query.vectors, stored, starts, quantisation_range))
        by_bits = bit_maxima(query.vectors, bits, starts).sum(axis=1)
        worth.append(tuple(each @ soft_idf(len(each), expected_counts(each)) for each in (by_floats, by_codes)))
        wanted = best(worth[-1][0], _BEST)
        ways = {f"the {_BEST} best by int8 codes": best(worth[-1][1], _BEST)}
        ways |= {f"the {k} best by sign bits": best(by_bits, k) for k in _CANDIDATES}
        for way, held in ways.items():
            found.setdefault(way, []).append(len(np.intersect1d(wanted, held)) / _BEST)
    for way, shares in found.items():
        yield f"{way} hold {np.mean(shares):.4f} of the {_BEST} best by float32"
    names = list(corpus.page_ids())
    means = [measure_ndcg10(names, np.array(table), subset.queries).mean() for table in zip(*worth, strict=True)]
    yield f"nDCG@10 of all questions, MaxSim alone: {means[0]:.4f} by float32, {means[1]:.4f} by int8 codes"


def drawn(path: Path) -> Iterator[Page]:
    for page in read_pages(path):
        if not isinstance(page, Page):
            raise SystemExit(f"{path.name}: {page}")
        yield page


def best(scores: NDArray[np.number], k: int) -> NDArray[np.int64]:
    """The rows of the best pages."""
    return np.argsort(-scores, kind="stable")[:k]


MEASURED = {"codes": codes, "pooling": pooling}

if __name__ == "__main__":
    main()
