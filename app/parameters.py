"""What stands in the address of a request: it is checked here, and described in the schema, before a body is read."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Annotated, get_origin
from urllib.parse import unquote_to_bytes

from fastapi import Path, Query, Request
from fastapi.dependencies.models import Dependant
from pydantic import AfterValidator, Field

from colvision.search import Mode
from colvision.store.identity import clean_collection_name

from .services.search import SearchRequest
from .settings import Quota

_UNFIT = ("Cc", "Cs", "Zl", "Zp")  # Unicode's categories of controls, surrogates, line and paragraph separators
NAME_CHARACTERS = 300  # of a document's name, before it is shortened
FOLDER_CHARACTERS = 1000  # of the path of a folder that is watched
_FRACTION = re.compile(r"[01](\.\d{1,9})?")
_MOST = 2**31 - 1  # far beyond any page or job, and well within what the catalogue can hold


def _line(text: str) -> str:
    """The same text. Raises `ValueError` for one that is no line of characters that can be stored and shown."""
    unfit = next((each for each in text if unicodedata.category(each) in _UNFIT), "")
    if unfit:
        raise ValueError(f"holds a control character or the end of a line, U+{ord(unfit):04X}: leave it out")
    return text


def _words(text: str) -> str:
    return _line(" ".join(text.split()))


def parse_fractions(text: str | None) -> tuple[float, float, float, float] | None:
    """Raises `ValueError` unless it is four numbers from 0 to 1, the first two below the last two."""
    if text is None:
        return None
    values = [float(each) if _FRACTION.fullmatch(each) else -1 for each in text.split(",")]
    if len(values) == 4 and 0 <= values[0] < values[2] <= 1 and 0 <= values[1] < values[3] <= 1:
        return values[0], values[1], values[2], values[3]
    raise ValueError("box: expected left,top,right,bottom in fractions of the page, such as 0,0.25,1,0.5")


_PATTERN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"  # the same for the schema
Line = Annotated[str, AfterValidator(_line), Field(json_schema_extra={"pattern": _PATTERN})]
Words = Annotated[str, AfterValidator(_words)]  # white space of any kind becomes one space
Collection = Annotated[str, AfterValidator(clean_collection_name)]
FileName = Annotated[str, Query(min_length=1, max_length=NAME_CHARACTERS)]  # the library makes it fit to be shown
DocumentName = Annotated[Line, Query(max_length=NAME_CHARACTERS, description="a document, by name or id")]
PageNumber = Annotated[int, Query(ge=1, le=_MOST)]
DocumentInPath = Annotated[Line, Path(max_length=NAME_CHARACTERS, description="a document, by name or id")]
NumberInPath = Annotated[int, Path(ge=1, le=_MOST)]
PageReference = Annotated[Line, Field(max_length=NAME_CHARACTERS)]  # DOCUMENT:PAGE
Fractions = Annotated[
    str,
    Query(max_length=80, description="left,top,right,bottom of a part of the page, in fractions of it"),
]
Token = Annotated[str, Path(max_length=NAME_CHARACTERS)]


def search_request(quota: Quota) -> Callable[..., SearchRequest]:
    """What is searched for, as the address of a request has it: also the names in the page's own address."""

    def request(
        q: Annotated[Words, Query(max_length=quota.query_characters, description="the words to look for")] = "",
        like: Annotated[DocumentName, Query(description="instead of words: pages like this one, DOCUMENT:PAGE")] = "",
        image: Annotated[
            str,
            Query(
                max_length=NAME_CHARACTERS,
                description="instead of words: pages like an image, by the token of POST /images",
            ),
        ] = "",
        collection: Annotated[Collection, Query(max_length=quota.name_characters)] = "default",
        document: Annotated[DocumentName, Query(description="search this document only, by name or id")] = "",
        where: Annotated[
            Words,
            Query(
                max_length=quota.where_characters,
                description="search only pages that this holds for: page in 3-9 and machine=pump",
            ),
        ] = "",
        mode: Annotated[Mode, Query(description="exact compares every page's codes")] = "auto",
        text_fusion: Annotated[
            bool | None, Query(description="ask the text layers, too; left out: where that was measured")
        ] = None,
        exact_words: Annotated[
            bool, Query(description="look for these words alone, not for translations of them")
        ] = False,
        rerank: Annotated[
            bool, Query(description="have the server's reranker, if it has one, order the best pages")
        ] = False,
        encoders: Annotated[
            Line | None,
            Query(
                max_length=quota.where_characters,
                description="ask these further encoders of the collection (a,b), or main alone; left out: all",
            ),
        ] = None,
        first_stage: Annotated[
            Line,
            Query(
                max_length=quota.name_characters,
                description="compare only the best pages by this further encoder of the collection",
            ),
        ] = "",
    ) -> SearchRequest:
        asked = None if encoders is None else frozenset(name.strip() for name in encoders.split(","))
        return SearchRequest(
            q,
            collection,
            document or None,
            where,
            mode,
            text_fusion,
            exact_words,
            like,
            image,
            rerank,
            encoders=asked,
            first_stage=first_stage,
        )

    return request


async def check_address(request: Request) -> None:
    """A dependency of every route. Raises `ValueError` for a parameter that the route does not know, or that is given
    twice, and for texts that are not UTF-8.
    """
    try:
        for part in (request.scope["query_string"], request.scope.get("raw_path", b"")):
            unquote_to_bytes(part).decode()
    except UnicodeDecodeError as error:
        raise ValueError("the address holds a text that is not UTF-8: encode it as that") from error
    known = dict(_parameters(request.scope["route"].dependant))
    for name, count in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            raise ValueError(f"there is no parameter {name[:80]!r} here: use {', '.join(known) or 'none'}")
        if count > 1 and not known[name]:
            raise ValueError(f"{name} is given {count} times: give it once")


def _parameters(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The names of a route's parameters, each with whether it may be given several times."""
    for field in dependant.query_params:
        yield field.alias, get_origin(field.field_info.annotation) is tuple
    for each in dependant.dependencies:
        yield from _parameters(each)
