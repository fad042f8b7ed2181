"""Commands that ask a library."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

import colvision
from colvision.cli.options import (
    AdapterOption,
    DeviceOption,
    DtypeOption,
    EncoderOption,
    JsonOption,
    LibraryOption,
    MaxPatchesOption,
    MemoryOption,
    QuantiseOption,
    Words,
    echo,
    handle_errors,
    open_existing,
    stderr,
)
from colvision.core.embedding import QueryEmbedding
from colvision.core.page import parse_page
from colvision.encoders.options import EncoderOptions
from colvision.encoders.spec import EncoderSpec

commands = typer.Typer()


@commands.command()
def search(
    library: LibraryOption,
    words: Annotated[list[str] | None, typer.Argument(help="What to look for; no quotes are needed.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="Look for pages like this picture, or this PDF's first page.")
    ] = None,
    like: Annotated[
        str | None, typer.Option(metavar="DOCUMENT:PAGE", help="Look for pages like this stored one.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many pages to show.")] = 10,
    document: Annotated[str | None, typer.Option(help="Only in this document (name or id).")] = None,
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
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
    max_memory: MemoryOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the pages that match best: words, a picture or a page of the library."""
    if sum(asked is not None for asked in (words, image, like)) != 1:
        raise typer.BadParameter("ask with words, or with --image FILE, or with --like DOCUMENT:PAGE")
    if words is None and (document, mode, text_fusion) != (None, "auto", None):
        raise typer.BadParameter("--document, --mode and --text-fusion go with words; --where goes with all")
    with (
        handle_errors(),
        open_existing(
            library,
            encoder=EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise)),
            max_memory=max_memory,
        ) as opened,
    ):
        if image is not None:
            answer = opened.search_image(image, k=k, where=where)
        elif like is not None:
            answer = opened.search_like(*parse_page(like), k=k, where=where)
        else:
            text = " ".join(words or ())
            opened.encoder.encode_queries([text])  # loads it, which is no part of the search's time
            answer = opened.search(text, k=k, document=document, where=where, mode=mode, text_fusion=text_fusion)
    if as_json:
        echo(json.dumps(_as_dict(answer)))
        return
    for hit in answer:
        parts = f"  ({_parts(hit)})" if words else ""  # patches of a page say nothing to a reader
        echo(f"{hit.rank:3}  {hit.score:7.3f}  {hit.document}, page {hit.page}{parts}")
    if answer.notice and words:
        stderr.print(answer.notice)
    asked = " by their pixels and their text" if "bm25" in answer.retrievers else ""
    how = f", {answer.candidates} of them closely" if answer.mode == "rerank" else ""
    stderr.print(f"searched {answer.pages} pages{asked}{how} in {answer.timing_ms['total']:.0f} ms")


def _parts(hit: colvision.Hit) -> str:
    shares = (f"{word} {hit.contributions[tokens].sum():.2f}" for word, tokens in _words(hit.query.embedding))
    terms = "".join(f"; {name} {value:.2f}" for name, value in hit.score_terms.items())
    printed = f"; text {hit.text_score:.2f}" if hit.text_score else ""
    return " ".join(shares) + terms + printed


def _words(query: QueryEmbedding) -> list[tuple[str, list[int]]]:
    """The words of a query with their tokens; what a model puts around them, and punctuation, comes last as one."""
    around = [token for token, word in enumerate(query.word.tolist()) if word < 0]
    return query.tokens_of_words() + ([("(prompt)", around)] if around else [])


def _as_dict(answer: colvision.Answer) -> dict[str, object]:
    hits = [
        {
            "rank": hit.rank,
            "document": hit.document,
            "document_id": hit.document_id,
            "page": hit.page,
            "score": round(hit.score, 6),
            "score_terms": {name: round(value, 6) for name, value in hit.score_terms.items()},
            "text_score": hit.text_score,
        }
        for hit in answer
    ]
    return {
        "hits": hits,
        "notice": answer.notice,
        "pages": answer.pages,
        "mode": answer.mode,
        "candidates": answer.candidates,
        "retrievers": answer.retrievers,
        "timing_ms": {part: round(spent, 3) for part, spent in answer.timing_ms.items()},
    }


@commands.command()
def explain(
    words: Words,
    library: LibraryOption,
    document: Annotated[str, typer.Option(help="The document (name or id).", show_default=False)],
    page: Annotated[int, typer.Option(min=1, help="The page, from 1.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to save the picture.", show_default=False)],
    word: Annotated[str | None, typer.Option(help="Colour this word's matches only.")] = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    dtype: DtypeOption = None,
    max_patches: MaxPatchesOption = None,
    adapter: AdapterOption = None,
    quantise: QuantiseOption = None,
) -> None:
    """Save the page as a PNG with the patches that matched, and show what each word found."""
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    with (
        handle_errors(),
        open_existing(
            library, encoder=EncoderSpec(encoder, EncoderOptions(device, dtype, max_patches, adapter, quantise))
        ) as opened,
    ):
        why = opened.explain(" ".join(words), document, page)
        why.heatmap(word).save(out, format="PNG")
    for asked, tokens in _words(why.query.embedding):
        matches = [why.matches[token] for token in tokens]
        best = max(matches, key=lambda match: match.contribution)
        place = f"row {best.cell[0] + 1}, column {best.cell[1] + 1}" if best.cell else "the whole page"
        share = sum(match.contribution for match in matches)
        echo(f"{asked}: {share:.3f} (similarity {best.similarity:.3f}) at {place}")
    for name, value in why.score_terms.items():
        echo(f"{name}: {value:.3f}")
    echo(f"score {why.score:.3f}; picture in {out}")
