"""The pages that are searched: PDFs as they are, or as simulated scans, whole or a listed part of them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from colvision.atomic_io import atomic_path
from colvision.core.page import PageId
from colvision.errors import InputError
from colvision.evaluation import scans
from colvision.pdf.trusted import TrustedPdf

Level = Literal["clean", "light", "heavy"]
LEVELS: tuple[Level, ...] = ("clean", "light", "heavy")

_DIGEST = 16  # hex digits of a sha256 in names of folders


def parse_level(text: str) -> Level:
    """Raises `ValueError` for a text that names no level."""
    for level in LEVELS:
        if level == text:
            return level
    raise ValueError(f"level {text!r} is not one of {', '.join(LEVELS)}")


class TaskProgress(NamedTuple):
    """How far a task has come: `done` of `total` pages, queries or steps."""

    task: str
    done: int
    total: int


TaskProgressCallback = Callable[[TaskProgress], None]


@dataclass(frozen=True, slots=True)
class CorpusDocument:
    """A PDF of the set; `name` is its stem, `numbers` are the pages that are searched (from 1, rising)."""

    name: str
    path: Path
    sha256: str
    numbers: tuple[int, ...]
    is_complete: bool  # all of its pages are searched

    def folder_name(self, level: Level) -> str:
        """A name for what is made of this file: another for other bytes, pages or settings of the scan."""
        # The class and its fields by the names that are in every digest that was published, and in the names of scans
        # that are kept: other names would be other digests.
        settings = "" if level == "clean" else repr(scans.SCAN_SETTINGS[level]).replace("ScanSettings", "Wear")
        pages = "" if self.is_complete else repr(self.numbers)
        return hashlib.sha256(f"{self.sha256}\0{self.name}\0{pages}\0{level} {settings}".encode()).hexdigest()[:_DIGEST]


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files to ingest, by document; `numbers` says which page of the document each of a file's pages is."""

    level: Level
    documents: tuple[CorpusDocument, ...]

    def __post_init__(self) -> None:
        parse_level(self.level)

    @property
    def pages(self) -> int:
        return sum(len(document.numbers) for document in self.documents)

    @property
    def digest(self) -> str:
        """The same for the same files, pages and level, wherever they lie."""
        folders = " ".join(document.folder_name(self.level) for document in self.documents)
        return hashlib.sha256(folders.encode()).hexdigest()[:_DIGEST]

    def page_ids(self) -> Iterator[PageId]:
        """Every page that is searched, by document and number."""
        for document in self.documents:
            for number in document.numbers:
                yield PageId(document.name, number)

    def files(self, cache: Path, *, progress: TaskProgressCallback) -> tuple[Path, ...]:
        """One PDF a document, `<stem>.pdf`: made where it is not the file itself, and kept in `cache`.

        What an earlier run has made is used. Raises `DamagedFile`.
        """
        paths, done = [], 0
        for document in self.documents:
            path = self._path(document, cache)
            if not path.exists():
                for page in self._make(document, path):
                    progress(TaskProgress(f"scanning {document.name}", done + page, self.pages))
            done += len(document.numbers)
            paths.append(path)
        return tuple(paths)

    def _path(self, document: CorpusDocument, cache: Path) -> Path:
        if self.level == "clean" and document.is_complete:
            return document.path
        return cache / document.folder_name(self.level) / f"{document.name}.pdf"

    def _make(self, document: CorpusDocument, path: Path) -> Iterator[int]:
        """Yields how many pages are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            if self.level == "clean":
                with TrustedPdf(document.path) as pdf:
                    pdf.write_excerpt(document.numbers, part)
                yield len(document.numbers)
            else:
                yield from scans.write_scan(document.path, part, level=self.level, numbers=document.numbers)


def find_corpus(folder: Path, *, level: Level = "clean", pages: Iterable[PageId] | None = None) -> Corpus:
    """The PDFs of a folder, all pages or those listed.

    Raises `InputError` for a folder without PDFs and for a listed page that none of them has.
    """
    paths = sorted(folder.glob("*.pdf"))
    if not paths:
        raise InputError(f"{folder} holds no .pdf file; give the folder with the PDFs that the queries are about")
    wanted: dict[str, set[int]] = {}
    for name, number in pages or ():
        wanted.setdefault(name, set()).add(number)
    missing = sorted(set(wanted) - {path.stem for path in paths})
    if missing:
        raise InputError(f"pages of {missing[0]!r} are listed, but {folder} has no {missing[0]}.pdf")
    documents = [_document(path, wanted.get(path.stem)) for path in paths if pages is None or path.stem in wanted]
    return Corpus(level, tuple(documents))


def _document(path: Path, wanted: set[int] | None) -> CorpusDocument:
    with TrustedPdf(path) as pdf:
        count = len(pdf)
    numbers = tuple(range(1, count + 1) if wanted is None else sorted(wanted))
    if numbers and numbers[-1] > count:
        raise InputError(f"page {numbers[-1] - 1} (from 0) of {path.stem!r} is listed; the file has {count} pages")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return CorpusDocument(path.stem, path, digest, numbers, is_complete=len(numbers) == count)
