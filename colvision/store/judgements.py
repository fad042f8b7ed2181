"""Which pages answer which question, as readers have said. A verdict belongs to its document, and goes with it.

Each change is a short transaction of its own, outside the writer lock: several servers may take verdicts.
"""

import json
from typing import Literal, NamedTuple, get_args

from colvision.atomic_io import atomic_write
from colvision.store import rows
from colvision.store.catalogue import Catalogue
from colvision.store.disk import disk_errors

Verdict = Literal["relevant", "irrelevant", ""]  # "" takes a verdict back

FORMER_FILE = "judgements.jsonl"  # in the library's folder, up to format 3
UNREAD_FILE = "judgements.unread.jsonl"  # the lines of that which could not be read


class Judgement(NamedTuple):
    """A question, a page of a document (an id), and what was said of it."""

    text: str
    document: str
    page: int
    verdict: Verdict


class Judgements:
    """The verdicts of one library."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._db = catalogue

    def __len__(self) -> int:
        return rows.judgements.count(self._db)

    def all(self) -> list[Judgement]:
        """Those of one question together."""
        return [Judgement(*row) for row in rows.judgements.select(self._db)]

    def verdict(self, text: str, document: str, page: int) -> Verdict:
        found = rows.judgements.verdict(self._db, text, document, page)
        return next((each for each in get_args(Verdict) if each == found), "")

    def put(self, judgement: Judgement, *, limit: int) -> bool:
        """Keeps a verdict in the place of another one on that page; False where `limit` are kept already."""
        text, document, page, verdict = judgement
        with self._db.write():
            if not verdict:
                rows.judgements.delete(self._db, text, document, page)
                return True
            if not self.verdict(text, document, page) and len(self) >= limit:
                return False
            rows.judgements.put(self._db, *judgement)
        return True

    def take_over(self) -> str:
        """Takes over what a colvision up to format 3 kept in a file; returns what is to be told of it, "" for nothing.

        Verdicts that were given since win. Lines that cannot be read are kept in a file of their own. Raises
        `LibraryError` where nothing can be written.
        """
        path = self._db.folder / FORMER_FILE
        try:
            lines = path.read_bytes().split(b"\n")  # by no other character: a question may hold any
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"{path} cannot be read ({error.strerror}): the verdicts in it are not known"
        unread = []
        with self._db.write():
            for line in filter(None, lines):
                try:
                    rows.judgements.put(self._db, *_parse(line), replaces=False)
                except (ValueError, TypeError, OverflowError):  # also half a character, or a page beyond all numbers
                    unread.append(line)
        with disk_errors(self._db.folder):
            if unread:
                atomic_write(path.with_name(UNREAD_FILE), [b"\n".join(unread)])
            path.unlink(missing_ok=True)  # of two servers that start, one was quicker
        kept = path.with_name(UNREAD_FILE)
        return f"{len(unread)} lines of {FORMER_FILE} are damaged; they are kept in {kept}" if unread else ""


def _parse(line: bytes) -> Judgement:
    """A line of format 3: text, collection, document, page, verdict. Raises `ValueError`, `TypeError`."""
    text, _, document, page, verdict = json.loads(line)
    is_fit = isinstance(text, str) and isinstance(document, str) and isinstance(page, int)
    if not is_fit or verdict not in ("relevant", "irrelevant"):
        raise ValueError(f"{line!r} is no verdict")
    return Judgement(text, document, page, verdict)
