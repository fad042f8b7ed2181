"""Opening a library: of another format, where nothing can be written, while somebody writes, on a full disk."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from colvision.errors import (
    DiskFull,
    LibraryDamaged,
    LibraryError,
    LibraryFormat,
    LibraryLocked,
    LibraryReadOnly,
)
from colvision.store import Store, catalogue
from colvision.store.file_lock import file_lock
from colvision.store.schema import FORMAT
from tests.helpers.stores import TOY, add, begin, encoded, visible_pages, write


def test_many_can_open_a_library_that_is_just_being_made(quick_path):
    opened = []

    def work():
        with Store(quick_path / "new") as store:
            opened.append([row.name for row in store.collections()])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [["default"]] * 8


def test_a_writer_waits_for_the_lock_and_names_its_holder(quick_path):
    lock = quick_path / "library" / "writer.lock"
    lock.parent.mkdir()
    named = pytest.raises(LibraryLocked, match=f"'library' is being written by .* process {os.getpid()}/")
    with file_lock(lock), named, file_lock(lock, seconds=0.05):
        pass
    with file_lock(lock, seconds=0.05):
        pass


def test_opening_what_is_not_a_library_is_refused(quick_path):
    with pytest.raises(LibraryFormat, match="there is no library"):
        Store(quick_path / "manauls", create=False)
    assert not (quick_path / "manauls").exists()
    write(quick_path, "notes.txt", "mine")
    with pytest.raises(LibraryFormat, match=r"holds 'notes\.txt'"):
        Store(quick_path)
    with pytest.raises(LibraryFormat, match="is a file"):
        Store(quick_path / "notes.txt")
    (quick_path / "empty").mkdir()
    with pytest.raises(LibraryFormat, match="is not a library"):
        Store(quick_path / "empty", create=False)


@pytest.mark.parametrize(
    ("version", "words"),
    [(FORMAT + 1, f"reads up to {FORMAT}: upgrade colvision"), (0, f"reads 1 to {FORMAT}: ingest its")],
)
def test_a_format_that_is_not_known_is_refused_in_words(store, version, words):
    with closing(sqlite3.connect(store.path / catalogue.FILE_NAME)) as raw:
        raw.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(LibraryFormat, match=words):
        Store(store.path)


def test_a_catalogue_of_another_program_is_refused(quick_path):
    with sqlite3.connect(quick_path / catalogue.FILE_NAME) as raw:
        raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    with pytest.raises(LibraryFormat, match="not a catalogue of colvision"):
        Store(quick_path)


def test_a_catalogue_that_is_not_sqlite_is_damaged(quick_path):
    write(quick_path, catalogue.FILE_NAME, "not a database at all, but long enough to look" * 30)
    with pytest.raises(LibraryDamaged, match="is damaged"):
        Store(quick_path)


def test_a_creation_that_was_killed_is_completed(quick_path):
    (quick_path / catalogue.FILE_NAME).touch()
    with Store(quick_path) as store:
        assert [row.name for row in store.collections()] == ["default"]


def test_a_library_opened_for_reading_cannot_be_written(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "one")
    with Store(store.path, read_only=True) as reader:
        assert visible_pages(reader) == {("a.pdf", 1)}
        with pytest.raises(LibraryReadOnly, match="cannot be written"):
            begin(reader, write(quick_path, "b.pdf", "B"))
        with pytest.raises(LibraryReadOnly):
            reader.writer.delete(row)
        with pytest.raises(LibraryReadOnly):
            reader.jobs.queue("/b.pdf", "b.pdf")


_OPEN_FILES = """
import resource, sys
from pathlib import Path
from colvision.store import Store
hard = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
with Store(Path(sys.argv[1])):
    print(resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits how many files a process may open")
def test_a_store_may_open_as_many_files_as_the_system_allows(store):
    done = subprocess.run([sys.executable, "-c", _OPEN_FILES, store.path], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


_READ = """
import sys
from pathlib import Path
from colvision.store import Store
with Store(Path(sys.argv[1])) as store:
    print(store.read_only, store.snapshot("default").pages, [row.name for row in store.documents("default")])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a folder read-only")
def test_a_read_only_disk_opens_read_only(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    mount = f'mount --bind "{store.path}" "{store.path}" && mount -o remount,ro,bind "{store.path}"'
    command = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" "$@"']
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("a disk of its own needs `unshare -rm`, which this system does not allow")
    done = subprocess.run([*command, sys.executable, "-c", _READ, store.path], capture_output=True, text=True)
    assert done.stdout == "True 1 ['a.pdf']\n", done.stderr


def test_a_folder_that_cannot_be_written_is_reported_and_loses_nothing(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    pending = begin(store, write(quick_path, "b.pdf", "B"))
    shutil.rmtree(store.path / "shards")
    (store.path / "shards").write_text("in the way")
    with pytest.raises(LibraryError, match="could not be written"):
        store.writer.commit(pending, [encoded(1, "two")], TOY.info)
    assert store.find("b.pdf").stored == 0


def test_a_full_disk_is_reported_and_the_next_change_goes_on(store):
    """SQLite ends a transaction by itself when the disk is full."""
    with closing(catalogue.Catalogue(store.path, create=False)) as full:
        pages = full.one("PRAGMA page_count")[0]
        full.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(DiskFull, match="by deleting documents"), full.write():
            full.execute("UPDATE collections SET encoder = ?", ["x" * 100_000])
        full.execute("PRAGMA max_page_count = 1000")
        with full.write():
            full.execute("UPDATE collections SET generation = 7")
    row = store.collection("default")
    assert (row.info, row.generation) == (None, 7)


def test_a_commit_that_fails_is_undone(store):
    with closing(catalogue.Catalogue(store.path, create=False)) as strict:
        strict.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError), strict.write():
            strict.execute("PRAGMA defer_foreign_keys = ON")  # looked at by COMMIT, which then fails
            strict.execute("INSERT INTO pages (document, number) VALUES (99, 1)")
        with strict.write():
            assert strict.all("SELECT * FROM pages") == []


def test_the_store_imports_no_torch():
    code = "import sys, colvision.store, colvision.library; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
