"""What every encoder keeps, whatever it is made of: the promises of `colvision.Encoder`, tried one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from colvision.core.embedding import Floats, PageEmbedding, QueryEmbedding
from colvision.core.encoder import Encoder
from colvision.core.page import Page
from colvision.encoders import doctor
from colvision.errors import ColvisionError
from colvision.library import Library, open_library

_AHEAD = 200  # pages that an encoder may read before it gives the first: batches are smaller, books are longer
_CLIPPED = 1e-3  # share of components that codes cannot hold
_ALIKE = 0.999  # cosine from which vectors of two unlike pages are the same
_ROUNDING = 1e-4  # of a score: sums in another order
_SIZES = ((2400, 40), (40, 2400), (4000, 3), (1, 1), (3, 3), (5, 1), (3, 60))  # (height, width) in pixels
_QUERY = "bleed the hydraulic pump"
_QUERIES = ("pump", "how to bleed the hydraulic pump after a change of oil", "AB-12/3.4", "oil")
_SCRIPTS = ("Überdruckventil öffnen", "油圧ポンプ", "pe\u0301riode", "pump 😀 valve", "C3PO №5")
_WORDLESS = ("", "   ", "\n", "?!", "... --- ...")
_LONG = ("pump valve oil " * 5000, "x7" * 20_000)


def check_encoder(encoder: Encoder, *, tolerance: float = 1e-5) -> None:
    """Raises `AssertionError` that names every promise of `colvision.Encoder` which this one breaks.

    To be called by a test of the encoder: it encodes some fifty pages and as many queries, asks `colvision doctor`,
    and takes a library in a temporary folder from ingest to explanation. `tolerance` is how far a component of a unit
    vector may move with what is encoded beside it: the default is for float32, lower precision needs more.
    """
    named = type(encoder).__name__
    _require(isinstance(encoder, Encoder), f"{named} is no colvision.Encoder: info, encode_pages, encode_queries")
    trial = Trial(encoder, tolerance)
    broken: dict[str, Exception] = {}  # by what is said: one fault breaks several promises
    for check in CHECKS:
        try:
            check(trial)
        except (AssertionError, ValueError, ColvisionError) as error:
            broken.setdefault(str(error), error)
    if broken:
        said = "".join(f"\n- {reason}" for reason in broken)
        first, *_ = broken.values()
        raise AssertionError(f"{encoder.info.name} does not keep the contract of an encoder:{said}") from first


@dataclass(frozen=True)
class Trial:
    """An encoder that is tried, and what it made of a few pages."""

    encoder: Encoder
    tolerance: float

    @cached_property
    def pages(self) -> tuple[Page, ...]:
        """Of unlike sizes."""
        return (
            _print("bleed the pump/before use/valve 12"),
            _print("table of/contents", (140, 300)),
            _print("hydraulic oil/AB-12/34", (400, 120)),
            _print("safety first", (90, 90)),
        )

    @cached_property
    def embeddings(self) -> list[PageEmbedding]:
        """Of `pages`, encoded together."""
        return self.encode(*self.pages)

    @cached_property
    def alone(self) -> list[PageEmbedding]:
        """Of `pages`, each encoded by itself."""
        return [self.encode(page)[0] for page in self.pages]

    def encode(self, *pages: Page) -> list[PageEmbedding]:
        made = list(self.encoder.encode_pages(iter(pages)))
        _require(len(made) == len(pages), f"encode_pages gives {len(made)} embeddings for {len(pages)} pages")
        _require(all(isinstance(each, PageEmbedding) for each in made), "encode_pages gives what is no PageEmbedding")
        return made

    def query(self, text: str) -> QueryEmbedding:
        [query] = self.queries([text])
        return query

    def queries(self, texts: Sequence[str]) -> list[QueryEmbedding]:
        made = self.encoder.encode_queries(texts)
        _require(len(made) == len(texts), f"encode_queries gives {len(made)} embeddings for {len(texts)} texts")
        _require(all(isinstance(each, QueryEmbedding) for each in made), "encode_queries gives no QueryEmbedding")
        return made

    def require_near(self, one: Floats, other: Floats, what: str) -> None:
        _require(one.shape == other.shape, f"{what}: vectors are {one.shape} and {other.shape}")
        moved = float(np.abs(one - other).max(initial=0))
        _require(moved <= self.tolerance, f"{what}: a component differs by {moved:.1e}, more than {self.tolerance:.0e}")

    def require_same(self, one: PageEmbedding, other: PageEmbedding, what: str) -> None:
        _require(np.array_equal(one.grid.cells, other.grid.cells), f"{what}: the patch grids differ")
        _require(np.array_equal(one.kind, other.kind), f"{what}: the kinds of vectors differ")
        self.require_near(one.vectors, other.vectors, what)


def _print(text: str, size: tuple[int, int] = (220, 160)) -> Page:
    """A page of (height, width) pixels with the text on it, a line from slash to slash."""
    height, width = size
    image = Image.new("RGB", (width, height), "white")
    canvas = ImageDraw.Draw(image)
    for number, line in enumerate(text.split("/")):
        canvas.text((8, 8 + 24 * number), line, fill="black", font=ImageFont.load_default(16))
    return Page(image, text=text.replace("/", "\n"))


def _require(holds: bool, otherwise: str) -> None:  # an `assert` that says nothing else, and stays under `python -O`
    if not holds:
        raise AssertionError(otherwise)


def _info_is_sane(trial: Trial) -> None:
    info = trial.encoder.info
    _require(bool(info.name), "info.name is empty")
    _require(len(info.fingerprint) >= 16, f"info.fingerprint {info.fingerprint!r} is too short to tell encoders apart")
    _require(info.dim >= 8, f"info.dim is {info.dim}; expected at least 8")
    _require(trial.encoder.info == info, "info is another one each time it is asked for")


def _iterables_in_iterators_out(trial: Trial) -> None:
    given = trial.encoder.encode_pages(iter(()))
    _require(isinstance(given, Iterator), f"encode_pages gives a {type(given).__name__}, not an iterator")
    _require(not list(given), "encode_pages gives an embedding where there is no page")
    _require(not trial.queries(()), "encode_queries gives an embedding where there is no text")


def _first_page_comes_out_before_the_input_ends(trial: Trial) -> None:
    taken = 0

    def endless() -> Iterator[Page]:
        nonlocal taken
        for taken in count(1):
            _require(taken <= _AHEAD, f"encode_pages reads over {_AHEAD} pages before it gives one: yield as they come")
            yield trial.pages[taken % len(trial.pages)]

    embeddings = iter(trial.encoder.encode_pages(endless()))
    next(embeddings)
    next(embeddings)


def _vectors_are_unit_float32_of_the_declared_dim(trial: Trial) -> None:
    dim = trial.encoder.info.dim
    pages = [("a page", embedding.vectors) for embedding in trial.embeddings]
    for what, vectors in (*pages, *(("a query", query.vectors) for query in trial.queries(_QUERIES))):
        _require(vectors.dtype == np.float32, f"vectors of {what} are {vectors.dtype}; expected float32")
        _require(vectors.shape[1] == dim, f"vectors of {what} have {vectors.shape[1]} components, info.dim is {dim}")
        off = float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max(initial=0))
        _require(off <= trial.tolerance, f"the length of a vector of {what} is {off:.1e} off 1")


def _cells_without_a_vector_are_minus_one(trial: Trial) -> None:
    lowest = min(int(embedding.grid.cells.min(initial=0)) for embedding in trial.embeddings)
    _require(lowest >= -1, f"a patch grid holds {lowest}; a cell without a vector is -1")


def _neither_company_nor_order_changes_a_page(trial: Trial) -> None:
    backwards = trial.encode(*reversed(trial.pages))[::-1]
    for forward, backward, alone in zip(trial.embeddings, backwards, trial.alone, strict=True):
        trial.require_same(forward, backward, "pages in another order come out otherwise")
        trial.require_same(forward, alone, "a page alone is not what it is beside others")


def _same_input_gives_the_same_bytes(trial: Trial) -> None:
    [again] = trial.encode(trial.pages[0])
    _require(np.array_equal(trial.alone[0].vectors, again.vectors), "the same page twice gives different vectors")
    first, second = (trial.query(_QUERY).vectors for _ in range(2))
    _require(np.array_equal(first, second), "the same query twice gives different vectors")


def _pages_differ(trial: Trial) -> None:
    left, right = trial.encode(_print("bleed the pump"), _print("AB-12/34 oil"))
    nearest = float((left.vectors @ right.vectors.T).max(axis=1).min())
    _require(nearest < _ALIKE, f"two unlike pages have the same vectors: cosine {nearest:.4f} at least")


def _grey_page_is_the_one_in_colour(trial: Trial) -> None:
    page = trial.pages[0]
    [grey] = trial.encode(replace(page, image=page.image.convert("L")))
    trial.require_same(grey, trial.alone[0], "a grey page (mode L) is not what it is in RGB")


def _blank_pages_and_pages_of_any_shape_are_taken(trial: Trial) -> None:
    trial.encode(Page(Image.new("RGB", (160, 220), "white")))
    rng = np.random.default_rng(1)
    for size in _SIZES:
        trial.encode(Page(Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8))))


def _codes_hold_the_components(trial: Trial) -> None:
    values = np.concatenate([embedding.vectors.ravel() for embedding in trial.embeddings])
    held = trial.encoder.info.quantisation_range
    clipped = float(np.mean(np.abs(values) > held))
    _require(clipped < _CLIPPED, f"{clipped:.1%} of page components are beyond info.quantisation_range {held:.3f}")


def _query_tokens_belong_to_its_words(trial: Trial) -> None:
    query = trial.query(_QUERY)
    words, word = query.words, query.word
    asked = sorted(set(word[query.is_query].tolist()))
    _require(query.text == _QUERY, f"the query's text is {query.text!r}; expected {_QUERY!r} as it was given")
    is_whole = words == (_QUERY,)  # of an encoder that makes one vector of a query
    is_split = set(words) <= set(_QUERY.split()) and "pump" in words
    _require(is_whole or is_split, f"the words of {_QUERY!r} are {words}")
    _require(asked == list(range(len(words))), f"tokens with is_query belong to the words {asked} of {len(words)}")
    _require(bool(np.all(word[~query.is_query] == -1)), "a token without is_query belongs to a word of the query")
    _require(bool(np.all(np.isfinite(query.weights) & (query.weights >= 0))), f"the weights are {query.weights}")
    for token, number in zip(query.tokens, word.tolist(), strict=True):
        spelt = number < 0 or token in words[number] or words[number] in token
        _require(spelt, f"token {token!r} is no part of its word {words[number]!r}")


def _neither_company_nor_blanks_change_a_query(trial: Trial) -> None:
    for text, together in zip(_QUERIES, trial.queries(_QUERIES), strict=True):
        alone = trial.query(text)
        what = f"query {text!r} alone is not what it is beside others"
        _require((text, alone.tokens) == (together.text, together.tokens), f"{what}: tokens {together.tokens}")
        _require(np.array_equal(alone.word, together.word), f"{what}: its tokens belong to other words")
        trial.require_near(alone.vectors, together.vectors, what)
    plain, spaced = trial.queries(["bleed pump", "  bleed \n pump\t"])
    trial.require_near(plain.vectors, spaced.vectors, "white space around words changes a query")


def _queries_of_any_script_and_length_have_words(trial: Trial) -> None:
    for text in (*_SCRIPTS, *_LONG):
        query = trial.query(text)
        shown = text if len(text) < 40 else f"{text[:20]}... ({len(text):,} characters)"
        _require(bool(query.words) and bool(query.is_query.any()), f"query {shown!r} has no word")


def _query_without_a_word_is_refused(trial: Trial) -> None:
    for text in _WORDLESS:
        try:
            trial.encoder.encode_queries(["pump", text])
        except ValueError as error:
            _require("query" in str(error), f"what is said of the query {text!r} does not name it a query: {error}")
        else:
            raise AssertionError(f"query {text!r} has no letter or digit, and is not refused with a ValueError")


def _doctor_finds_nothing(trial: Trial) -> None:
    report = doctor.examine(trial.encoder)
    failed = [f"{finding.name}: {finding.message}" for finding in report.findings if finding.passed is False]
    _require(not failed, f"`colvision doctor` finds: {'; '.join(failed)}")


def _library_round_trip(trial: Trial) -> None:
    """Ingest, search, explain; and the library that is opened again is still this encoder's."""
    with TemporaryDirectory(prefix="colvision-") as folder:
        file, path = Path(folder) / "manual.tiff", Path(folder) / "library"
        first, second, *_ = (page.image for page in trial.pages)
        first.save(file, save_all=True, append_images=[second])
        with open_library(path, encoder=trial.encoder) as library:
            report = library.ingest(file)
            failed = report.failed or report.failed_pages
            _require(report.pages == 2 and not failed, f"a library takes in a file of 2 pages: {report}")
            scores = _search(library)
        with open_library(path, encoder=trial.encoder) as library:
            _require(_search(library) == scores, "a library that is opened again answers otherwise")


def _search(library: Library) -> dict[int, float]:
    """The score of each page, once its explanation is seen to agree with it."""
    answer = library.search(_QUERY, mode="exact")
    _require({hit.page for hit in answer} == {1, 2}, f"a search of 2 pages answers with {answer}")
    for hit in answer:
        why = library.explain(hit)
        shape = len(hit.query.embedding.tokens), why.grid.rows, why.grid.cols
        _require(why.similarity_map.shape == shape, f"the similarity map is {why.similarity_map.shape}, not {shape}")
        total = float(why.contributions.sum()) + sum(why.score_terms.values())
        off = max(abs(why.score - hit.score), abs(total - hit.score))
        _require(off <= _ROUNDING * max(1, abs(hit.score)), f"page {hit.page} is explained with a score {off:.1e} off")
    return {hit.page: hit.score for hit in answer}


CHECKS: tuple[Callable[[Trial], None], ...] = (
    _info_is_sane,
    _iterables_in_iterators_out,
    _first_page_comes_out_before_the_input_ends,
    _vectors_are_unit_float32_of_the_declared_dim,
    _cells_without_a_vector_are_minus_one,
    _neither_company_nor_order_changes_a_page,
    _same_input_gives_the_same_bytes,
    _pages_differ,
    _grey_page_is_the_one_in_colour,
    _blank_pages_and_pages_of_any_shape_are_taken,
    _codes_hold_the_components,
    _query_tokens_belong_to_its_words,
    _neither_company_nor_blanks_change_a_query,
    _queries_of_any_script_and_length_have_words,
    _query_without_a_word_is_refused,
    _doctor_finds_nothing,
    _library_round_trip,
)
