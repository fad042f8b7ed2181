"""Commands that look after a library."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

import colvision
from colvision.cli.console import FAILED, echo, format_bytes, format_count, progress_bars, stderr
from colvision.cli.encoders import describe_encoder
from colvision.cli.options import (
    AcceptOption,
    AnyCollectionOption,
    JsonOption,
    LibraryOption,
    RendererOption,
    open_existing,
    open_searchable,
)
from colvision.core.health import page_numbers
from colvision.maxsim.instructions import chosen_instructions

if TYPE_CHECKING:
    from colvision.cluster import ClusterStatus

commands = typer.Typer()

_NAMED = 5  # documents in a line


@commands.command()
def status(library: LibraryOption, collection: AnyCollectionOption = None, as_json: JsonOption = False) -> None:
    """Show what the library holds, and what is wrong with it."""
    with open_searchable(library) as opened:
        if not isinstance(opened, colvision.Library):
            _tell_cluster(opened.status(), as_json=as_json)
            return
        shown = None if collection is None else opened.collection(collection).status()
        state = opened.status()
    instructions = chosen_instructions()
    if as_json:
        echo(json.dumps(shown.to_dict() if shown else state.to_dict() | {"instructions": instructions}))
    elif shown is not None:
        echo(_describe(shown))
    else:
        echo(f"library {state.path}{' (read-only)' if state.read_only else ''}")
        for each in state.collections:
            echo(_describe(each))
        sizes = {"files": state.files, "page images": state.page_images, "catalogue": state.catalogue}
        echo(_sizes(sizes))
        echo(f"int8 codes are compared by {instructions}")
        for warning in state.warnings:
            stderr.print(f"warning: {escape(warning)}")
    if state.damaged:
        raise typer.Exit(FAILED)


def _tell_cluster(state: "ClusterStatus", *, as_json: bool) -> None:
    if as_json:
        echo(json.dumps(state.to_dict()))
    else:
        held = f"{format_count(state.documents, 'document')}, {format_count(state.pages, 'page')}"
        echo(f"cluster {state.path}: {format_count(len(state.partitions), 'partition')}, {held}")
        for each in state.partitions:
            alive = [f"{replica.host} ({replica.pid})" for replica in each.replicas if replica.alive]
            on = ", ".join(alive) or "nobody answers"
            echo(f"partition {each.number}: {format_count(each.pages, 'page')}; {on}")
        for warning in state.warnings:
            stderr.print(f"warning: {escape(warning)}")
    if any(each.library is None or each.library.damaged for each in state.partitions):
        raise typer.Exit(FAILED)


def _describe(each: colvision.CollectionStatus) -> str:
    encoder = f"{each.encoder.name} {each.encoder.fingerprint[:12]}" if each.encoder else "none yet"
    parts = each.shard_bytes
    held = _sizes({"codes": parts.codes, "bits": parts.bits, "lists": parts.lists, "grids": parts.grids})
    unread = [f"{name} ({summary})" for name, summary in each.not_whole.items()]
    more = f" and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
    not_whole = f"\n  not read whole: {', '.join(unread[:_NAMED])}{more}; see `colvision list`" if unread else ""
    return (
        f"collection {each.name}: {format_count(each.documents, 'document')}, {format_count(each.pages, 'page')} "
        f"({each.failed_pages} failed), {format_count(each.vectors, 'vector')}; "
        f"encoder {encoder}; clipped {each.clipped_share:.4%}\n"
        f"  {format_count(each.shards, 'shard')}, {format_bytes(each.bytes)}: {held or 'nothing yet'}; "
        f"dead {each.shard_bytes.dead_share:.0%}{not_whole}"
        + "".join(f"\n  {describe_encoder(other)}" for other in each.encoders)
    )


def _sizes(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} {format_bytes(size)}" for name, size in sizes.items() if size)


@commands.command()
def compact(library: LibraryOption) -> None:
    """Give back the room of what was deleted, and merge small shards."""
    with open_existing(library) as opened:
        done = opened.compact()
    before = f"{format_bytes(done.bytes_before)} in {format_count(done.shards_before, 'shard')}"
    echo(f"{before} became {format_bytes(done.bytes)} in {done.shards}")


@commands.command()
def verify(
    library: LibraryOption,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what the kept files allow, and try failed pages again.")
    ] = False,
    accept_failed_pages: AcceptOption = False,
    renderer: RendererOption = "pdfium",
) -> None:
    """Read every byte of the library; name what is damaged or could not be read, and the documents to ingest again."""
    if renderer != "pdfium" and not repair:
        raise typer.BadParameter("it draws pages again, which --repair asks for", param_hint="--renderer")
    with open_existing(library, renderer=renderer) as opened, progress_bars() as on_progress:
        done = opened.verify(repair=repair, progress=on_progress)
        held = opened.status().collections
        shards = sum(each.shards + sum(other.shards for other in each.encoders) for each in held)
    for damage in done.found:
        said = damage.reason if damage in done.remaining else f"{damage.reason}\n  repaired"
        again = damage in done.remaining and damage.documents and damage.kind != "page image"
        echo(f"{said}\n  ingest again: {', '.join(damage.documents)}" if again else said)
    for damage in done.remaining:
        if damage not in done.found:
            echo(damage.reason)
    for reason in done.failed:
        echo(reason)
    for document in done.unread:
        numbers = page_numbers([each.page for each in document.health.failed])
        echo(f"{document.name}: {numbers} could not be read: {document.health.failed[0].reason}")
    if done.unread:
        echo("to try those pages again, ingest the files again or run `colvision verify --repair`")
    if done.is_intact:
        rest = "all that was stored" if done.unread else "all else"
        echo(f"{format_count(shards, 'shard')} {'is' if shards == 1 else 'are'} whole, and so is {rest}")
    if not done.is_intact or (done.unread and not accept_failed_pages):
        raise typer.Exit(FAILED)
