"""What the engines' own clients send for the page, the question and the filter of `example`: the files of `expected/`.

`python -m tests.engines.recorded` makes them anew, with the clients that are installed; read the difference. The
clients are real, and check what they are given; the servers that they speak to only keep it.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from contextlib import closing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from uuid import UUID

from colvision.core.first_stage import FoundPage, PageScope
from colvision.engines import open_engine
from colvision.engines.engine import Engine
from tests.engines.example import FOUND, INFO, PAGE, QUERY, SCOPE
from tests.helpers.recording_server import RecordedRequest, Recording, Route, recording_server

EXPECTED = Path(__file__).parent / "expected"


class Answers(NamedTuple):
    """What the engine made of the answers that it got."""

    pages: int
    ids: list[str]
    found: list[FoundPage]


def _go_through(engine: Engine) -> Answers:
    """All that an export and a search ask for."""
    engine.prepare(INFO)
    engine.write([PAGE])
    engine.finish()
    answers = Answers(engine.pages, list(engine.ids()), engine.find(QUERY, 5, SCOPE))
    engine.remove([PAGE.id])
    return answers


def _text(requests: list[dict]) -> str:
    """A request a line, so that a difference shows in one; what comes in the order of a set is sorted."""
    in_order = [
        {key: json.loads(json.dumps(value, sort_keys=True)) for key, value in each.items()} for each in requests
    ]
    return "[\n" + ",\n".join(map(json.dumps, in_order)) + "\n]\n"


def qdrant() -> tuple[dict[str, str], Answers]:
    done = {"result": {"operation_id": 1, "status": "completed"}}
    hit = {"id": PAGE.id, "version": 1, "score": 7.0, "payload": FOUND}
    routes = [
        Route("GET", "/collections/manuals/exists", {"result": {"exists": False}}),
        Route("PUT", r"/collections/manuals(\?.*)?", {"result": True}),
        Route("PUT", r"/collections/manuals/(index|points)\?.*", done),
        Route("PUT", "/collections/manuals/index", done),
        Route("POST", "/collections/manuals/points/count", {"result": {"count": 1}}),
        Route("POST", "/collections/manuals/points/scroll", {"result": {"points": [{"id": PAGE.id}]}}),
        Route("POST", "/collections/manuals/points/query", {"result": {"points": [hit]}}),
        Route("POST", r"/collections/manuals/points/delete\?.*", done),
    ]
    with recording_server(routes) as server:
        with closing(open_engine(f"qdrant://127.0.0.1:{server.port}/manuals")) as engine:
            answers = _go_through(engine)
        with closing(open_engine(f"qdrant://127.0.0.1:{server.port}/manuals", exact=True)) as engine:
            engine.find(QUERY, 5, PageScope())
    return {"qdrant.json": _text([each.to_dict() for each in server.requests])}, answers


def pinecone() -> tuple[dict[str, str], Answers]:
    from pinecone import Pinecone

    from colvision.engines.pinecone import index_config

    stats = {"dimension": 8, "namespaces": {"manuals": {"vectorCount": 1}}, "totalVectorCount": 1, "indexFullness": 0}
    routes = [
        Route("POST", "/indexes", {}),
        Route("POST", "/describe_index_stats", stats),
        Route("POST", "/vectors/upsert", {"upsertedCount": 1}),
        Route("GET", "/vectors/list.*", {"vectors": [{"id": PAGE.id}], "namespace": "manuals"}),
        Route("POST", "/query", {"matches": [{"id": PAGE.id, "score": 7.0, "metadata": FOUND}]}),
        Route("POST", "/vectors/delete", {}),
    ]
    with recording_server(routes) as server, _variable("PINECONE_API_KEY", "none"):
        with closing(open_engine(f"pinecone://127.0.0.1:{server.port}/manuals")) as engine:
            answers = _go_through(engine)
        _create(Pinecone(host=f"http://127.0.0.1:{server.port}"), index_config(INFO))
    return {"pinecone.json": _text([each.to_dict() for each in server.requests])}, answers


def _create(client: Any, config: dict) -> None:
    from pinecone import ResponseParsingError

    with suppress(ResponseParsingError):  # it has asked; what it makes of the answer is its own
        client.create_index(name="pages", timeout=-1, **config)


def vespa() -> tuple[dict[str, str], Answers]:
    with TemporaryDirectory() as scratch, closing(open_engine(f"vespa://{scratch}")) as engine:
        engine.prepare(INFO)
        engine.write([PAGE])
        engine.remove(["01234567-89ab-cdef-0000-000000000000"])
        ids = list(engine.ids())
        paths = [path for path in sorted(Path(scratch).rglob("*")) if path.is_file()]
        files = {f"vespa/{path.relative_to(scratch)}": path.read_text(encoding="utf-8") for path in paths}
    hit = {"id": "x", "relevance": 7.0, "fields": FOUND}
    routes = [Route("POST", "/search/", {"root": {"fields": {"totalCount": 1}, "children": [hit]}})]
    with recording_server(routes) as server:
        with closing(open_engine(f"vespa://127.0.0.1:{server.port}")) as engine:
            answers = Answers(engine.pages, ids, engine.find(QUERY, 5, SCOPE))
        with closing(open_engine(f"vespa://127.0.0.1:{server.port}", exact=True)) as engine:
            engine.find(QUERY, 5, PageScope())
    return files | {"vespa.json": _text([each.to_dict() for each in server.requests])}, answers


def weaviate() -> tuple[dict[str, str], Answers]:
    created = {
        "class": "Manuals",
        "vectorConfig": {},
        "properties": [],
        "invertedIndexConfig": {},
        "multiTenancyConfig": {},
        "replicationConfig": {},
        "shardingConfig": {},
    }
    routes = [
        Route("GET", "/v1/meta", {"version": "1.33.0", "hostname": "x", "modules": {}}),
        Route("POST", "/v1/schema", created),
    ]
    with (
        recording_server(routes) as server,
        _weaviate_grpc(server) as port,
        closing(open_engine(f"weaviate://127.0.0.1:{server.port}/Manuals?grpc={port}")) as engine,
    ):
        answers = _go_through(engine)
    sent = [each.to_dict() for each in server.requests if each.path not in ("/v1/meta", "/v1/.well-known/ready")]
    return {"weaviate.json": _text(sent)}, answers


@contextmanager
def _weaviate_grpc(recording: Recording) -> Iterator[int]:
    """The half of Weaviate that speaks gRPC: its requests are kept among the others, as JSON."""
    import grpc
    from google.protobuf.json_format import MessageToDict
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from weaviate.proto.v1 import (
        aggregate_pb2,
        batch_delete_pb2,
        batch_pb2,
        properties_pb2,
        search_get_pb2,
        weaviate_pb2_grpc,
    )

    def kept(request: Any, answer: Any) -> Any:
        body = MessageToDict(request)
        if "properties" in body:
            body["properties"]["nonRefProperties"].sort()
        recording.requests.append(RecordedRequest("grpc", request.DESCRIPTOR.name, body))
        return answer

    def found() -> Any:
        value = properties_pb2.Value
        fields = {
            name: value(number_value=known) if isinstance(known, int) else value(text_value=known)
            for name, known in FOUND.items()
        }
        properties = search_get_pb2.PropertiesResult(non_ref_props=properties_pb2.Properties(fields=fields))
        page_id = UUID(PAGE.id).bytes
        metadata = search_get_pb2.MetadataResult(id_as_bytes=page_id, id=PAGE.id, distance=-7.0, distance_present=True)
        return search_get_pb2.SearchReply(
            results=[search_get_pb2.SearchResult(properties=properties, metadata=metadata)]
        )

    class Servicer(weaviate_pb2_grpc.WeaviateServicer):
        def Search(self, request: Any, _: Any) -> Any:
            return kept(request, search_get_pb2.SearchReply() if request.after else found())

        def BatchObjects(self, request: Any, _: Any) -> Any:
            return kept(request, batch_pb2.BatchObjectsReply())

        def BatchDelete(self, request: Any, _: Any) -> Any:
            return kept(request, batch_delete_pb2.BatchDeleteReply(successful=1, matches=1))

        def Aggregate(self, request: Any, _: Any) -> Any:
            single = aggregate_pb2.AggregateReply.Single(objects_count=1)
            return kept(request, aggregate_pb2.AggregateReply(single_result=single))

    server = grpc.server(futures.ThreadPoolExecutor(2))
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(Servicer(), server)
    serving = health_pb2.HealthCheckResponse.SERVING
    checks = health.HealthServicer()
    checks.set("", serving)
    checks.set("weaviate.v1.Weaviate", serving)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


RECORDED: Mapping[str, tuple[str, Callable[[], tuple[dict[str, str], Answers]]]] = {  # with the package that each needs
    "qdrant": ("qdrant_client", qdrant),
    "pinecone": ("pinecone", pinecone),
    "vespa": ("vespa", vespa),
    "weaviate": ("weaviate", weaviate),
}


def main() -> None:
    for name, (package, record) in RECORDED.items():
        if find_spec(package) is None:
            sys.stdout.write(f"{name}: left as it is, its client is not installed\n")
            continue
        for file, text in record()[0].items():
            path = EXPECTED / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
