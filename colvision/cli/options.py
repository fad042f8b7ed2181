"""What the commands share: options, errors as sentences, progress bars. Results go to stdout, the rest to stderr."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

import colvision
from colvision.encoders.options import Quantise
from colvision.encoders.spec import EncoderSpec
from colvision.environment import ENCODER_VARIABLE, LIBRARY_VARIABLE, default_library
from colvision.errors import ColvisionError, DocumentNotFound

FAILED, MISUSED = 1, 2  # exit codes
_ENCODER = "Encoder"  # the panel of --help
_KILOBYTE = 1024
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

stderr = Console(stderr=True, highlight=False)


LibraryOption = Annotated[
    Path,
    typer.Option(
        "--library",
        envvar=LIBRARY_VARIABLE,
        default_factory=default_library,
        show_default="a folder in your data directory",
        help="The folder that holds the library.",
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        envvar=ENCODER_VARIABLE,
        metavar="NAME",
        show_default="the one that filled the library, else mini",
        help="mini, a checkpoint folder, or a hub id (owner/name, owner/name@revision).",
        rich_help_panel=_ENCODER,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="cpu, mps, cuda (all GPUs), cuda:1 or cuda:0,cuda:1; the fastest there is without.",
        rich_help_panel=_ENCODER,
    ),
]
DtypeOption = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="float32, bfloat16 or float16; the fastest that is exact enough without.",
        rich_help_panel=_ENCODER,
    ),
]
MaxPatchesOption = Annotated[
    int | None, typer.Option("--max-patches", min=1, help="The most patches a page becomes.", rich_help_panel=_ENCODER)
]
AdapterOption = Annotated[
    Path | None,
    typer.Option("--adapter", help="The folder of a LoRA adapter for the encoder.", rich_help_panel=_ENCODER),
]
QuantiseOption = Annotated[
    Quantise | None,
    typer.Option(
        "--quantise", help="The encoder's backbone in fewer bits: less memory, less exact.", rich_help_panel=_ENCODER
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MemoryOption = Annotated[
    int | None,
    typer.Option(
        parser=lambda text: parse_bytes(text),  # defined below
        metavar="SIZE",
        help="Work within so many bytes, such as 512MB, beside the encoder.",
    ),
]
Words = Annotated[
    list[str], typer.Argument(help="What to look for, in plain words; no quotes are needed.", show_default=False)
]


def parse_bytes(text: str) -> int:
    """512MB, 2 GB, 100000 -> bytes. Raises `typer.BadParameter`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise typer.BadParameter(f"{text!r} is no size; give bytes, or a number with KB, MB or GB, such as 512MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


@contextmanager
def progress_bars() -> Iterator[Callable[[colvision.Progress], None]]:
    """Shows a bar for each document on stderr, moved by what is given back."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Bar(*columns, console=stderr, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def on_progress(progress: colvision.Progress) -> None:
            name = progress.document
            if name not in tasks:
                tasks[name] = bar.add_task(escape(name), total=progress.pages, speed="")
            left = f", {format_duration(progress.seconds_left)} left" if progress.seconds_left else ""
            speed = f"{progress.pages_per_second:.1f} pages/s{left}"
            bar.update(tasks[name], completed=progress.page, total=progress.pages, speed=speed)

        yield on_progress


@contextmanager
def handle_errors() -> Iterator[None]:
    """Turns our errors into one sentence on stderr and an exit code."""
    try:
        yield
    except ValueError as error:
        stderr.print(f"colvision: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(MISUSED) from error
    except DocumentNotFound as error:
        stderr.print(f"colvision: {escape(str(error))} (`colvision list` shows them)", soft_wrap=True)
        raise typer.Exit(FAILED) from error
    except ColvisionError as error:
        stderr.print(f"colvision: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(FAILED) from error
    except OSError as error:
        stderr.print(
            f"colvision: {escape(str(error.filename or ''))}: {escape(error.strerror or str(error))}", soft_wrap=True
        )
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt:
        stderr.print("colvision: stopped; what was stored stays, and the same command goes on from there")
        raise typer.Exit(130) from None


def open_existing(
    library: Path, *, encoder: EncoderSpec | None = None, max_memory: int | None = None
) -> colvision.Library:
    return colvision.open_library(library, encoder=encoder, create=False, max_memory=max_memory)


def echo(line: str) -> None:
    """One line of the result; a reader that has gone away (`| head`) is no error."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def format_bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < _KILOBYTE:
            return f"{count:.0f} {unit}"
        count /= _KILOBYTE
    return f"{count:.1f} GB"


def format_count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def format_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
