"""Commands that fill a library."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import colvision
from colvision.cli.common import (
    FAILED,
    AdapterOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    MaxPatchesOption,
    MemoryOption,
    QuantiseOption,
    duration_text,
    errors_told,
    existing,
    progress_bars,
    say,
    show,
    sized,
)
from colvision.encoders.choice import EncoderChoice
from colvision.encoders.options import Options
from colvision.metadata import parse_metadata

commands = typer.Typer()


@commands.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="PDF and image files, or folders of them.", show_default=False)],
    library: LibraryOption,
    meta: Annotated[
        list[str] | None, typer.Option(help="Note NAME=VALUE with every document (year=2021); give it several times.")
    ] = None,
    pool: Annotated[
        int | None, typer.Option(min=1, max=9, help="Keep one vector for so many patches, 2 or 3 (a new library only).")
    ] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
    max_memory: MemoryOption = None,
) -> None:
    """Read documents into the library; a run that was interrupted goes on where it stopped."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"there is no {', '.join(missing)}", param_hint="PATH")
    with errors_told():
        chosen = EncoderChoice(encoder, Options(device, dtype, max_patches, adapter, quantise))
        metadata = parse_metadata(meta) if meta else None
        with (
            colvision.open_library(library, encoder=chosen, max_memory=max_memory) as opened,
            progress_bars() as told_of,
        ):
            report = opened.ingest(paths, metadata=metadata, pool=pool, progress=told_of)
    show(str(report))
    if report.failed:
        raise typer.Exit(FAILED)


@commands.command()
def reencode(
    library: LibraryOption,
    collection: Annotated[str, typer.Option(help="Which collection.")] = "default",
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
) -> None:
    """Encode a collection again, from the kept files, by another encoder."""
    with (
        errors_told(),
        existing(
            library, encoder=EncoderChoice(encoder, Options(device, dtype, max_patches, adapter, quantise))
        ) as opened,
        progress_bars() as told_of,
    ):
        report = opened.reencode(collection=collection, progress=told_of)
    show(str(report) if report.files else "no document is left to encode")
    if report.failed:
        raise typer.Exit(FAILED)


@commands.command()
def doctor(
    encoder: Annotated[str, typer.Argument(help="mini, a checkpoint folder or a hub id.", show_default=False)],
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
) -> None:
    """Encode a few generated pages and say in words whether the encoder does what a search needs of it."""
    from colvision.doctor import examine  # numba and PIL's fonts: a second that the other commands need not wait for

    with errors_told():
        report = examine(EncoderChoice(encoder, Options(device, dtype, max_patches, adapter, quantise)).load(None))
    show(str(report))
    if not report.passed:
        raise typer.Exit(FAILED)


@commands.command()
def plan(
    paths: Annotated[list[Path], typer.Argument(help="PDF and image files, or folders of them.", show_default=False)],
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what files will take before they are ingested: pages, bytes, memory, minutes; some pages are tried."""
    from colvision.ingest.plan import plan_files

    with errors_told():
        planned = plan_files(
            paths, EncoderChoice(encoder, Options(device, dtype, max_patches, adapter, quantise)).load(None)
        )
    if as_json:
        show(json.dumps({**asdict(planned), "bytes": planned.bytes, "failed": dict(planned.failed)}))
        return
    rows = {
        "pages": f"{planned.pages} of {planned.files} files",
        "vectors a page": f"{planned.vectors_per_page:.0f} (measured on {planned.sampled} pages)",
        "codes, int8": sized(planned.int8),
        "sign bits": sized(planned.bits),
        "page pictures": sized(planned.pictures),
        "kept files": sized(planned.originals),
        "library": sized(planned.bytes),
        "memory for a quick search": sized(planned.memory),
        "time to ingest": duration_text(planned.seconds),
    }
    for name, value in rows.items():
        show(f"{name:26} {value}")
    for path, reason in planned.failed:
        say.print(f"cannot be read: {escape(path)}: {escape(reason)}", soft_wrap=True)
