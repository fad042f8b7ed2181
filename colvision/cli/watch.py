"""The command that takes in what comes into a folder, for as long as it runs."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import colvision
from colvision.cli.console import echo, echo_report, format_count, stderr
from colvision.cli.options import (
    CollectionOption,
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
    select_collection,
)
from colvision.core.metadata import parse_metadata
from colvision.encoders.spec import EncoderSpec
from colvision.ingest.watch import FolderLook

commands = typer.Typer()


@commands.command()
@encoder_options()
def watch(
    folder: Annotated[Path, typer.Argument(help="The folder to watch, with those in it.", show_default=False)],
    library: LibraryOption,
    collection: CollectionOption = None,
    meta: MetaOption = None,
    every: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How often to look at the folder.")] = 5.0,
    ocr: OcrOption = False,
    ocr_engine: OcrEngineOption = None,
    max_memory: MemoryOption = None,
    keep_free: KeepFreeOption = None,
    renderer: RendererOption = "pdfium",
    as_json: JsonOption = False,
    *,
    encoder: EncoderSpec,
) -> None:
    """Read what is in a folder and what comes into it, until Ctrl+C: files that nobody writes to any more."""
    if not folder.is_dir():
        raise typer.BadParameter(f"there is no folder {folder}", param_hint="FOLDER")
    with colvision.open_library(
        library, encoder=encoder, max_memory=max_memory, keep_free=keep_free, renderer=renderer
    ) as opened:
        into = select_collection(opened, collection)
        told = ""

        def on_look(look: FolderLook) -> None:
            nonlocal told
            for path in look.gone:
                line = f"{path}: gone from the folder; its document stays"
                echo(json.dumps({"gone": str(path)}) if as_json else line)
            state = _state(look)
            if state != told:
                stderr.print(escape(state), soft_wrap=True)
            told = state

        def on_file(report: colvision.FileReport) -> None:
            if report.outcome != "same" or report.changes:
                echo_report(report, as_json=as_json)

        stderr.print(escape(f"watching {folder} every {every:g} s; Ctrl+C stops"), soft_wrap=True)
        for report in into.watch(
            folder,
            every=every,
            metadata=parse_metadata(meta) if meta else None,
            ocr=ocr_engine_of(ocr_engine, ocr=ocr),
            on_file=on_file,
            on_look=on_look,
        ):
            for notice in report.notices:
                stderr.print(escape(notice), soft_wrap=True)


def _state(look: FolderLook) -> str:
    waiting = f", {look.waiting} not looked at twice yet" if look.waiting else ""
    left_out = f", {look.left_out} that are neither PDF nor image left out" if look.left_out else ""
    return look.trouble or f"{format_count(look.files, 'file')} in the folder{left_out}{waiting}"
