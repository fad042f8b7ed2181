"""Commands that look after a library."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from colvision.cli.options import (
    FAILED,
    LibraryOption,
    echo,
    format_bytes,
    format_count,
    handle_errors,
    open_existing,
    progress_bars,
    stderr,
)

commands = typer.Typer()


@commands.command("list")
def list_documents(
    library: LibraryOption, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the documents."""
    with handle_errors(), open_existing(library) as opened:
        documents = opened.documents()
    if as_json:
        rows = [
            {"id": d.id, "name": d.name, "state": d.state, "pages": d.pages, "stored": d.stored,
             "metadata": dict(d.metadata)}
            for d in documents
        ]  # fmt: skip
        echo(json.dumps(rows))
        return
    columns = ["document", "pages", "size", "state", "id"]
    table = Table(*columns, *(["metadata"] if any(d.metadata for d in documents) else []), box=None)
    for each in documents:
        state = f"{each.state}: {each.reason}" if each.reason else each.state
        pages = str(each.pages) if each.stored == each.pages else f"{each.stored} of {each.pages}"
        known = ", ".join(f"{name}={value}" for name, value in each.metadata.items())
        table.add_row(
            escape(each.name),
            pages,
            format_bytes(each.bytes),
            escape(state),
            each.id,
            *([escape(known)] if known else []),
        )
    Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(table)


@commands.command()
def delete(
    name: Annotated[str, typer.Argument(help="The document (name or id).", show_default=False)], library: LibraryOption
) -> None:
    """Delete a document: its vectors, pictures, text and the kept file."""
    with handle_errors(), open_existing(library) as opened:
        removed = opened.delete(name)
    echo(f"deleted {removed.name} ({removed.stored} pages)")


@commands.command()
def status(
    library: LibraryOption, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what the library holds, and what is wrong with it."""
    with handle_errors(), open_existing(library) as opened:
        state = opened.status()
    if as_json:
        collections = [
            {"name": c.name, "encoder": c.encoder.name if c.encoder else None, "documents": c.documents,
             "pages": c.pages, "failed_pages": c.failed_pages, "vectors": c.vectors, "shards": c.shards,
             "bytes": c.bytes, "codes": c.parts.codes, "bits": c.parts.bits,
             "grids": c.parts.grids, "dead_share": c.parts.dead_share, "clipped_share": c.clipped_share}
            for c in state.collections
        ]  # fmt: skip
        sizes = {"files": state.files, "page_images": state.page_images, "catalogue": state.catalogue}
        told = {"path": str(state.path), "collections": collections, "bytes": sizes, "warnings": list(state.warnings)}
        echo(json.dumps(told))
        return
    echo(f"library {state.path}{' (read-only)' if state.read_only else ''}")
    for c in state.collections:
        encoder = f"{c.encoder.name} {c.encoder.fingerprint[:12]}" if c.encoder else "none yet"
        parts = {"codes": c.parts.codes, "bits": c.parts.bits, "grids": c.parts.grids}
        held = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items() if size)
        echo(
            f"collection {c.name}: {c.documents} documents, {c.pages} pages ({c.failed_pages} failed), "
            f"{c.vectors} vectors; encoder {encoder}; clipped {c.clipped_share:.4%}\n"
            f"  {format_count(c.shards, 'shard')}, {format_bytes(c.bytes)}: {held or 'nothing yet'}; "
            f"dead {c.parts.dead_share:.0%}"
        )
    sizes = {"files": state.files, "page images": state.page_images, "catalogue": state.catalogue}
    echo(", ".join(f"{name} {format_bytes(size)}" for name, size in sizes.items()))
    for warning in state.warnings:
        stderr.print(f"warning: {escape(warning)}")
    if state.damaged:
        raise typer.Exit(FAILED)


@commands.command()
def compact(library: LibraryOption) -> None:
    """Give back the room of what was deleted, and merge small shards."""
    with handle_errors(), open_existing(library) as opened:
        done = opened.compact()
    before = f"{format_bytes(done.bytes_before)} in {done.shards_before} shards"
    echo(f"{before} became {format_bytes(done.bytes)} in {done.shards}")


@commands.command()
def verify(
    library: LibraryOption,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what the kept files allow.")] = False,
) -> None:
    """Read every byte of the library; name what is damaged, and the documents to ingest again."""
    with handle_errors(), open_existing(library) as opened, progress_bars() as on_progress:
        done = opened.verify(repair=repair, progress=on_progress)
        shards = sum(collection.shards for collection in opened.status().collections)
    for damage in done.found:
        said = damage.reason if damage in done.remaining else f"{damage.reason}\n  repaired"
        again = damage in done.remaining and damage.documents and damage.kind != "page image"
        echo(f"{said}\n  ingest again: {', '.join(damage.documents)}" if again else said)
    for damage in done.remaining:
        if damage not in done.found:
            echo(damage.reason)
    for reason in done.failed:
        echo(reason)
    if not done.is_intact:
        raise typer.Exit(FAILED)
    echo(f"{format_count(shards, 'shard')} {'is' if shards == 1 else 'are'} whole, and so is all else")
