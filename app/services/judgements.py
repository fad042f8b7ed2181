"""Which pages answer which question, as readers have said: kept in the library, exported for `colvision evaluate`."""

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from colvision.atomic_io import atomic_write
from colvision.library import Document

from ..settings import LimitReached, Quota

Verdict = Literal["relevant", "irrelevant", ""]  # "" takes a verdict back

_FILE = "judgements.jsonl"  # in the library's folder


class Place(NamedTuple):
    """A question, and a page that was judged for it; `document` is an id."""

    text: str
    collection: str
    document: str
    page: int


class Judgements:
    """The verdicts of one library; safe to share between threads."""

    def __init__(self, library: Path, quota: Quota) -> None:
        self._path = library / _FILE
        self._quota = quota
        self._lock = threading.Lock()
        self._verdicts = self._read()

    def __len__(self) -> int:
        return len(self._verdicts)

    def verdict(self, place: Place) -> Verdict:
        return self._verdicts.get(place, "")

    def say(self, place: Place, verdict: Verdict) -> None:
        """Raises `LimitReached` when there are too many."""
        with self._lock:
            if place not in self._verdicts and len(self._verdicts) >= self._quota.judgements:
                raise LimitReached(
                    f"{self._quota.judgements:,} pages are judged, the limit: export them and start anew"
                )
            changed = {**self._verdicts, place: verdict}
            self._write({each: said for each, said in changed.items() if said})

    def forget(self, document: str) -> None:
        """Drops the verdicts on a document that is deleted."""
        with self._lock:
            kept = {place: said for place, said in self._verdicts.items() if place.document != document}
            if len(kept) < len(self._verdicts):
                self._write(kept)

    def export(self, documents: Iterable[Document]) -> str:
        """Lines as `colvision evaluate` reads them: pages from 0, a document by the stem of its name.

        A question of which no page is relevant cannot be evaluated, and is left out.
        """
        stems = {each.id: Path(each.name).stem for each in documents}
        asked: dict[tuple[str, str], dict[Verdict, list[dict[str, str | int]]]] = {}
        for place, said in sorted(self._verdicts.items()):
            if place.document in stems:
                pages = asked.setdefault((place.collection, place.text), {"relevant": [], "irrelevant": []})
                pages[said].append({"doc": stems[place.document], "page": place.page - 1})
        return "".join(
            json.dumps(_line(number, *question, pages), ensure_ascii=False) + "\n"
            for number, (question, pages) in enumerate(asked.items(), 1)
            if pages["relevant"]
        )

    def _read(self) -> dict[Place, Verdict]:
        if not self._path.is_file():
            return {}
        rows = map(json.loads, self._path.read_text(encoding="utf-8").splitlines())
        return {Place(*place): verdict for *place, verdict in rows if verdict in get_args(Verdict)}

    def _write(self, verdicts: dict[Place, Verdict]) -> None:
        lines = "".join(json.dumps([*place, said], ensure_ascii=False) + "\n" for place, said in verdicts.items())
        atomic_write(self._path, [lines.encode()])
        self._verdicts = verdicts


def _line(
    number: int, collection: str, text: str, pages: Mapping[Verdict, list[dict[str, str | int]]]
) -> dict[str, object]:
    return {
        "query_id": f"judged-{number:05d}",
        "text": text,
        "type": "judged",
        "collection": collection,
        "gold": pages["relevant"],
        "irrelevant": pages["irrelevant"],
    }
