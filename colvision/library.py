"""A library: what `open_library` returns. It wires store, encoder, search and explain; no arithmetic, no SQL."""

from pathlib import Path
from types import TracebackType

from colvision.collection import CancelCallback, Collection, ProgressCallback, SearchableDocuments
from colvision.core.encoder import Encoder
from colvision.encoders.spec import EncoderSpec
from colvision.ingest import Callbacks
from colvision.ingest.job_runner import run_job
from colvision.pdf import RendererChoice, check_renderer
from colvision.repair import Verification, verify_library
from colvision.search.device import SearchDevice
from colvision.session import Session
from colvision.status import CollectionStatus, Document, LibraryStatus, status_of
from colvision.store import Compaction, Store
from colvision.store.identity import clean_collection_name
from colvision.store.jobs import Job, JobKind, JobQueue, JobState
from colvision.store.judgements import Judgements
from colvision.store.records import DEFAULT_COLLECTION

__all__ = [
    "Collection",
    "CollectionStatus",
    "Document",
    "Job",
    "JobKind",
    "JobQueue",
    "JobState",
    "Library",
    "LibraryStatus",
    "open_library",
]


def open_library(
    path: str | Path,
    *,
    encoder: str | Encoder | EncoderSpec | None = None,
    create: bool = True,
    read_only: bool = False,
    max_memory: int | None = None,
    keep_free: int | None = None,
    renderer: RendererChoice = "pdfium",
    ocr: str | None = None,
    search_device: str | None = None,
    device_memory: int | None = None,
) -> "Library":
    """Opens the library in a folder; a missing or empty one becomes a library unless `create` is False.

    `encoder` is an encoder, or the name of one (see `load_encoder`) that is loaded by the first search or ingest, or an
    `EncoderSpec`. None: the one that filled the library's first collection, from where it was loaded then; mini for
    an empty library, and for one that was filled by an encoder without a name.
    `max_memory` bounds the bytes that an ingest gathers before it stores them, and those that a search works with (as
    far as one page or one query allows); the encoder's own come on top, and the shards, which are mapped.
    `keep_free` is how many bytes an ingest leaves free on the disk (None: 1 GiB), at most 5 % of it.
    `renderer` draws the pages of PDFs that are read: "pdfium", or "poppler".
    `ocr` has every ingest read the text of pages that have none, unless it is told otherwise: see `ingest`.
    `search_device` compares queries with pages on a GPU: "cuda" or "cuda:1", with the answers that the processor gives.
    At most `device_memory` bytes of it are used (None: half of what is free at the first search); what does not fit the
    processor compares, as `status` tells. Where an encoder computes is its own `device`.
    Raises `LibraryFormat` for a folder that is no library, holds other things, or is of another format version,
    `ValueError` for a search device that this machine lacks, and `MissingExtra` where poppler is named and not
    installed, and for a search device without torch.
    """
    check_renderer(renderer)
    if search_device is None and device_memory is not None:
        raise ValueError("device_memory is that of a search device: name one")
    device = None if search_device is None else SearchDevice(search_device, device_memory)
    chosen = EncoderSpec(encoder) if encoder is None or isinstance(encoder, str) else encoder
    return Library(
        Store(Path(path), create=create, read_only=read_only),
        chosen,
        max_memory=max_memory,
        keep_free=keep_free,
        renderer=renderer,
        ocr=ocr,
        search_device=device,
    )


class Library(SearchableDocuments):
    """Documents in collections, and the search over their pages; safe to share between threads.

    What a collection can do, a library does for its first one, `default`: `library.search(text)` is
    `library.collection("default").search(text)`. Single documents are found by name in all collections, as long as
    only one has the name. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder | EncoderSpec,
        *,
        max_memory: int | None = None,
        keep_free: int | None = None,
        renderer: RendererChoice = "pdfium",
        ocr: str | None = None,
        search_device: SearchDevice | None = None,
    ) -> None:
        session = Session(
            store,
            encoder,
            max_memory=max_memory,
            keep_free=keep_free,
            renderer=renderer,
            ocr=ocr,
            search_device=search_device,
        )
        super().__init__(session, DEFAULT_COLLECTION, names_in=None)

    def __repr__(self) -> str:
        return f"Library({str(self.path)!r}, collections {', '.join(self.collections())})"

    @property
    def path(self) -> Path:
        return self._session.path

    @property
    def read_only(self) -> bool:
        """Whether it was opened for reading alone, as where its folder cannot be written."""
        return self._store.read_only

    @property
    def jobs(self) -> JobQueue:
        """Work that waits for a process in the background, such as the app's: it claims a job and runs it."""
        return self._store.jobs

    @property
    def judgements(self) -> Judgements:
        """What readers have said of pages: which answer their questions, and which do not."""
        return self._store.judgements

    @property
    def revision(self) -> str:
        """Another text after each change to documents or jobs, by any process, and once the encoder is loaded.

        To compare for as long as this library is open.
        """
        return f"{self._store.revision} {self._session.is_encoder_loaded}"

    @property
    def encoder(self) -> Encoder:
        """The library's encoder, loaded when it is first needed. Raises `EncoderError`."""
        return self._session.encoder

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def collection(self, name: str) -> Collection:
        """The handle of a collection, also of one that its first ingest is to make.

        Raises `ValueError` for a name that cannot be shown.
        """
        return Collection(self._session, name if name in self.collections() else clean_collection_name(name))

    def collections(self) -> list[str]:
        """Their names, the oldest first."""
        return [row.name for row in self._store.collections() if row.name is not None]

    def rename_collection(self, name: str, new: str) -> Collection:
        """Calls a collection otherwise, also for the jobs that fill it; `default` leaves an empty one behind.

        A `default` that nothing is in gives its name away. Handles of the old name find nothing: go on with the one
        that is returned. Raises `CollectionNotFound`, `LibraryReadOnly`, `ValueError` for a name that cannot be
        shown or that is taken.
        """
        self._store.writer.rename_collection(name, clean_collection_name(new))
        return self.collection(new)

    def delete_collection(self, name: str) -> CollectionStatus:
        """Removes a collection and all its documents, as `delete` does with one, and cancels the jobs that fill it.

        `default` stays, empty, for any encoder. Returns what was removed. Raises `CollectionNotFound`,
        `LibraryReadOnly`.
        """
        collection = self.collection(name)
        removed = collection.status()
        self._store.writer.delete_collection(collection.name)
        for job in self.jobs.active():
            if job.collection == collection.name:
                self.jobs.cancel(job.key)
        return removed

    def run_job(self, job: Job) -> Job:
        """Works on a job that the caller has claimed, and ends it; returns it as it is then.

        An error of the library itself fails the job with its message and is raised again.
        """
        return run_job(
            self._store,
            lambda: self.encoder,
            job,
            options=self._session.ingest_options,
            others=self._session.other_encoder,
        )

    def compact(self) -> Compaction:
        """Drops the bytes of what was deleted and merges small shards; searches go on meanwhile.

        Needs room on the disk for a copy of the largest shard and of the catalogue. Raises `LibraryReadOnly`,
        `LibraryLocked`, and `LibraryError` when the disk is full.
        """
        return self._store.compact()

    def verify(
        self, *, repair: bool = False, progress: ProgressCallback | None = None, cancel: CancelCallback | None = None
    ) -> Verification:
        """Reads every byte of the library; what is not what was stored is named, with the documents it is part of.

        A damaged shard is quarantined: its pages are not found until they are repaired or their documents ingested
        again, everything else is. With `repair`, lost pages are read and encoded again from the kept files, page
        images drawn again, word lists made again. Raises `LibraryReadOnly` for a repair where nothing can be written.
        """
        options = self._session.ingest_options if repair else None
        return verify_library(
            self._store,
            lambda: self.encoder,
            repair=options,
            callbacks=Callbacks(progress, cancel),
            others=self._session.other_encoder,
        )

    def status(self) -> LibraryStatus:
        """What the library holds, and what is wrong with it."""
        return status_of(self._store, self._session.encoder_info(), self._session.search_device)
