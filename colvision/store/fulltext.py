"""BM25 over the pages' text layers: the score of each page of a collection for the words of a query.

A query is tokenized as the pages are, and each word is looked up by itself: there is no query language. A part number
is one word, which a page holds where its parts stand together. Counts are those of the collection's visible pages,
whatever else the library holds.

FTS5's own `bm25()` would not do, even with a table for each collection. Its idf lacks the 1 within Lucene's logarithm:
a page's score is 0.75 to 2.2 times ours, depending on the words; a word on more than half of the pages weighs 1e-6
instead of nothing, so that 1,564 more pages answer. Of 200 queries over 5,000 made-up pages (30 to 400 words, as
frequent as words are) 45 % have their ten best in the same order and 91 % the same best, in 7.8 ms instead of 2.9.
Asked word by word, with its idf taken out again, it gives the same order and, to four digits, the same scores, in
11.5 ms (two busy x86-64 cores, SQLite 3.40, one run). And it counts all rows of its table, so also the pages of a
replacement that is not complete.
"""

import math
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colvision.core.text import page_form, query_groups
from colvision.store import rows
from colvision.store.catalogue import Catalogue

# What the score of a page counts that OCR has read, and may have misread: chosen on heavy scans of the dev set, read by
# RapidOCR and by Tesseract, see docs/evaluation.md.
OCR_SHARE = 0.9
_K1, _B = 1.2, 0.75  # the usual constants of BM25, those of Lucene and SQLite
_MAX_WORDS = 64  # of a query: each is a look-up
_CACHED_COLLECTIONS = 8  # whose pages' lengths are kept
_CACHED_QUERIES = 256  # whose words are kept: a partition is asked twice, for its statistics and for its pages
_NOWHERE = np.zeros(0, np.int64), np.zeros(0, np.float64)  # the postings of a word that counts nothing
# What is another after pages with text were added or deleted, and costs no look at each of them.
_STATE = """
    SELECT count(*), total(generation), total(key), (SELECT max(id) FROM page_text_docsize) FROM collections"""
_NUMBER_BITS = 32  # of a page's key that hold the page's number; the document's key is above them

Keys = NDArray[np.int64]
Scores = NDArray[np.float64]
_Term = str | tuple[str, ...]  # a word, or a code in its several forms


@dataclass(frozen=True, slots=True, eq=False)
class TextScores:
    """The pages whose text holds a word of the query: `page_keys` (n,) rising, `scores` (n,) above 0.

    `best` is what no page can exceed: the sum of the words' idf.
    """

    page_keys: Keys
    scores: Scores
    best: float

    def of(self, documents: Keys, numbers: NDArray[np.int32]) -> Scores:
        """(n,) the scores of pages by document key and number, 0 for a page without a word of the query."""
        if not len(self.page_keys):
            return np.zeros(len(documents), np.float64)
        page_keys = _page_keys(documents, numbers)
        index = np.minimum(np.searchsorted(self.page_keys, page_keys), len(self.page_keys) - 1)
        return np.where(self.page_keys[index] == page_keys, self.scores[index], 0.0)

    def first(self, count: int) -> tuple[Keys, NDArray[np.int32]]:
        """Document keys and numbers of the `count` pages that score highest, in the order of their keys."""
        best = np.sort(np.argsort(-self.scores, kind="stable")[:count])
        page_keys = self.page_keys[best]
        return page_keys >> _NUMBER_BITS, (page_keys & (1 << _NUMBER_BITS) - 1).astype(np.int32)


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """What BM25 asks of all pages with text: how many there are, their words, and how many hold each term of a query.

    Those of parts of a collection add up.
    """

    pages: int
    words: int
    holding: tuple[int, ...]

    def __add__(self, other: "TextStatistics") -> "TextStatistics":
        holding = tuple(a + b for a, b in zip(self.holding, other.holding, strict=True))
        return TextStatistics(self.pages + other.pages, self.words + other.words, holding)

    @property
    def idf(self) -> tuple[float, ...]:
        return tuple(_idf(holding, self.pages) for holding in self.holding)

    @property
    def finds_pages(self) -> bool:
        return any(holding and idf for holding, idf in zip(self.holding, self.idf, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _TextPages:
    """The visible pages with text of one generation, in the order of their keys.

    `lengths` are in words; `share` is `OCR_SHARE` for those that OCR has read, else 1.
    """

    generation: int
    keys: Keys
    page_keys: Keys
    lengths: Scores
    share: Scores

    @property
    def words(self) -> int:
        return int(self.lengths.sum())

    def find(self, keys: Keys) -> tuple[Keys, NDArray[np.bool_]]:
        """Which of the `keys` are of these pages (keys,), and the indices of those."""
        index = np.searchsorted(self.keys, keys)
        is_here = index < len(self.keys)
        is_here[is_here] = self.keys[index[is_here]] == keys[is_here]
        return index[is_here], is_here


class TextLayers:
    """The text layers of all pages in a catalogue; safe to share between threads."""

    def __init__(self, db: Catalogue) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, _TextPages] = OrderedDict()  # by collection
        self._tokenizer: sqlite3.Connection | None = None
        self._words_of: dict[str, tuple[str, ...]] = {}
        self._counted: tuple[tuple[object, ...], int] | None = None  # the state of the collections, all pages with text

    def statistics(self, collection: str, text: str) -> TextStatistics:
        """What `scores` asks of a collection. Raises `CollectionNotFound`."""
        with self._lock, self._db.read():
            pages, terms = self._open(collection, text)
            elsewhere = self._elsewhere(pages)
            holding = tuple(self._count_holding(term, pages, elsewhere) for term in terms)
            return TextStatistics(len(pages.keys), pages.words, holding)

    def scores(self, collection: str, text: str, statistics: TextStatistics | None = None) -> TextScores:
        """score(page) = sum over the query's distinct words of idf * tf / (tf + k1 (1 - b + b length / mean length)).

        Of a page that OCR has read it is `OCR_SHARE` of that.
        idf = ln(1 + (N - n + 0.5) / (n + 0.5)) as in Lucene; a word on more than half of the N pages weighs nothing.
        Of a longer query the first 64 words count. `statistics` are those of a collection that this one is a part of.
        Raises `CollectionNotFound`.
        """
        with self._lock, self._db.read():
            pages, terms = self._open(collection, text)
            if statistics is None:
                elsewhere = self._elsewhere(pages)
                found_terms = [self._postings(term, pages, elsewhere) for term in terms]
            else:
                pairs = zip(terms, statistics.idf, strict=True)
                found_terms = [self._postings(term, pages, None) if idf else _NOWHERE for term, idf in pairs]
        if statistics is None:
            statistics = TextStatistics(len(pages.keys), pages.words, tuple(len(index) for index, _ in found_terms))
        mean = statistics.words / statistics.pages if statistics.words else 1.0
        scores, best = np.zeros(len(pages.keys), np.float64), 0.0
        for idf, (index, counts) in zip(statistics.idf, found_terms, strict=True):
            best += idf
            if idf:
                norm = _K1 * (1 - _B + _B * pages.lengths[index] / mean)
                scores[index] += idf * counts / (counts + norm)
        scores *= pages.share
        found = np.flatnonzero(scores)
        found = found[np.argsort(pages.page_keys[found])]
        return TextScores(pages.page_keys[found], scores[found], best)

    def holds(self, pages: Sequence[tuple[str, int]], words: Sequence[str]) -> list[frozenset[str]]:
        """Which of the words the text of each page (id of its document, number) holds; none where the page is gone."""
        if not pages:
            return []
        sql = f"""
            WITH asked (id, number) AS (VALUES {", ".join(["(?, ?)"] * len(pages))})
            SELECT asked.id, asked.number, pages.key FROM asked CROSS JOIN documents ON documents.id = asked.id
            CROSS JOIN pages ON pages.document = documents.key AND pages.number = asked.number"""
        with self._lock, self._db.read():
            key_of = {(row[0], row[1]): row[2] for row in self._db.all(sql, [each for page in pages for each in page])}
            keys = [key_of.get(page) for page in pages]
            listed = ", ".join(str(key) for key in key_of.values())
            sql = f"SELECT rowid FROM page_text WHERE page_text MATCH ? AND rowid IN ({listed})"
            held = {
                word: {key for (key,) in self._db.all(sql, [_expression(groups)])}
                for word in words
                if (groups := query_groups(word))
            }
        return [frozenset(word for word, found in held.items() if key in found) for key in keys]

    def places(self, printed: Sequence[str], words: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Of the words those that the text of a page holds, each with its places in `printed`, the words of that page.

        Words are compared as by `holds`: stemmed, codes by their parts.
        """
        with self._lock:
            owners, stems = self._stems(printed)
            found = {}
            for word in words:
                places: set[int] = set()
                for group in query_groups(word):
                    here = {at for phrase in group for at in _phrase_places(self._stems([phrase])[1], stems)}
                    if not here:
                        break
                    places |= {owners[at] for at in here}
                else:
                    if places:
                        found[word] = tuple(sorted(places))
        return found

    def close(self) -> None:
        with self._lock:
            self._cache.clear()
            if self._tokenizer is not None:
                self._tokenizer.close()
                self._tokenizer = None

    def _open(self, collection: str, text: str) -> tuple[_TextPages, list[_Term]]:
        """The pages of a collection, and the distinct words of a query, then its codes; in the caller's transaction."""
        row = rows.collections.find(self._db, collection)
        pages = self._pages(row.key, row.generation)
        groups = list(dict.fromkeys(query_groups(text)))[:_MAX_WORDS]
        self._db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.page_text_instances USING fts5vocab(main, page_text, instance)"
        )
        self._db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.page_text_rows USING fts5vocab(main, page_text, row)")
        words = self._words(" ".join(group[0] for group in groups if len(group) == 1))
        return pages, [*words, *(tuple(group) for group in groups if len(group) > 1)]

    def _elsewhere(self, pages: _TextPages) -> int:
        """How many pages the catalogue has that are none of these."""
        state = self._db.one(_STATE)
        if self._counted is None or self._counted[0] != state:  # counting takes as long as there are pages
            self._counted = state, int(self._db.one("SELECT count(*) FROM page_text_docsize")[0])
        return self._counted[1] - len(pages.keys)

    def _count_holding(self, term: _Term, pages: _TextPages, elsewhere: int) -> int:
        """How many of `pages` hold a word or a code."""
        if isinstance(term, str) and not elsewhere:
            return sum(
                int(doc) for (doc,) in self._db.all("SELECT doc FROM temp.page_text_rows WHERE term = ?", [term])
            )
        return len(self._postings(term, pages, None)[0])

    def _postings(self, term: _Term, pages: _TextPages, elsewhere: int | None) -> tuple[Keys, Scores]:
        """Which of `pages` hold a word or a code (indices into them), and how often.

        A word that must be on most of them, as more pages hold it than the catalogue has `elsewhere`, is not looked up:
        its postings are the longest, and it would weigh nothing. None: in the whole collection it may weigh something.
        """
        return (
            self._word_postings(term, pages, elsewhere)
            if isinstance(term, str)
            else self._code_postings(term, pages, elsewhere)
        )

    def _word_postings(self, word: str, pages: _TextPages, elsewhere: int | None) -> tuple[Keys, Scores]:
        totals = self._db.all("SELECT doc FROM temp.page_text_rows WHERE term = ?", [word])
        if not totals or (elsewhere is not None and totals[0][0] - elsewhere > len(pages.keys) / 2):
            index = np.arange(len(pages.keys) if totals else 0)
            return index, np.ones(len(index), np.float64)
        sql = "SELECT doc, count(*) FROM temp.page_text_instances WHERE term = ? GROUP BY doc"
        found = np.array(self._db.all(sql, [word]), dtype=np.int64)  # (pages, 2) key, count
        index, is_here = pages.find(found[:, 0])
        return index, found[is_here, 1].astype(np.float64)

    def _code_postings(self, group: Sequence[str], pages: _TextPages, elsewhere: int | None) -> tuple[Keys, Scores]:
        """Of a code: how often it stands there as one word, and once more for its parts together."""
        counts = np.zeros(len(pages.keys), np.float64)
        for phrase in group:
            if " " in phrase:
                sql = "SELECT rowid FROM page_text WHERE page_text MATCH ?"
                keys = self._db.all(sql, [_expression([[phrase]])])
                counts[pages.find(np.array(keys, dtype=np.int64).reshape(-1))[0]] += 1
            else:
                for word in self._words(phrase):
                    index, found = self._word_postings(word, pages, elsewhere)
                    counts[index] += found
        index = np.flatnonzero(counts)
        return index, counts[index]

    def _words(self, text: str) -> tuple[str, ...]:
        words = self._words_of.get(text)
        if words is None:
            if len(self._words_of) >= _CACHED_QUERIES:
                self._words_of.clear()
            words = self._words_of[text] = self._tokenize(text)
        return words

    def _tokenize(self, text: str) -> tuple[str, ...]:
        """The distinct words of a text in `page_form` as FTS5 stores those of the pages: stemmed."""
        return tuple(dict.fromkeys(self._stored_terms([text])[1]))

    def _stems(self, texts: Sequence[str]) -> tuple[list[int], list[str]]:
        """The words of texts as FTS5 stores them, and of which text each is."""
        return self._stored_terms([page_form(text) for text in texts])

    def _stored_terms(self, texts: Sequence[str]) -> tuple[list[int], list[str]]:
        if self._tokenizer is None:
            self._tokenizer = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            self._tokenizer.execute(self._db.one("SELECT sql FROM sqlite_master WHERE name = 'page_text'")[0])
            self._tokenizer.execute("CREATE VIRTUAL TABLE words USING fts5vocab(page_text, instance)")
        tokenizer = self._tokenizer
        tokenizer.execute("BEGIN")
        tokenizer.executemany("INSERT INTO page_text (rowid, words) VALUES (?, ?)", enumerate(texts))
        found = tokenizer.execute("SELECT doc, term FROM words ORDER BY doc, offset").fetchall()
        tokenizer.execute("ROLLBACK")
        return [int(doc) for doc, _ in found], [str(term) for _, term in found]

    def _pages(self, collection: int, generation: int) -> _TextPages:
        pages = self._cache.get(collection)
        if pages is None or pages.generation != generation:
            pages = self._cache[collection] = self._read(collection, generation)
        self._cache.move_to_end(collection)
        while len(self._cache) > _CACHED_COLLECTIONS:
            self._cache.popitem(last=False)
        return pages

    def _read(self, collection: int, generation: int) -> _TextPages:
        """Lengths are in words, from the table where FTS5 keeps them (sqlite.org/fts5.html, "the docsize table")."""
        sql = """
            SELECT pages.key, pages.document, pages.number, sizes.sz, pages.reader <> '' FROM pages
            JOIN documents ON documents.key = pages.document JOIN page_text_docsize AS sizes ON sizes.id = pages.key
            WHERE documents.collection = ? AND documents.visible ORDER BY pages.key"""
        found = self._db.all(sql, [collection])
        numbers = np.array([row[:3] for row in found], dtype=np.int64).reshape(-1, 3)
        lengths = np.array([sum(_varints(row[3])) for row in found], dtype=np.float64)
        return _TextPages(
            generation,
            keys=numbers[:, 0],
            page_keys=_page_keys(numbers[:, 1], numbers[:, 2].astype(np.int32)),
            lengths=lengths,
            share=np.where([row[4] for row in found], OCR_SHARE, 1.0),
        )


def _page_keys(documents: Keys, numbers: NDArray[np.int32]) -> Keys:
    page_keys: Keys = (documents << _NUMBER_BITS) | numbers
    return page_keys


def _idf(pages: int, total: int) -> float:
    return 0.0 if pages > total / 2 else math.log1p((total - pages + 0.5) / (pages + 0.5))


def _phrase_places(phrase: Sequence[str], words: Sequence[str]) -> set[int]:
    """Where `words` have those of `phrase`, one after the other."""
    starts = [at for at, word in enumerate(words) if phrase and word == phrase[0]]
    matches = [at for at in starts if list(words[at : at + len(phrase)]) == list(phrase)]
    return {at + i for at in matches for i in range(len(phrase))}


def _expression(groups: Iterable[Sequence[str]]) -> str:
    """In FTS5's query language: of each group one member, as a phrase."""
    return " AND ".join("(" + " OR ".join(f'"{phrase}"' for phrase in group) + ")" for group in groups)


def _varints(data: bytes) -> Iterator[int]:
    """SQLite's variable-length integers: seven bits a byte, the highest first, a set top bit where more follow."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            yield value
            value = 0
