"""Which pages answer which question, as readers have said: kept in the library, exported for `colvision evaluate`."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from colvision.errors import LibraryError
from colvision.library import Document
from colvision.store.judgements import FORMER_FILE, Judgement, Verdict

from ..opened import OpenLibrary
from ..settings import LimitReached, Quota


class JudgedPage(NamedTuple):
    """A question, and a page that was judged for it; `document` is an id."""

    text: str
    document: str
    page: int


class Judgements:
    """The verdicts of one library; safe to share between threads. `warning` tells of those that cannot be read."""

    def __init__(self, library: OpenLibrary, quota: Quota) -> None:
        self._kept = library.judgements
        self._quota = quota
        self.warning = self._take_over()

    def _take_over(self) -> str:
        try:
            warning = self._kept.take_over()
        except LibraryError as error:
            warning = f"the verdicts in {FORMER_FILE} are not shown yet: {error}"
        if warning:
            sys.stderr.write(f"colvision: {warning}\n")
        return warning

    def __len__(self) -> int:
        return len(self._kept)

    def verdict(self, judged: JudgedPage) -> Verdict:
        return self._kept.verdict(*judged)

    def set_verdict(self, judged: JudgedPage, verdict: Verdict) -> None:
        """Raises `LimitReached` when there are too many, `LibraryError` where nothing can be written."""
        if not self._kept.put(Judgement(*judged, verdict), limit=self._quota.judgements):
            raise LimitReached(f"{self._quota.judgements:,} pages are judged, the limit: export them and start anew")

    def export(self, documents: Iterable[Document]) -> str:
        """Lines as `colvision evaluate` reads them: pages from 0, a document by the stem of its name.

        A question of which no page is relevant cannot be evaluated, and is left out.
        """
        known = {each.id: each for each in documents}
        by_question: dict[tuple[str, str], dict[Verdict, list[dict[str, str | int]]]] = {}
        for judged in self._kept.all():
            if document := known.get(judged.document):
                question = document.collection, judged.text
                pages = by_question.setdefault(question, {"relevant": [], "irrelevant": []})
                pages[judged.verdict].append({"doc": Path(document.name).stem, "page": judged.page - 1})
        return "".join(
            json.dumps(_line(number, *question, pages), ensure_ascii=False) + "\n"
            for number, (question, pages) in enumerate(sorted(by_question.items()), 1)
            if pages["relevant"]
        )


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
