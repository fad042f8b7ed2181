"""What is asked of single documents and their pages: of a collection, or of a library for its first one."""

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from colvision.atomic_io import atomic_path
from colvision.core.metadata import Metadata, check_metadata, merge_metadata
from colvision.core.names import normal_name
from colvision.core.page import PrintedWord
from colvision.errors import DocumentNotFound, LibraryDamaged, PageNotFound
from colvision.pdf import FailedPage
from colvision.pdf.searchable import SearchablePage, write_searchable
from colvision.session import Session
from colvision.status import Document, document_of
from colvision.store.identity import clean_document_name, shown_folders
from colvision.store.records import DocumentRow

_IMAGE_DPI = 150  # of the image of a page whose size on paper nobody knows


class Documents:
    """The documents of the collection `name`.

    Wherever one is asked for, its name, its id or the end of the path that it came from (`press/manual.pdf`) will do.
    An id is found in whatever collection its document lies; a name only among those of `names_in`, or in all
    collections when that is None. All methods that take a document raise `DocumentNotFound`, and `DocumentAmbiguous`
    for a name that several collections have.
    """

    def __init__(self, session: Session, name: str, *, names_in: str | None) -> None:
        self._session = session
        self._store = session.store
        self._name = name
        self._names_in = names_in

    def documents(self) -> list[Document]:
        """In the order of their names. Raises `CollectionNotFound`."""
        rows = [self._store.seen(row) for row in self._store.documents(self._name)]
        folders, health = shown_folders(rows), self._store.health(rows)
        return [document_of(row, folders[row.key], each) for row, each in zip(rows, health, strict=True)]

    def document(self, document: str) -> Document:
        return self._document(self._store.seen(self._find(document)))

    def delete(self, document: str) -> Document:
        """Removes a document, its file, page images and text; returns what was removed. Raises `LibraryReadOnly`."""
        row = self._find(document)
        removed = self._document(row)
        self._store.writer.delete(row)
        return removed

    def rename(self, document: str, name: str) -> Document:
        """Calls a document otherwise; its id, its file and where it came from stay.

        Raises `ValueError` for a name that cannot be shown, or that another document of its collection has, and
        `LibraryReadOnly`.
        """
        row = self._find(document)
        fit = clean_document_name(name)
        if fit != normal_name(name):
            raise ValueError(f"{name!r} cannot be the name of a document; {fit!r} could")
        self._store.writer.rename(row, fit)
        return self.document(row.id)

    def set_metadata(self, document: str, metadata: Metadata) -> Document:
        """Notes with a document this and nothing else (an ingest with `metadata` adds to it); nothing is read again.

        Raises `ValueError` for what no metadata can be, `LibraryReadOnly`.
        """
        row = self._find(document)
        self._store.writer.set_metadata(row, merge_metadata({}, check_metadata(metadata)))
        return self.document(row.id)

    def page_image_path(self, document: str, page: int) -> Path:
        """The image of a page: a JPEG file. Raises `PageNotFound`."""
        return self._store.page_image_path(self._find(document), page)

    def page_image(self, document: str, page: int) -> Image.Image:
        """The image of a page, RGB. Raises `PageNotFound`, `LibraryDamaged`."""
        row = self._find(document)
        path = self._store.page_image_path(row, page)
        try:
            with Image.open(path) as image:
                return image.convert("RGB")
        except OSError as error:
            current = self._store.find(row.id)  # deleted since: that is what is wrong
            if current.key != row.key:  # replaced since, under the same id
                return self.page_image(row.id, page)
            raise LibraryDamaged(
                f"the image of page {page} of {row.name!r} cannot be read ({error}): run `colvision verify --repair`"
            ) from error

    def page_text(self, document: str, page: int) -> str:
        """The PDF's own text layer, if it was made for reading, or what OCR has read; "" for none.

        Raises `PageNotFound`.
        """
        return self._store.page_text(self._find(document), page)

    def page_words(self, document: str, page: int) -> tuple[PrintedWord, ...]:
        """The words of `page_text` in reading order with their boxes, in fractions of the page image.

        None where nobody knows where they stand: on pages of libraries before format 5. Raises `PageNotFound`.
        """
        return self._store.page_words(self._find(document), page)

    def text_reader(self, document: str, page: int) -> str:
        """The OCR engine that has read a page, with its version; "" for none. Raises `PageNotFound`."""
        return self._store.page(self._find(document), page).reader

    def find_file(self, path: str | Path) -> Document | None:
        """The document of the collection that was made from a file of the same bytes, None if there is none.

        Raises `OSError` for a file that cannot be read.
        """
        row = self._store.same_file(Path(path), self._name)
        return None if row is None else self._document(self._store.seen(row))

    def export_pdf(self, document: str, path: str | Path) -> int:
        """Writes the stored pages of a document as a PDF that can be searched: page images with their words beneath.

        Returns how many pages it has. A file at `path` is replaced when all is written. Raises `PageNotFound` where no
        page is stored, `LibraryDamaged`, `OSError` where the path cannot be written, and `ValueError` where that is the
        file that the document came from.
        """
        row = self._find(document)
        numbers = self._store.page_numbers(row)
        if not numbers:
            raise PageNotFound(f"no page of {row.name!r} is stored: ingest it again")
        return self.export_pages(((row.id, number) for number in numbers), path)

    def export_pages(self, pages: Iterable[tuple[str, int]], path: str | Path) -> int:
        """The same of (document, page) pairs, also of several documents, in the order in which they are given.

        Raises `ValueError` for no page at all.
        """
        chosen = [(self._find(document), number) for document, number in pages]
        if not chosen:
            raise ValueError("no page is chosen: give at least one")
        for row, _ in chosen:
            check_not_source(row, Path(path))
        with atomic_path(Path(path)) as unfinished:
            return max(write_searchable((self._searchable_page(row, number) for row, number in chosen), unfinished))

    def _searchable_page(self, row: DocumentRow, number: int) -> SearchablePage:
        stored = self._store.page(row, number)
        inches = stored.width / _IMAGE_DPI, stored.height / _IMAGE_DPI  # where nobody knows its size on paper
        points = stored.geometry.size if stored.geometry else (inches[0] * 72, inches[1] * 72)
        try:
            jpeg = self._store.page_image_path(row, number).read_bytes()
        except OSError as error:
            raise LibraryDamaged(
                f"the image of page {number} of {row.name!r} cannot be read ({error}): run `colvision verify --repair`"
            ) from error
        return SearchablePage(jpeg, self._store.page_words(row, number), points)

    def original_path(self, document: str) -> Path:
        """The kept copy of the file that a document was made from."""
        return self._store.original_path(self._find(document))

    def failed_pages(self, document: str) -> tuple[FailedPage, ...]:
        """The pages that could not be read, with reasons."""
        return tuple(FailedPage(page.page, page.reason) for page in self.document(document).health.failed)

    def check_version(self, document: str, sha256: str) -> None:
        """Raises `DocumentNotFound` unless a document is still made from the file of this sha256."""
        row = self._find(document)
        if row.sha256 != sha256:
            raise DocumentNotFound(f"{row.name!r} was replaced by another version since: search again")

    def _document(self, row: DocumentRow) -> Document:
        return document_of(row, self._store.shown_folder(row), *self._store.health([row]))

    def _find(self, document: str) -> DocumentRow:
        return self._store.find(document, collection=self._names_in)

    def _ids(self, document: str | Iterable[str] | None) -> frozenset[str] | None:
        """Of documents to search in: their names are those of the collection that is searched."""
        if document is None:
            return None
        names = [document] if isinstance(document, str) else document
        return frozenset(self._store.find(name, collection=self._name).id for name in names)


def check_not_source(row: DocumentRow, path: Path) -> None:
    """Raises `ValueError` where a path that is to be written is the file that a document came from."""
    if not row.upload and any(Path(source).resolve() == path.resolve() for source in row.paths):
        raise ValueError(
            f"{path} is the file that {row.name!r} came from, and would be lost: give the new PDF another name"
        )
