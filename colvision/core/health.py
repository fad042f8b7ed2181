"""What of a page or file was not read although it is there: told to its reader, never left out in silence."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

NoteKind = Literal["attachments", "form", "blank", "shrunk", "fonts", "hidden", "script", "small"]


@dataclass(frozen=True, slots=True)
class Note:
    """One such thing. `text` is a clause that continues "page 3 ..." or "pump.pdf ...".

    Of a file: `attachments` that it carries, a `form` that only its own program shows. Of a page: it is `blank` though
    it has content, it was `shrunk` too far, its `fonts` are not here, a text layer is `hidden`, its `script` is none
    that the encoder reads, its print is too `small`.
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
