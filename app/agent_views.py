"""What an agent is told: plain values that become JSON, and the schema of it, as they are.

Boxes are left, top, right, bottom in fractions of the page image, 0 to 1; pages are counted from 1.
Without slots: of a class with them the SDK takes the descriptors for defaults, and makes no schema.
"""

from dataclasses import dataclass

from colvision.core.metadata import Metadata


@dataclass(frozen=True)
class FoundPage:
    """A page that was found. `words_seen` stand on it, as pixels or in its text; `words_missing` were not found there.

    `region` is the place that matches best, None where the page matches as a whole; `uri` is its picture.
    """

    rank: int
    document: str
    document_id: str
    page: int
    pages: int
    score: float
    words_seen: list[str]
    words_missing: list[str]
    region: list[float] | None
    uri: str


@dataclass(frozen=True)
class FoundPages:
    """The pages that match best, of all that were `searched`. `notice` says what was not found, "" for nothing."""

    query: str
    found: list[FoundPage]
    searched: int
    milliseconds: float
    notice: str


@dataclass(frozen=True)
class PagePicture:
    """What a picture shows, `width` x `height` pixels: the `region` of a page."""

    document: str
    document_id: str
    page: int
    pages: int
    region: list[float]
    width: int
    height: int
    uri: str


@dataclass(frozen=True)
class PageText:
    """The text of a page as far as it is known. `source` is pdf (its own text), an OCR engine, or none.

    `is_cut` tells that there is more of it: `characters` is how long all of it is.
    """

    document: str
    document_id: str
    page: int
    pages: int
    text: str
    source: str
    characters: int
    is_cut: bool


@dataclass(frozen=True)
class WordMatch:
    """What one word of the query found on the page: `strength` is 0 to 1, `box` where, `in_text` whether its text has
    the word.
    """

    word: str
    strength: float
    contribution: float
    in_text: bool
    box: list[float] | None


@dataclass(frozen=True)
class Match:
    """Why a page matches: word by word, and the places that the pictures beside this show, in their order."""

    query: str
    document: str
    document_id: str
    page: int
    pages: int
    score: float
    words: list[WordMatch]
    regions: list[list[float]]
    uri: str


@dataclass(frozen=True)
class ListedDocument:
    """A document: `stored` of its `pages` can be found. `metadata` was noted with it."""

    name: str
    id: str
    collection: str
    state: str
    pages: int
    stored: int
    metadata: Metadata


@dataclass(frozen=True)
class ListedJob:
    """A file that waits or is read: `page` of its `pages`; or one that was refused, with the reason."""

    name: str
    collection: str
    state: str
    page: int
    pages: int
    reason: str


@dataclass(frozen=True)
class DocumentList:
    """Documents `offset` to `offset` + their number, of `total` that fit what was asked; and what is being read."""

    documents: list[ListedDocument]
    total: int
    offset: int
    collections: list[str]
    jobs: list[ListedJob]
