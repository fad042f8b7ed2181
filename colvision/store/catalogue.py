"""The catalogue: one SQLite file that names all that a library holds. What it does not name does not exist.

WAL lets readers go on while one process writes; `synchronous=FULL` makes a committed transaction survive a power cut.
"""

import os
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colvision.errors import DiskError, DiskFull, LibraryDamaged, LibraryError, LibraryFormat, LibraryReadOnly
from colvision.store.connection import connect, use_write_ahead_log
from colvision.store.disk import SQLITE_TROUBLE, Reserve, disk_error, disk_errors, sqlite_code
from colvision.store.schema import (
    APPLICATION_ID,
    FORMAT,
    IS_SCHEMA_INTACT,
    SCHEMA,
    SCHEMA_CHECKSUM_FORMAT,
    SET_CHECKSUMS,
    UPGRADES,
)

FILE_NAME = "catalog.sqlite"
COPY_BACK = "put a copy of the whole library folder back, or ingest its files/ folder into a new library"
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

Value = str | int | float | bytes | None
Row = tuple[Any, ...]  # SQLite has types of values, not of columns: those are in `records`
Record = dict[str, Any]  # a row by the names of its columns


class Catalogue:
    """An open catalogue; one connection, which the threads of this process share one at a time.

    One of an older format is upgraded, in memory where it cannot be written. Raises `LibraryFormat` when there is none
    (and `create` is False) or when it is of a newer format; `LibraryDamaged` when SQLite finds it damaged, now or
    later.
    """

    def __init__(self, folder: Path, *, create: bool, read_only: bool = False) -> None:
        self.folder = folder
        self._path = folder / FILE_NAME
        self.read_only = read_only or (self._path.exists() and not os.access(folder, os.W_OK))
        self._lock = threading.RLock()
        if not self._path.exists() and (self.read_only or not create):
            raise LibraryFormat(f"{folder} is not a library (it has no {FILE_NAME}): check the path, or ingest into it")
        try:
            with self._translate_errors():
                self._open_somehow(create=create)
        except DiskFull:
            raise
        except (sqlite3.DatabaseError, DiskError) as error:
            raise self._open_error(error) from error

    def _open_somehow(self, *, create: bool) -> None:
        """For reading where it cannot be written after all; on a full disk with some of what is kept for that."""
        try:
            self._open()
            self._check_format(create=create)
        except DiskError:
            if not Reserve(self.folder).lend():
                raise
            self._finalizer()
            self._open()
            self._check_format(create=create)
        except LibraryReadOnly:
            if self.read_only:
                raise
            self.read_only = True
            self._finalizer()
            self._open()
            self._check_format(create=False)

    def _open(self) -> None:
        self._stamp = self._file_stamp()
        self._connection = connect(self._uri(), self.folder)
        self._finalizer = weakref.finalize(self, self._connection.close)
        if not self.read_only:
            with self._translate_errors():
                use_write_ahead_log(self._connection)
            self.execute("PRAGMA synchronous = FULL")
            self.execute("PRAGMA secure_delete = ON")  # overwrites deleted bytes: not every SQLite does so by default
        elif self._pragma("application_id") == APPLICATION_ID and self._pragma("user_version") < FORMAT:
            self._copy_to_memory()

    def _copy_to_memory(self) -> None:
        """An older format where nothing can be written: a copy in memory is upgraded."""
        copy = connect(":memory:", self.folder)
        with self._connection as on_disk:
            on_disk.backup(copy)
        self._finalizer()
        self._connection = copy
        self._finalizer = weakref.finalize(self, copy.close)
        with self._transaction("BEGIN IMMEDIATE"):
            self._upgrade()

    def _uri(self) -> str:
        """Where SQLite cannot make its -shm file it reads only an `immutable` file: see `_refresh`."""
        if not self.read_only:
            return f"{self._path.absolute().as_uri()}?mode=rwc"
        return f"{self._path.absolute().as_uri()}?mode=ro{'&immutable=1' if self._is_immutable() else ''}"

    def _is_immutable(self) -> bool:
        return not os.access(self.folder, os.W_OK) and not self._path.with_name(FILE_NAME + "-wal").exists()

    def _file_stamp(self) -> tuple[int, int, bool]:
        """Changes when another process has written to the file."""
        status = self._path.stat() if self._path.exists() else None
        return (status.st_mtime_ns if status else 0, status.st_size if status else 0, self._is_immutable())

    def _refresh(self) -> None:
        """An immutable connection does not see changes: it is opened again when there are some."""
        if self.read_only and self._stamp != self._file_stamp():
            self._finalizer()
            self._open()

    def _check_format(self, *, create: bool) -> None:
        if self._pragma("application_id") == 0 and create and not self.read_only:
            self._create()
        application, version = self._pragma("application_id"), self._pragma("user_version")
        if application != APPLICATION_ID:
            raise LibraryFormat(f"{self._path} is not a catalogue of colvision: choose another folder")
        if version > FORMAT:
            raise LibraryFormat(
                f"library {self.folder} has format {version}, this colvision reads up to {FORMAT}: upgrade colvision"
            )
        if version < min(UPGRADES) - 1:
            raise LibraryFormat(
                f"library {self.folder} has format {version}, this colvision reads {min(UPGRADES) - 1} to {FORMAT}: "
                "ingest its files/ folder into a new library"
            )
        if version < FORMAT:
            with self.write():
                self._upgrade()
        self._check_schema()

    def _check_schema(self) -> None:
        if not self.one(IS_SCHEMA_INTACT)[0]:
            raise self._damage_error("its tables are not what was made")

    def _create(self) -> None:
        """In one transaction: killed in the middle it leaves an empty file, from which the next opening creates it."""
        with self.write():
            if self._pragma("application_id") or self.one("SELECT count(*) FROM sqlite_master")[0]:
                return  # another process was quicker, or the file belongs to another program
            if any(self.folder.glob("files/*")):
                # A new catalogue would name none of them, and the next writer would remove what is not named.
                raise LibraryDamaged(
                    f"{self._path} has lost all that it held: put a copy of the whole library folder back, or move "
                    "its files/ folder away and ingest that into a new library",
                    path=self._path,
                )
            self._execute_script(SCHEMA + SET_CHECKSUMS)
            self.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self.execute(f"PRAGMA user_version = {FORMAT}")

    def _upgrade(self) -> None:
        """In the caller's transaction: killed in the middle it leaves the older format for the next opening."""
        version = self._pragma("user_version")
        if version >= SCHEMA_CHECKSUM_FORMAT:
            self._check_schema()  # else damaged rows would get right checksums
        for newer in range(version + 1, FORMAT + 1):
            self._execute_script(UPGRADES[newer])
        self._execute_script(SET_CHECKSUMS)
        self.execute(f"PRAGMA user_version = {FORMAT}")

    def _execute_script(self, script: str) -> None:
        """Executes a script in the caller's transaction: sqlite3's own `executescript` would commit that."""
        statement = ""
        for line in script.splitlines():
            statement += line + "\n"
            if sqlite3.complete_statement(statement):
                self.execute(statement)
                statement = ""

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _open_error(self, error: sqlite3.DatabaseError | DiskError) -> LibraryFormat | LibraryDamaged:
        if isinstance(error, sqlite3.OperationalError | DiskError):
            return LibraryFormat(
                f"{self._path} cannot be opened ({error.__cause__ or error}): check that it can be read, and that its "
                "disk has room"
            )
        return self._damage_error(error)

    def _damage_error(self, error: sqlite3.DatabaseError | UnicodeDecodeError | str) -> LibraryDamaged:
        return LibraryDamaged(
            f"{self._path} is damaged ({error}): {COPY_BACK}",
            path=self._path,
        )

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """SQLite finds damage, and disks that fail, where it reads or writes, long after the opening."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = sqlite_code(error)
            if code in _CORRUPT:
                raise self._damage_error(error) from error
            if code in SQLITE_TROUBLE:
                raise disk_error(self.folder, error) from error
            if isinstance(error, sqlite3.ProgrammingError) and "closed database" in str(error):
                raise LibraryError("the library is closed: open it again") from error
            raise
        except UnicodeDecodeError as error:
            raise self._damage_error(error) from error  # SQLite's own message quotes what it found

    @contextmanager
    def read(self) -> Iterator[None]:
        """Every query inside sees one state of the catalogue."""
        with self._lock:
            self._refresh()
            with self._transaction("BEGIN"):
                yield

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction that is on the disk when the block ends, or not at all.

        Raises `LibraryReadOnly`, `DiskError`, `LibraryLocked`.
        """
        if self.read_only:
            raise LibraryReadOnly(f"library {self.folder} cannot be written: copy it to a disk where it can")
        with disk_errors(self.folder), self._transaction("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        with self._lock, self._translate_errors():
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
        with self._lock, self._translate_errors():
            return self._connection.execute(sql, values).rowcount

    def insert(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Adds a row; returns its key."""
        with self._lock, self._translate_errors():
            key = self._connection.execute(sql, values).lastrowid
        assert key is not None
        return key

    def execute_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """One statement, once for each of the `rows` of values."""
        with self._lock, self._translate_errors():
            self._connection.executemany(sql, rows)

    def one(self, sql: str, values: Sequence[Value] = ()) -> Row:
        """The only row of a query that always has one."""
        return self.all(sql, values)[0]

    def all(self, sql: str, values: Sequence[Value] = ()) -> list[Row]:
        """Every row."""
        with self._lock, self._translate_errors():
            return self._connection.execute(sql, values).fetchall()

    def records(self, sql: str, values: Sequence[Value] = ()) -> list[Record]:
        """Every row, by the names that the query gives its columns."""
        with self._lock, self._translate_errors():
            cursor = self._connection.execute(sql, values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    @property
    def revision(self) -> str:
        """Another text after every change, by this process or another; to compare while the catalogue is open."""
        with self._lock, self._translate_errors():
            self._refresh()
            return f"{self._stamp}-{self._pragma('data_version')}-{self._connection.total_changes}"

    @property
    def bytes(self) -> int:
        """The size of the file and of its log."""
        files = (self._path, self._path.with_name(FILE_NAME + "-wal"))
        return sum(path.stat().st_size for path in files if path.exists())

    def checkpoint(self) -> None:
        """Moves the log's contents into the file, as far as readers of older states allow."""
        self.all("PRAGMA wal_checkpoint (TRUNCATE)")

    def compact(self) -> None:
        """Returns the space of deleted rows to the disk. Not inside a transaction."""
        self.execute("VACUUM")
        self.checkpoint()

    def close(self) -> None:
        with self._lock:
            self._finalizer()
