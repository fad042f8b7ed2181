"""The questions that can be asked of pages, wherever those lie: in a library, or in the partitions of a cluster."""

import dataclasses
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from PIL import Image

from colvision.core.embedding import QueryEmbedding
from colvision.core.encoder import Encoder
from colvision.core.first_stage import FirstStage
from colvision.core.reranker import Reranker
from colvision.search import Answer, Filter, Mode, SearchOptions, parse_filter
from colvision.search.example_query import exclude_page, image_query
from colvision.search.rerank import CANDIDATES, RerankOptions, rerank_answer


class QuerySearcher(Protocol):
    """Answers queries to a collection."""

    def search(self, text: str, collection: str, options: SearchOptions) -> Answer: ...
    def search_many(self, texts: Sequence[str], collection: str, options: SearchOptions) -> list[Answer]: ...
    def search_vectors(
        self, query: QueryEmbedding, collection: str, options: SearchOptions, *, encode: float = 0.0
    ) -> Answer: ...


class SearchSession(Protocol):
    """What searches share."""

    @property
    def searcher(self) -> QuerySearcher: ...
    @property
    def encoder(self) -> Encoder: ...
    def reranker(self, reranker: str | Path | Reranker) -> Reranker: ...


class ExampleQuery(NamedTuple):
    """A stored page as a query to its collection."""

    collection: str
    document_id: str
    query: QueryEmbedding


class Searchable(ABC):
    """Documents whose pages can be searched. Hits show their pages by it: see `PageReader`."""

    _name: str

    @property
    @abstractmethod
    def _searches(self) -> SearchSession: ...
    @abstractmethod
    def _ids(self, document: str | Iterable[str] | None) -> frozenset[str] | None: ...
    @abstractmethod
    def _example(self, document: str, page: int) -> ExampleQuery: ...
    @abstractmethod
    def check_version(self, document: str, sha256: str) -> None: ...
    @abstractmethod
    def page_image(self, document: str, page: int) -> Image.Image: ...
    @abstractmethod
    def page_text(self, document: str, page: int) -> str: ...

    def search(
        self,
        text: str,
        *,
        k: int = 10,
        document: str | Iterable[str] | None = None,
        where: Filter | str | None = None,
        mode: Mode = "auto",
        soft_idf: bool = True,
        text_fusion: bool | None = None,
        exact_words: bool = False,
        rerank: str | Path | Reranker | None = None,
        candidates: int = CANDIDATES,
        encoders: Iterable[str] | None = None,
        first_stage: str | FirstStage | None = None,
    ) -> Answer:
        """The `k` pages that match best, of the whole collection, of some documents, or of those `where` it holds.

        `where` is a `Filter` or its text, such as "machine=pump and year>=2010"; `mode` "exact" compares every page's
        codes. `text_fusion` asks the pages' text layers, too, where there are any (None: if the encoder is one that it
        was measured with); `Answer.retrievers` says what was asked. `exact_words` looks for the words of the text
        alone, and not for the `Answer.other_words` that the encoder knows for them. `encoders` are the names of the
        further encoders to ask (None: all of the collection that can be loaded; () or ("main",): none); with
        `first_stage` the best pages by the further encoder of this name, or by a `FirstStage` such as an engine that
        the pages were exported to, are compared by the collection's own, which
        alone orders them. `rerank` is a reranker, or the name of one (see `load_reranker`; loaded once): it orders the
        best `candidates` again, by `Hit.rerank_score`. Threads that search at the same moment share the work of the
        first order. Raises `ValueError` for a text without a word and for a filter that cannot be,
        `CollectionNotFound`, `DocumentNotFound`, `FurtherEncoderNotFound`, `EncoderMismatch`, and `EncoderError` or
        `MissingExtra` where an encoder that is named, or the reranker, cannot be loaded.
        """
        ids = self._ids(document)
        options = SearchOptions(
            k,
            ids,
            _filter(where),
            mode,
            soft_idf=soft_idf,
            text_fusion=text_fusion,
            exact_words=exact_words,
            encoders=_names(encoders),
            first_stage=first_stage,
        )
        reranking = self._rerank_options(rerank, candidates)
        found = self._searches.searcher.search(text, self._name, _first_order(options, reranking))
        return self._reranked(found, reranking, k)

    def search_many(
        self,
        texts: Sequence[str],
        *,
        k: int = 10,
        document: str | Iterable[str] | None = None,
        where: Filter | str | None = None,
        mode: Mode = "auto",
        soft_idf: bool = True,
        text_fusion: bool | None = None,
        exact_words: bool = False,
        rerank: str | Path | Reranker | None = None,
        candidates: int = CANDIDATES,
        encoders: Iterable[str] | None = None,
        first_stage: str | FirstStage | None = None,
    ) -> list[Answer]:
        """One answer a text, the same as from `search`, in less time than one after the other: see there."""
        ids = self._ids(document)
        options = SearchOptions(
            k,
            ids,
            _filter(where),
            mode,
            soft_idf=soft_idf,
            text_fusion=text_fusion,
            exact_words=exact_words,
            encoders=_names(encoders),
            first_stage=first_stage,
        )
        reranking = self._rerank_options(rerank, candidates)
        found = self._searches.searcher.search_many(texts, self._name, _first_order(options, reranking))
        return [self._reranked(each, reranking, k) for each in found]

    def search_like(
        self, document: str, page: int, *, k: int = 10, where: Filter | str | None = None, mode: Mode = "auto"
    ) -> Answer:
        """The `k` pages of its collection most like a stored one, which is not among them: from its codes.

        The 64 patches of the page that are least alike ask; the score is their mean similarity: see `example_query`.
        Raises `PageNotFound`, `EncoderMismatch`.
        """
        example = self._example(document, page)
        options = SearchOptions(k + 1, where=_filter(where), mode=mode, soft_idf=False)
        answer = self._searches.searcher.search_vectors(example.query, example.collection, options)
        return self._readable(exclude_page(answer, example.document_id, page, k))

    def search_image(
        self,
        image: str | Path | Image.Image,
        *,
        k: int = 10,
        document: str | Iterable[str] | None = None,
        where: Filter | str | None = None,
        mode: Mode = "auto",
    ) -> Answer:
        """The `k` pages most like an image, or the first page of a file: `encode_pages`, then as `search_like`.

        An image without a size on paper asks at two, as a page and as a quarter of one. Raises `InputError` for a file
        that cannot be read, `CollectionNotFound`, `DocumentNotFound`, `EncoderMismatch`.
        """
        options = SearchOptions(k, self._ids(document), _filter(where), mode, soft_idf=False)
        encoder = self._searches.encoder
        started = time.perf_counter()
        query = image_query(encoder, image)
        encoded = time.perf_counter() - started
        return self._readable(self._searches.searcher.search_vectors(query, self._name, options, encode=encoded))

    def _rerank_options(self, rerank: str | Path | Reranker | None, candidates: int) -> RerankOptions | None:
        return None if rerank is None else RerankOptions(self._searches.reranker(rerank), candidates)

    def _reranked(self, answer: Answer, reranking: RerankOptions | None, k: int) -> Answer:
        readable = self._readable(answer)
        return readable if reranking is None else rerank_answer(readable, reranking, k)

    def _readable(self, answer: Answer) -> Answer:
        """With hits that can show their pages."""
        hits = tuple(dataclasses.replace(hit, reader=self) for hit in answer.hits)
        return dataclasses.replace(answer, hits=hits)


def _first_order(options: SearchOptions, reranking: RerankOptions | None) -> SearchOptions:
    """Those of the search before a reranker, which is given more pages than it leaves."""
    return options if reranking is None else dataclasses.replace(options, k=max(options.k, reranking.candidates))


def _names(encoders: Iterable[str] | None) -> frozenset[str] | None:
    """Names of further encoders; one alone is a name as well."""
    return None if encoders is None else frozenset([encoders] if isinstance(encoders, str) else encoders)


def _filter(where: Filter | str | None) -> Filter | None:
    if where is not None and not isinstance(where, str | Filter):
        raise TypeError(f"where is a {type(where).__name__}: give a text, a Filter, or Filter.of(...) of a mapping")
    return parse_filter(where) if isinstance(where, str) else where
