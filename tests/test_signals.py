"""SIGTERM ends a command as Ctrl+C does."""

import signal
import sys

import pytest
import typer

from colvision.cli.console import handle_errors
from colvision.signals import exit_on_sigterm

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a signal of POSIX systems")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_closes_what_it_opened_and_says_so(number, code, capsys):
    closed = []
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as stopped, handle_errors():
        try:
            signal.raise_signal(number)
        finally:
            closed.append(True)
    assert (stopped.value.exit_code, closed) == (code, [True])
    assert "stopped; what was stored stays, and the same command goes on from there" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_sigterm_does_not_disturb_the_closing():
    with pytest.raises(SystemExit) as ended, exit_on_sigterm():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 143
