"""Commands that measure."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar

from colvision.cli.options import (
    AdapterOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    MaxPatchesOption,
    QuantiseOption,
    echo,
    handle_errors,
    stderr,
)
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec

if TYPE_CHECKING:
    from colvision.evaluation import ProgressCallback

commands = typer.Typer()


@contextmanager
def steps_bar(first: str) -> Iterator["ProgressCallback"]:
    """Shows one bar on stderr for the parts of a long work, moved by what is given back."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(first, total=None)
        yield lambda step: bar.update(task, description=escape(step.task), completed=step.done, total=step.total)


@commands.command()
def evaluate(
    pdf_dir: Annotated[Path, typer.Argument(help="The folder with the PDFs.", show_default=False)],
    queries: Annotated[Path, typer.Argument(help="Questions with the pages that answer them.", show_default=False)],
    library: Annotated[Path | None, typer.Option(help="Keep the pages in this library, not in the cache.")] = None,
    level: Annotated[
        str, typer.Option(help="Search the PDFs as they are (clean) or as light or heavy scans.")
    ] = "clean",
    pages: Annotated[Path | None, typer.Option(help="Search only the pages listed in this file.")] = None,
    run: Annotated[Path | None, typer.Option(help="Save the ranked pages as a TREC run.")] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with this TREC run, query by query.")] = None,
    point: Annotated[Path | None, typer.Option(help="Point at the words in this file.")] = None,
    text_fusion: Annotated[
        bool, typer.Option("--text-fusion", help="Ask the pages' own text beside their pictures.")
    ] = False,
    pool: Annotated[int, typer.Option(min=1, max=9, help="Keep one vector for so many patches, 2 or 3.")] = 1,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how well questions find their pages; a run that was interrupted goes on where it stopped."""
    from colvision import evaluation  # a second, which the other commands need not wait for

    with handle_errors(), steps_bar("opening the PDFs") as on_progress:
        listed = evaluation.read_pages_file(pages) if pages else None
        corpus = evaluation.find_corpus(pdf_dir, level=evaluation.parse_level(level), pages=listed)
        asked = evaluation.read_queries(queries)
        if listed is not None:
            asked = tuple(query for query in asked if query.gold <= frozenset(listed))
        options = evaluation.EvaluationOptions(
            text_fusion=text_fusion, pool=pool, against=against, point=point, library=library
        )
        loaded = EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise)).load(None)
        report, answers = evaluation.evaluate(corpus, asked, encoder=loaded, options=options, progress=on_progress)
        if run is not None:
            evaluation.write_run(answers, run)
    echo(json.dumps(report.as_dict()) if as_json else str(report))
