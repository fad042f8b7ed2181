"""Whether an encoder does what a search needs of it: encodes generated pages and queries, and reports what it found.

Every check has a fault in the field that it was made for: weights that were dropped without a word, pages that change
with their neighbours, padding that wins a maximum, grids that are turned. `examine` looks; `ensure_valid` looks once.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import platformdirs
from PIL import Image

from colvision import maxsim
from colvision.atomic_io import atomic_write
from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding
from colvision.core.encoder import Encoder, reads_text
from colvision.core.page import Page, PrintedWord
from colvision.encoders.finding import Finding
from colvision.encoders.quantisation_range import generated_pages
from colvision.errors import EncoderError

_QUERIES = ("bleed the hydraulic pump", "oil", "replace the filter AB-12/34 of the second pump")
_MAX_DIFFERENCE = 1e-3  # in float32: what another order of sums may change in a component of a unit vector
_LEAST_COSINE = 0.999  # cosine, on average, in lower precision: other batch sizes choose other kernels
_MAX_COSINE = 0.9999  # mean of nearest cosines above which two pages are the same to a search
_PLANTED_CELLS = ((0.2, 0.3), (0.8, 0.3), (0.3, 0.8), (0.7, 0.7))  # rows and columns, as shares: none mirrors another
_PLANTED_WORDS, _PLANTED_WORD = 4, "pump"
_TOP_SHARE = 0.05  # a planted patch must be among this share of the most moved

Score = Callable[[Floats, Sequence[Floats]], Floats]


@runtime_checkable
class SelfChecking(Protocol):
    """An encoder that can check its own inside."""

    def self_check(self) -> Iterator[Finding]: ...


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What was found about one encoder."""

    name: str
    fingerprint: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed is not False for finding in self.findings)

    def __str__(self) -> str:
        lines = [f"{self.name}, fingerprint {self.fingerprint[:12]}", *map(str, self.findings)]
        failed = sum(finding.passed is False for finding in self.findings)
        lines.append("nothing is wrong" if self.passed else f"{failed} of {len(self.findings)} checks failed")
        return "\n".join(lines)


def code_scores(query: Floats, pages: Sequence[Floats]) -> Floats:
    """(t, dim) and pages of (n, dim) -> a score a page, as a search computes it."""
    starts = np.concatenate([[0], np.cumsum([len(page) for page in pages])]).astype(np.int64)
    codes = maxsim.quantise(np.concatenate(pages), 1.0)
    scores: Floats = maxsim.token_maxima(query, codes, starts, 1.0).sum(axis=1)
    return scores


def examine(encoder: Encoder, *, score: Score = code_scores) -> DoctorReport:
    """Encodes a handful of small pages and queries several times; seconds, on a GPU as well."""
    pages = list(generated_pages())
    began = time.perf_counter()
    embeddings = list(encoder.encode_pages(pages))
    seconds = time.perf_counter() - began
    checks: Mapping[str, Callable[[], Finding]] = {
        "different pages": lambda: _check_different_pages(embeddings),
        "alone and in a batch": lambda: _check_batch(encoder, pages, embeddings),
        "order": lambda: _check_order(encoder, pages, embeddings),
        "queries": lambda: _check_queries(encoder),
        "padding": lambda: _check_padding(embeddings, score),
        "planted patches": lambda: (
            _check_planted_words(encoder) if reads_text(encoder) else _check_planted_patches(encoder)
        ),
        "cost here": lambda: _report_cost(embeddings, seconds),
    }
    inside = encoder.self_check() if isinstance(encoder, SelfChecking) else ()
    findings = (*inside, *(_run_check(name, check) for name, check in checks.items()))
    return DoctorReport(encoder.info.name, encoder.info.fingerprint, findings)


def ensure_valid(encoder: Encoder, *, folder: Path | None = None) -> None:
    """Examines an encoder that checks its own inside, once for each fingerprint, precision and set of versions.

    `folder` remembers those that passed: the user's cache when None. Raises `EncoderError` with what was found.
    """
    if not isinstance(encoder, SelfChecking):
        return
    cache = folder or Path(platformdirs.user_cache_dir("colvision", appauthor=False)) / "doctor"
    info = encoder.info
    identity = json.dumps([info.fingerprint, dict(sorted(info.versions.items()))])
    file = cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
    if file.is_file():
        return
    report = examine(encoder)
    if not report.passed:
        raise EncoderError(f"{info.name} is not fit to fill a library; `colvision doctor` found:\n{report}")
    cache.mkdir(parents=True, exist_ok=True)
    atomic_write(file, [identity.encode()])


def _run_check(name: str, check: Callable[[], Finding]) -> Finding:
    """What an encoder refuses to encode, or encodes to something that is no embedding, is a finding as well."""
    try:
        return check()
    except (ValueError, EncoderError) as error:
        return Finding(name, False, str(error))


def _check_different_pages(embeddings: Sequence[PageEmbedding]) -> Finding:
    left, right = embeddings[0].vectors, embeddings[1].vectors
    nearest = float((left @ right.T).max(axis=1).mean())
    message = f"the nearest vectors of two unlike pages have a cosine of {nearest:.3f} on average"
    return Finding("different pages", nearest < _MAX_COSINE, message)


def _check_batch(encoder: Encoder, pages: Sequence[Page], together: Sequence[PageEmbedding]) -> Finding:
    longer = Page(Image.new("RGB", (336, 672), "white"), text="a page of more words than the others " * 20)
    beside = [next(iter(encoder.encode_pages([page, longer]))) for page in pages]
    return _compare("alone and in a batch", together, beside, encoder)


def _check_order(encoder: Encoder, pages: Sequence[Page], forwards: Sequence[PageEmbedding]) -> Finding:
    backwards = list(encoder.encode_pages(list(reversed(pages))))[::-1]
    return _compare("order", forwards, backwards, encoder)


def _compare(name: str, left: Sequence[PageEmbedding], right: Sequence[PageEmbedding], encoder: Encoder) -> Finding:
    if any(len(a.vectors) != len(b.vectors) for a, b in zip(left, right, strict=True)):
        return Finding(name, False, "a page has another number of vectors")
    one, other = (np.concatenate([page.vectors for page in pages]) for pages in (left, right))
    return Finding(name, *_agree(one, other, encoder))


def _agree(one: Floats, other: Floats, encoder: Encoder) -> tuple[bool, str]:
    if encoder.info.versions.get("dtype", "float32") == "float32":
        largest = float(np.abs(one - other).max())
        return largest < _MAX_DIFFERENCE, f"a component differs by {largest:.1e} at most"
    cosine = float(np.sum(one * other, axis=1).mean())
    return cosine > _LEAST_COSINE, f"vectors have a cosine of {cosine:.5f} on average"


def _check_queries(encoder: Encoder) -> Finding:
    together = encoder.encode_queries(_QUERIES)
    alone = [encoder.encode_queries([text])[0] for text in _QUERIES]
    if any(len(a.tokens) != len(b.tokens) for a, b in zip(together, alone, strict=True)):
        return Finding("queries", False, "a query has another number of tokens beside a longer one")
    passed, message = _agree(_all_vectors(together), _all_vectors(alone), encoder)
    return Finding("queries", passed, f"alone and in a batch {message}")


def _all_vectors(queries: Sequence[QueryEmbedding]) -> Floats:
    return np.concatenate([query.vectors for query in queries])


def _check_padding(embeddings: Sequence[PageEmbedding], score: Score) -> Finding:
    """A page that is the opposite of the query scores -1, also beside longer pages: zeros for padding would win."""
    vector = embeddings[0].vectors[:1]
    alone = float(score(-vector, [vector])[0])
    beside = float(score(-vector, [vector, *(page.vectors for page in embeddings)])[0])
    message = f"a page scores {alone:.3f} alone and {beside:.3f} beside longer pages"
    return Finding("padding", abs(alone - beside) < _MAX_DIFFERENCE, message)


def _check_planted_patches(encoder: Encoder) -> Finding:
    """Noise in one cell of a page moves the vector of that cell more than nearly all others."""
    [page] = list(generated_pages())[1:2]
    [before] = encoder.encode_pages([page])
    if not (before.grid.cells >= 0).any():
        return Finding("planted patches", None, "no vector has a place: a page is matched as a whole")
    cells = [(int(row * before.grid.rows), int(col * before.grid.cols)) for row, col in _PLANTED_CELLS]
    marked = [_with_noise(page, before, cell) for cell in cells]
    ranks = [_rank(before, after, cell) for after, cell in zip(encoder.encode_pages(marked), cells, strict=True)]
    found = sum(rank <= max(1, _TOP_SHARE * before.grid.cells.size) for rank in ranks)
    message = (
        f"{found} of {len(cells)} changed cells of a {before.grid.rows} x {before.grid.cols} grid were found in place"
    )
    return Finding("planted patches", found > len(cells) // 2, message)


def _check_planted_words(encoder: Encoder) -> Finding:
    """Another word in the place of one moves the vector of that place more than those of nearly all other words."""
    [page] = list(generated_pages())[1:2]
    [before] = encoder.encode_pages([page])
    if not (before.grid.cells >= 0).any():
        return Finding("planted words", None, "no vector has a place: a page is matched as a whole")
    places = np.linspace(0, len(page.words) - 1, _PLANTED_WORDS).round().astype(int).tolist()
    marked = [_with_word(page, place) for place in places]
    ranks = [
        _rank_word(page.words, before, after, place)
        for after, place in zip(encoder.encode_pages(marked), places, strict=True)
    ]
    found = sum(rank <= max(1, _TOP_SHARE * len(page.words)) for rank in ranks)
    message = f"{found} of {len(places)} changed words among {len(page.words)} were found in place"
    return Finding("planted words", found > len(places) // 2, message)


def _with_word(page: Page, place: int) -> Page:
    """The page with another word in the place of one."""
    words = list(page.words)
    words[place] = words[place]._replace(text=_PLANTED_WORD)
    return replace(page, words=tuple(words), text=" ".join(word.text for word in words))


def _rank_word(words: Sequence[PrintedWord], before: PageEmbedding, after: PageEmbedding, place: int) -> int:
    """Place of the word among those that moved most, from 1, the last of its equals."""
    moved = np.linalg.norm(_at_words(words, after) - _at_words(words, before), axis=1)  # (words,)
    return int(np.count_nonzero(moved >= moved[place]))


def _at_words(words: Sequence[PrintedWord], page: PageEmbedding) -> Floats:
    """(words, dim) the mean of the vectors in each word's box, zero where it has none."""
    grid, found = page.grid, np.zeros((len(words), page.vectors.shape[1]), np.float32)
    for number, word in enumerate(words):
        left, top, right, bottom = word.box
        rows = slice(int(top * grid.rows), int(np.ceil(bottom * grid.rows)))
        cells = np.unique(grid.cells[rows, int(left * grid.cols) : int(np.ceil(right * grid.cols))])
        if (cells >= 0).any():
            found[number] = page.vectors[cells[cells >= 0]].mean(axis=0)
    return found


def _with_noise(page: Page, embedding: PageEmbedding, cell: tuple[int, int]) -> Page:
    image = page.image.convert("RGB")
    box = embedding.grid.box(*cell)
    left, top = round(box.left * image.width), round(box.top * image.height)
    width, height = round(box.right * image.width) - left, round(box.bottom * image.height) - top
    noise = np.random.default_rng(11).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image.paste(Image.fromarray(noise), (left, top))
    return Page(image)


def _rank(before: PageEmbedding, after: PageEmbedding, cell: tuple[int, int]) -> float:
    """Place of the cell among those that moved most, from 1, the last of its equals; one without a vector stayed."""
    if before.grid.cells.shape != after.grid.cells.shape:
        return float("inf")
    moved = np.linalg.norm(_on_grid(after) - _on_grid(before), axis=-1)  # (rows, cols)
    return float(np.count_nonzero(moved >= moved[cell]))  # where nothing else moves, a cell that stayed is not second


def _on_grid(page: PageEmbedding) -> Floats:
    """(rows, cols, dim), zero where a cell has no vector."""
    placed = page.vectors[np.maximum(page.grid.cells, 0)]
    return np.where(page.grid.cells[..., None] >= 0, placed, np.float32(0))


def _report_cost(embeddings: Sequence[PageEmbedding], seconds: float) -> Finding:
    vectors = np.mean([len(page.vectors) for page in embeddings])
    per_page = len(embeddings) / seconds
    message = f"{per_page:.2f} small pages a second of {vectors:.0f} vectors{_memory()}"
    return Finding("cost here", None, message)


def _memory() -> str:
    """The most that this process has held; nothing where the system does not say."""
    if sys.platform == "win32":
        return ""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
    return f"; {held:.1f} GB of memory at most so far"
