"""Commands that fill a library."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import colvision
from colvision.cli.options import (
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
    echo,
    format_bytes,
    format_duration,
    handle_errors,
    open_existing,
    progress_bars,
    stderr,
)
from colvision.core.metadata import parse_metadata
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec

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
    with handle_errors():
        chosen = EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise))
        metadata = parse_metadata(meta) if meta else None
        with (
            colvision.open_library(library, encoder=chosen, max_memory=max_memory) as opened,
            progress_bars() as on_progress,
        ):
            report = opened.ingest(paths, metadata=metadata, pool=pool, progress=on_progress)
    echo(str(report))
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
        handle_errors(),
        open_existing(
            library, encoder=EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise))
        ) as opened,
        progress_bars() as on_progress,
    ):
        report = opened.reencode(collection=collection, progress=on_progress)
    echo(str(report) if report.files else "no document is left to encode")
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
    from colvision.encoders.doctor import (
        examine,  # numba and PIL's fonts: a second that the other commands need not wait for
    )

    with handle_errors():
        report = examine(EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise)).load(None))
    echo(str(report))
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
    from colvision.ingest.estimate import estimate_files

    with handle_errors():
        planned = estimate_files(
            paths, EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise)).load(None)
        )
    if as_json:
        echo(json.dumps({**asdict(planned), "bytes": planned.bytes, "failed": dict(planned.failed)}))
        return
    rows = {
        "pages": f"{planned.pages} of {planned.files} files",
        "vectors a page": f"{planned.vectors_per_page:.0f} (measured on {planned.sampled} pages)",
        "codes, int8": format_bytes(planned.int8),
        "sign bits": format_bytes(planned.bits),
        "page images": format_bytes(planned.page_images),
        "kept files": format_bytes(planned.originals),
        "library": format_bytes(planned.bytes),
        "memory for a quick search": format_bytes(planned.memory),
        "time to ingest": format_duration(planned.seconds),
    }
    for name, value in rows.items():
        echo(f"{name:26} {value}")
    for path, reason in planned.failed:
        stderr.print(f"cannot be read: {escape(path)}: {escape(reason)}", soft_wrap=True)
