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


class JudgedPage(NamedTuple):
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

    def verdict(self, judged: JudgedPage) -> Verdict:
        return self._verdicts.get(judged, "")

    def set_verdict(self, judged: JudgedPage, verdict: Verdict) -> None:
        """Raises `LimitReached` when there are too many."""
        with self._lock:
            if judged not in self._verdicts and len(self._verdicts) >= self._quota.judgements:
                raise LimitReached(
                    f"{self._quota.judgements:,} pages are judged, the limit: export them and start anew"
                )
            changed = {**self._verdicts, judged: verdict}
            self._write({each: given for each, given in changed.items() if given})

    def forget(self, document: str) -> None:
        """Drops the verdicts on a document that is deleted."""
        with self._lock:
            kept = {judged: verdict for judged, verdict in self._verdicts.items() if judged.document != document}
            if len(kept) < len(self._verdicts):
                self._write(kept)

    def export(self, documents: Iterable[Document]) -> str:
        """Lines as `colvision evaluate` reads them: pages from 0, a document by the stem of its name.

        A question of which no page is relevant cannot be evaluated, and is left out.
        """
        stems = {each.id: Path(each.name).stem for each in documents}
        by_question: dict[tuple[str, str], dict[Verdict, list[dict[str, str | int]]]] = {}
        for judged, verdict in sorted(self._verdicts.items()):
            if judged.document in stems:
                pages = by_question.setdefault((judged.collection, judged.text), {"relevant": [], "irrelevant": []})
                pages[verdict].append({"doc": stems[judged.document], "page": judged.page - 1})
        return "".join(
            json.dumps(_line(number, *question, pages), ensure_ascii=False) + "\n"
            for number, (question, pages) in enumerate(by_question.items(), 1)
            if pages["relevant"]
        )

    def _read(self) -> dict[JudgedPage, Verdict]:
        if not self._path.is_file():
            return {}
        rows = map(json.loads, self._path.read_text(encoding="utf-8").splitlines())
        return {JudgedPage(*judged): verdict for *judged, verdict in rows if verdict in get_args(Verdict)}

    def _write(self, verdicts: dict[JudgedPage, Verdict]) -> None:
        lines = "".join(
            json.dumps([*judged, verdict], ensure_ascii=False) + "\n" for judged, verdict in verdicts.items()
        )
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
