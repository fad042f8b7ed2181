"""What of a page or file was not read although it is there: told to its reader, never left out in silence."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

NoteKind = Literal["attachments", "form", "blank", "shrunk", "fonts", "hidden", "script", "small", "textless", "ocr"]


@dataclass(frozen=True, slots=True)
class Note:
    """One such thing. `text` is a clause that continues "page 3 ..." or "pump.pdf ...".

    Of a file: `attachments` that it carries, a `form` that only its own program shows. Of a page: it is `blank` though
    it has content, it was `shrunk` too far, its `fonts` are not here, a text layer is `hidden`, its `script` is none
    that the encoder reads, its print is too `small`, it is `textless` for an encoder that reads text alone, or `ocr`
    failed on it.
    """

    kind: NoteKind
    text: str

    def __post_init__(self) -> None:
        if self.kind not in get_args(NoteKind) or not isinstance(self.text, str):
            raise ValueError(f"{self} is no note; its kind is one of {', '.join(get_args(NoteKind))}")


def notes_text(notes: Iterable[Note]) -> str:
    """The JSON under which notes are stored."""
    return json.dumps([[note.kind, note.text] for note in notes], ensure_ascii=False)


def parse_notes(text: str) -> tuple[Note, ...]:
    """Notes from `notes_text`. Raises `ValueError`."""
    return tuple(Note(kind, clause) for kind, clause in json.loads(text))


@dataclass(frozen=True, slots=True)
class UnreadPage:
    """A page that could not be read; it was `tried` last at this time (UTC, ISO 8601), None where nobody knows."""

    page: int
    reason: str
    tried: str | None = None


@dataclass(frozen=True, slots=True)
class PagesNote:
    """A note and the pages that it is of; none: it is of the file."""

    kind: NoteKind
    text: str
    pages: tuple[int, ...] = ()

    def sentence(self, name: str) -> str:
        """`each of pages 3, 4, 7 is drawn at ...`, or `pump.pdf holds ...` for a document of that name."""
        each = "each of " if len(self.pages) > 1 else ""
        return f"{each}{page_numbers(self.pages) or name} {self.text}"


_MARKS: Mapping[NoteKind, str] = {
    "attachments": "attachments",
    "form": "a form",
    "blank": "blank in part or whole",
    "shrunk": "shrunk",
    "fonts": "without their fonts",
    "hidden": "with hidden text",
    "script": "in another script",
    "small": "in small print",
    "textless": "without text",
    "ocr": "without text: OCR failed",
}


@dataclass(frozen=True, slots=True)
class Health:
    """What of a document was not read: the pages that failed, in order, and the notes of its file and its pages."""

    failed: tuple[UnreadPage, ...] = ()
    notes: tuple[PagesNote, ...] = ()

    @property
    def is_whole(self) -> bool:
        """All of it was read."""
        return not self.failed and not self.notes

    @property
    def summary(self) -> str:
        """A few words for a list, "" for a whole document: `2 pages failed, 3 shrunk, attachments`."""
        marks = [f"{_count_pages(len(self.failed))} failed"] if self.failed else []
        for kind, mark in _MARKS.items():
            pages = {page for note in self.notes if note.kind == kind for page in note.pages}
            if pages:
                marks.append(f"{len(pages) if marks else _count_pages(len(pages))} {mark}")
            elif any(note.kind == kind for note in self.notes):
                marks.append(mark)
        return ", ".join(marks)

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {"is_whole": self.is_whole, "summary": self.summary, **asdict(self)}


def group_notes(file: Iterable[Note], pages: Iterable[tuple[int, Note]]) -> tuple[PagesNote, ...]:
    """Notes of a file, and of its pages by number: each once, with all the pages that it is of."""
    found: dict[Note, list[int]] = {note: [] for note in file}
    for number, note in pages:
        found.setdefault(note, []).append(number)
    return tuple(PagesNote(note.kind, note.text, tuple(numbers)) for note, numbers in found.items())


def page_numbers(numbers: Sequence[int]) -> str:
    """`page 3`, `pages 3, 5-9`; "" for none."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"page{'' if len(numbers) == 1 else 's'} {shown}" if shown else ""


def _count_pages(count: int) -> str:
    return "1 page" if count == 1 else f"{count} pages"
