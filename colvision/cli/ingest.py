"""Commands that fill a library, and those that say beforehand what that takes."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import colvision
from colvision.cli.console import (
    FAILED,
    echo,
    echo_report,
    format_bytes,
    format_count,
    format_duration,
    progress_bars,
    stderr,
)
from colvision.cli.options import (
    AcceptOption,
    CollectionOption,
    EncoderArgument,
    JsonOption,
    KeepFreeOption,
    LibraryOption,
    MemoryOption,
    MetaOption,
    OcrEngineOption,
    OcrOption,
    RendererOption,
    encoder_options,
    ocr_engine_of,
    open_existing,
    open_searchable,
    parse_count,
    select_collection,
)
from colvision.core.encoder import DescribesPage, Encoder
from colvision.core.metadata import parse_metadata
from colvision.encoders.spec import EncoderSpec
from colvision.ingest.costs import PROCESSOR, EncoderKind
from colvision.ingest.left_out import describe_left_out
from colvision.ingest.scale_estimate import ScaleEstimate, estimate_scale

commands = typer.Typer()

_PathsArgument = Annotated[
    list[Path], typer.Argument(help="PDF and image files, or folders of them.", show_default=False)
]


@commands.command()
@encoder_options()
def ingest(
    paths: _PathsArgument,
    library: LibraryOption,
    collection: CollectionOption = None,
    meta: MetaOption = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of documents of the same names, with their ids.")
    ] = False,
    pool: Annotated[
        int | None,
        typer.Option(min=1, max=9, help="Keep one vector for so many patches, 2 or 3 (a new collection only)."),
    ] = None,
    ocr: OcrOption = False,
    ocr_engine: OcrEngineOption = None,
    max_memory: MemoryOption = None,
    accept_failed_pages: AcceptOption = False,
    keep_free: KeepFreeOption = None,
    renderer: RendererOption = "pdfium",
    as_json: JsonOption = False,
    *,
    encoder: EncoderSpec,
) -> None:
    """Read documents into the library; a run that was interrupted goes on where it stopped, and pages that failed are
    tried again.
    """
    _check_paths(paths)
    metadata = parse_metadata(meta) if meta else None
    with (
        open_searchable(
            library, encoder=encoder, create=True, max_memory=max_memory, keep_free=keep_free, renderer=renderer
        ) as opened,
        progress_bars() as on_progress,
    ):
        into = select_collection(opened, collection)
        _tell_page_size(opened.encoder)
        done: list[colvision.FileReport] = []
        begun = time.monotonic()
        try:
            report = into.ingest(
                paths,
                replace=replace,
                metadata=metadata,
                pool=pool,
                ocr=ocr_engine_of(ocr_engine, ocr=ocr),
                progress=on_progress,
                on_file=done.append,
            )
        except BaseException:  # also Ctrl+C: what was done until then is told
            if done:
                echo_report(colvision.IngestReport(tuple(done), time.monotonic() - begun), as_json=as_json)
            raise
    echo_report(report, as_json=as_json)
    _exit(report, accept_failed_pages=accept_failed_pages)


def _tell_page_size(encoder: Encoder) -> None:
    """Before anything is read: the size of the index, and the time, follow from it."""
    if isinstance(encoder, DescribesPage):
        stderr.print(f"{escape(encoder.info.name)}: {escape(encoder.describe_page())}", soft_wrap=True)


def _check_paths(paths: list[Path]) -> None:
    """Raises `typer.BadParameter`, for those that are not there or may not be looked at."""
    reasons = []
    for path in paths:
        try:
            path.stat()
        except (OSError, ValueError) as error:
            reasons.append(f"{path} ({getattr(error, 'strerror', None) or error})")
    if reasons:
        raise typer.BadParameter(f"there is no {', '.join(reasons)}", param_hint="PATH")


def _exit(report: colvision.IngestReport, *, accept_failed_pages: bool) -> None:
    """Notes alone are no failure; what a further encoder has not read is one."""
    if report.failed or report.notices or (report.failed_pages and not accept_failed_pages):
        raise typer.Exit(FAILED)


@commands.command()
def ocr(
    library: LibraryOption,
    documents: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DOCUMENT]...", help="Names, ids or ends of paths; none: all.", show_default=False),
    ] = None,
    collection: CollectionOption = None,
    ocr_engine: OcrEngineOption = None,
    again: Annotated[bool, typer.Option("--again", help="Also pages that OCR has read before.")] = False,
    accept_failed_pages: AcceptOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read the text of stored pages that have none; a run that was interrupted goes on where it stopped."""
    with open_existing(library) as opened, progress_bars() as on_progress:
        into = select_collection(opened, collection)
        report = into.ocr(documents or None, engine=ocr_engine or "auto", again=again, progress=on_progress)
    echo_report(report, as_json=as_json)
    if not report.is_complete and not accept_failed_pages:
        raise typer.Exit(FAILED)


@commands.command()
@encoder_options()
def reencode(
    library: LibraryOption,
    collection: CollectionOption = None,
    accept_failed_pages: AcceptOption = False,
    keep_free: KeepFreeOption = None,
    renderer: RendererOption = "pdfium",
    *,
    encoder: EncoderSpec,
) -> None:
    """Encode a collection again, from the kept files, by another encoder."""
    with (
        open_existing(library, encoder=encoder, keep_free=keep_free, renderer=renderer) as opened,
        progress_bars() as on_progress,
    ):
        into = select_collection(opened, collection)
        _tell_page_size(opened.encoder)
        report = into.reencode(progress=on_progress)
    echo(str(report) if report.files else "no document is left to encode")
    _exit(report, accept_failed_pages=accept_failed_pages)


@commands.command()
@encoder_options(EncoderArgument)
def doctor(*, encoder: EncoderSpec) -> None:
    """Encode a few generated pages and say in words whether the encoder does what a search needs of it."""
    from colvision.encoders.doctor import examine  # PIL's fonts, which others need not wait for

    report = examine(encoder.load(None))
    echo(str(report))
    if not report.passed:
        raise typer.Exit(FAILED)


@commands.command()
@encoder_options()
def estimate(
    paths: Annotated[list[Path] | None, typer.Argument(help="PDF and image files, or folders of them.")] = None,
    pages: Annotated[
        int | None,
        typer.Option(
            parser=lambda text: parse_count(text), metavar="COUNT", help="No files, but so many pages: 100K, 100M."
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="With --pages: machines that share them.")] = 1,
    replicas: Annotated[int, typer.Option(min=1, help="With --pages: on how many machines each page lies.")] = 1,
    patches: Annotated[
        int | None, typer.Option(min=1, help="With --pages: vectors a page.", show_default="as measured")
    ] = None,
    gpu_speed: Annotated[
        float | None, typer.Option(min=0.001, help="With --pages: pages a second that one GPU encodes.")
    ] = None,
    as_json: JsonOption = False,
    *,
    encoder: EncoderSpec,
) -> None:
    """Say what files will take before they are ingested: pages, bytes, memory, minutes; some pages are tried.

    With --pages nothing is tried: it says what so many would take, from what was measured.
    """
    if (pages is None) == (not paths):
        raise typer.BadParameter("give files or folders, or --pages COUNT")
    if pages is not None:
        kind: EncoderKind = "mini" if encoder.name in (None, "mini") else "vlm"
        _print_scale(
            estimate_scale(
                pages, nodes=nodes, replicas=replicas, kind=kind, vectors=patches, gpu_pages_a_second=gpu_speed
            ),
            as_json=as_json,
        )
        return
    paths = paths or []
    from colvision.ingest.estimate import estimate_files

    _check_paths(paths)
    found = estimate_files(paths, encoder.load(None))
    if as_json:
        echo(json.dumps({**asdict(found), "bytes": found.bytes, "failed": dict(found.failed)}))
        return
    rows = {
        "pages": f"{found.pages} in {format_count(found.files, 'file')}",
        "vectors a page": f"{found.vectors_per_page:.0f} (measured on {format_count(found.sampled, 'page')})",
        "codes, int8": format_bytes(found.int8),
        "inverted lists or sign bits": format_bytes(found.first_stage),
        "page images": format_bytes(found.page_images),
        "kept files": format_bytes(found.originals),
        "library": format_bytes(found.bytes),
        "memory for a quick search": format_bytes(found.memory),
        "time to ingest": format_duration(found.seconds),
    }
    for name, value in rows.items():
        echo(f"{name:26} {value}")
    for line in describe_left_out(found.left_out):
        echo(line)
    for path, reason in found.failed:
        stderr.print(f"cannot be read: {escape(path)}: {escape(reason)}", soft_wrap=True)


def _print_scale(found: ScaleEstimate, *, as_json: bool) -> None:
    if as_json:
        echo(json.dumps({**asdict(found), "bytes": found.bytes, "bytes_a_node": found.bytes_a_node}))
        return
    where = f"{format_count(found.nodes, 'node')}, each page on {found.replicas}"
    rows = {
        "pages": f"{found.pages:,} on {where}, read by {'mini' if found.kind == 'mini' else 'a model of page images'}",
        "codes, int8": format_bytes(found.int8),
        "inverted lists or sign bits": format_bytes(found.first_stage),
        "page images": format_bytes(found.page_images),
        "kept files": format_bytes(found.originals),
        "catalogue": format_bytes(found.catalogue),
        "all nodes": format_bytes(found.bytes),
        "a node, disk": format_bytes(found.bytes_a_node),
        "a node, memory": f"{format_bytes(found.memory)} for a quick search",
        "a question": f"{found.seconds:.3g} s on {PROCESSOR}; the network comes on top",
    }
    if found.core_hours is not None:
        rows["time to ingest"] = f"{found.core_hours:,.0f} hours of one core"
    elif found.gpu_hours is not None:
        rows["time to ingest"] = f"{found.gpu_hours:,.0f} hours of one GPU"
    else:
        rows["time to ingest"] = (
            "nobody has measured your GPU: `colvision doctor` tells its pages a second, --gpu-speed"
        )
    for name, value in rows.items():
        echo(f"{name:26} {value}")
