"""The process in which files are opened: it dies alone, leaves nothing behind, and is not believed."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from colvision.core.page import Page
from colvision.pdf import Limits, RendererChoice, read_pages
from colvision.pdf.sandbox.protocol import PageImage, Status, receive, send
from tests.helpers.pdf_files import BOTH, SLOW, SMALL, text_file, written

pytestmark = pytest.mark.slow

NEEDS_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
HASTY = Limits(page_seconds=2.0)
PATIENCE = 60.0  # seconds, on a busy machine


@pytest.fixture(params=BOTH)
def renderer(request) -> RendererChoice:
    return request.param


def processes_of(path: Path, program: str = "") -> list[int]:
    """The processes whose command line names the file, and the program."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            if str(path) in command and program in command:
                found.append(int(entry.name))
    return found


def zombies() -> set[int]:
    """The dead children that this process has not taken note of."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) == os.getpid():
                found.add(int(entry.name))
    return found


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@NEEDS_PROC
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_the_death_of_the_process_costs_one_page(tmp_path, renderer, how):
    path = written(tmp_path, SLOW[renderer](before=1, after=1))
    pages = read_pages(path, pixels=SMALL, renderer=renderer)
    assert next(pages).text == "good"
    os.kill(min(processes_of(path, "colvision.pdf.sandbox.worker")), how)  # it is at the bomb
    failed, last = pages
    assert failed.reason.startswith(f"ended the renderer ({how.name})")
    assert last.text == "good"


@NEEDS_PROC
def test_the_process_knows_no_secret_and_may_do_little(tmp_path, renderer, monkeypatch):
    monkeypatch.setenv("COLVISION_TOKEN", "a secret of my own")
    path = written(tmp_path, text_file("first", "second"))
    pages = read_pages(path, pixels=SMALL, renderer=renderer)
    next(pages)
    process = Path("/proc") / str(min(processes_of(path, "colvision.pdf.sandbox.worker")))
    limits = dict(re.findall(r"^(Max [a-z ]+?)  +(\w+)", (process / "limits").read_text(), re.MULTILINE))
    assert b"COLVISION_TOKEN" not in (process / "environ").read_bytes()
    assert "NoNewPrivs:\t1" in (process / "status").read_text()
    assert (limits["Max open files"], limits["Max file size"]) == ("64", str(2**26))
    assert (limits["Max processes"] == "0") == (renderer == "pdfium")
    assert next(pages).text == "second"


@NEEDS_PROC
def test_nothing_is_left_behind(tmp_path, renderer, monkeypatch):
    before, scratch = zombies(), tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    path = written(tmp_path, SLOW[renderer](before=2, after=1))
    assert len(list(read_pages(path, limits=HASTY, renderer=renderer, pixels=SMALL))) == 4
    abandoned = read_pages(path, limits=Limits(page_seconds=10 * PATIENCE), renderer=renderer)
    assert [next(abandoned).text, next(abandoned).text] == ["good", "good"]
    drawing = "pdftoppm" if renderer == "poppler" else "colvision.pdf.sandbox.worker"
    assert wait_for(lambda: bool(processes_of(path, drawing)))  # at the bomb, which comes next
    abandoned.close()
    assert (zombies() - before, list(scratch.iterdir())) == (set(), [])
    assert wait_for(lambda: not processes_of(path))


@NEEDS_PROC
def test_a_long_file_is_read_by_one_process_after_the_other(tmp_path):
    path = written(tmp_path, text_file(*map(str, range(1, 206))))
    texts, processes = [], set()
    for page in read_pages(path, renderer="pdfium", pixels=10_000):
        texts.append(page.text)
        if page.number in (1, 100, 204):
            processes |= set(processes_of(path))
    assert texts == list(map(str, range(1, 206)))
    assert processes_of(path) == []
    assert len(processes) == 2, "what a renderer keeps of each page must not pile up"


@NEEDS_PROC
def test_a_page_that_the_machine_has_no_time_for_is_waited_for(tmp_path, renderer):
    path = written(tmp_path, text_file("a", "b"))
    pages = read_pages(path, limits=HASTY, renderer=renderer)
    next(pages)
    for process in processes_of(path):
        os.kill(process, signal.SIGSTOP)
        threading.Timer(2.5, os.kill, [process, signal.SIGCONT]).start()
    assert isinstance(next(pages), Page)
    pages.close()


READ_ALL = """
import ctypes, os, sys
from colvision.pdf import Limits, read_pages
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans come to us, as to the first process of a container
for page in read_pages(sys.argv[1], limits=Limits(page_seconds=2.0), renderer=sys.argv[2]):
    print(page.number, flush=True)
try:
    print("left:", os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print("none left")
"""


@NEEDS_PROC
def test_a_first_process_of_a_container_collects_no_zombies(tmp_path, renderer):
    path = written(tmp_path, SLOW[renderer](before=1, after=1))
    done = subprocess.run([sys.executable, "-c", READ_ALL, path, renderer], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:4] == ["1", "2", "3", "none left"]


READ_ONE = """
import sys
from colvision.pdf import Limits, read_pages
pages = read_pages(sys.argv[1], limits=Limits(page_seconds=20.0), renderer=sys.argv[2])
print(next(pages).number, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def killed_parent(path: Path, renderer: str) -> Iterator[None]:
    """A process that has read the first page of a file, killed before it could end what it had started."""
    command = [sys.executable, "-c", READ_ONE, path, renderer]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout.readline() == b"1\n"
        child = min(processes_of(path, "colvision.pdf.sandbox.worker"))
        parent.kill()
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


@NEEDS_PROC
def test_a_process_whose_parent_was_killed_ends_by_itself(tmp_path, renderer):
    path = written(tmp_path, text_file("a", "b", "c"))
    with killed_parent(path, renderer):
        assert wait_for(lambda: not processes_of(path))


@NEEDS_PROC
def test_a_process_that_is_busy_when_its_parent_is_killed_has_seconds_left(tmp_path, renderer):
    path = written(tmp_path, SLOW[renderer](before=1))
    drawing = "pdftoppm" if renderer == "poppler" else "colvision.pdf.sandbox.worker"
    with killed_parent(path, renderer):
        assert wait_for(lambda: bool(processes_of(path, drawing)))
        limits = [Path(f"/proc/{process}/limits").read_text() for process in processes_of(path)]
        seconds = [int(re.search(r"Max cpu time +(\d+)", text).group(1)) for text in limits]
        assert 20 < max(seconds) < 30


def conversation(*answers: Status | PageImage) -> BytesIO:
    pipe = BytesIO()
    for answer in answers:
        send(pipe, answer)
    pipe.seek(0)
    return pipe


def test_answers_arrive_as_they_were_sent():
    rng = np.random.default_rng(0)
    picture = PageImage((7, 5), "RGBX", rng.bytes(140), "text\n\ud83d \u2028")
    pipe = conversation(Status("opened", pages=3), picture, Status("failed", "is damaged"))
    assert [receive(pipe, 35) for _ in range(4)] == [
        Status("opened", pages=3),
        picture,
        Status("failed", "is damaged"),
        None,
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}\n",
        b"[]\n",
        b"nonsense\n",
        b'{"code": "bought"}\n',
        b'{"code": "opened", "pages": "all"}\n',
        b'{"size": [7, 5], "raw": "L", "text": "", "geometry": null}\nshort',
        b'{"size": [1000000, 1000000], "raw": "L", "text": "", "geometry": null}\n',
        b'{"size": [-7, -5], "raw": "L", "text": "", "geometry": null}\n',
        b'{"size": [7, 5], "raw": "XYZ", "text": "", "geometry": null}\n',
        b'{"size": [1, 1], "raw": "L", "text": "", "geometry": {"crop": [0], "rotation": 0}}\n.',
        b'{"size": [1, 1], "raw": "L", "text": "", "geometry": {"crop": [9, 9, 0, 0], "rotation": 0}}\n.',
    ],
)
def test_a_process_that_was_taken_over_is_not_believed(line):
    assert receive(BytesIO(line), 35) is None
