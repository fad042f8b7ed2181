"""Vespa: an application package and feed files in a folder, for `vespa deploy` and `vespa feed`; a server is asked.

Candidates come by their sign bits (a graph by Hamming distance for each token of the query), are ordered by the bits,
and the best by MaxSim over the int8 codes, which are the library's own. The rank profile `exact` compares all pages'.
Source: Vespa's ColPali sample applications, with codes in the place of unpacked bits in the last phase.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colvision.atomic_io import atomic_write, make_folder
from colvision.core.embedding import Floats
from colvision.core.encoder import EncoderInfo
from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines.address import Server
from colvision.engines.engine import Engine, ExportedPage, found_page, require
from colvision.errors import LibraryError

if TYPE_CHECKING:
    from vespa.application import Vespa
    from vespa.package import ApplicationPackage

_SCHEMA = "page"
_PUT = re.compile(r'\{"(put|remove)": "id:colvision:page::([0-9a-f-]+)"')
_TARGET_HITS = 100  # pages that each token's graph gives
_RERANKED = 256  # without what a query says
_LARGEST_QUERY = 64  # tokens whose graphs are asked: the first ones; all tokens score


def open_at(place: Path | Server, *, exact: bool) -> Engine:
    require("vespa", "vespa")
    if isinstance(place, Path):
        return VespaFolder(place)
    from vespa.application import Vespa

    return VespaServer(Vespa(url=f"{place.scheme}://{place.host}", port=place.port), exact=exact)


class VespaFolder:
    """What Vespa is deployed from and fed with. The feed is a log: fed from its first file on, it ends in the same."""

    name = "vespa"
    most_numbers = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._feed = folder / "feed"

    @property
    def pages(self) -> int:
        return sum(1 for _ in self.ids())

    def prepare(self, info: EncoderInfo) -> None:
        if info.dim % 8:
            raise LibraryError(f"vespa: sign bits of {info.dim} numbers do not fill bytes: a multiple of 8 is needed")
        self._folder.mkdir(parents=True, exist_ok=True)
        make_folder(self._feed)
        with_schema = self._folder / "schemas" / f"{_SCHEMA}.sd"
        if with_schema.exists() and f"v[{info.dim}]" not in with_schema.read_text(encoding="utf-8"):
            raise LibraryError(f"{self._folder} is an application of other vectors than of {info.dim}: give another")
        application(info).to_files(self._folder)
        atomic_write(self._folder / "query.json", [json.dumps(example_query(info), indent=1).encode()])

    def ids(self) -> Iterator[str]:
        held: dict[str, None] = {}
        for path in self._files():
            with path.open(encoding="utf-8") as file:
                for line in file:
                    found = _PUT.match(line)
                    if found and found[1] == "put":
                        held[found[2]] = None
                    elif found:
                        held.pop(found[2], None)
        return iter(held)

    def _files(self) -> list[Path]:
        return sorted(self._feed.glob("*.jsonl")) if self._feed.is_dir() else []

    def write(self, pages: Sequence[ExportedPage]) -> None:
        self._add(put(page) for page in pages)

    def remove(self, ids: Sequence[str]) -> None:
        self._add({"remove": f"id:colvision:page::{each}"} for each in ids)

    def _add(self, operations: Iterator[dict[str, Any]]) -> None:
        number = len(self._files()) + 1
        lines = (json.dumps(each).encode() + b"\n" for each in operations)
        atomic_write(self._feed / f"{number:06d}.jsonl", lines)

    def finish(self) -> None: ...

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        raise LibraryError("vespa: files answer nothing: deploy and feed them, then ask vespa://host:port")

    def close(self) -> None: ...


class VespaServer:
    """A deployed application, to be asked."""

    name = "vespa"
    most_numbers = None

    def __init__(self, application: "Vespa", *, exact: bool = False) -> None:
        self._application = application
        self._exact = exact

    @property
    def pages(self) -> int:
        body = {"yql": f"select * from {_SCHEMA} where true", "hits": 0}
        return int(self._query(body)["root"]["fields"]["totalCount"])

    def find(self, query: Floats, count: int, scope: PageScope) -> list[FoundPage]:
        found = self._query(query_body(query, count, scope, exact=self._exact))
        return [found_page(hit["fields"], hit["relevance"]) for hit in found["root"].get("children", ())]

    def _query(self, body: dict[str, Any]) -> dict[str, Any]:
        answer: Any = self._application.query(body=body)
        if not answer.is_successful() or "errors" in answer.json.get("root", {}):
            raise LibraryError(f"vespa refused the query: {json.dumps(answer.json)[:500]}")
        found: dict[str, Any] = answer.json
        return found

    def close(self) -> None: ...

    def prepare(self, info: EncoderInfo) -> None:
        raise ValueError("vespa is exported to a folder: `vespa deploy` and `vespa feed` bring it to a server")

    def ids(self) -> Iterator[str]:
        return iter(())

    def write(self, pages: Sequence[ExportedPage]) -> None: ...

    def remove(self, ids: Sequence[str]) -> None: ...

    def finish(self) -> None: ...


def application(info: EncoderInfo) -> "ApplicationPackage":
    from vespa.package import (
        HNSW,
        ApplicationPackage,
        Document,
        Field,
        FirstPhaseRanking,
        Function,
        RankProfile,
        Schema,
        SecondPhaseRanking,
    )

    stored, looked_up = ["attribute", "summary"], ["fast-search"]
    document = Document(
        fields=[
            Field("document_id", "string", indexing=stored, attribute=looked_up, rank="filter"),
            Field("document", "string", indexing=stored),
            Field("folder", "string", indexing=stored),
            Field("page", "int", indexing=stored, attribute=looked_up, rank="filter"),
            Field("facts", "array<string>", indexing=stored, attribute=looked_up, rank="filter"),
            Field("encoder", "string", indexing=stored),
            Field("codes", f"tensor<int8>(patch{{}}, v[{info.dim}])", indexing=["attribute"], attribute=["paged"]),
            Field(
                "bits",
                f"tensor<int8>(patch{{}}, v[{info.dim // 8}])",
                indexing=["attribute", "index"],
                ann=HNSW(distance_metric="hamming", max_links_per_node=32, neighbors_to_explore_at_insert=400),
            ),
        ]
    )
    tokens = ("query(qt)", f"tensor<float>(querytoken{{}}, v[{info.dim}])")
    bits = ("query(qtb)", f"tensor<int8>(querytoken{{}}, v[{info.dim // 8}])")
    each = [(f"query(rq{i})", f"tensor<int8>(v[{info.dim // 8}])") for i in range(_LARGEST_QUERY)]
    maxsim = Function("maxsim", "sum(reduce(sum(query(qt) * attribute(codes), v), max, patch), querytoken)")
    by_bits = Function(
        "maxsim_of_bits",
        "sum(reduce(1 / (1 + sum(hamming(query(qtb), attribute(bits)), v)), max, patch), querytoken)",
    )
    candidates = RankProfile(
        "candidates",
        inputs=[tokens, bits, *each],
        functions=[maxsim, by_bits],
        first_phase="maxsim_of_bits",
        second_phase=SecondPhaseRanking("maxsim", rerank_count=_RERANKED),
    )
    exact = RankProfile("exact", inputs=[tokens], functions=[maxsim], first_phase=FirstPhaseRanking("maxsim"))
    schema = Schema(_SCHEMA, document, rank_profiles=[candidates, exact])
    return ApplicationPackage("colvision", schema=[schema], create_query_profile_by_default=False)


def put(page: ExportedPage) -> dict[str, Any]:
    """One line of the feed; int8 tensors are written in hex."""
    tensors = {"codes": page.codes, "bits": _packed(page.codes)}
    blocks = {
        name: {"blocks": {str(i): row.tobytes().hex() for i, row in enumerate(of)}} for name, of in tensors.items()
    }
    return {"put": f"id:colvision:page::{page.id}", "fields": {**page.fields, **blocks}}


def query_body(query: Floats, count: int, scope: PageScope, *, exact: bool) -> dict[str, Any]:
    """What is posted to `/search/`."""
    nearest = [
        f"({{targetHits:{_TARGET_HITS}}}nearestNeighbor(bits, rq{i}))" for i in range(min(len(query), _LARGEST_QUERY))
    ]
    where = ["true" if exact else f"({' or '.join(nearest)})"]
    if scope.documents is not None:
        where.append(f"document_id in ({', '.join(json.dumps(each) for each in scope.documents)})")
    if scope.pages is not None:
        where.append(f"page in ({', '.join(map(str, scope.pages))})")
    body: dict[str, Any] = {
        "yql": f"select document_id, page, encoder from {_SCHEMA} where {' and '.join(where)}",
        "ranking": "exact" if exact else "candidates",
        "hits": count,
        "timeout": "30s",
        "input.query(qt)": {"blocks": {str(i): row for i, row in enumerate(query.tolist())}},
    }
    if exact:
        return body
    bits = [row.tobytes().hex() for row in _packed(query)]
    asked = {f"input.query(rq{i})": row for i, row in enumerate(bits[:_LARGEST_QUERY])}
    return {
        **body,
        "ranking.rerankCount": max(count, _RERANKED),
        "input.query(qtb)": {"blocks": {str(i): row for i, row in enumerate(bits)}},
        **asked,
    }


def example_query(info: EncoderInfo) -> dict[str, Any]:
    """A template: a query of one token, of zeros, with a filter."""
    zeros = np.zeros((1, info.dim), np.float32)
    return query_body(zeros, 10, PageScope(("a document's id",), (1, 2)), exact=False)


def _packed(rows: np.ndarray) -> np.ndarray:
    """(n, dim) -> (n, dim / 8) the signs as bits, the first in the highest bit of a byte."""
    return np.packbits(rows > 0, axis=1)
