"""Another project's search, in a process of its own: `python -m benchmarks.peer NAME FOLDER PAGES`.

It reads the arrays that `synthetic.make` wrote, says how many bytes a page takes, then answers queries: a number in, a
line of JSON out with the seconds it took by its own clock and the ten best pages. `make bench-peers` fetches what it
needs; what is missing is reported and left out. Their packages ask for more than we install (colpali-engine for
torchvision, sentence-transformers for scipy): only the modules that score are loaded, beside stand-ins that nothing
calls.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

import numpy as np

from benchmarks.synthetic import DIM, Floats
from benchmarks.timing import TimedAnswer, best_ten

FETCHED = Path(__file__).parents[1] / ".cache" / "peers"


class Peer:
    """The parent's side. Raises `MissingPeer` when its package is not there."""

    def __init__(self, name: str, folder: Path, pages: int) -> None:
        command = [sys.executable, "-m", "benchmarks.peer", name, str(folder), str(pages)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        output = self._read()
        if "missing" in output:
            raise MissingPeer(f"{name}: {output['missing']}")
        self.bytes_a_page: float = output["bytes a page"]
        self._signal(signal.SIGSTOP)

    def __call__(self, query: int) -> TimedAnswer:
        """It runs only while it answers: some keep threads busy after an answer, on the core that the next one has."""
        assert self._child.stdin is not None
        self._signal(signal.SIGCONT)
        self._child.stdin.write(f"{query}\n")
        self._child.stdin.flush()
        output = self._read()
        self._signal(signal.SIGSTOP)
        return TimedAnswer(output["seconds"], output["best"])

    def _signal(self, what: signal.Signals) -> None:
        if self._child.poll() is None:
            self._child.send_signal(what)

    def _read(self) -> dict:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        return json.loads(line) if line else {"missing": f"its process ended with {self._child.wait()}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._child.stdin is not None
        self._signal(signal.SIGCONT)
        self._child.stdin.close()
        self._child.wait(60)


class MissingPeer(Exception):
    """A package that was not fetched."""


class _SyntheticPages(NamedTuple):
    """The floats of the first pages, as a list, and the queries."""

    pages: Sequence[Floats]
    queries: Floats

    @property
    def float_bytes(self) -> float:
        return sum(page.nbytes for page in self.pages) / len(self.pages)


_Search = Callable[[Floats], Sequence[int]]


def _colpali(made: _SyntheticPages, _: Path) -> tuple[_Search, float]:
    """`BaseVisualRetrieverProcessor.score_multi_vector` of colpali-engine, as its users call it."""
    import torch

    _stand_in("colpali_engine", "colpali_engine.utils")
    score = import_module("colpali_engine.utils.processing_utils").BaseVisualRetrieverProcessor.score_multi_vector
    pages = [torch.from_numpy(page) for page in made.pages]

    def search(query: Floats) -> Sequence[int]:
        return best_ten(score([torch.from_numpy(query)], pages, device="cpu")[0].numpy())

    return search, made.float_bytes


def _sentence_transformers(made: _SyntheticPages, _: Path) -> tuple[_Search, float]:
    """`sentence_transformers.util.similarity.maxsim` over a list of pages."""
    import torch

    _stand_in("sentence_transformers", "sentence_transformers.util")
    sys.modules["sklearn.metrics"] = types.SimpleNamespace(pairwise_distances=None)  # type: ignore[assignment]
    sys.modules["scipy.sparse"] = types.SimpleNamespace(coo_matrix=None)  # type: ignore[assignment]
    maxsim = import_module("sentence_transformers.util.similarity").maxsim
    pages = [torch.from_numpy(page) for page in made.pages]

    def search(query: Floats) -> Sequence[int]:
        return best_ten(maxsim([torch.from_numpy(query)], pages)[0].numpy())

    return search, made.float_bytes


def _padded(made: _SyntheticPages, _: Path) -> tuple[_Search, float]:
    """What colpali-engine's function computes, written out: batches of 128 pages, padded to the longest."""
    import torch

    pages = [torch.from_numpy(page) for page in made.pages]

    def search(query: Floats) -> Sequence[int]:
        scores = []
        for start in range(0, len(pages), 128):
            batch = torch.nn.utils.rnn.pad_sequence(pages[start : start + 128], batch_first=True)
            scores.append(torch.einsum("nd,psd->nps", torch.from_numpy(query), batch).amax(dim=2).sum(dim=0))
        return best_ten(torch.cat(scores).numpy())

    return search, made.float_bytes


def _qdrant(made: _SyntheticPages, folder: Path, *, quantised: bool) -> tuple[_Search, float]:
    """Qdrant's own Rust shard without a server: float16 and no graph; with int8 codes, those first, then rescored."""
    edge = import_module("qdrant_edge")
    codes = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, always_ram=True) if quantised else None
    patches = edge.EdgeVectorParams(
        DIM,
        edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        datatype=edge.VectorStorageDatatype.Float16,
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=16, full_scan_threshold=10**9),
        quantization_config=codes,
    )
    shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(vectors={"patches": patches}))
    for first in range(0, len(made.pages), 50):
        points = [
            edge.Point(i, {"patches": made.pages[i].tolist()}) for i in range(first, min(first + 50, len(made.pages)))
        ]
        shard.update(edge.UpdateOperation.upsert_points(points))
    shard.optimize()
    shard.flush()
    rescored = edge.QuantizationSearchParams(rescore=True, oversampling=2.0) if quantised else None
    parameters = edge.SearchParams(exact=not quantised, quantization=rescored)

    def search(query: Floats) -> Sequence[int]:
        nearest = edge.Query.Nearest(query.tolist(), using="patches")
        return [point.id for point in shard.query(edge.QueryRequest(10, query=nearest, params=parameters))]

    return search, _bytes_in(folder) / len(made.pages)


def _lancedb(made: _SyntheticPages, folder: Path) -> tuple[_Search, float]:
    """A LanceDB table of float16 multi-vectors without an index: every page compared. Its "cosine" is ours here."""
    lancedb, arrow = import_module("lancedb"), import_module("pyarrow")
    kind = arrow.list_(arrow.list_(arrow.float16(), DIM))
    schema = arrow.schema([("id", arrow.int64()), ("vector", kind)])
    table = lancedb.connect(folder).create_table("pages", schema=schema)
    for first in range(0, len(made.pages), 100):
        numbers = range(first, min(first + 100, len(made.pages)))
        vectors = arrow.array([list(made.pages[i].astype(np.float16)) for i in numbers], type=kind)
        table.add(arrow.table({"id": arrow.array(numbers, type=arrow.int64()), "vector": vectors}, schema=schema))

    def search(query: Floats) -> Sequence[int]:
        found = table.search(query.astype(np.float16), vector_column_name="vector").distance_type("cosine")
        return found.limit(10).select(["id", "_distance"]).to_arrow()["id"].to_pylist()

    return search, _bytes_in(folder) / len(made.pages)


_PEERS: dict[str, Callable[[_SyntheticPages, Path], tuple[_Search, float]]] = {
    "colpali-engine": _colpali,
    "padded einsum": _padded,
    "sentence-transformers": _sentence_transformers,
    "qdrant-edge float16": lambda made, folder: _qdrant(made, folder, quantised=False),
    "qdrant-edge int8": lambda made, folder: _qdrant(made, folder, quantised=True),
    "lancedb": _lancedb,
}


def _stand_in(*packages: str) -> None:
    """Packages whose own `__init__` is not run, so that one module of theirs can be imported alone."""
    for name in packages:
        package = types.ModuleType(name)
        package.__path__ = [str(FETCHED / name.replace(".", "/"))]
        sys.modules[name] = package


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=_PEERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", type=int)
    options = parser.parse_args()
    sys.path.append(str(FETCHED))
    starts = np.load(options.folder / "starts.npy")[: options.pages + 1]
    floats = np.load(options.folder / "floats.npy", mmap_mode="r+")
    pages = [floats[a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    made = _SyntheticPages(pages, np.load(options.folder / "queries.npy"))
    with TemporaryDirectory(dir=options.folder) as scratch:
        try:
            search, size = _PEERS[options.name](made, Path(scratch))
        except ImportError as error:
            print(json.dumps({"missing": f"{error}; `make bench-peers` fetches it"}), flush=True)
            return
        print(json.dumps({"bytes a page": size}), flush=True)
        for line in sys.stdin:
            query = made.queries[int(line)]
            started = time.perf_counter()
            best = search(query)
            print(json.dumps({"seconds": time.perf_counter() - started, "best": list(best)}), flush=True)


if __name__ == "__main__":
    main()
