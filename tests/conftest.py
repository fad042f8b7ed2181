import shutil
import tempfile
from pathlib import Path

import pytest

from colvision.store import Store


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


@pytest.fixture
def store(quick_path):
    with Store(quick_path / "library") as store:
        yield store


@pytest.fixture(scope="session")
def judged(tmp_path_factory):
    from judged import made  # what evaluates is not light, and most tests need none of it

    return made(tmp_path_factory.mktemp("evaluation"))
