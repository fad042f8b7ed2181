import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

# Before torch is imported, and for the processes that tests start: the models here are tiny, and two threads that wait
# for each other in every product take four times as long as one where another program runs, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# The tests start hundreds of processes: the first compiles what it imports, for all.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import pytest
from colvision.app.services.library import LibraryService
from colvision.app.settings import Settings

from colvision.library import open_library
from colvision.store import Store
from colvision.testing import ToyEncoder, save_document, tiny_checkpoint
from tests.helpers.uploads import send_file
from tests.helpers.wheel import build, install

PUMP = [["bleed", "valve"], ["spare", "parts"], ["oil", "filter"]]  # the words on the pages of pump.tiff


def pytest_collection_modifyitems(items):
    """What is slow comes first, so that no core waits for it at the end: `make test` keeps this order of the files."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in ("slow", "browser")))


@pytest.fixture
def quick_path(tmp_path):
    """A folder in memory where the system has one: libraries flush often, and a busy disk would be most of a test."""
    memory = Path("/dev/shm")
    if not memory.is_dir():
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="colvision-test-", dir=memory))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def cache_of_its_own(tmp_path_factory):
    """What is remembered between runs, such as encoders that passed `doctor`, is not what tests left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def environment(wheel, tmp_path_factory):
    """The folder of a Python that has the wheel, and neither the checkout nor its tests."""
    return install(wheel, tmp_path_factory.mktemp("environment"))


@pytest.fixture
def store(quick_path):
    with Store(quick_path / "library") as store:
        yield store


@pytest.fixture(scope="session")
def evaluation_set(tmp_path_factory):
    from tests.helpers.evaluation_set import (
        make_evaluation_set,
    )  # what evaluates is not light, and most tests need none of it

    return make_evaluation_set(tmp_path_factory.mktemp("evaluation"))


@pytest.fixture
def service(quick_path):
    """The use cases of the application over an empty library with the toy encoder."""
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield LibraryService(library, Settings(library.path))


@pytest.fixture
def upload(service, tmp_path):
    """Uploads a file with these words and reads it, as the worker would."""

    def uploading(name="pump.tiff", pages=PUMP, **noted):
        path = save_document(tmp_path / "file.tiff", pages)
        job = send_file(service, path, name, metadata=noted)
        service.library.run_job(service.library.jobs.claim("test"))
        return job

    return uploading


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One application for all tests of the page; every test adds what it needs under names of its own."""
    from tests.helpers import browser as drive

    folder = tmp_path_factory.mktemp("app")
    with open_library(folder / "library", encoder=ToyEncoder()) as library:
        library.ingest(save_document(folder / "pump.tiff", PUMP))
        library.collection("archive").ingest(save_document(folder / "old.tiff", [["elsewhere"]]))
        for machine in ("press", "lathe"):
            (folder / machine).mkdir()
            library.collection("twins").ingest(save_document(folder / machine / "manual.tiff", [["bolt", machine]]))
        half = save_document(folder / "half.tiff", [["shaft"], ["hub"], ["key"]])
        with suppress(KeyboardInterrupt):  # as Ctrl+C in the middle of a file
            library.collection("halves").ingest(half, progress=_interrupt)
    with drive.serving(*drive.TOY, str(folder / "library"), "0", environment={"TOY_SECONDS": "0.4"}) as address:
        yield address


def _interrupt(progress):
    if progress.page == 2:
        raise KeyboardInterrupt


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory):
    """The folder of a family's tiny checkpoint, made once: tests that spoil it take a copy."""
    folders = {}

    def folder_of(name):
        if name not in folders:
            folders[name] = tiny_checkpoint(tmp_path_factory.mktemp(name), name)
        return folders[name]

    return folder_of


@pytest.fixture(scope="session")
def get(checkpoint_folder):
    """A family's encoder over its tiny checkpoint, loaded once: tests that change it load their own."""
    loaded = {}

    def encoder(name):
        from colvision.encoders import load_encoder

        if name not in loaded:
            loaded[name] = load_encoder(checkpoint_folder(name), device="cpu", dtype="float32")
        return loaded[name]

    return encoder
