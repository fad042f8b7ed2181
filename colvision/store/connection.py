"""A connection to SQLite as the catalogue needs it: text that may be damaged, and functions of ours for its SQL."""

import sqlite3
import time
from functools import partial
from pathlib import Path

from colvision.core.names import normal_name
from colvision.core.text import page_form
from colvision.store import uploads
from colvision.store.disk import sqlite_code
from colvision.store.table import row_checksum, text_checksum

_BUSY_SECONDS = 30.0
_POLL_SECONDS = 0.01


def connect(database: str, folder: Path) -> sqlite3.Connection:
    """Opens the catalogue of the library in a folder, at a path or in memory; each statement commits by itself."""
    connection = sqlite3.connect(
        database, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.text_factory = _decode
    connection.create_function("row_checksum", -1, row_checksum, deterministic=True)
    connection.create_function("text_checksum", 1, text_checksum, deterministic=True)
    connection.create_function("page_form", 1, _page_form, deterministic=True)
    connection.create_function("normal_name", 1, _normal_name, deterministic=True)
    connection.create_function("upload_path", 1, partial(uploads.upgrade_path, folder))
    connection.create_function("upload_metadata", 1, partial(uploads.upgrade_metadata, folder))
    return connection


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches to WAL, or stays there. SQLite waits for no other opening while it switches a new file: so we do."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def _normal_name(data: bytes | None) -> str | None:
    """Of bytes, as text may be damaged."""
    return None if data is None else normal_name(_decode(data))


def _decode(data: bytes) -> str:
    """Decodes damaged text as well: the checksum of its row does not match it."""
    return data.decode(errors="replace")


def _page_form(text: bytes) -> str:
    """The SQL function `page_form`, of text as bytes, which may be damaged."""
    return page_form(_decode(text))
