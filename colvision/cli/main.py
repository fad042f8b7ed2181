"""The commands, put together."""

import logging
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import colvision
from colvision.app.server import command as app_command
from colvision.cli import documents, evaluate, finetune, ingest, maintenance, search
from colvision.cli.console import echo, handle_errors
from colvision.environment import DEBUG_VARIABLE, LIBRARY_VARIABLE


class _Commands(TyperGroup):
    """All of them end in a sentence, whatever happens."""

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


for _group in (ingest, search, documents, maintenance, evaluate, finetune):
    main.add_typer(_group.commands)
main.command("app")(app_command)
