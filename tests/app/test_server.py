"""Starting the application: the worker process that is kept alive, ports, and the command itself."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from colvision.app.services.library import LibraryService
from colvision.app.settings import NOT_THE_FILE, Settings
from colvision.app.supervisor import Supervisor
from typer.testing import CliRunner

from colvision.app import server, worker
from colvision.environment import ENCODER_VARIABLE, default_library
from colvision.library import open_library
from colvision.store.file_lock import Holder
from colvision.testing import ToyEncoder, save_document
from tests.helpers.toy_app import WORKER
from tests.helpers.uploads import send_file

pytestmark = pytest.mark.slow

PATIENCE = 60.0  # seconds, on a busy machine


@pytest.fixture
def service(quick_path):
    with open_library(quick_path / "library", encoder=ToyEncoder()) as library:
        yield LibraryService(library, Settings(library.path, worker=WORKER))


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.1)


def pid_of(worker):
    return int(worker.split()[-1].partition("/")[0])


def test_a_worker_that_is_killed_is_started_again_and_goes_on(service, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "0.2")
    pages = [[f"word{number}"] for number in range(12)]
    job = send_file(service, save_document(tmp_path / "file.tiff", pages), "pump.tiff")
    jobs = service.library.jobs
    with Supervisor(jobs, [*WORKER, str(service.library.path), str(os.getpid())]):
        wait_for(lambda: jobs.get(job.key).page >= 2)
        os.kill(pid_of(jobs.get(job.key).worker), signal.SIGKILL)
        wait_for(lambda: jobs.get(job.key).state == "ready")
    (document,) = service.overview().documents
    assert (document.state, document.stored) == ("ready", 12)
    assert list((service.library.path / "uploads").iterdir()) == []


def test_it_does_not_end_while_a_thread_still_warms_it_up(service, monkeypatch):
    warmed = []
    monkeypatch.setattr(service, "warm", lambda: (time.sleep(0.5), warmed.append(True)))
    with server.warming(service.warm):
        pass
    assert warmed == [True]


_SUICIDE = """
import os, sys
from colvision.environment import ENCODER_VARIABLE, default_library
from colvision.library import open_library
from colvision.store.file_lock import Holder
with open_library(sys.argv[1]) as library:
    if library.jobs.claim(str(Holder.current())) is None:
        import time; time.sleep(60)
os.abort()
"""


def test_a_file_that_kills_the_worker_three_times_is_failed(service, tmp_path, monkeypatch):
    monkeypatch.setattr("colvision.app.supervisor._REST_SECONDS", 0.05)
    job = send_file(service, save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    jobs = service.library.jobs
    with Supervisor(jobs, [sys.executable, "-c", _SUICIDE, str(service.library.path)]):
        wait_for(lambda: jobs.get(job.key).state == "failed")
    assert "3 times" in jobs.get(job.key).reason


def troubles_of(service, command, monkeypatch, *, starts):
    """What a supervisor tells of a worker that ends at once, so many times."""
    monkeypatch.setattr("colvision.app.supervisor._REST_SECONDS", 0.1)
    monkeypatch.setattr("colvision.app.supervisor._MAX_REST_SECONDS", 0.2)
    told = []
    with Supervisor(service.library.jobs, command, on_trouble=told.append):
        wait_for(lambda: len(list(filter(None, told))) >= starts)
    return list(filter(None, told))


def test_a_worker_that_cannot_start_rests_longer_each_time_and_the_overview_says_why(service, tmp_path, monkeypatch):
    send_file(service, save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    command = [sys.executable, "-c", "raise SystemExit('colvision: the weights are gone')"]
    first, second, third = troubles_of(service, command, monkeypatch, starts=3)[:3]
    for told, rest in ((first, "0.1"), (second, "0.2"), (third, "0.2")):
        assert "no document is being read" in told and f"again in {rest} s (the weights are gone)" in told
    before = service.revision()
    service.worker_trouble = first
    view = service.overview()
    assert (view.jobs[0].reason, first in view.warnings, service.revision() != before) == (first, True, True)


def test_a_worker_that_its_disk_ended_costs_no_file(service, tmp_path, monkeypatch):
    job = send_file(service, save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    script = _SUICIDE.replace("os.abort()", f"raise SystemExit({NOT_THE_FILE})")
    troubles_of(service, [sys.executable, "-c", script, str(service.library.path)], monkeypatch, starts=4)
    assert service.library.jobs.get(job.key).state == "running"


def test_nothing_is_begun_while_the_disk_is_full_and_all_of_it_afterwards(service, tmp_path, monkeypatch):
    job = send_file(service, save_document(tmp_path / "file.tiff", [["oil"]]), "pump.tiff")
    for trouble, state in (("the disk has 3 MB left", "queued"), ("", "ready")):
        parents = iter([1, 0])
        monkeypatch.setattr(worker.os, "getppid", lambda parents=parents: next(parents))
        monkeypatch.setattr(worker, "disk_trouble", lambda _, trouble=trouble: trouble)
        worker.work(service.library, parent=1)
        assert service.library.jobs.get(job.key).state == state


def test_a_library_that_cannot_be_written_is_served_without_a_worker_or_the_sample(service, capsys):
    with open_library(service.library.path, encoder=ToyEncoder(), read_only=True) as library:
        reader = LibraryService(library, service.settings)
        server._queue_sample(reader)
        assert "the sample manual was not loaded: library" in capsys.readouterr().err
        with server.reading(reader) as nothing:
            assert nothing is None


def test_the_worker_ends_with_the_application(service):
    """Here it has gone before the worker could even ask for its parent."""
    script = "import os, subprocess, sys; print(subprocess.Popen([*sys.argv[1:], str(os.getpid())], stdout=2).pid)"
    command = [sys.executable, "-c", script, *WORKER, str(service.library.path)]
    pid = int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE).stdout)
    wait_for(lambda: not _is_running(pid))


def test_only_the_job_that_killed_its_worker_is_failed(service):
    """An older one whose worker has died as well is left to the next worker."""
    jobs = service.library.jobs
    older = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    killed = subprocess.Popen([sys.executable, "-c", ""])
    keys = [jobs.queue("none.pdf", "none.pdf").key for _ in range(2)]
    killed.wait()
    workers = [str(Holder(socket.gethostname(), process.pid, 0)) for process in (older, killed)]
    assert [jobs.claim(worker).key for worker in workers] == keys
    older.communicate()
    supervisor = Supervisor(jobs, [])
    for _ in range(3):
        supervisor._count_death(killed.pid)
    assert [(jobs.get(key).state, jobs.get(key).worker) for key in keys] == [
        ("running", workers[0]),
        ("failed", workers[1]),
    ]


_STARTS_A_WORKER = """
import os, subprocess, sys
subprocess.Popen([*sys.argv[1:], str(os.getpid())]).wait()
"""


def test_the_worker_ends_with_the_application_in_the_middle_of_a_file(service, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_SECONDS", "1")
    pages = [[f"word{number}"] for number in range(20)]
    job = send_file(service, save_document(tmp_path / "file.tiff", pages), "pump.tiff")
    jobs = service.library.jobs
    command = [sys.executable, "-c", _STARTS_A_WORKER, *WORKER, str(service.library.path)]
    with subprocess.Popen(command) as application:
        wait_for(lambda: jobs.get(job.key).page >= 1)
        worker = pid_of(jobs.get(job.key).worker)
        if sys.platform == "linux":
            os.kill(worker, signal.SIGSTOP)  # it can do nothing itself any more
        application.kill()
    wait_for(lambda: not _is_running(worker))
    left = jobs.get(job.key)
    assert (left.state, left.page < left.pages) == ("running", True)
    assert jobs.claim().key == job.key, "the next worker goes on at once"


def test_sigterm_stores_what_was_read_and_closes_the_library_so_that_a_copy_without_its_log_is_one(
    service, tmp_path, monkeypatch
):
    monkeypatch.setenv("TOY_SECONDS", "0.3")
    send_file(service, save_document(tmp_path / "file.tiff", [[f"word{number}"] for number in range(30)]), "a.tiff")
    folder, jobs = service.library.path, service.library.jobs
    command = [sys.executable, "-m", "tests.helpers.toy_app", str(folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as application:
        wait_for(lambda: jobs.all()[0].page >= 2)
        service.library.close()
        application.terminate()
    assert application.returncode == 128 + signal.SIGTERM
    assert not (folder / "catalog.sqlite-wal").exists() and list((folder / "workers").iterdir()) == []
    with open_library(folder, encoder=ToyEncoder()) as library:
        (document,), (job,) = library.documents(), library.jobs.all()
        assert (document.state, job.state) == ("interrupted", "queued")
        assert 2 <= document.stored < 30


def test_the_worker_is_our_own_in_a_folder_that_has_an_app_too(tmp_path):
    planted = tmp_path / "app"
    planted.mkdir()
    for name in ("__init__.py", "worker.py"):
        (planted / name).write_text("raise SystemExit('planted')")
    command = Settings(tmp_path / "library").worker
    ended = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE)
    assert "usage: python -m colvision.app.worker LIBRARY PID" in ended.stderr


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_next_free_port_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with server.listen("127.0.0.1", port) as found:
            assert port < found.getsockname()[1] < port + 20


def test_what_is_answered_is_sent_at_once():
    """Not when the browser has acknowledged what came before, which takes 40 ms."""

    async def no_delay(listening):
        told = asyncio.get_running_loop().create_future()

        async def connected(_, writer):
            told.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            value = await told
            writer.close()
            await writer.wait_closed()
            return value

    with server.listen("127.0.0.1", 0) as listening:
        assert asyncio.run(no_delay(listening))


def test_an_address_of_another_machine_is_a_sentence():
    with pytest.raises(ValueError, match="cannot serve at 192.0.2.1"):
        server.listen("192.0.2.1", 7860)


@pytest.fixture
def run():
    import typer

    program = typer.Typer()
    program.command()(server.command)
    return lambda *options: CliRunner().invoke(program, options)


def test_the_worker_reads_with_the_encoder_that_the_app_was_started_with(run, service, tmp_path, monkeypatch):
    """One that is not there says so in the job."""
    monkeypatch.setenv(ENCODER_VARIABLE, "")  # put back afterwards
    monkeypatch.setattr(server, "serve", lambda settings, *, sample: None)
    missing = str(tmp_path / "checkpoint")
    assert run("--encoder", missing).exit_code == 0
    job = send_file(service, save_document(tmp_path / "file.tiff", [["pump"]]), "pump.tiff")
    jobs = service.library.jobs
    with Supervisor(jobs, [*Settings(service.library.path).worker, str(service.library.path), str(os.getpid())]):
        wait_for(lambda: jobs.get(job.key).state == "failed")
    assert missing in jobs.get(job.key).reason


def test_no_process_that_the_app_starts_is_told_the_token(run, tmp_path, monkeypatch):
    told = []
    monkeypatch.setenv("COLVISION_TOKEN", "a secret of my own")
    monkeypatch.setattr(
        server, "serve", lambda settings, *, sample: told.append((settings.token, os.environ.get("COLVISION_TOKEN")))
    )
    assert run("--library", str(tmp_path)).exit_code == 0
    assert told == [("a secret of my own", None)]


def test_another_address_without_a_token_is_refused_in_a_sentence(run, tmp_path, monkeypatch):
    monkeypatch.delenv("COLVISION_TOKEN", raising=False)
    result = run("--host", "0.0.0.0", "--library", str(tmp_path))
    assert result.exit_code == 2
    assert "set COLVISION_TOKEN" in result.output


def test_a_folder_that_is_no_library_is_refused_in_a_sentence(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = run("--library", str(tmp_path))
    assert (result.exit_code, "is not a library" in result.output) == (2, True)


def test_without_the_extra_the_app_says_how_to_install_it_and_makes_no_library(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)  # as if it were not installed
    result = run("--library", str(tmp_path / "library"))
    assert (result.exit_code, "pip install 'colvision[app]'" in result.output) == (2, True)
    assert not (tmp_path / "library").exists()


def test_the_library_is_that_of_the_environment_or_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("COLVISION_LIBRARY", str(tmp_path))
    assert default_library() == tmp_path
    monkeypatch.delenv("COLVISION_LIBRARY")
    assert default_library().name == "colvision"
