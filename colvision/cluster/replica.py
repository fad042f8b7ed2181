"""One replica of one partition, as it runs in a process of Ray's: a library of its own, asked by a router."""

import logging
import os
import platform
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from colvision.cluster.connections import Endpoint, serve
from colvision.cluster.layout import ClusterLayout, partition_name
from colvision.cluster.mirror import Manifest, Mirror
from colvision.cluster.partition import Partition
from colvision.cluster.ray_extra import import_ray
from colvision.cluster.sent import BegunQuery, IngestWork, SentQueries, pack, unpack
from colvision.core.encoder import Encoder, EncoderInfo
from colvision.core.query import ScoredQuery
from colvision.encoders.spec import EncoderSpec
from colvision.errors import CollectionNotFound, ColvisionError, LibraryLocked, SnapshotOutdated
from colvision.explain import Explanation
from colvision.ingest import FileReport, Upload
from colvision.library import Library
from colvision.pdf import RendererChoice
from colvision.search.partial import InText, PartialAnswer, PartialSearch
from colvision.search.statistics import CollectionStatistics
from colvision.searches import ExampleQuery
from colvision.status import CollectionStatus, Document
from colvision.store import Store
from colvision.store.fulltext import TextStatistics
from colvision.store.identity import SourceFile
from colvision.store.judgements import Judgement, Verdict
from colvision.store.records import DocumentRow
from colvision.store.store import MeantDocument

NEWEST = 2**62  # a version that no mirror has: what asks for it is answered from the newest
_FOLLOW_SECONDS = 2.0  # between looks at the mirror
_TRIES = 5  # of a change that another writer was quicker than
_log = logging.getLogger(__name__)
CALLS_AT_ONCE = 8  # threads, of which numpy and the kernels leave Python's lock
_KEPT = 64  # questions whose first half is done, and that wait for their second


@dataclass(frozen=True, slots=True)
class ReplicaOptions:
    """How replicas open their libraries: see `open_library`. `local` is a folder on each node's own disk, for those of
    an object store.
    """

    encoder: Encoder | EncoderSpec
    renderer: RendererChoice = "pdfium"
    ocr: str | None = None
    max_memory: int | None = None
    keep_free: int | None = None
    local: Path | None = None


class _Begun(NamedTuple):
    """Queries to a collection whose first half is done; None where this partition does not have it."""

    collection: str
    parts: Sequence[PartialSearch | None]

    @property
    def generations(self) -> list[int | None]:
        return [None if part is None else part.generation for part in self.parts]


class Replica:
    """Safe to call from several threads."""

    def __init__(self, layout: ClusterLayout, partition: int, number: int, options: ReplicaOptions) -> None:
        self._options = options
        self._number = number
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, _Begun] = OrderedDict()  # by the token of the queries
        self._writing = threading.Lock()
        self._manifest = Manifest(0, {})
        self._is_writer = False
        self._closed = threading.Event()
        self._endpoint: Endpoint | None = None
        self._mirror: Mirror | None = None
        if layout.mirror is None:
            self._library = self._open(layout.folder(partition))
            return
        assert options.local is not None, "a mirror needs a folder on the node's own disk"
        self._mirror = Mirror(f"{layout.mirror.rstrip('/')}/{partition_name(partition)}")
        self._local = options.local / layout.id / f"{partition_name(partition)}-{number}-{os.getpid()}"
        _remove_dead(self._local)
        self._serve(self._mirror.read())
        self._follower = threading.Thread(target=self._keep_following, name="colvision-follow", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Follows no more, and closes its library. Where Ray ends the process, nobody needs to."""
        self._closed.set()
        if self._mirror is not None:
            self._follower.join()
        self._library.close()

    def _open(self, folder: Path) -> Partition:
        options = self._options
        return Partition(
            Store(folder),
            options.encoder,
            renderer=options.renderer,
            ocr=options.ocr,
            max_memory=options.max_memory,
            keep_free=options.keep_free,
        )

    def call(self, packed: bytes) -> bytes:
        """What a method that reads returns, packed, of a state of the mirror that is at least of a version.

        `packed` are the name of the method, the version, and what the method is given.
        """
        method, version, given = unpack(packed)
        if self._manifest.version < version:
            self.follow()
        return pack(getattr(self, method)(*given))

    # What is read.

    def ping(self) -> None:
        """Answers when it is ready."""

    def endpoint(self) -> Endpoint:
        """Where it listens for calls, when it is ready."""
        with self._lock:
            if self._endpoint is None:
                self._endpoint = serve(import_ray().util.get_node_ip_address(), self.call, CALLS_AT_ONCE)
        return self._endpoint

    def node(self) -> str:
        """The id of the node of Ray that it runs on, "" outside of Ray, which to ask would start one."""
        ray = import_ray()
        return str(ray.get_runtime_context().get_node_id()) if ray.is_initialized() else ""

    def begin(self, packed: bytes) -> list[BegunQuery | None]:
        """The statistics of this partition for each of the `SentQueries`; None where it has not the collection."""
        sent: SentQueries = unpack(packed)
        begun = self._begin(sent)
        with self._lock:
            self._begun[sent.token] = begun
            while len(self._begun) > _KEPT:
                self._begun.popitem(last=False)
        return [None if part is None else BegunQuery(part.generation, part.statistics) for part in begun.parts]

    def _begin(self, sent: SentQueries) -> "_Begun":
        searcher, given = self._library.searcher, (sent.collection, sent.options)
        try:
            return _Begun(
                sent.collection, [searcher.begin_part(query, *given, info=sent.info) for query in sent.queries]
            )
        except CollectionNotFound:
            return _Begun(sent.collection, [None] * len(sent.queries))

    def finish(
        self, token: str, packed: bytes, generations: Sequence[int | None], statistics: Sequence[CollectionStatistics]
    ) -> list[PartialAnswer | None]:
        """The best pages for each of the queries, of the `generations` that this replica, or a sibling, has begun with.

        Raises `SnapshotOutdated` where it has other ones.
        """
        with self._lock:
            begun = self._begun.pop(token, None)
        if begun is None:
            begun = self._begin(unpack(packed))
        if begun.generations != list(generations):
            raise SnapshotOutdated("another replica of the partition has another state: search again")
        searcher = self._library.searcher
        return [
            None if part is None else searcher.finish_part(begun.collection, part, of_all)
            for part, of_all in zip(begun.parts, statistics, strict=True)
        ]

    def in_text(self, pages: Sequence[tuple[str, int]], words: Sequence[str]) -> InText:
        return self._library.searcher.in_text(pages, words)

    def text_statistics(self, collection: str, text: str) -> TextStatistics | None:
        try:
            return self._library.store.text_statistics(collection, text)
        except CollectionNotFound:
            return None

    def explain(
        self, query: ScoredQuery, document_id: str, page: int, image: bool, statistics: TextStatistics | None
    ) -> Explanation:
        return self._library.explain_part(query, document_id, page, image=image, statistics=statistics)

    def documents(self, collection: str) -> list[Document] | None:
        """None where this partition does not have the collection."""
        try:
            return self._library.collection(collection).documents()
        except CollectionNotFound:
            return None

    def collection_status(self, collection: str) -> CollectionStatus | None:
        try:
            return self._library.collection(collection).status()
        except CollectionNotFound:
            return None

    def with_sha256(self, collection: str, sha256: str) -> Document | None:
        """The document of a collection that was made from a file of these bytes."""
        rows = self._library.store.documents(collection) if collection in self._library.collections() else []
        found = next((row for row in rows if row.sha256 == sha256 and row.visible), None)
        return None if found is None else self._library.document(found.id)

    def judgements(self) -> list[Judgement]:
        return self._library.judgements.all()

    def verdict(self, judgement: Judgement) -> Verdict:
        """On the page that one names."""
        return self._library.judgements.verdict(judgement.text, judgement.document, judgement.page)

    def revision(self) -> str:
        return self._library.revision

    def example(self, document_id: str, page: int) -> ExampleQuery:
        return self._library.example(document_id, page)

    def read(self, method: str, *given: Any) -> Any:  # noqa: ANN401  what it returns
        """A method of the library."""
        return getattr(self._library, method)(*given)

    def read_file(self, method: str, *given: Any) -> tuple[str, bytes]:  # noqa: ANN401
        """The name and the bytes of the file whose path a method of the library tells."""
        path: Path = getattr(self._library, method)(*given)
        return path.name, path.read_bytes()

    def meant_by(self, document: str) -> list[MeantDocument]:
        return self._library.store.meant_by(document)

    def candidates(self, file: SourceFile, sha256: str) -> list[DocumentRow]:
        return self._library.store.pending.candidates(file, sha256)

    def name_exists(self, collection: str, name: str) -> bool:
        return self._library.store.pending.name_exists(collection, name)

    def filled_by(self) -> EncoderInfo | None:
        return next((row.info for row in self._library.store.collections() if row.info is not None), None)

    def status(self) -> dict[str, Any]:
        """This process, and what it serves."""
        return {
            "node": self.node(),
            "host": platform.node(),
            "pid": os.getpid(),
            "is_writer": self._is_writer,
            "version": self._manifest.version,
            "folder": str(self._library.path),
            "library": self._library.status(),
        }

    # What is written: by one replica of each partition, which the router chooses.

    def ingest(self, work: IngestWork, data: bytes) -> tuple[FileReport, int]:
        """One file; the report comes when it is stored, and its state is in the mirror."""
        upload = Upload(data, work.name, work.document_id, work.path)

        def ingest(library: Library) -> FileReport:
            report = library.collection(work.collection).ingest(
                upload, replace=work.replace, metadata=work.metadata, pool=work.pool, ocr=work.ocr
            )
            [of_file] = report.files
            return of_file

        return self._write(ingest)

    def write(self, method: str, *given: Any) -> tuple[Any, int]:  # noqa: ANN401
        """A method of the library that changes it, and the version of the mirror then."""
        return self._write(lambda library: getattr(library, method)(*given))

    def judge(self, judgement: Judgement, limit: int) -> tuple[bool, int]:
        """Keeps a verdict; False where there are too many."""
        return self._write(lambda library: library.judgements.put(judgement, limit=limit))

    def _write(self, work: Callable[[Library], Any]) -> tuple[Any, int]:
        if self._mirror is None:
            self._is_writer = True
            return work(self._library), 0
        with self._writing:
            for _ in range(_TRIES):
                self._take_over()
                try:
                    result = work(self._library)
                except BaseException:  # what an interrupted ingest has committed is kept
                    with suppress(LibraryLocked):
                        self._manifest = self._mirror.push(self._library.path, self._manifest)
                    raise
                with suppress(LibraryLocked):  # others were quicker: all of it anew, from what they have stored
                    self._manifest = self._mirror.push(self._library.path, self._manifest)
                    return result, self._manifest.version
            raise LibraryLocked(f"{self._local.name} is written by others again and again: try later")

    def _take_over(self) -> None:
        """Makes this replica the writer: its library is the newest state of the mirror, and its own from now on."""
        assert self._mirror is not None
        newest = self._mirror.read()
        if not self._is_writer or newest.version != self._manifest.version:
            self._mirror.remove_others(self._manifest, self._local / "files")
            self._serve(newest)
            self._is_writer = True

    def follow(self) -> int:
        """Serves the newest state of the mirror, and returns its version. Who writes has the newest, and waits not."""
        if self._mirror is None or not self._writing.acquire(blocking=not self._is_writer):
            return self._manifest.version
        try:
            newest = self._mirror.read()
            if newest.version > self._manifest.version:
                self._serve(newest)
                self._is_writer = False
        finally:
            self._writing.release()
        return self._manifest.version

    def _keep_following(self) -> None:
        while not self._closed.wait(_FOLLOW_SECONDS):
            try:
                self.follow()
            except (OSError, ColvisionError):  # the store may answer again: until then the old state is served
                _log.exception("%s cannot be followed", self._local.name)

    def _serve(self, manifest: Manifest) -> None:
        """The old state is closed when nobody has it any more: a question may be half done."""
        assert self._mirror is not None
        folder = self._local / f"{manifest.version:08}-{os.urandom(4).hex()}"
        self._mirror.pull(manifest, self._manifest, self._local / "files", folder)
        self._library = self._open(folder)
        self._manifest = manifest


def _remove_dead(folder: Path) -> None:
    """What replicas of the same name have left that are no more."""
    for other in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        pid = other.name.rpartition("-")[2]
        if not pid.isdecimal() or Path(f"/proc/{pid}").exists() or other == folder:
            continue
        shutil.rmtree(other, ignore_errors=True)
