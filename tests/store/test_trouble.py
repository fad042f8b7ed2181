"""A full disk, a folder without permission, files that are missing or somebody else's: reported, and nothing lost."""

import os
import subprocess
import sys
import threading

import pytest

from colvision.errors import LibraryDamaged
from colvision.library import Library
from colvision.search import search_pages
from colvision.status import ShardBytes
from colvision.store import Store
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT
from tests.helpers.stores import TOY, add, begin, encoded, visible_pages, write

pytestmark = pytest.mark.slow

_CHILD = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.helpers.stores import TOY, add, begin, encoded, visible_pages, write
from colvision.errors import ColvisionError
from colvision.store import Store
from PIL import Image
Image.init()  # loads its plugins while it may
folder, scratch = Path(sys.argv[1]), Path(sys.argv[2])
{before}
try:
    with Store(folder) as store:
        add(store, scratch / "new.pdf", "two", "three")
except ColvisionError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""


def child(before, folder, scratch, prefix=()):
    """What a process says that adds a document after it did what comes `before`."""
    write(scratch, "new.pdf", "N" * 50_000)
    code = _CHILD.format(before=before)
    command = [*prefix, sys.executable, "-c", code, folder, scratch, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_as_before(path, folder):
    """The library opens, is intact, and takes what it could not take."""
    with Store(path) as store:
        assert store.verify() == [] and ("a.pdf", 1) in visible_pages(store)
        add(store, write(folder, "later.pdf", "L"), "four")
        assert ("later.pdf", 1) in visible_pages(store)
        assert not list(path.rglob("*.tmp"))


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
@pytest.mark.parametrize("limit", [1000, 40_000, 60_000])
def test_a_file_that_may_not_grow_is_reported_and_nothing_is_lost(store, quick_path, limit):
    """What a process may write ends in the middle of the kept file, of the catalogue's log, or of the catalogue."""
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    message = child(before, store.path, quick_path)
    assert "make room" in message or "has room" in message, message
    is_as_before(store.path, quick_path)


_FULL = """
try:
    with open(folder / "ballast", "wb") as file:
        while True:
            file.write(bytes(4096)); file.flush()
except OSError:
    pass
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_a_full_disk_is_reported_and_the_library_opens_afterwards(store, quick_path):
    """A real one, of a megabyte: the library is copied onto it, the rest of it filled."""
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    disk = quick_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=1m none "$1" && cp -r "$0"/. "$1" && shift 2 && "$@"; code=$?; '
    script += f'rm -f "{disk}/ballast"; cp -r "{disk}/." "{store.path}"; exit $code'
    if subprocess.run(["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True).returncode:
        pytest.skip("a disk of its own needs `unshare -rm`, which this system does not allow")
    prefix = ["unshare", "-rm", "sh", "-c", script, store.path, disk, "--"]
    message = child(_FULL, disk, quick_path, prefix)
    assert "make room" in message or "has room" in message, message
    is_as_before(store.path, quick_path)


_MAKES_ROOM = """
import subprocess, sys
from pathlib import Path
from colvision.errors import ColvisionError
from colvision.library import open_library
from colvision.store.judgements import Judgement
from colvision.testing import ToyEncoder, save_document
disk, folder = Path(sys.argv[1]), Path(sys.argv[1]) / "library"

def try_all(library):
    document = library.documents()[0].id
    work = {
        "queue": lambda: library.jobs.queue("/a.pdf", "a.pdf"), "claim": library.jobs.claim,
        "ingest": lambda: library.ingest(disk / "c.tiff"), "compact": library.compact,
        "judge": lambda: library.judgements.put(Judgement("oil", document, 1, "relevant"), limit=9),
        "change": lambda: library.set_metadata("a.tiff", {"a": "b" * 100_000}),
    }
    for name, do in work.items():
        try:
            do()
        except ColvisionError as error:
            print(name, type(error).__name__)

with open_library(folder, encoder=ToyEncoder()) as library:
    library.ingest([save_document(disk / f"{name}.tiff", [[name, "bleed"]]) for name in "ab"])
save_document(disk / "c.tiff", [["late"]])
subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
with open_library(folder, encoder=ToyEncoder()) as library:
    assert library.search("bleed") and library.verify().is_intact
    try_all(library)
subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
try:
    with open(disk / "ballast", "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
except OSError:
    print("full")
with open_library(folder, encoder=ToyEncoder()) as library:
    assert library.search("bleed")
    try_all(library)
    library.delete("a.tiff")
    print("deleted", [each.name for each in library.documents()], library.verify().is_intact)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
def test_every_change_on_a_disk_that_refuses_it_is_an_error_of_ours_and_a_full_one_can_be_cleared(quick_path):
    if subprocess.run(["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True).returncode:
        pytest.skip("a disk of its own needs `unshare -rm`, which this system does not allow")
    script = 'mount -t tmpfs -o size=48m none "$0" && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, quick_path, sys.executable, "-c", _MAKES_ROOM, quick_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read_only, full = done.stdout.split("full\n")
    assert read_only.splitlines() == [
        f"{name} LibraryReadOnly" for name in ("queue", "claim", "ingest", "compact", "judge", "change")
    ]
    *refused, last = full.splitlines()
    assert (
        {"ingest DiskFull"}
        <= set(refused)
        <= {f"{name} DiskFull" for name in ("queue", "claim", "ingest", "compact", "judge", "change")}
    )
    assert last == "deleted ['b.tiff'] True"


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="becomes another user, which root may")
@pytest.mark.parametrize("locked", [".", "shards", "files"])
def test_a_folder_without_permission_is_reported(store, quick_path, locked):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    store.close()
    for path in [quick_path, store.path, *store.path.rglob("*")]:
        path.chmod(0o777)
    (store.path / locked).chmod(0o555)
    message = child("os.setgroups([]); os.setgid(65534); os.setuid(65534)", store.path, quick_path)
    expected = "LibraryReadOnly" if locked == "." else "could not be written"
    assert expected in message, message
    (store.path / locked).chmod(0o777)
    is_as_before(store.path, quick_path)


def test_files_of_others_in_the_folder_change_nothing(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "one")
    for name in (".DS_Store", "notes.txt", "shards/.nfs0001", "pages/Thumbs.db"):
        write(store.path, name, "theirs")
    (store.path / "photos").mkdir()
    is_as_before(store.path, quick_path)
    assert (store.path / "notes.txt").exists() and (store.path / "photos").exists()


def test_a_page_whose_image_is_missing_says_so(quick_path):
    with Library(Store(quick_path / "library"), ToyEncoder()) as library:
        library.ingest(save_document(quick_path / "pump.tiff", [["bleed"]]))
        library.page_image_path("pump.tiff", 1).unlink()
        with pytest.raises(LibraryDamaged, match="image of page 1 of 'pump.tiff' cannot be read"):
            library.page_image("pump.tiff", 1)
        assert library.search("bleed")[0].page == 1
        assert library.verify(repair=True).is_intact
        assert library.page_image("pump.tiff", 1).mode == "RGB"


def test_folders_that_are_missing_are_made_again(store, quick_path):
    """An empty folder is what copying programs leave out."""
    store.close()
    for name in ("shards", "files", "pages"):
        (store.path / name).rmdir()
    with Store(store.path) as again:
        add(again, write(quick_path, "a.pdf", "A"), "one")
        assert visible_pages(again) == {("a.pdf", 1)}


def _faults(reader):
    """What is wrong with one answer."""
    (query,) = TOY.encode_queries(["still moving"])
    snapshot = reader.snapshot("default")
    scores = {}
    for hit in search_pages(snapshot, query, info=TOY.info):
        scores.setdefault(hit.document_id, []).append((hit.page, round(hit.score, 5)))
    if reader.find("still.pdf").id not in scores:
        yield "the document that was not touched was not found"
    for document, pages in scores.items():
        if [page for page, _ in pages] != [1, 2] or len({score for _, score in pages}) != 1:
            yield f"half of {document} was found: {pages}"
    if sum(row.stored for row in snapshot.documents.values()) != snapshot.pages:
        yield "the documents and the pages of a generation do not fit"


def test_four_readers_beside_a_writer_never_see_half_a_change(store, quick_path):
    """Commits, replacements, merges and deletions: an answer is of one generation, whole, with the right scores.

    Every document has two pages that say the same; `still` is never touched.
    """
    add(store, write(quick_path, "still.pdf", "S"), "still", "still")
    is_done, faults = threading.Event(), []

    def read():
        with Store(store.path) as reader:
            while not is_done.is_set():
                faults.extend(_faults(reader))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(24):
        name = f"{number % 5}.pdf"
        pending = begin(store, write(quick_path, name, f"{number}"), pages=2)
        store.writer.commit(pending, [encoded(1, "moving"), encoded(2, "moving")], TOY.info)
        store.writer.finish(pending)
        if number % 5 == 3:
            store.writer.delete(store.find(name))
        if number % 8 == 7:
            store.compact()
    is_done.set()
    for reader in readers:
        reader.join()
    assert faults == []


def test_status_says_what_the_bytes_are_and_how_much_is_dead(quick_path):
    wide = ToyEncoder(dim=64)
    with Store(quick_path / "library") as store:
        pending = begin(store, write(quick_path, "a.pdf", "A" * 100), pages=4, encoder=wide)
        pages = [encoded(number, f"w{number}", encoder=wide) for number in range(1, 5)]
        store.writer.commit(pending, pages, wide.info)
        store.writer.finish(pending)
        for number, word in enumerate(("b", "c", "d", "e")):
            add(store, write(quick_path, f"{word}.pdf", word), f"x{number}", encoder=wide)
        store.compact()
        store.writer.delete(store.find("b.pdf"))
        with Library(store, wide) as library:
            status = library.status()
        (collection,) = status.collections
        shard = store.path / "shards" / "00000006.safetensors"
        n = collection.vectors
        assert (collection.shards, collection.bytes) == (1, shard.stat().st_size)
        assert collection.shard_bytes == ShardBytes(
            codes=n * 64, bits=n * 8, grids=collection.bytes - n * 72, dead=collection.bytes // 8
        )
        assert 0.12 < collection.shard_bytes.dead_share < 0.13
        assert status.files == 100 + 3
        assert status.page_images == sum(path.stat().st_size for path in store.path.glob("pages/*/*"))
        assert status.catalogue > 4096
