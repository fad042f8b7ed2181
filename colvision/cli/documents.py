"""Commands that list and change what a library holds: documents and collections."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from colvision.cli.console import MISUSED, echo, format_bytes, format_count, printable, stderr
from colvision.cli.options import (
    AnyCollectionOption,
    DocumentArgument,
    JsonOption,
    LibraryOption,
    open_searchable,
    select_collection,
)
from colvision.core.metadata import parse_metadata

commands = typer.Typer()

_PIPE_COLUMNS = 10_000  # where nobody looks, no cell is folded
_CollectionArgument = Annotated[str, typer.Argument(help="The collection.", show_default=False)]
_NewNameArgument = Annotated[str, typer.Argument(help="What it is to be called.", show_default=False)]


@commands.command("list")
def list_documents(library: LibraryOption, collection: AnyCollectionOption = None, as_json: JsonOption = False) -> None:
    """List the documents."""
    with open_searchable(library) as opened:
        names = opened.collections() if collection is None else [collection]
        documents = [each for name in names for each in opened.collection(name).documents()]
    if as_json:
        echo(json.dumps([each.to_dict() for each in documents]))
        return
    has_several, has_metadata = len(names) > 1, any(each.metadata for each in documents)
    has_folders = any(each.folder for each in documents)
    columns: list[Column | str] = ["pages", "size", "state", Column("id", no_wrap=True)]
    told = [*(["collection"] * has_several), "document", *(["folder"] * has_folders)]
    table = Table(*told, *columns, *(["metadata"] * has_metadata), box=None)
    for each in documents:
        unread = "" if each.reason and not each.stored else each.health.summary  # the reason is about all of its pages
        state = ": ".join(filter(None, (each.state, each.reason, unread)))
        pages = str(each.pages) if each.stored == each.pages else f"{each.stored} of {each.pages}"
        cells = [each.name, *([each.folder] * has_folders), pages, format_bytes(each.bytes), state, each.id]
        known = ", ".join(f"{name}={value}" for name, value in each.metadata.items())
        _add_row(table, [*([each.collection] * has_several), *cells, *([known] * has_metadata)])
    _print(table)


@commands.command()
def delete(name: DocumentArgument, library: LibraryOption, collection: AnyCollectionOption = None) -> None:
    """Delete a document: its vectors, page images, text and the kept file."""
    with open_searchable(library) as opened:
        removed = select_collection(opened, collection).delete(name)
    echo(f"deleted {removed.name} ({format_count(removed.stored, 'page')})")


@commands.command()
def rename(
    name: DocumentArgument, new: _NewNameArgument, library: LibraryOption, collection: AnyCollectionOption = None
) -> None:
    """Call a document otherwise."""
    with open_searchable(library) as opened:
        renamed = select_collection(opened, collection).rename(name, new)
    echo(f"{name} is {renamed.name} now")


@commands.command("export-pdf")
def export_pdf(
    name: DocumentArgument,
    out: Annotated[Path, typer.Argument(help="The PDF to write.", show_default=False)],
    library: LibraryOption,
    collection: AnyCollectionOption = None,
) -> None:
    """Write a document as a PDF that can be searched: its page images, with the words that are known beneath them."""
    with open_searchable(library) as opened:
        pages = select_collection(opened, collection).export_pdf(name, out)
    echo(f"{out}: {format_count(pages, 'page')}")


@commands.command("set-metadata")
def set_metadata(
    name: DocumentArgument,
    library: LibraryOption,
    pairs: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE...", help="All that is to be noted; none: nothing.")
    ] = None,
    collection: AnyCollectionOption = None,
) -> None:
    """Note with a document what filters can ask for, in the place of what was noted."""
    with open_searchable(library) as opened:
        changed = select_collection(opened, collection).set_metadata(name, parse_metadata(pairs or ()))
    known = ", ".join(f"{key}={value}" for key, value in changed.metadata.items())
    echo(f"{changed.name}: {known or 'nothing is noted'}")


@commands.command()
def collections(library: LibraryOption, as_json: JsonOption = False) -> None:
    """List the collections."""
    with open_searchable(library) as opened:
        found = opened.status().collections
    if as_json:
        echo(json.dumps([each.to_dict() for each in found]))
        return
    table = Table("collection", "documents", "pages", "size", "encoder", box=None)
    for each in found:
        encoder = each.encoder.name if each.encoder else "none yet"
        _add_row(table, [each.name, str(each.documents), str(each.pages), format_bytes(each.bytes), encoder])
    _print(table)


@commands.command("rename-collection")
def rename_collection(name: _CollectionArgument, new: _NewNameArgument, library: LibraryOption) -> None:
    """Call a collection otherwise."""
    with open_searchable(library) as opened:
        renamed = opened.rename_collection(name, new)
    echo(f"{name} is {renamed.name} now")


@commands.command("delete-collection")
def delete_collection(
    name: _CollectionArgument,
    library: LibraryOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a collection with all its documents; `default` stays, empty."""
    with open_searchable(library) as opened:
        found = opened.collection(name).status()
        told = f"collection {found.name} ({format_count(found.documents, 'document')})"
        if not yes and not (sys.stdin.isatty() and typer.confirm(f"Delete {told}?", err=True)):
            stderr.print(f"colvision: {escape(told)} was not deleted: say --yes", soft_wrap=True)
            raise typer.Exit(MISUSED)
        opened.delete_collection(name)
    echo(f"deleted {told}")


def _add_row(table: Table, cells: Iterable[str]) -> None:
    table.add_row(*(Text(printable(cell), overflow="fold") for cell in cells))


def _print(table: Table) -> None:
    Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)
