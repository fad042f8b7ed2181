"""A library made by an older colvision (0.1.0, format 1) opens, is upgraded, and answers as it did."""

import os
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from colvision.errors import LibraryReadOnly
from colvision.maxsim import sign_bits
from colvision.search import search_pages
from colvision.store import Store, catalogue
from colvision.store.schema import FORMAT
from colvision.testing import ToyEncoder
from tests.helpers.stores import add, visible_pages, write

OLDER = Path(__file__).with_name("library-format-1.zip")
PAGES = {("pump.pdf", 1), ("pump.pdf", 2), ("seal.pdf", 1)}
WIDE = ToyEncoder(dim=64)  # as the older library was filled


@pytest.fixture
def older(quick_path):
    folder = quick_path / "older"
    with zipfile.ZipFile(OLDER) as file:
        file.extractall(folder)
    return folder


def version_of(folder):
    with closing(sqlite3.connect(folder / catalogue.FILE_NAME)) as raw:
        return raw.execute("PRAGMA user_version").fetchone()[0]


def best(store, word):
    (query,) = WIDE.encode_queries([word])
    (hit, *_) = search_pages(store.snapshot("default"), query, info=WIDE.info)
    return hit.document, hit.page


def test_an_older_library_is_upgraded_when_it_is_opened(older):
    assert version_of(older) == 1
    with Store(older) as store:
        assert visible_pages(store) == PAGES
        assert best(store, "valve") == ("pump.pdf", 2)
        row = store.find("pump.pdf")
        assert (row.is_intact, row.metadata, store.page_text(row, 1)) == (True, {}, "bleed")
        assert store.page(row, 2).height == 80
        assert store.verify() == []
    assert version_of(older) == FORMAT


def test_an_older_shard_gives_bits_and_pages(older):
    with Store(older) as store:
        shard = store.snapshot("default").shards[0].shard
        np.testing.assert_array_equal(shard.bits, sign_bits(shard.codes))
        assert shard.owners is None and len(shard.page(1).codes) > 0


def test_compacting_brings_older_shards_to_this_format(older):
    with Store(older) as store:
        before = store.stored_page(store.find("pump.pdf"), 2).codes.tobytes()
        assert store.compact().shards == 1
        (part,) = store.snapshot("default").shards
        assert part.shard.has_checksums and part.shard.owners.tolist() == [[1, 1], [1, 2], [2, 1]]
        assert store.stored_page(store.find("pump.pdf"), 2).codes.tobytes() == before
        assert visible_pages(store) == PAGES and store.verify() == []


def test_an_older_library_is_added_to(older, quick_path):
    with Store(older) as store:
        add(store, write(quick_path, "new.pdf", "N"), "parts", encoder=WIDE)
        assert visible_pages(store) == PAGES | {("new.pdf", 1)}
        assert best(store, "parts") == ("new.pdf", 1) and best(store, "spare") == ("seal.pdf", 1)
        store.writer.delete(store.find("pump.pdf"))
        assert visible_pages(store) == {("new.pdf", 1), ("seal.pdf", 1)}


def test_an_older_library_that_may_not_be_written_is_read_as_it_is(older):
    before = (older / catalogue.FILE_NAME).read_bytes()
    with Store(older, read_only=True) as store:
        assert visible_pages(store) == PAGES and best(store, "spare") == ("seal.pdf", 1)
        with pytest.raises(LibraryReadOnly):
            store.writer.delete(store.find("pump.pdf"))
    assert (older / catalogue.FILE_NAME).read_bytes() == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from colvision.store import Store, catalogue
from colvision.store.schema import FORMAT
execute_script = catalogue.Catalogue._execute_script
def execute_and_die(self, script):
    execute_script(self, script)
    os.kill(os.getpid(), signal.SIGKILL)
catalogue.Catalogue._execute_script = execute_and_die
Store(Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
def test_an_upgrade_that_is_killed_leaves_the_older_library(older):
    done = subprocess.run([sys.executable, "-c", _KILLED, older], capture_output=True)
    assert done.returncode == -9
    assert version_of(older) == 1
    with Store(older) as store:
        assert visible_pages(store) == PAGES


def test_two_that_open_an_older_library_at_once_upgrade_it_once(older):
    read, write_end = os.pipe()
    code = "import os, sys\nfrom pathlib import Path\nfrom colvision.store import Store\nos.read(int(sys.argv[2]), 1)\n"
    code += "with Store(Path(sys.argv[1])) as store: print(store.snapshot('default').pages)"
    command = [sys.executable, "-c", code, str(older), str(read)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[read], text=True) for _ in range(2)]
    os.write(write_end, b"go")
    assert [child.communicate()[0] for child in both] == ["3\n", "3\n"]
    os.close(read)
    os.close(write_end)
