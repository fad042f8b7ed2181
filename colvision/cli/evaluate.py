"""Commands that measure."""

from pathlib import Path
from typing import Annotated

import typer

from colvision.cli.console import echo_report, steps_bar
from colvision.cli.options import (
    CandidatesOption,
    DeviceMemoryOption,
    JsonOption,
    OcrEngineOption,
    OcrOption,
    RerankOption,
    SearchDeviceOption,
    check_candidates,
    encoder_options,
    open_if_cluster,
)
from colvision.encoders.spec import EncoderSpec
from colvision.search.rerank import CANDIDATES

commands = typer.Typer()


@commands.command()
@encoder_options()
def evaluate(
    pdf_dir: Annotated[Path, typer.Argument(help="The folder with the PDFs.", show_default=False)],
    queries: Annotated[Path, typer.Argument(help="Questions with the pages that answer them.", show_default=False)],
    library: Annotated[
        Path | None, typer.Option(help="Keep the pages in this library or cluster, not in the cache.")
    ] = None,
    level: Annotated[
        str, typer.Option(help="Search the PDFs as they are (clean) or as light or heavy scans.")
    ] = "clean",
    pages: Annotated[Path | None, typer.Option(help="Search only the pages listed in this file.")] = None,
    run: Annotated[Path | None, typer.Option(help="Save the ranked pages as a TREC run.")] = None,
    against: Annotated[Path | None, typer.Option(help="Compare with this TREC run, query by query.")] = None,
    point: Annotated[
        Path | None, typer.Option(help="Measure whether the best patch for each word in this file lies on it.")
    ] = None,
    text_fusion: Annotated[
        bool, typer.Option("--text-fusion", help="Ask the pages' own text beside their pictures.")
    ] = False,
    exact_words: Annotated[
        bool, typer.Option("--exact-words", help="Look for the questions' own words alone.")
    ] = False,
    rerank: RerankOption = None,
    candidates: CandidatesOption = CANDIDATES,
    pool: Annotated[int, typer.Option(min=1, max=9, help="Keep one vector for so many patches, 2 or 3.")] = 1,
    ocr: OcrOption = False,
    ocr_engine: OcrEngineOption = None,
    search_device: SearchDeviceOption = None,
    device_memory: DeviceMemoryOption = None,
    as_json: JsonOption = False,
    *,
    encoder: EncoderSpec,
) -> None:
    """Measure how well questions find their pages; a run that was interrupted goes on where it stopped."""
    check_candidates(rerank, is_given=candidates != CANDIDATES)
    from colvision import evaluation  # a second, which the other commands need not wait for

    opened = open_if_cluster(library, encoder=encoder, search_device=search_device)
    with opened as cluster, steps_bar("opening the PDFs") as on_progress:
        listed = evaluation.read_pages_file(pages) if pages else None
        corpus = evaluation.find_corpus(pdf_dir, level=evaluation.parse_level(level), pages=listed)
        asked = evaluation.read_queries(queries)
        if listed is not None:
            asked = tuple(query for query in asked if query.gold <= frozenset(listed))
        options = evaluation.EvaluationOptions(
            text_fusion=text_fusion,
            exact_words=exact_words,
            pool=pool,
            rerank=rerank,
            candidates=candidates,
            ocr=ocr_engine or ("auto" if ocr else None),
            against=against,
            words=point,
            library=cluster or library,
            search_device=search_device,
            device_memory=device_memory,
        )
        report, answers = evaluation.evaluate(
            corpus,
            asked,
            encoder=cluster.encoder if cluster else encoder.load(None),
            options=options,
            progress=on_progress,
        )
        if run is not None:
            evaluation.write_run(answers, run)
    echo_report(report, as_json=as_json)
