"""The catalogue: one SQLite file that says what a library holds. What it does not name does not exist.

WAL lets readers go on while one process writes; `synchronous=FULL` makes a committed transaction survive a power cut.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colvision.errors import LibraryDamaged, LibraryFormat, LibraryReadOnly

FILE_NAME = "catalog.sqlite"
FORMAT = 1  # raise it when an older colvision would misread the library
_APPLICATION = 0x434F4C56  # "COLV", SQLite's own place for telling one program's files from another's
_BUSY_SECONDS = 30.0

_SCHEMA = """
CREATE TABLE collections (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,                       -- NULL while it is being filled to replace `refills`
    refills INTEGER,
    generation INTEGER NOT NULL DEFAULT 0,  -- one more with every change that a search can see
    encoder TEXT,                           -- JSON, NULL before the first commit
    components INTEGER NOT NULL DEFAULT 0,  -- vector components quantised, and those beyond the code range
    clipped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE documents (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    collection INTEGER NOT NULL REFERENCES collections (key),
    name TEXT NOT NULL,
    source TEXT NOT NULL,                   -- absolute path, or the name of an upload
    upload INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    extension TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    pages INTEGER NOT NULL,                 -- of the file; how many are stored is counted in `pages`
    renderer TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    visible INTEGER NOT NULL,
    replaces INTEGER,                       -- key of the document that this one takes the place of when complete
    worker TEXT NOT NULL,
    added TEXT NOT NULL
);
CREATE UNIQUE INDEX documents_name ON documents (collection, name) WHERE visible;
CREATE INDEX documents_sha256 ON documents (sha256);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE shards (
    key INTEGER PRIMARY KEY AUTOINCREMENT,  -- also the file's name: never used again, so a name never changes its bytes
    collection INTEGER NOT NULL REFERENCES collections (key),
    pages INTEGER NOT NULL,
    vectors INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    damage TEXT NOT NULL DEFAULT ''         -- why it is quarantined
);
CREATE TABLE pages (
    key INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (key),
    number INTEGER NOT NULL,
    reason TEXT,                            -- why it failed; NULL for a stored page
    height INTEGER,
    width INTEGER,
    geometry TEXT,                          -- JSON [left, bottom, right, top, rotation], NULL for an image file
    shard INTEGER REFERENCES shards (key),
    row INTEGER,
    UNIQUE (document, number)
);
CREATE INDEX pages_shard ON pages (shard, row);
CREATE VIRTUAL TABLE page_text USING fts5 (text, tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TABLE jobs (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    collection TEXT NOT NULL,
    replaces INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    reason TEXT NOT NULL DEFAULT '',
    document TEXT NOT NULL DEFAULT '',
    page INTEGER NOT NULL DEFAULT 0,
    pages INTEGER NOT NULL DEFAULT 0,
    failed_pages INTEGER NOT NULL DEFAULT 0,
    pages_per_second REAL NOT NULL DEFAULT 0,
    cancel INTEGER NOT NULL DEFAULT 0,
    worker TEXT NOT NULL DEFAULT '',
    queued TEXT NOT NULL,
    heartbeat REAL NOT NULL DEFAULT 0,
    finished TEXT NOT NULL DEFAULT ''
);
INSERT INTO collections (name) VALUES ('default');
"""

Value = str | int | float | None
Row = tuple[Any, ...]  # SQLite knows the types of values, not of columns: the value types of `rows` name them


class Catalogue:
    """An open catalogue; one connection, shared by the threads of this process in turn.

    Raises `LibraryFormat` when there is none (and `create` is False) or when it is of another format version,
    `LibraryDamaged` when the file is not SQLite.
    """

    def __init__(self, folder: Path, *, create: bool, read_only: bool = False) -> None:
        self.folder = folder
        self._path = folder / FILE_NAME
        self.read_only = read_only or (self._path.exists() and not os.access(folder, os.W_OK))
        self._turn = threading.RLock()
        if not self._path.exists() and (self.read_only or not create):
            raise LibraryFormat(f"{folder} is not a library (it has no {FILE_NAME}): check the path, or ingest into it")
        try:
            self._open()
            self._check_format(create=create)
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from error

    def _open(self) -> None:
        self._stamp = self._seen()
        self._connection = sqlite3.connect(
            self._uri(), uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._end = weakref.finalize(self, self._connection.close)
        if not self.read_only:
            self.execute("PRAGMA journal_mode = WAL")
            self.execute("PRAGMA synchronous = FULL")

    def _uri(self) -> str:
        """Where SQLite cannot make its -shm file it reads only what is said not to change: see `_refresh`."""
        if not self.read_only:
            return f"{self._path.absolute().as_uri()}?mode=rwc"
        return f"{self._path.absolute().as_uri()}?mode=ro{'&immutable=1' if self._is_still() else ''}"

    def _is_still(self) -> bool:
        return not os.access(self.folder, os.W_OK) and not self._path.with_name(FILE_NAME + "-wal").exists()

    def _seen(self) -> tuple[int, int, bool]:
        """Changes when somebody who may write has written."""
        found = self._path.stat() if self._path.exists() else None
        return (found.st_mtime_ns if found else 0, found.st_size if found else 0, self._is_still())

    def _refresh(self) -> None:
        """A connection told that nothing changes does not look: it is opened anew when something has."""
        if self.read_only and self._stamp != self._seen():
            self._end()
            self._open()

    def _check_format(self, *, create: bool) -> None:
        if self._pragma("application_id") == 0 and create and not self.read_only:
            self._make()
        application, version = self._pragma("application_id"), self._pragma("user_version")
        if application != _APPLICATION:
            raise LibraryFormat(f"{self._path} is not a catalogue of colvision: choose another folder")
        if version > FORMAT:
            raise LibraryFormat(
                f"library {self.folder} has format {version}, this colvision reads {FORMAT}: upgrade colvision"
            )
        if version < FORMAT:
            raise LibraryFormat(
                f"library {self.folder} has the older format {version}, this colvision reads {FORMAT}: "
                "ingest its files/ folder into a new library"
            )

    def _make(self) -> None:
        """All in one transaction: killed in the middle it leaves an empty file, which the next opening fills."""
        with self.write():
            if self._pragma("application_id") or self.one("SELECT count(*) FROM sqlite_master")[0]:
                return  # another process was quicker, or the file is somebody else's
            statement = ""
            for line in _SCHEMA.splitlines():
                statement += line + "\n"
                if sqlite3.complete_statement(statement):
                    self.execute(statement)
                    statement = ""
            self.execute(f"PRAGMA application_id = {_APPLICATION}")
            self.execute(f"PRAGMA user_version = {FORMAT}")

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _unusable(self, error: sqlite3.DatabaseError) -> LibraryFormat | LibraryDamaged:
        if isinstance(error, sqlite3.OperationalError):
            return LibraryFormat(f"{self._path} cannot be opened ({error}): check that it can be read")
        return LibraryDamaged(f"{self._path} is damaged ({error}): ingest the library's files/ folder into a new one")

    @contextmanager
    def read(self) -> Iterator[None]:
        """Every query inside sees one state of the catalogue."""
        with self._turn:
            self._refresh()
            with self._transaction("BEGIN"):
                yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """All or nothing, and on the disk when the block is left. Raises `LibraryReadOnly`."""
        if self.read_only:
            raise LibraryReadOnly(f"library {self.folder} cannot be written: copy it to a disk where it can")
        with self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._turn:
            self._connection.execute(begin)
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk makes SQLite roll back by itself
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Changes rows; returns how many. Outside `write` it is a transaction of its own."""
        with self._turn:
            return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Adds a row; returns its key."""
        with self._turn:
            key = self._connection.execute(sql, values).lastrowid
        assert key is not None
        return key

    def one(self, sql: str, values: Sequence[Value] = ()) -> Row:
        """The only row of a query that always has one."""
        return self.all(sql, values)[0]

    def all(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Every row."""
        with self._turn:
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        with self._turn:
            self._end()
