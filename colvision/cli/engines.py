"""The command that carries a collection to somebody else's engine."""

from contextlib import closing
from typing import Annotated

import typer

from colvision.cli.console import echo_report, steps_bar
from colvision.cli.options import CollectionOption, JsonOption, LibraryOption, open_existing, select_collection
from colvision.engines import ENGINES, engine_in, export_collection

commands = typer.Typer()


@commands.command()
def export(
    engine: Annotated[str, typer.Argument(help=f"Which one: {', '.join(ENGINES)}.", show_default=False)],
    target: Annotated[
        str,
        typer.Argument(help="A folder (qdrant, lancedb, vespa), or a server: host:port/name.", show_default=False),
    ],
    library: LibraryOption,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a collection's pages to an engine; run again, it goes on, and brings there what has changed since."""
    with (
        open_existing(library) as opened,
        closing(engine_in(engine, target)) as there,
        steps_bar("exporting") as on_progress,
    ):
        report = export_collection(select_collection(opened, collection), there, progress=on_progress)
    echo_report(report, as_json=as_json)
