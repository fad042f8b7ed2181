"""Commands about the further encoders of a collection."""

import json
from typing import Annotated

import typer

from colvision.cli.console import FAILED, echo, format_bytes, format_count, progress_bars
from colvision.cli.options import (
    AcceptOption,
    AnyCollectionOption,
    CollectionOption,
    JsonOption,
    KeepFreeOption,
    LibraryOption,
    OtherEncoderOption,
    RendererOption,
    encoder_options,
    open_existing,
    select_collection,
)
from colvision.encoders.spec import EncoderSpec
from colvision.status import EncoderStatus

commands = typer.Typer()

_NameArgument = Annotated[str, typer.Argument(help="What answers call it.", show_default=False)]


@commands.command()
def encoders(library: LibraryOption, collection: AnyCollectionOption = None, as_json: JsonOption = False) -> None:
    """List the encoders of collections, and how many documents the further ones have read."""
    with open_existing(library) as opened:
        names = opened.collections() if collection is None else [collection]
        found = [opened.collection(name).status() for name in names]
    if as_json:
        echo(json.dumps([{key: each.to_dict()[key] for key in ("name", "encoder", "encoders")} for each in found]))
        return
    for status in found:
        echo(f"collection {status.name}: {status.encoder.name if status.encoder else 'none yet'}")
        for each in status.encoders:
            echo(f"  {describe_encoder(each)}")


def describe_encoder(each: EncoderStatus) -> str:
    """One line about a further encoder."""
    failed = f" ({each.failed_pages} failed)" if each.failed_pages else ""
    return (
        f"{each.name}: {each.encoder.name} {each.encoder.fingerprint[:12]}, has read {each.documents} of "
        f"{format_count(each.of, 'document')}, {format_count(each.pages, 'page')}{failed}, {format_bytes(each.bytes)}"
    )


@commands.command("add-encoder")
@encoder_options(OtherEncoderOption)
def add_encoder(
    name: _NameArgument,
    library: LibraryOption,
    collection: CollectionOption = None,
    accept_failed_pages: AcceptOption = False,
    keep_free: KeepFreeOption = None,
    renderer: RendererOption = "pdfium",
    *,
    encoder: EncoderSpec,
) -> None:
    """Have a further encoder read the documents of a collection, now and from now on; searches ask it, too."""
    with (
        open_existing(library, keep_free=keep_free, renderer=renderer) as opened,
        progress_bars() as on_progress,
    ):
        into = select_collection(opened, collection)
        report = into.add_encoder(name, None if encoder == EncoderSpec() else encoder, progress=on_progress)
        (added,) = (each for each in into.encoders() if each.name == name)
    if report.files:
        echo(str(report))
    echo(describe_encoder(added))
    if report.failed or (report.failed_pages and not accept_failed_pages) or not added.is_complete:
        raise typer.Exit(FAILED)


@commands.command("remove-encoder")
def remove_encoder(name: _NameArgument, library: LibraryOption, collection: CollectionOption = None) -> None:
    """Remove what a further encoder has made of a collection's documents."""
    with open_existing(library) as opened:
        removed = select_collection(opened, collection).remove_encoder(name)
    echo(f"removed {describe_encoder(removed)}")
