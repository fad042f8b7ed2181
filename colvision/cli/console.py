"""What the commands show: results on stdout, everything else on stderr; errors as sentences, progress as bars."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer
from rich.console import Console
from rich.markup import escape

from colvision.environment import DEBUG_VARIABLE
from colvision.errors import ColvisionError, DocumentNotFound
from colvision.signals import Terminated, termination_raises

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from colvision.engines import ExportProgress
    from colvision.evaluation import TaskProgress
    from colvision.ingest import Progress

FAILED, MISUSED, INTERRUPTED = 1, 2, 130  # exit codes
_KILOBYTE = 1024

_MISUSE = typer.BadParameter.__mro__[2]  # typer's error for what a command is given: it has no public name
_OF_TYPER: tuple[type[Exception], ...] = (typer.Exit, typer.Abort, _MISUSE)

stderr = Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """What a terminal would obey is shown instead: names and metadata come from anywhere."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode("ascii") for each in text
    )


def echo(line: str) -> None:
    """One line of the result; a reader that has gone away (`| head`) is no error."""
    try:
        sys.stdout.write(printable(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Report(Protocol):
    """What a command has done."""

    def to_dict(self) -> dict[str, Any]: ...


def echo_report(report: Report, *, as_json: bool) -> None:
    """As JSON, or in words."""
    echo(json.dumps(report.to_dict()) if as_json else str(report))


@contextmanager
def handle_errors() -> Iterator[None]:
    """Turns errors into one sentence on stderr and an exit code."""
    try:
        with termination_raises():
            yield
    except _OF_TYPER:
        raise
    except UnicodeError as error:
        raise _exit(f"a text or a name that is no UTF-8 ({error}): give another one", FAILED) from error
    except ValueError as error:
        raise _exit(str(error), MISUSED) from error
    except DocumentNotFound as error:
        raise _exit(f"{error}: `colvision list`", FAILED) from error
    except ColvisionError as error:
        raise _exit(str(error), FAILED) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        raise _exit(f"{where}{error.strerror or error}", FAILED) from error
    except KeyboardInterrupt as stop:
        code = stop.exit_code if isinstance(stop, Terminated) else INTERRUPTED
        raise _exit("stopped; what was stored stays, and the same command goes on from there", code) from None
    except Exception as error:
        reason = f"an error that was not expected ({type(error).__name__}: {error})"
        raise _exit(f"{reason}; with {DEBUG_VARIABLE}=1 set, the same command shows where", FAILED) from error


def _exit(message: str, code: int) -> typer.Exit:
    if os.environ.get(DEBUG_VARIABLE):
        traceback.print_exc()
    message = printable(message)
    stderr.print(f"colvision: {escape(message)}", soft_wrap=True)
    return typer.Exit(code)


@contextmanager
def progress_bars() -> Iterator["Callable[[Progress], None]"]:
    """Shows a bar for each document on stderr, moved by what is given back."""
    with _bars("{task.fields[speed]}") as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(progress: "Progress") -> None:
            name = progress.document
            if name not in tasks:
                tasks[name] = bar.add_task(escape(name), total=progress.pages, speed="")
            left = f", {format_duration(progress.seconds_left)} left" if progress.seconds_left else ""
            speed = f"{progress.pages_per_second:.1f} pages/s{left}"
            bar.update(tasks[name], completed=progress.page, total=progress.pages, speed=speed)

        yield on_progress


@contextmanager
def steps_bar(first: str) -> Iterator["Callable[[TaskProgress | ExportProgress], None]"]:
    """Shows one bar on stderr for the parts of a long work, moved by what is given back."""
    with _bars() as bar:
        task = bar.add_task(first, total=None)
        yield lambda step: bar.update(task, description=escape(step.task), completed=step.done, total=step.total)


def _bars(*last: str) -> "Bar":
    # Imported where a bar is shown: a search shows none.
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *map(TextColumn, last))
    return Bar(*columns, console=stderr, transient=True)


def format_bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < _KILOBYTE:
            return f"{count:.0f} {unit}"
        count /= _KILOBYTE
    return f"{count:.1f} GB" if count < _KILOBYTE else f"{count / _KILOBYTE:,.1f} TB"


def format_count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def format_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
