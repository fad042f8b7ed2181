"""What the application tells a client: plain values that become JSON as they are."""

from dataclasses import dataclass
from typing import Literal

from colvision.core.health import PagesNote, UnreadPage
from colvision.core.metadata import Metadata
from colvision.library import JobKind


@dataclass(frozen=True, slots=True)
class ErrorView:
    """What goes wrong, in a sentence."""

    error: str


@dataclass(frozen=True, slots=True)
class CollectionView:
    """A collection. `needs_reencoding`: another encoder than the application's filled it, so it cannot be searched."""

    name: str
    documents: int
    pages: int
    vectors: int
    bytes: int
    encoder: str
    needs_reencoding: bool


@dataclass(frozen=True, slots=True)
class HealthView:
    """What of a document was not read: the pages that `failed`, and `notes` of pages; of the file where there are none.

    `summary` is a few words for a list, "" for a document that `is_whole`.
    """

    is_whole: bool
    summary: str
    failed: tuple[UnreadPage, ...]
    notes: tuple[PagesNote, ...]


@dataclass(frozen=True, slots=True)
class PrintedWordView:
    """A word of a page: its `box` (left, top, right, bottom) in fractions of the page image, and how sure its reader
    is, 0 to 1; 1 for a PDF's own text.
    """

    text: str
    box: tuple[float, float, float, float]
    confidence: float


@dataclass(frozen=True, slots=True)
class PageWordsView:
    """The words of a page in reading order; `reader` is the OCR engine that read them, "" for the PDF itself."""

    reader: str
    words: tuple[PrintedWordView, ...]


@dataclass(frozen=True, slots=True)
class FoundPageView:
    """A page that has the words: `strength` (0..1) of the word that was seen least, `in_text` if its text layer holds
    them all.
    """

    page: int
    strength: float
    in_text: bool


@dataclass(frozen=True, slots=True)
class FoundView:
    """The pages of a document that have all the words, in order, of `searched` that were compared.

    `is_sure`: a page has a word if it is in its text layer, or seen on its image with some probability. Other encoders
    tell only which pages are most alike: those whose similarities reach the best of the document's, nearly.
    """

    pages: tuple[FoundPageView, ...]
    searched: int
    is_sure: bool


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document; `stored` of its `pages` can be found, `failed` could not be read. `kind` is pdf or image.

    `folder` is where it came from, as far as that tells it from others; "" for an upload. `metadata` is what was noted
    with it: a filter can ask for both. `health` says what of it was not read; `sha256` is that of its file.
    """

    id: str
    name: str
    folder: str
    collection: str
    kind: str
    state: str
    reason: str
    pages: int
    stored: int
    failed: int
    bytes: int
    added: str
    metadata: Metadata
    health: HealthView
    sha256: str


@dataclass(frozen=True, slots=True)
class WatchedFileView:
    """A file of a watched folder that was not read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class WatchedFolderView:
    """A folder of the server's machine whose files are read into a collection as they come.

    At its last look the server has found so many `files`, of which some are `waiting` to be read; `failed` are those
    that were not read, and `trouble` says why the folder cannot be looked at, "" where it can.
    """

    folder: str
    collection: str
    files: int
    waiting: int
    failed: tuple[WatchedFileView, ...]
    trouble: str


@dataclass(frozen=True, slots=True)
class JobView:
    """A file, the rest of a document or a collection, as its `kind` tells, that waits, is worked on, or has ended.

    `document` is the id of the one that is resumed, or that a file becomes: "" before it is claimed, and if it becomes
    none. `can_retry`: it failed for a reason that can be mended, and its file is still there. `replace`: the file is to
    take the place of the document of its name.
    """

    key: int
    kind: JobKind
    name: str
    collection: str
    state: str
    reason: str
    document: str
    page: int
    pages: int
    failed_pages: int
    pages_per_second: float
    seconds_left: float | None
    can_retry: bool
    replace: bool


@dataclass(frozen=True, slots=True)
class AnswersView:
    """Who writes answers: the `model` at `host`. From `pages` at most they are read."""

    model: str
    host: str
    pages: int


@dataclass(frozen=True, slots=True)
class SentPageView:
    """A page of which a picture of `bytes` was sent; `number` is what citations call it."""

    number: int
    document: str
    document_id: str
    page: int
    pages: int
    bytes: int


@dataclass(frozen=True, slots=True)
class SentView:
    """All that was sent, and where to: the question, what the model is told to do, and pictures of `pages`."""

    model: str
    host: str
    question: str
    instructions: str
    pages: tuple[SentPageView, ...]


@dataclass(frozen=True, slots=True)
class CitationView:
    """What the model names for a statement. `document_id` is "" where `number` is no page that was sent.

    `quoted` are the words that it says stand there: `is_found` whether they do, None where it quotes nothing; `region`
    is where, in fractions of the page. `link` opens the page of the application there.
    """

    number: int
    document: str
    document_id: str
    page: int
    quoted: str
    is_found: bool | None
    region: tuple[float, float, float, float] | None
    link: str


@dataclass(frozen=True, slots=True)
class AnswerEventView:
    """A line of an answer: first what was `sent`, then `text` and `citation` in their order, then `end`, or an `error`
    whose text is a sentence.
    """

    kind: Literal["sent", "text", "citation", "end", "error"]
    text: str = ""
    sent: SentView | None = None
    citation: CitationView | None = None


@dataclass(frozen=True, slots=True)
class LibraryView:
    """All that the sidebar shows. `has_sample` says whether there is a sample manual to load, `reranker` is the name of
    the one that searches may use, "" for none; `answers` is None where nobody writes any. `may_watch`: folders of the
    server's machine can be named to be watched.
    """

    collections: tuple[CollectionView, ...]
    documents: tuple[DocumentView, ...]
    jobs: tuple[JobView, ...]
    judgements: int
    watched: tuple[WatchedFolderView, ...]
    may_watch: bool
    encoder: str
    reranker: str
    answers: AnswersView | None
    version: str
    has_sample: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryImageView:
    """An image that can be searched with as `image=TOKEN`; `width` and `height` in pixels, as it was drawn."""

    token: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class WordView:
    """What one word of the query found on a page.

    `strength` (0..1) is what the bars show: the match probability where the encoder is calibrated, else the
    similarity, cut at 0. `contribution` is the word's share of the score. `in_text`: the page's text layer holds it, so
    it is found, whatever was seen of it. `in_name`: the document's name holds it, or its folder's. `unread`: it is in
    letters that the encoder does not read from pictures. `printed` is the other word that stands there in its
    place, "" for none.
    """

    word: str
    printed: str
    similarity: float
    contribution: float
    strength: float
    in_text: bool
    in_name: bool
    unread: bool


@dataclass(frozen=True, slots=True)
class HitView:
    """A page that was found. `score` is what the answer is ordered by, unless a reranker ordered it: then that is
    `rerank_score`, None for a page that it did not score.

    The words' contributions and `score_terms`, by name, sum to it, and so do its `shares`: `maxsim` of the page's
    image, `text` of its text layer, `document` of its document's name, further encoders by their names. `text_score` is
    the score of the text layer (BM25) that the term "text" comes from, where it was asked. `strength` (0..1) is what
    the words bring as a share of the most that they can. `folder` is that of the document; `is_listing` says that the
    page's text is that of a table of contents or of an index. `verdict` is what a reader
    said of the page for this question: relevant, irrelevant or "".
    """

    rank: int
    text_score: float | None
    document: str
    folder: str
    document_id: str
    page: int
    pages: int
    score: float
    rerank_score: float | None
    strength: float
    words: tuple[WordView, ...]
    score_terms: dict[str, float]
    shares: dict[str, float]
    is_listing: bool
    verdict: str


@dataclass(frozen=True, slots=True)
class RerankingView:
    """Whose order an answer has: the reranker's `name`, what it `reads` of a page (text or image), how many
    `candidates` it was given, and of how many it could read nothing (`unread`).
    """

    name: str
    reads: str
    candidates: int
    unread: int


@dataclass(frozen=True, slots=True)
class AnswerView:
    """`pages` were searched; `notice` says in words what was not found: no page matches well, a number is nowhere.

    `mode` is exact (every page's codes were compared), or lists or rerank (those of `candidates`, the best by inverted
    lists or by their sign bits).
    `retrievers` were asked: maxsim, bm25 where the text layers know a word of the query, and further encoders of the
    collection by their names, as which their shares stand in `score_terms`. `other_words` were looked for besides, by
    the word of the query that they stand for. `reranker` is None where the order is the score's.
    """

    query: str
    hits: tuple[HitView, ...]
    pages: int
    mode: str
    candidates: int
    retrievers: tuple[str, ...]
    timing_ms: dict[str, float]
    notice: str
    other_words: dict[str, tuple[str, ...]]
    reranker: RerankingView | None


@dataclass(frozen=True, slots=True)
class MatchView:
    """One row of "Why this page". `cell` is the row and the column of the winning patch, from 0, in the map's grid,
    `box` where it is shown: the printed word that it lies on, or the patch itself where no word can be told, as (left,
    top, right, bottom) in fractions of the page image. Both are None for "whole page". `text_boxes` are where the text
    layer has the word, as far as it knows. `printed`, `in_text` and `unread` are those of `WordView`.
    """

    word: str
    printed: str
    similarity: float
    contribution: float
    strength: float
    in_text: bool
    unread: bool
    cell: tuple[int, int] | None
    box: tuple[float, float, float, float] | None
    text_boxes: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class ScaleView:
    """How a code of the map becomes a similarity, and how a similarity becomes a colour.

    Code 0 is a cell without a vector; code c is `low + (c - 1) / 254 * (high - low)`. A probability scale colours by
    the logistic of `slope` and `midpoint`, else by the place of the similarity between `shown_from` and `shown_to`.
    Where a page or an image is the query, the values are leads (`is_lead`): by how much a similarity is above the mean
    of the results.
    """

    low: float
    high: float
    is_probability: bool
    slope: float
    midpoint: float
    shown_from: float
    shown_to: float
    is_lead: bool


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """Why a page matched: `map` is base64 of (words, rows, cols) uint8, see `ScaleView`.

    The contributions of `matches` and the `score_terms`, by name, sum to `score`. All of it is the encoder's:
    `reranker` names the one that ordered the results, "" where none did.
    """

    document: str
    document_id: str
    page: int
    pages: int
    score: float
    score_terms: dict[str, float]
    rows: int
    cols: int
    matches: tuple[MatchView, ...]
    map: str
    scale: ScaleView
    reranker: str
