"""An ingest that is killed at any moment loses nothing that was acknowledged, and goes on from there."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from colvision.ingest import Callbacks, IngestOptions, ingest_files
from colvision.store import Store
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT

pytestmark = pytest.mark.slow

CHILD = (sys.executable, "-m", "tests.helpers.ingest_process")
PAGES = 9
COMMIT_PAGES = 2


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    words = [[f"p{number}", "bleed", "valve"] for number in range(1, PAGES + 1)]
    return save_document(tmp_path_factory.mktemp("manual") / "manual.pdf", words)


def start(library, manual):
    return subprocess.Popen([*CHILD, library, manual, str(COMMIT_PAGES)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def kill_after(child, pages, seconds):
    """Kills a child so long after so many of its pages; returns how many pages the catalogue was said to hold."""
    said = "".join(child.stdout.readline() for _ in range(pages + 1))
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    said += child.stdout.read()
    child.stdout.close()
    child.wait()
    return max((int(line) for line in said.split("\n")[:-1] if line.isdigit()), default=0)


def contents(library):
    """{page number: codes}, once every page has been found to be there once and every shard to be whole."""
    with Store(library) as store:
        assert store.verify() == []
        snapshot = store.snapshot("default")
        found = {}
        for part in snapshot.shards:
            assert part.live.all()
            for row, number in enumerate(part.page.tolist()):
                assert number not in found, f"page {number} is stored twice"
                found[number] = np.array(part.shard.page(row).codes)
                (document,) = snapshot.documents.values()
                assert store.page_image_path(document, number).stat().st_size > 0
        return found


def test_three_kills_lose_nothing_and_store_no_page_twice(quick_path, manual):
    rng = np.random.default_rng(1)
    library, before, kills = quick_path / "library-0", 0, 0
    for attempt in range(1, 13):
        acknowledged = kill_after(child := start(library, manual), int(rng.integers(1, 4)), rng.uniform(0.0, 0.3))
        stored = contents(library)
        assert len(stored) >= max(acknowledged, before)
        before, kills = len(stored), kills + (child.returncode == -signal.SIGKILL)
        if kills >= 3 and 0 < before < PAGES:
            break
        if before == PAGES:  # on a busy machine the signal may come when all is done: once more from nothing
            library, before = quick_path / f"library-{attempt}", 0
    assert kills >= 3
    assert 0 < before < PAGES, "the kills came too early or too late to tell anything"
    output, _ = (last := start(library, manual)).communicate()
    assert last.returncode == 0, output
    stored = contents(library)
    assert sorted(stored) == list(range(1, PAGES + 1))
    assert_no_litter(library)

    with Store(quick_path / "undisturbed") as store:
        ingest_files(store, ToyEncoder(), [manual], options=IngestOptions(), callbacks=Callbacks())
    for number, codes in contents(quick_path / "undisturbed").items():
        np.testing.assert_array_equal(stored[number], codes)


def assert_no_litter(library):
    with Store(library) as store:
        named = {row.file_name for row in store.shards("default")}
    assert {path.name for path in (library / "shards").iterdir()} == named
    assert [path.suffix for path in (library / "files").iterdir()] == [".pdf"]
    (pictures,) = (library / "pages").iterdir()
    assert sorted(path.name for path in pictures.iterdir()) == [f"{n:04d}.jpg" for n in range(1, PAGES + 1)]
    assert (library / "writer.lock").read_text() == ""
