"""What ends a command from outside does it as Ctrl+C does."""

import signal
import sys

import pytest
import typer

from colvision.cli.console import handle_errors
from colvision.signals import exit_when_terminated

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a signal of POSIX systems")


@pytest.fixture
def as_in_a_terminal():
    """Under `nohup`, or in the background of a shell, signals come to the tests ignored."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_command_that_is_stopped_closes_what_it_opened_and_says_so(number, code, capsys):
    closed = []
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(typer.Exit) as stopped, handle_errors():
        try:
            signal.raise_signal(number)
        finally:
            closed.append(True)
    assert (stopped.value.exit_code, closed) == (code, [True])
    assert "stopped; what was stored stays, and the same command goes on from there" in capsys.readouterr().err
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)] == before


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with exit_when_terminated():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_sigterm_does_not_disturb_the_closing():
    with pytest.raises(SystemExit) as ended, exit_when_terminated():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
