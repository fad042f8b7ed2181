"""`colvision ask`: a question answered from the best pages, by a model that the user names."""

import os
import sys
from typing import Annotated

import typer

from colvision.cli.console import echo, printable
from colvision.cli.options import CollectionOption, EncoderOption, LibraryOption, select_collection
from colvision.environment import ANSWERS_KEY_VARIABLE
from colvision.library import open_library

from .services.answers import AnswerService, WrittenAnswer
from .services.chat import ChatEndpoint, ChatFailed
from .settings import LimitReached, Quota
from .views import CitationView, SentView

commands = typer.Typer()
_PAGES = Quota().answer_pages


@commands.command("ask")
def command(
    words: Annotated[list[str], typer.Argument(help="The question; no quotes are needed.", show_default=False)],
    answers: Annotated[
        str,
        typer.Option(
            metavar="URL",
            show_default=False,
            help="An OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1, its key in COLVISION_ANSWERS_KEY.",
        ),
    ],
    model: Annotated[str, typer.Option(metavar="NAME", show_default=False, help="Which of its models.")],
    library: LibraryOption,
    collection: CollectionOption = None,
    k: Annotated[int, typer.Option("-k", min=1, max=_PAGES, help="How many pages are sent.")] = _PAGES,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    encoder: EncoderOption = None,
) -> None:
    """Answer a question from pictures of the best pages, by a model of your own, with the pages that it cites."""
    endpoint = ChatEndpoint(answers, model, os.environ.get(ANSWERS_KEY_VARIABLE, ""))
    question = " ".join(words)
    with open_library(library, encoder=encoder or None, create=False, read_only=True) as opened:
        found = select_collection(opened, collection).search(question, k=k)
        if not found.hits:
            raise LimitReached(f"{collection or library} has no page to read an answer from: ingest some first")
        writing = AnswerService(opened, endpoint, Quota())
        prompt = writing.prompt(question, [(hit.document_id, hit.page) for hit in found])
        sys.stderr.write(_sent(prompt.sent, is_sent=not dry_run))
        if dry_run:
            return
        written = writing.ask(prompt)
        try:
            _show(written)
        finally:
            written.close()


def _sent(sent: SentView, *, is_sent: bool) -> str:
    what = "is sent the question and pictures of" if is_sent else "would be sent the question and pictures of"
    pages = (f"  [{each.number}] {each.document}, page {each.page} ({each.bytes >> 10:,} KB)" for each in sent.pages)
    return "\n".join([f"{sent.model} at {sent.host} {what}", *map(printable, pages), ""])


def _show(written: WrittenAnswer) -> None:
    """The answer as it comes, then what it cites. Raises `ChatFailed`."""
    cited: dict[tuple[int, str], CitationView] = {}
    for event in written.events():
        if event.citation is not None:
            cited[event.citation.number, event.citation.quoted] = event.citation
            sys.stdout.write(f"[{event.citation.number}]")
        elif event.kind == "error":
            sys.stdout.write("\n")
            raise ChatFailed(event.text)
        else:
            sys.stdout.write(printable(event.text))
        sys.stdout.flush()
    sys.stdout.write("\n\n" if cited else "\n")
    for each in cited.values():
        echo(_cited(each))


def _cited(citation: CitationView) -> str:
    if not citation.document_id:
        return f"[{citation.number}] is no page that was sent"
    where = f"[{citation.number}] {citation.document}, page {citation.page}"
    if not citation.quoted:
        return where
    return f'{where}: "{citation.quoted}"' + (" (not found on that page)" if citation.is_found is False else "")
