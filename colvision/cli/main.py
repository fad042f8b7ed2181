"""The commands, put together."""

import logging
import os
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_group

import colvision
from colvision.cli.console import echo, handle_errors
from colvision.environment import DEBUG_VARIABLE, LIBRARY_VARIABLE

_MODULES = {  # with the commands that each defines, in the order of --help
    "colvision.app.server": ("app",),
    "colvision.app.mcp": ("mcp",),
    "colvision.app.ask": ("ask",),
    "colvision.cli.ingest": ("ingest", "ocr", "reencode", "doctor", "estimate"),
    "colvision.cli.watch": ("watch",),
    "colvision.cli.encoders": ("encoders", "add-encoder", "remove-encoder"),
    "colvision.cli.search": ("search", "explain"),
    "colvision.cli.engines": ("export",),
    "colvision.cli.documents": (
        "list",
        "delete",
        "rename",
        "export-pdf",
        "set-metadata",
        "collections",
        "rename-collection",
        "delete-collection",
    ),
    "colvision.cli.maintenance": ("status", "compact", "verify"),
    "colvision.cli.cluster": ("create-cluster",),
    "colvision.cli.evaluate": ("evaluate",),
    "colvision.cli.finetune": ("finetune", "merge"),
}


class _ByName(Mapping[str, Any]):
    """Commands whose module is imported once they are asked for: a search does not wait for what trains or ingests."""

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  typer has no public name for it
        for module, names in _MODULES.items():
            if name in names:
                return get_group(import_module(module).commands).commands[name]
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return (name for names in _MODULES.values() for name in names)

    def __len__(self) -> int:
        return sum(map(len, _MODULES.values()))


class _Commands(TyperGroup):
    """All of them end in a sentence, whatever happens."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401  whatever typer makes a group of
        super().__init__(**given)
        self.commands = _ByName()  # type: ignore[assignment]  # nothing is ever put into it

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401  typer names no other context
        with handle_errors():
            return super().invoke(ctx)


main = typer.Typer(
    cls=_Commands,
    help="Find the page by looking at it: search scanned manuals and PDFs, and see why a page matched.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@main.callback(invoke_without_command=True)
def _before(
    library: Annotated[
        Path | None, typer.Option(help="The folder that holds the library, for whichever command follows.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        echo(colvision.__version__)
        raise typer.Exit
    if library is not None:  # where every command looks
        os.environ[LIBRARY_VARIABLE] = str(library)
    if not os.environ.get(DEBUG_VARIABLE):  # the report of an ingest says in a sentence what is logged with a traceback
        logging.getLogger("colvision.ingest").setLevel(logging.CRITICAL)
