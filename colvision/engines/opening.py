"""Which engine an address means."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from colvision.engines.address import parse_target
from colvision.engines.engine import Engine


class _Places(NamedTuple):
    """Where an engine can be; `name` is what a server's collection is called where an address does not say."""

    folder: bool
    server: bool
    name: str = ""

    def __str__(self) -> str:
        return " or ".join(["a folder"] * self.folder + ["a server, host:port/name or https://host/name"] * self.server)


ENGINES: Mapping[str, _Places] = {
    "qdrant": _Places(folder=True, server=True, name="colvision"),
    "lancedb": _Places(folder=True, server=False),
    "vespa": _Places(folder=True, server=True),
    "weaviate": _Places(folder=False, server=True, name="Colvision"),
    "pinecone": _Places(folder=False, server=True),
}
_FILES = {"colvision.lance": "lancedb", "edge_config.json": "qdrant", "schemas": "vespa"}  # by which folders are known


def open_engine(address: str, *, exact: bool = False) -> Engine:
    """The engine of an address, `qdrant://localhost:6333/manuals` or `lancedb://folder`, or of a folder alone.

    `exact` has it compare every page, where it can. Raises `ValueError` for what is no address, `MissingExtra`.
    """
    name, separator, target = address.partition("://")
    if not separator or name in ("http", "https"):
        found = next((engine for file, engine in _FILES.items() if (Path(address) / file).exists()), None)
        if found is None:
            raise ValueError(
                f"{address!r} is no folder of an engine's: name the engine, as in {next(iter(ENGINES))}://{address}"
            )
        name, target = found, address
    return engine_in(name, target, exact=exact)


def engine_in(name: str, target: str, *, exact: bool = False) -> Engine:
    """The engine of this name at a folder or on a server. Raises as `open_engine` does."""
    if name not in ENGINES:
        raise ValueError(f"there is no engine {name!r}; give one of {', '.join(ENGINES)}")
    places = ENGINES[name]
    place = parse_target(target, default_name=places.name)
    if not (places.folder if isinstance(place, Path) else places.server):
        raise ValueError(f"{name} is exported to {places}, not to {target!r}")
    engine: Engine = import_module(f"colvision.engines.{name}").open_at(place, exact=exact)
    return engine
