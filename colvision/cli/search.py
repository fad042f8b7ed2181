"""Commands that ask a library."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

import colvision
from colvision.cli.console import echo, format_count, stderr
from colvision.cli.options import (
    AnyCollectionOption,
    CandidatesOption,
    CollectionOption,
    DeviceMemoryOption,
    JsonOption,
    LibraryOption,
    MemoryOption,
    RerankOption,
    SearchDeviceOption,
    WordsArgument,
    check_candidates,
    encoder_options,
    open_searchable,
    select_collection,
)
from colvision.core.embedding import QueryEmbedding
from colvision.core.first_stage import FirstStage
from colvision.core.page import parse_page
from colvision.encoders.spec import EncoderSpec
from colvision.search.options import Mode
from colvision.search.rerank import CANDIDATES
from colvision.search.results import left_out_notice
from colvision.store.records import DEFAULT_COLLECTION

commands = typer.Typer()
_SHOWN = 0.005  # what would be 0.00
_TERMS = {  # of a score, in the words of the app
    "frequency": "how often they stand there",
    "order": "one after the other, as asked",
    "near": "near each other",
    "text": "in the text layer",
    "document": "in the document's name",
}


_ExactWordsOption = Annotated[
    bool, typer.Option("--exact-words", help="Look for these words alone, not for translations of them.")
]


@commands.command()
@encoder_options()
def search(
    library: LibraryOption,
    words: Annotated[list[str] | None, typer.Argument(help="What to look for; no quotes are needed.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Look for pages like this image, or this PDF's first page.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(metavar="DOCUMENT:PAGE", help="Look for pages like this stored one.")
    ] = None,
    collection: CollectionOption = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many pages to show.")] = 10,
    document: Annotated[
        str | None, typer.Option(help="Only in this document (name, id or the end of its path).")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Only where this holds: machine=pump and year>=2010 or page in 3-9.")
    ] = None,
    mode: Annotated[
        Literal["auto", "exact"], typer.Option(help="exact compares every page's codes, whatever the size.")
    ] = "auto",
    text_fusion: Annotated[
        bool | None,
        typer.Option(help="Ask the pages' own text, too, or the pixels alone.", show_default="text where there is any"),
    ] = None,
    exact_words: _ExactWordsOption = False,
    rerank: RerankOption = None,
    candidates: CandidatesOption = CANDIDATES,
    encoders: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Ask these further encoders of the collection (a,b), or main alone.",
            show_default="all that it has",
        ),
    ] = None,
    first_stage: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Compare only the best pages by this further encoder of the collection."),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Compare the pages that an engine finds among those exported to it: qdrant://host:6333/name.",
        ),
    ] = None,
    max_memory: MemoryOption = None,
    search_device: SearchDeviceOption = None,
    device_memory: DeviceMemoryOption = None,
    as_json: JsonOption = False,
    *,
    encoder: EncoderSpec,
) -> None:
    """Show the pages that match best: words, an image or a page of the library."""
    if sum(asked is not None for asked in (words, image, like)) != 1:
        raise typer.BadParameter("ask with words, or with --image FILE, or with --like DOCUMENT:PAGE")
    with_words = {
        "--text-fusion": text_fusion is not None,
        "--exact-words": exact_words,
        "--rerank": rerank is not None,
        "--encoders": encoders is not None,
        "--first-stage": first_stage is not None,
        "--engine": engine is not None,
    }
    if words is None and (given := [option for option, is_given in with_words.items() if is_given]):
        raise typer.BadParameter(f"{given[0]} goes with words")
    check_candidates(rerank, is_given=candidates != CANDIDATES)
    if like is not None and document is not None:
        raise typer.BadParameter("--document goes with words and images; --where goes with all")
    if first_stage is not None and engine is not None:
        raise typer.BadParameter("--first-stage and --engine both choose the pages that are compared: give one")
    with (
        open_searchable(
            library, encoder=encoder, max_memory=max_memory, search_device=search_device, device_memory=device_memory
        ) as opened,
        _stage(engine, first_stage, mode) as (stage, mode),
    ):
        asked = select_collection(opened, collection)
        if image is not None:
            answer = asked.search_image(image, k=k, document=document, where=where, mode=mode)
        elif like is not None:
            answer = asked.search_like(*parse_page(like), k=k, where=where, mode=mode)
        else:
            text = " ".join(words or ())
            answer = asked.search(
                text,
                k=k,
                document=document,
                where=where,
                mode=mode,
                text_fusion=text_fusion,
                exact_words=exact_words,
                rerank=rerank,
                candidates=candidates,
                encoders=_names(encoders),
                first_stage=stage,
            )
        others = [name for name in opened.collections() if name != DEFAULT_COLLECTION]
    if as_json:
        echo(json.dumps(answer.to_dict()))
        return
    _show(answer, by_words=bool(words))
    if where and not answer.pages:
        stderr.print("no page passes the filter of --where")
    if others and collection is None and like is None:
        stderr.print(f"searched {DEFAULT_COLLECTION} alone; also here: {escape(', '.join(others))} (--collection)")


@contextmanager
def _stage(engine: str | None, first_stage: str | None, mode: Mode) -> Iterator[tuple[str | FirstStage | None, Mode]]:
    """What chooses the pages, and the mode of the search after it: with an engine "exact" is the engine's."""
    if engine is None:
        yield first_stage, mode
        return
    from colvision.engines import open_engine

    with closing(open_engine(engine, exact=mode == "exact")) as opened:
        yield opened, "auto"


def _names(encoders: str | None) -> list[str] | None:
    return None if encoders is None else [name.strip() for name in encoders.split(",")]


def _show(answer: colvision.Answer, *, by_words: bool) -> None:
    for hit in answer:
        parts = f"  ({_parts(hit)})" if by_words else ""  # patches of a page say nothing to a reader
        folder = f", from {hit.folder}" if hit.folder else ""
        echo(f"{hit.rank:3}  {_shown_score(hit, answer.reranking)}  {hit.document}, page {hit.page}{folder}{parts}")
    if answer.notice and by_words:
        stderr.print(escape(answer.notice), soft_wrap=True)
    if answer.other_words:
        others = (f"{', '.join(others)} ({word})" for word, others in answer.other_words.items())
        stderr.print(escape(f"also looked for: {', '.join(others)}"))
    by = [{"maxsim": "their pixels", "bm25": "their text"}.get(name, name) for name in answer.retrievers]
    asked = f" by {', '.join(by[:-1])} and {by[-1]}" if len(by) > 1 else ""
    how = "" if answer.mode == "exact" else f", {answer.candidates} of them closely"
    stderr.print(f"searched {format_count(answer.pages, 'page')}{asked}{how} in {answer.timing_ms['total']:.0f} ms")
    if (reranking := answer.reranking) is not None:
        given, spent = format_count(reranking.candidates, "page"), answer.timing_ms["reranker"]
        stderr.print(
            f"the order is that of {escape(reranking.name)}, by the {reranking.reads} of the best {given}, in "
            f"{spent:.0f} of these ms; in brackets the score of the search before it, with its parts"
        )


def _shown_score(hit: colvision.Hit, reranking: colvision.Reranking | None) -> str:
    if reranking is None:
        return f"{hit.score:7.3f}"
    reranked = "      -" if hit.rerank_score is None else f"{hit.rerank_score:7.3f}"
    return f"{reranked}  [{hit.score:7.3f}]"


def _parts(hit: colvision.Hit) -> str:
    printed = hit.query.printed_words(hit.similarity)
    shares = [
        f"{word} "
        + (f"as {printed[word]} " if word in printed else "")
        + f"{hit.contributions[tokens].sum():.2f}"
        + (" [in text]" if word in hit.in_text else "")
        + (" [in name]" if word in hit.in_name else "")
        for word, tokens in _words(hit.query.embedding)
    ]
    return " ".join(shares) + "".join(
        f"; {_TERMS.get(name, f'by the encoder {name}')} {value:.2f}"
        for name, value in hit.score_terms.items()
        if value >= _SHOWN
    )


def _words(query: QueryEmbedding) -> list[tuple[str, list[int]]]:
    """The words of a query with their tokens; what a model puts around them, and punctuation, comes last as one."""
    around = [token for token, word in enumerate(query.word.tolist()) if word < 0]
    return query.tokens_of_words() + ([("(prompt)", around)] if around else [])


@commands.command()
@encoder_options()
def explain(
    words: WordsArgument,
    library: LibraryOption,
    document: Annotated[str, typer.Option(help="The document (name or id).", show_default=False)],
    page: Annotated[int, typer.Option(min=1, help="The page, from 1.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to save the picture.", show_default=False)],
    collection: AnyCollectionOption = None,
    word: Annotated[str | None, typer.Option(help="Colour this word's matches only.")] = None,
    exact_words: _ExactWordsOption = False,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="What this further encoder of the collection matched.")
    ] = None,
    *,
    encoder: EncoderSpec,
) -> None:
    """Save the page as a PNG with the patches that matched, and show what each word found."""
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    with open_searchable(library, encoder=encoder) as opened:
        asked_in = select_collection(opened, collection)
        why = asked_in.explain(" ".join(words), document, page, exact_words=exact_words, encoder=by)
        why.heatmap(word).save(out, format="PNG")
    printed = why.query.printed_words(why.similarities)
    for asked, tokens in _words(why.query.embedding):
        matches = [why.matches[token] for token in tokens]
        best = max(matches, key=lambda match: match.contribution)
        place = f"row {best.cell[0] + 1}, column {best.cell[1] + 1}" if best.cell else "the whole page"
        share = sum(match.contribution for match in matches)
        text = ", in its text" if asked in why.in_text else ""
        other = f", as {printed[asked]}" if asked in printed else ""
        echo(f"{asked}{other}: {share:.3f} (similarity {best.similarity:.3f}) at {place}{text}")
    for name, value in why.score_terms.items():
        echo(f"{_TERMS.get(name, f'by the encoder {name}')}: {value:.3f}")
    echo(f"score {why.score:.3f}; picture in {out}")
    if left_out := left_out_notice(why.query.embedding.left_out):
        stderr.print(escape(left_out))
