"""A collection: documents that one encoder reads, and the search over their pages. No arithmetic, no SQL."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import cast, overload

from PIL import Image

from colvision.core.encoder import EncoderInfo
from colvision.core.metadata import Metadata, check_metadata
from colvision.core.query import ScoredQuery
from colvision.core.reranker import Reranker
from colvision.documents import Documents
from colvision.errors import EncoderMismatch
from colvision.explain import Explanation, explain_page
from colvision.ingest import (
    Callbacks,
    FileReport,
    IngestOptions,
    IngestReport,
    OcrReport,
    Progress,
    Source,
    Upload,
    find_files,
    ingest_again,
    ingest_files,
    read_texts,
    reencode_collection,
)
from colvision.ocr import choose_engine
from colvision.search import Answer, Filter, Hit, Mode, SearchOptions, parse_filter
from colvision.search.example_query import exclude_page, image_query, stored_query
from colvision.search.rerank import CANDIDATES, RerankOptions, rerank_answer
from colvision.session import Session
from colvision.status import CollectionStatus, collection_status

ProgressCallback = Callable[[Progress], None]
CancelCallback = Callable[[], bool]


class SearchableDocuments(Documents):
    """Documents with their ingest, search and explanations: what a collection and a library have in common."""

    def ingest(
        self,
        sources: Source | Iterable[Source],
        *,
        replace: bool = False,
        metadata: Metadata | None = None,
        pool: int | None = None,
        ocr: str | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
        on_file: Callable[[FileReport], None] | None = None,
    ) -> IngestReport:
        """Takes in PDF and image files, those of folders, and images in memory; a killed ingest run again goes on.

        The same bytes again: only pages that failed are tried again. A path with other bytes than before replaces its
        document. Other files, images and `Upload`s (a path, bytes or an image with a name) whose name is taken are kept
        under a name of their own; with `replace` they take the place of the document of their name, with its id and
        what is noted with it. Files that fail are in the report. A collection that there is not yet is made.
        `metadata` (names to texts, numbers or truth values) is added to what is noted with every document, also with
        one that is the same; "" removes a fact. `pool` 2 or 3 has a new collection keep one vector for so many patches.
        `ocr` has an engine read the text of pages that have none, those of a file that is the same as well: "auto",
        "rapidocr", "tesseract" or "tesseract:deu+eng"; without, as `open_library` was told.
        `on_file` is called with the outcome of every file: whoever is stopped knows those until then.
        Raises `EncoderMismatch`, `LibraryReadOnly`, `ValueError` for what no metadata can be, `LibraryError` when
        the disk is full or another `pool` was begun, and `MissingExtra` for an OCR engine that is not installed.
        """
        is_one = isinstance(sources, str | Path | Upload | Image.Image | bytes | bytearray)
        several = cast(Iterable[Source], [sources] if is_one else sources)
        files = find_files(several)
        options = self._ingest_options(self._name, replace=replace, metadata=metadata, pool=pool)
        options = dataclasses.replace(options, ocr=ocr or options.ocr)
        callbacks = Callbacks(progress, cancel, on_file)
        return ingest_files(self._store, self._session.encoder, files, options=options, callbacks=callbacks)

    def ingest_again(
        self, document: str, *, progress: ProgressCallback | None = None, cancel: CancelCallback | None = None
    ) -> FileReport:
        """Reads a document again from its kept file: what is missing or failed of it, all of one that is whole.

        Raises `EncoderMismatch`.
        """
        row = self._find(document)
        options, callbacks = self._ingest_options(row.collection_name), Callbacks(progress, cancel)
        return ingest_again(self._store, self._session.encoder, row, options=options, callbacks=callbacks)

    def ocr(
        self,
        document: str | Iterable[str] | None = None,
        *,
        engine: str = "auto",
        again: bool = False,
        progress: ProgressCallback | None = None,
        cancel: CancelCallback | None = None,
    ) -> OcrReport:
        """Reads the text of stored pages that have none, of all documents or of some, on their kept files' images.

        Pages that OCR has read before are left out, unless `again`. Cancelled or killed, it goes on when it is run
        again. The pages' vectors stay as they are: where those were made of text, `reencode`. `engine` is that of
        `ingest`. Raises `MissingExtra`, `LibraryError`, `DocumentNotFound`.
        """
        reads = choose_engine(engine)
        ids = self._ids(document)
        rows = [row for row in self._store.documents(self._name) if ids is None or row.id in ids]
        options, callbacks = self._ingest_options(self._name), Callbacks(progress, cancel)
        return read_texts(self._store, rows, reads, options=options, callbacks=callbacks, again=again)

    def reencode(
        self, *, progress: ProgressCallback | None = None, cancel: CancelCallback | None = None
    ) -> IngestReport:
        """Encodes all documents again by the library's encoder, from the kept files; they keep their ids.

        The old codes serve the encoder that made them until all documents are done. Cancelled or killed, it goes on
        when it is run again. Raises `CollectionNotFound`, `LibraryError`.
        """
        options, callbacks = self._ingest_options(self._name), Callbacks(progress, cancel)
        return reencode_collection(self._store, self._session.encoder, options=options, callbacks=callbacks)

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
    ) -> Answer:
        """The `k` pages that match best, of the whole collection, of some documents, or of those `where` it holds.

        `where` is a `Filter` or its text, such as "machine=pump and year>=2010"; `mode` "exact" compares every page's
        codes. `text_fusion` asks the pages' text layers, too, where there are any (None: if the encoder is one that it
        was measured with); `Answer.retrievers` says what was asked. `exact_words` looks for the words of the text
        alone, and not for the `Answer.other_words` that the encoder knows for them. `rerank` is a reranker, or the name
        of one (see `load_reranker`; loaded once): it orders the best `candidates` again, by `Hit.rerank_score`. Threads
        that search at the same moment share the work of the first order. Raises `ValueError` for a text without a word
        and for a filter that cannot be, `CollectionNotFound`, `DocumentNotFound`, `EncoderMismatch`, `EncoderError`.
        """
        ids = self._ids(document)
        options = SearchOptions(
            k, ids, _filter(where), mode, soft_idf=soft_idf, text_fusion=text_fusion, exact_words=exact_words
        )
        reranking = self._rerank_options(rerank, candidates)
        found = self._session.searcher.search(text, self._name, _first_order(options, reranking))
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
    ) -> list[Answer]:
        """One answer a text, the same as from `search`, in less time than one after the other: see there."""
        ids = self._ids(document)
        options = SearchOptions(
            k, ids, _filter(where), mode, soft_idf=soft_idf, text_fusion=text_fusion, exact_words=exact_words
        )
        reranking = self._rerank_options(rerank, candidates)
        found = self._session.searcher.search_many(texts, self._name, _first_order(options, reranking))
        return [self._reranked(each, reranking, k) for each in found]

    def search_like(
        self, document: str, page: int, *, k: int = 10, where: Filter | str | None = None, mode: Mode = "auto"
    ) -> Answer:
        """The `k` pages of its collection most like a stored one, which is not among them: from its codes.

        The 64 patches of the page that are least alike ask; the score is their mean similarity: see `example_query`.
        Raises `PageNotFound`, `EncoderMismatch`.
        """
        row = self._find(document)
        name = row.collection_name
        query = stored_query(self._store, name, row, page)
        options = SearchOptions(k + 1, where=_filter(where), mode=mode, soft_idf=False)
        answer = self._session.searcher.search_vectors(query, name, options)
        return self._readable(exclude_page(answer, row.id, page, k))

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
        encoder = self._session.encoder
        started = time.perf_counter()
        query = image_query(encoder, image)
        encoded = time.perf_counter() - started
        return self._readable(self._session.searcher.search_vectors(query, self._name, options, encode=encoded))

    @overload
    def explain(self, query: Hit, *, image: bool = True) -> Explanation: ...
    @overload
    def explain(
        self, query: str | ScoredQuery, document: str, page: int, *, image: bool = True, exact_words: bool = False
    ) -> Explanation: ...
    def explain(
        self,
        query: Hit | str | ScoredQuery,
        document: str | None = None,
        page: int | None = None,
        *,
        image: bool = True,
        exact_words: bool = False,
    ) -> Explanation:
        """Why a page was found, or what a query finds on any page, from the page's stored vectors.

        `explain(hit)` is `explain(hit.query, hit.document_id, hit.page)`. `query` is a text, or the query of an answer
        with its weights; a text is weighed as a search of the document's collection does, with `exact_words` or not.
        Without `image` no page image
        is decoded: no heatmap is drawn, and boxes are those of patches, not of the words on them. Raises
        `DocumentNotFound`, also when the document was deleted or replaced since, `PageNotFound`, `LibraryDamaged` for
        an image that cannot be read, and `EncoderMismatch` when the collection was encoded again since.
        """
        if isinstance(query, Hit):
            self.check_version(query.document_id, query.sha256)
            return self.explain(query.query, query.document_id, query.page, image=image)
        if document is None or page is None:
            raise ValueError("a query without a hit needs the document and the page: explain(query, document, page)")
        row = self._find(document)
        name = row.collection_name
        if isinstance(query, str):
            query = self._session.searcher.query(query, name, SearchOptions(exact_words=exact_words))
        stored = self._store.stored_page(row, page)
        info = self._store.collection(name).info  # asked last: what was read before is not newer
        if info is None or info.fingerprint != query.fingerprint:
            raise EncoderMismatch(f"{row.name!r} was encoded again since this search: search again, then explain")
        page_image = self.page_image(row.id, page) if image else None
        why = explain_page(
            query,
            stored,
            quantisation_range=info.quantisation_range,
            image=page_image,
            geometry=self._store.page(row, page).geometry,
            name=row.name_form,
            text_score=0.0 if query.text_scale is None else self._session.searcher.text_score(query, row, page),
        )
        [in_text] = self._store.text_holds(
            [(row.id, page)], () if query.embedding.is_example else query.embedding.words
        )
        return dataclasses.replace(why, in_text=in_text)

    def _rerank_options(self, rerank: str | Path | Reranker | None, candidates: int) -> RerankOptions | None:
        return None if rerank is None else RerankOptions(self._session.reranker(rerank), candidates)

    def _reranked(self, answer: Answer, reranking: RerankOptions | None, k: int) -> Answer:
        readable = self._readable(answer)
        return readable if reranking is None else rerank_answer(readable, reranking, k)

    def _readable(self, answer: Answer) -> Answer:
        """With hits that can show their pages."""
        hits = tuple(dataclasses.replace(hit, reader=self) for hit in answer.hits)
        return dataclasses.replace(answer, hits=hits)

    def _ingest_options(
        self, collection: str, *, replace: bool = False, metadata: Metadata | None = None, pool: int | None = None
    ) -> IngestOptions:
        begun = self._session.ingest_options
        metadata = None if metadata is None else check_metadata(metadata)
        return dataclasses.replace(begun, collection=collection, replace=replace, metadata=metadata, pool=pool)


class Collection(SearchableDocuments):
    """The handle of one collection, as `Library.collection` gives it; there may be several for the same one.

    Documents are called by the names that they have in it, or by their ids. A collection is made by its first ingest;
    `Library.rename_collection` and `Library.delete_collection` change it as a whole.
    """

    def __init__(self, session: Session, name: str) -> None:
        super().__init__(session, name, names_in=name)

    def __repr__(self) -> str:
        return f"Collection({self._name!r} of {str(self._session.path)!r})"

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> CollectionStatus:
        """What the collection holds. Raises `CollectionNotFound`."""
        info = self._session.encoder_info()
        return collection_status(self._store, self._name, info if isinstance(info, EncoderInfo) else None)


def _first_order(options: SearchOptions, reranking: RerankOptions | None) -> SearchOptions:
    """Those of the search before a reranker, which is given more pages than it leaves."""
    return options if reranking is None else dataclasses.replace(options, k=max(options.k, reranking.candidates))


def _filter(where: Filter | str | None) -> Filter | None:
    if where is not None and not isinstance(where, str | Filter):
        raise TypeError(f"where is a {type(where).__name__}: give a text, a Filter, or Filter.of(...) of a mapping")
    return parse_filter(where) if isinstance(where, str) else where
