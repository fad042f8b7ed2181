"""Queries with the pages that answer them, as files hold them: JSON lines, pages from 0 there and from 1 here."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from colvision.core.page import PageId
from colvision.errors import InputError

_GROUPS = {"figure": "visual", "plot": "visual", "screenshot": "visual", "table": "table"}  # all others are textual
_GROUPED = "content"  # the type whose queries are also told apart by what answers them


@dataclass(frozen=True, slots=True)
class Query:
    """A query to evaluate with: `gold` pages answer it; `neutral` ones might, and count neither way.

    A page is named by its document (the stem of the PDF's name) and its number, from 1.
    """

    query_id: str
    text: str
    type: str
    subtype: str
    gold: frozenset[PageId]
    neutral: frozenset[PageId] = frozenset()

    def __post_init__(self) -> None:
        if not self.gold:
            raise ValueError(f"query {self.query_id!r} has no gold page; give it one, or leave it out")

    @property
    def groups(self) -> tuple[str, ...]:
        """The rows of a report in which this query counts."""
        if self.type != _GROUPED:
            return "all", self.type
        return "all", self.type, f"{self.type}/{_GROUPS.get(self.subtype, 'textual')}"


def read_queries(path: Path) -> tuple[Query, ...]:
    """Lines {"query_id", "text", "type", "subtype", "gold": [{"doc", "page"}], "neutral": [...]}.

    `type`, `subtype` and `neutral` may be missing. Raises `InputError`, naming the line, for anything else.
    """
    queries: dict[str, Query] = {}
    for number, row in json_lines(path):
        try:
            query = _query(row)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"line {number} of {path.name} is not a query ({type(error).__name__}: {error}); "
                'expected {"query_id", "text", "gold": [{"doc", "page"}]}'
            ) from error
        if query.query_id in queries:
            raise InputError(f"line {number} of {path.name} repeats query {query.query_id!r}; give it an id of its own")
        queries[query.query_id] = query
    if not queries:
        raise InputError(f"{path.name} holds no query; expected one JSON object a line")
    return tuple(queries.values())


def read_pages_file(path: Path) -> tuple[PageId, ...]:
    """Lines ["doc", page], page from 0, each page once. Raises `InputError`, naming the line."""
    pages: list[PageId] = []
    for number, row in json_lines(path):
        match row:
            case [str(document), int(page)] if page >= 0:
                pages.append(PageId(document, page + 1))
            case _:
                raise InputError(f'line {number} of {path.name} is {row!r}; expected ["doc", page], page from 0')
    if not pages:
        raise InputError(f'{path.name} lists no page; expected lines ["doc", page], page from 0')
    return tuple(dict.fromkeys(pages))


def json_lines(path: Path) -> Iterator[tuple[int, object]]:
    """(number, value) of each line that is not blank. Raises `InputError` for a file that is missing or no JSON."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give a file of JSON lines") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(
                    f"line {number} of {path.name} is not JSON ({error}); give one value a line"
                ) from error


def page_of(place: object) -> PageId:
    """{"doc", "page" from 0} -> the page, from 1."""
    match place:
        case {"doc": str(document), "page": int(page)} if page >= 0:
            return PageId(document, page + 1)
    raise ValueError(f'{place!r} is not a page; expected {{"doc": "...", "page": 0}}')


def _query(row: object) -> Query:
    if not isinstance(row, Mapping):
        raise TypeError(f"{row!r} is not an object")
    return Query(
        query_id=str(row["query_id"]),
        text=str(row["text"]),
        type=str(row.get("type", "query")),
        subtype=str(row.get("subtype", "")),
        gold=frozenset(map(page_of, row["gold"])),
        neutral=frozenset(map(page_of, row.get("neutral", ()))),
    )
