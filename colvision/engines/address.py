"""Where an engine is: a folder, or a server with the name of a place on it."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

_HOST = re.compile(r"[\w.-]+:\d+(/.*)?")


class Server(NamedTuple):
    """`name` is the collection, class or namespace there; `options` stand after a question mark."""

    scheme: str
    host: str
    port: int
    name: str
    options: dict[str, str]

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_target(target: str, *, default_name: str) -> Path | Server:
    """`https://host/name`, `host:port/name` -> a server, anything else -> a folder.

    Raises `ValueError` for an address that none is, and for a name of several parts.
    """
    if not (target.startswith(("http://", "https://")) or _HOST.fullmatch(target)):
        if not target or "://" in target:
            raise ValueError(f"{target!r} is no folder and no server: give a path, host:port/name or https://host/name")
        return Path(target)
    parts = urlsplit(target if "://" in target else f"http://{target}")
    name = parts.path.strip("/")
    if not parts.hostname or "/" in name:
        raise ValueError(f"{target!r} is no server: give host:port/name or https://host/name")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    options = {key: values[0] for key, values in parse_qs(parts.query).items()}
    return Server(parts.scheme, parts.hostname, port, name or default_name, options)
