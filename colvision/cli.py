"""The `colvision` command: thin. Results go to stdout, everything else to stderr; 0 done, 1 failed, 2 wrong usage."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

import colvision
from colvision.errors import ColvisionError, DocumentNotFound
from colvision.metadata import parse_metadata

_FAILED, _MISUSED = 1, 2  # exit codes
_KILOBYTE = 1024

main = typer.Typer(
    help="Find the page by looking at it: search scanned manuals and PDFs, and see why a page matched.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_say = Console(stderr=True, highlight=False)


def default_library() -> Path:
    """The folder used without `--library`: `colvision` in the user's data directory."""
    return Path(platformdirs.user_data_dir("colvision", appauthor=False))


LibraryOption = Annotated[
    Path,
    typer.Option(
        "--library",
        envvar="COLVISION_LIBRARY",
        default_factory=default_library,
        show_default="a folder in your data directory",
        help="The folder that holds the library.",
    ),
]
Words = Annotated[str, typer.Argument(help="What to look for, in plain words.", show_default=False)]


@main.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False) -> None:
    if version:
        _show(colvision.__version__)
        raise typer.Exit


@main.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="PDF and image files, or folders of them.", show_default=False)],
    library: LibraryOption,
    meta: Annotated[
        list[str] | None, typer.Option(help="Note NAME=VALUE with every document (year=2021); give it several times.")
    ] = None,
    keep: Annotated[
        Literal["codes", "float16"],
        typer.Option(help="What to keep of each vector: its int8 code, or float16 beside it (a new library only)."),
    ] = "codes",
) -> None:
    """Read documents into the library; a run that was interrupted goes on where it stopped."""
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"there is no {', '.join(missing)}", param_hint="PATH")
    with _told(), colvision.open_library(library) as opened, _progress() as show:
        metadata = parse_metadata(meta) if meta else None
        report = opened.ingest(paths, metadata=metadata, keep=keep, progress=show)
    _show(str(report))
    if report.failed:
        raise typer.Exit(_FAILED)


@main.command()
def reencode(
    library: LibraryOption, collection: Annotated[str, typer.Option(help="Which collection.")] = "default"
) -> None:
    """Encode a collection again, from the kept files, when it was filled by another encoder."""
    with _told(), _existing(library) as opened, _progress() as show:
        report = opened.reencode(collection=collection, progress=show)
    _show(str(report) if report.files else "no document is left to encode")
    if report.failed:
        raise typer.Exit(_FAILED)


@main.command()
def compact(library: LibraryOption) -> None:
    """Give back the room of what was deleted, and merge small shards."""
    with _told(), _existing(library) as opened:
        done = opened.compact()
    _show(f"{_bytes(done.bytes_before)} in {done.shards_before} shards became {_bytes(done.bytes)} in {done.shards}")


@main.command()
def verify(
    library: LibraryOption,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what the kept files allow.")] = False,
) -> None:
    """Read every byte of the library; name what is damaged, and the documents to ingest again."""
    with _told(), _existing(library) as opened, _progress() as show:
        done = opened.verify(repair=repair, progress=show)
        shards = sum(collection.shards for collection in opened.status().collections)
    for damage in done.found:
        said = damage.reason if damage in done.left else f"{damage.reason}\n  repaired"
        again = damage in done.left and damage.documents and damage.what != "picture"
        _show(f"{said}\n  ingest again: {', '.join(damage.documents)}" if again else said)
    for damage in done.left:
        if damage not in done.found:
            _show(damage.reason)
    for reason in done.failed:
        _show(reason)
    if not done.is_whole:
        raise typer.Exit(_FAILED)
    _show("1 shard is whole" if shards == 1 else f"{shards} shards are whole")


@main.command()
def doctor(
    encoder: Annotated[str, typer.Argument(help="mini, a checkpoint folder or a hub id.", show_default=False)],
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 or mps; the fastest there is.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")] = None,
    max_patches: Annotated[int | None, typer.Option(min=1, help="The most patches a page becomes.")] = None,
    adapter: Annotated[Path | None, typer.Option(help="The folder of a LoRA adapter.")] = None,
) -> None:
    """Encode a few generated pages and say in words whether the encoder does what a search needs of it."""
    from colvision.doctor import examine  # numba and PIL's fonts: a second that the other commands need not wait for
    from colvision.encoders import load_encoder

    with _told():
        report = examine(load_encoder(encoder, device=device, dtype=dtype, max_patches=max_patches, adapter=adapter))
    _show(str(report))
    if not report.passed:
        raise typer.Exit(_FAILED)


@main.command()
def search(
    words: Words,
    library: LibraryOption,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="How many pages to show.")] = 10,
    document: Annotated[str | None, typer.Option(help="Only in this document (name or id).")] = None,
    text_fusion: Annotated[
        bool | None,
        typer.Option(help="Ask the pages' own text, too, or the pixels alone.", show_default="text where there is any"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the pages that match best."""
    with _told(), _existing(library) as opened:
        opened.encoder.encode_queries([words])  # loads it, which is no part of the search's time
        answer = opened.search(words, k=k, document=document, text_fusion=text_fusion)
    if as_json:
        hits = [
            {"document": hit.document, "page": hit.page, "score": round(hit.score, 6), "text_score": hit.text_score}
            for hit in answer
        ]
        timing = {part: round(spent, 3) for part, spent in answer.timing_ms.items()}
        _show(json.dumps({"hits": hits, "arms": answer.arms, "timing_ms": timing}))
        return
    for rank, hit in enumerate(answer, start=1):
        tokens = zip(hit.query.embedding.tokens, hit.contributions.tolist(), strict=True)
        parts = " ".join(f"{token} {value:.2f}" for token, value in tokens)
        text = f"; text {hit.text_score:.2f}" if hit.text_score else ""
        _show(f"{rank:3}  {hit.score:7.3f}  {hit.document}, page {hit.page}  ({parts}{text})")
    asked = " by their pixels and their text" if "text" in answer.arms else ""
    _say.print(f"searched {answer.pages} pages{asked} in {answer.timing_ms['total']:.0f} ms")


@main.command()
def explain(
    words: Words,
    library: LibraryOption,
    document: Annotated[str, typer.Option(help="The document (name or id).", show_default=False)],
    page: Annotated[int, typer.Option(min=1, help="The page, from 1.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to save the picture.", show_default=False)],
    word: Annotated[str | None, typer.Option(help="Colour this word's matches only.")] = None,
) -> None:
    """Save the page as a PNG with the patches that matched, and show what each word found."""
    if not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    with _told(), _existing(library) as opened:
        why = opened.explain_page(words, document, page)
        why.heatmap(word).save(out, format="PNG")
    for match in why.matches:
        place = f"row {match.cell[0] + 1}, column {match.cell[1] + 1}" if match.cell else "the whole page"
        _show(f"{match.token}: {match.contribution:.3f} (similarity {match.similarity:.3f}) at {place}")
    _show(f"score {why.score:.3f}; picture in {out}")


@main.command()
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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure how well questions find their pages; a run that was interrupted goes on where it stopped."""
    from colvision import evaluation  # a second, which the other commands need not wait for

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _told(), Bar(*columns, console=_say, transient=True) as bar:
        task = bar.add_task("opening the PDFs", total=None)

        def show(step: evaluation.Step) -> None:
            bar.update(task, description=escape(step.what), completed=step.done, total=step.total)

        listed = evaluation.read_pages_file(pages) if pages else None
        corpus = evaluation.find_corpus(pdf_dir, level=evaluation.level_of(level), pages=listed)
        asked = evaluation.read_queries(queries)
        if listed is not None:
            asked = tuple(query for query in asked if query.gold <= frozenset(listed))
        options = evaluation.EvaluationOptions(text_fusion=text_fusion, against=against, point=point, library=library)
        report, answers = evaluation.evaluate(corpus, asked, options=options, progress=show)
        if run is not None:
            evaluation.write_run(answers, run)
    _show(json.dumps(report.as_dict()) if as_json else str(report))


@main.command("list")
def list_documents(
    library: LibraryOption, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the documents."""
    with _told(), _existing(library) as opened:
        documents = opened.documents()
    if as_json:
        rows = [
            {"id": d.id, "name": d.name, "state": d.state, "pages": d.pages, "stored": d.stored,
             "metadata": dict(d.metadata)}
            for d in documents
        ]  # fmt: skip
        _show(json.dumps(rows))
        return
    columns = ["document", "pages", "size", "state", "id"]
    table = Table(*columns, *(["metadata"] if any(d.metadata for d in documents) else []), box=None)
    for each in documents:
        state = f"{each.state}: {each.reason}" if each.reason else each.state
        pages = str(each.pages) if each.stored == each.pages else f"{each.stored} of {each.pages}"
        known = ", ".join(f"{name}={value}" for name, value in each.metadata.items())
        table.add_row(
            escape(each.name), pages, _bytes(each.bytes), escape(state), each.id, *([escape(known)] if known else [])
        )
    Console(highlight=False, soft_wrap=not sys.stdout.isatty()).print(table)


@main.command()
def delete(
    name: Annotated[str, typer.Argument(help="The document (name or id).", show_default=False)], library: LibraryOption
) -> None:
    """Delete a document: its vectors, pictures, text and the kept file."""
    with _told(), _existing(library) as opened:
        removed = opened.delete(name)
    _show(f"deleted {removed.name} ({removed.stored} pages)")


@main.command()
def status(
    library: LibraryOption, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show what the library holds, and what is wrong with it."""
    with _told(), _existing(library) as opened:
        state = opened.status()
    if as_json:
        collections = [
            {"name": c.name, "encoder": c.encoder.name if c.encoder else None, "documents": c.documents,
             "pages": c.pages, "failed_pages": c.failed_pages, "vectors": c.vectors, "bytes": c.bytes,
             "clipped_share": c.clipped_share}
            for c in state.collections
        ]  # fmt: skip
        _show(json.dumps({"path": str(state.path), "collections": collections, "warnings": list(state.warnings)}))
        return
    _show(f"library {state.path}{' (read-only)' if state.read_only else ''}")
    for c in state.collections:
        encoder = f"{c.encoder.name} {c.encoder.fingerprint[:12]}" if c.encoder else "none yet"
        _show(
            f"collection {c.name}: {c.documents} documents, {c.pages} pages ({c.failed_pages} failed), "
            f"{c.vectors} vectors, {_bytes(c.bytes)}; encoder {encoder}; clipped {c.clipped_share:.4%}"
        )
    for warning in state.warnings:
        _say.print(f"warning: {escape(warning)}")
    if state.damaged:
        raise typer.Exit(_FAILED)


@contextmanager
def _progress() -> Iterator[Callable[[colvision.Progress], None]]:
    """Shows a bar for each document on stderr, moved by what is given back."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
    )
    with Bar(*columns, console=_say, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(progress: colvision.Progress) -> None:
            name = progress.document
            if name not in tasks:
                tasks[name] = bar.add_task(escape(name), total=progress.pages, speed="")
            left = f", {_duration(progress.seconds_left)} left" if progress.seconds_left else ""
            speed = f"{progress.pages_per_second:.1f} pages/s{left}"
            bar.update(tasks[name], completed=progress.page, total=progress.pages, speed=speed)

        yield show


@contextmanager
def _told() -> Iterator[None]:
    """Turns our errors into one sentence on stderr and an exit code."""
    try:
        yield
    except ValueError as error:
        _say.print(f"colvision: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(_MISUSED) from error
    except DocumentNotFound as error:
        _say.print(f"colvision: {escape(str(error))} (`colvision list` shows them)", soft_wrap=True)
        raise typer.Exit(_FAILED) from error
    except ColvisionError as error:
        _say.print(f"colvision: {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(_FAILED) from error
    except OSError as error:
        _say.print(
            f"colvision: {escape(str(error.filename or ''))}: {escape(error.strerror or str(error))}", soft_wrap=True
        )
        raise typer.Exit(_FAILED) from error
    except KeyboardInterrupt:
        _say.print("colvision: stopped; what was stored stays, and the same command goes on from there")
        raise typer.Exit(130) from None


def _existing(library: Path) -> colvision.Library:
    return colvision.open_library(library, create=False)


def _show(line: str) -> None:
    """One line of the result; a reader that has gone away (`| head`) is no error."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < _KILOBYTE:
            return f"{count:.0f} {unit}"
        count /= _KILOBYTE
    return f"{count:.1f} GB"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


for _point in entry_points(group="colvision.commands"):  # the app brings its own command, if it is installed
    main.command(_point.name)(_point.load())
