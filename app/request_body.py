"""The body of a request as a file, as it arrives."""

from collections.abc import Callable
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from .settings import LimitReached


def declared_size(request: Request) -> int | None:
    """How many bytes the body will have, None where the sender does not say."""
    length = request.headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


async def save_request_body(request: Request, path: Path, name: str, *, count: Callable[[int], None]) -> None:
    """Writes the body to `path`; `name` is what its sender calls it.

    `count` hears how many bytes come next, before they are written: what it raises ends the arrival. Raises
    `LimitReached` where the sender has gone.
    """
    try:
        with path.open("wb") as file:
            async for part in request.stream():
                count(len(part))
                file.write(part)
    except ClientDisconnect as error:
        raise LimitReached(f"{name} has not arrived: its sender hung up") from error
