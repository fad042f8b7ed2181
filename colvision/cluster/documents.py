"""The documents of a cluster and of its collections: as of a library, in whichever partition they lie."""

import hashlib
import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from PIL import Image

from colvision.atomic_io import atomic_path
from colvision.cluster.ingest import ClusterIngest
from colvision.cluster.session import ClusterSession
from colvision.cluster.status import merge_collections
from colvision.core.metadata import Metadata
from colvision.core.names import normal_name
from colvision.core.page import PrintedWord
from colvision.core.query import ScoredQuery
from colvision.documents import check_not_source
from colvision.errors import CollectionNotFound, DocumentNotFound, FurtherEncoderNotFound, PageNotFound
from colvision.explain import Explanation
from colvision.ingest import Callbacks, FileReport, IngestReport, Progress, Source
from colvision.pdf import FailedPage
from colvision.pdf.searchable import write_searchable
from colvision.search import Hit
from colvision.searches import ExampleQuery, Searchable, SearchSession
from colvision.status import CollectionStatus, Document
from colvision.store.identity import clean_document_name
from colvision.store.records import DocumentRow
from colvision.store.store import MeantDocument, choose_document


class ClusterDocuments(Searchable):
    """The documents of a collection in all partitions: what a cluster and its collections have in common."""

    def __init__(self, session: ClusterSession, name: str, *, names_in: str | None) -> None:
        self._session = session
        self._router = session.router
        self._name = name
        self._names_in = names_in

    @property
    def _searches(self) -> SearchSession:
        return self._session

    def documents(self) -> list[Document]:
        """In the order of their names. Raises `CollectionNotFound` where no partition has the collection."""
        parts = [
            part
            for part in self._session.by_partition(self._router.ask("documents", lambda _: (self._name,)))
            if part is not None
        ]
        if not parts:
            raise CollectionNotFound(f"there is no collection {self._name!r} in {self._session.layout.root}")
        return sorted((each for part in parts for each in part), key=lambda each: (each.name, each.id))

    def document(self, document: str) -> Document:
        found: Document = self._ask(document, "document")
        return found

    def delete(self, document: str) -> Document:
        """As `Library.delete`."""
        removed = self.document(document)
        with suppress(DocumentNotFound):  # deleted by a writer that died before it could say so
            self._router.write(self._partition_of(removed.id), "write", "delete", removed.id)
        return removed

    def rename(self, document: str, name: str) -> Document:
        """As `Library.rename`; the name is free in all partitions."""
        row = self._find(document)
        fit = clean_document_name(name)
        if fit != normal_name(name):
            raise ValueError(f"{name!r} cannot be the name of a document; {fit!r} could")
        if fit != row.name and self._session.register("name_exists", row.collection_name, fit):
            raise ValueError(f"{row.collection_name!r} has a document {fit!r} already: give another name")
        renamed: Document = self._router.write(self._partition_of(row.id), "write", "rename", row.id, fit)
        return renamed

    def set_metadata(self, document: str, metadata: Metadata) -> Document:
        """As `Library.set_metadata`."""
        row = self._find(document)
        noted: Document = self._router.write(self._partition_of(row.id), "write", "set_metadata", row.id, metadata)
        return noted

    def page_image(self, document: str, page: int) -> Image.Image:
        """The image of a page, RGB. Raises `PageNotFound`, `LibraryDamaged`."""
        row = self._find(document)
        _, data = self._router.ask_one(self._partition_of(row.id), "read_file", "page_image_path", row.id, page)
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")

    def page_image_path(self, document: str, page: int) -> Path:
        """A copy of the image of a page, a JPEG file, to be read at once. Raises `PageNotFound`."""
        return self._copy(document, "page_image_path", page)

    def original_path(self, document: str) -> Path:
        """A copy of the file that a document was made from, to be read at once."""
        return self._copy(document, "original_path")

    def page_text(self, document: str, page: int) -> str:
        return str(self._ask(document, "page_text", page))

    def page_words(self, document: str, page: int) -> tuple[PrintedWord, ...]:
        words: tuple[PrintedWord, ...] = self._ask(document, "page_words", page)
        return words

    def text_reader(self, document: str, page: int) -> str:
        return str(self._ask(document, "text_reader", page))

    def failed_pages(self, document: str) -> tuple[FailedPage, ...]:
        pages: tuple[FailedPage, ...] = self._ask(document, "failed_pages")
        return pages

    def check_version(self, document: str, sha256: str) -> None:
        self._ask(document, "check_version", sha256)

    def explain(
        self,
        query: Hit | str | ScoredQuery,
        document: str | None = None,
        page: int | None = None,
        *,
        image: bool = True,
        exact_words: bool = False,
        encoder: str | None = None,
    ) -> Explanation:
        """As `Library.explain`: from the vectors that the page's partition has. A cluster has no further encoders."""
        if encoder is not None:
            raise FurtherEncoderNotFound(f"a cluster has no further encoders, so none that is called {encoder!r}")
        if isinstance(query, Hit):
            self.check_version(query.document_id, query.sha256)
            return self.explain(query.query, query.document_id, query.page, image=image)
        if document is None or page is None:
            raise ValueError("a query without a hit needs the document and the page: explain(query, document, page)")
        row = self._find(document)
        if isinstance(query, str):
            query = self._in(row.collection_name).search(query, k=1, exact_words=exact_words).query
        statistics = None
        if query.text_scale is not None:
            text = query.embedding.text
            replies = self._router.ask("text_statistics", lambda _: (row.collection_name, text))
            known = [each for each in self._session.by_partition(replies) if each is not None]
            statistics = known[0]
            for each in known[1:]:
                statistics += each
        why: Explanation = self._router.ask_one(
            self._partition_of(row.id), "explain", query, row.id, page, image, statistics
        )
        return why

    def ingest(
        self,
        sources: Source | Iterable[Source],
        *,
        replace: bool = False,
        metadata: Metadata | None = None,
        pool: int | None = None,
        ocr: str | None = None,
        progress: Callable[[Progress], None] | None = None,
        cancel: Callable[[], bool] | None = None,
        on_file: Callable[[FileReport], None] | None = None,
    ) -> IngestReport:
        """As `Library.ingest`: which document a file is, is decided over all partitions, which then read in parallel.

        The report of a file comes when its pages are stored, and so does its `progress`, once. A writer that is lost is
        replaced by another replica, which goes on with the file.
        """
        work = ClusterIngest(self._session, self._name, replace, metadata, pool, ocr)
        return work.run(sources, Callbacks(progress, cancel, on_file))

    def find_file(self, path: str | Path) -> Document | None:
        """As `Library.find_file`."""
        with Path(path).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        parts = self._session.by_partition(self._router.ask("with_sha256", lambda _: (self._name, sha256)))
        return next((each for each in parts if each is not None), None)

    def export_pdf(self, document: str, path: str | Path) -> int:
        """As `Library.export_pdf`."""
        row = self._find(document)
        numbers = self._ask(row.id, "page_numbers")
        if not numbers:
            raise PageNotFound(f"no page of {row.name!r} is stored: ingest it again")
        return self.export_pages(((row.id, number) for number in numbers), path)

    def export_pages(self, pages: Iterable[tuple[str, int]], path: str | Path) -> int:
        """As `Library.export_pages`."""
        chosen = [(self._find(document), number) for document, number in pages]
        if not chosen:
            raise ValueError("no page is chosen: give at least one")
        for row, _ in chosen:
            check_not_source(row, Path(path))
        drawn = (self._ask(row.id, "searchable_page", number) for row, number in chosen)
        with atomic_path(Path(path)) as unfinished:
            return max(write_searchable(drawn, unfinished))

    def ingest_again(self, document: str) -> FileReport:
        """As `Library.ingest_again`."""
        row = self._find(document)
        report: FileReport = self._router.write(self._partition_of(row.id), "write", "ingest_again", row.id)
        return report

    def _in(self, collection: str) -> "ClusterDocuments":
        return self if collection == self._name else ClusterCollection(self._session, collection)

    def _copy(self, document: str, method: str, *given: Any) -> Path:  # noqa: ANN401
        row = self._find(document)
        name, data = self._router.ask_one(self._partition_of(row.id), "read_file", method, row.id, *given)
        return self._session.keep_file(f"{row.id}-{row.sha256[:12]}-{name}", data)

    def _ask(self, document: str, method: str, *given: Any) -> Any:  # noqa: ANN401  what the library returns
        row = self._find(document)
        return self._router.ask_one(self._partition_of(row.id), "read", method, row.id, *given)

    def _partition_of(self, document_id: str) -> int:
        return self._session.layout.partition_of(document_id)

    def _find(self, document: str) -> DocumentRow:
        """An id says itself where its document lies; for a name all partitions are asked."""
        meant: list[MeantDocument] = self._router.ask_one(self._partition_of(document), "meant_by", document)
        if not any(each.level == 0 for each in meant):
            replies = self._router.ask("meant_by", lambda _: (document,))
            meant = [each for part in self._session.by_partition(replies) for each in part]
        return choose_document(document, meant, self._names_in)

    def _ids(self, document: str | Iterable[str] | None) -> frozenset[str] | None:
        if document is None:
            return None
        names = [document] if isinstance(document, str) else document
        return frozenset(self._in(self._name)._find(name).id for name in names)

    def _example(self, document: str, page: int) -> ExampleQuery:
        row = self._find(document)
        example: ExampleQuery = self._router.ask_one(self._partition_of(row.id), "example", row.id, page)
        return example


class ClusterCollection(ClusterDocuments):
    """The handle of one collection in all partitions."""

    def __init__(self, session: ClusterSession, name: str) -> None:
        super().__init__(session, name, names_in=name)

    def __repr__(self) -> str:
        return f"ClusterCollection({self._name!r} of {str(self._session.layout.root)!r})"

    @property
    def name(self) -> str:
        return self._name

    def status(self) -> CollectionStatus:
        """As `Collection.status`, of all partitions. Raises `CollectionNotFound`."""
        parts = self._session.by_partition(self._router.ask("collection_status", lambda _: (self._name,)))
        known = [each for each in parts if each is not None]
        if not known:
            raise CollectionNotFound(f"there is no collection {self._name!r} in {self._session.layout.root}")
        return merge_collections(known)
