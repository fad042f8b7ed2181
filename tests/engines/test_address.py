"""Addresses of engines, and what is said of those that are none."""

import subprocess
import sys
from pathlib import Path

import pytest

from colvision.engines import ENGINES, engine_in, open_engine
from colvision.engines.address import Server, parse_target
from tests.helpers import ROOT


@pytest.mark.parametrize(
    ("target", "place"),
    [
        ("shards/here", Path("shards/here")),
        ("/data/manuals", Path("/data/manuals")),
        ("localhost:6333", Server("http", "localhost", 6333, "given", {})),
        ("localhost:6333/manuals", Server("http", "localhost", 6333, "manuals", {})),
        ("https://a.example.org/manuals", Server("https", "a.example.org", 443, "manuals", {})),
        ("http://10.0.0.1:8080/Manuals?grpc=50052", Server("http", "10.0.0.1", 8080, "Manuals", {"grpc": "50052"})),
    ],
)
def test_a_target_is_a_folder_or_a_server(target, place):
    assert parse_target(target, default_name="given") == place


@pytest.mark.parametrize("target", ["", "ftp://host", "https:///manuals", "localhost:6333/a/b"])
def test_what_is_neither_is_refused(target):
    with pytest.raises(ValueError, match="give"):
        parse_target(target, default_name="")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("milvus://localhost:1", "there is no engine 'milvus'; give one of qdrant, lancedb, vespa, weaviate, pinecone"),
        ("lancedb://localhost:1", "lancedb is exported to a folder, not to 'localhost:1'"),
        ("weaviate://folder", "weaviate is exported to a server, host:port/name or https://host/name, not to 'folder'"),
        ("pinecone://folder", "pinecone is exported to a server"),
        ("weaviate://localhost:1/manuals", "begins with a capital letter"),
    ],
)
def test_an_address_that_an_engine_cannot_have_is_refused(address, said):
    with pytest.raises(ValueError, match="^[a-z]") as refused:
        open_engine(address)
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["weaviate", "pinecone"])
def test_an_engine_that_cannot_compare_every_page_says_so(name):
    with pytest.raises(ValueError, match="leave the exact mode out"):
        engine_in(name, "localhost:1/Manuals", exact=True)


def test_no_client_is_imported_before_it_is_used():
    clients = "{'qdrant_client', 'qdrant_edge', 'lancedb', 'pyarrow', 'vespa', 'weaviate', 'pinecone'}"
    modules = ", ".join(f"colvision.engines.{name}" for name in (*ENGINES, "qdrant_edge"))
    script = f"import sys, colvision.cli.engines, {modules}; print(sorted({clients} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
