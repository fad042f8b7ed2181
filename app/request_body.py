"""The body of a request as a file, as it arrives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import ClientDisconnect, Request

from colvision.errors import LimitExceeded

from .settings import LimitReached


@asynccontextmanager
async def save_request_body(request: Request, path: Path, name: str, *, limit: int) -> AsyncIterator[None]:
    """Within the block the whole body is at `path`; when anything fails, here or in the block, the file is removed.

    `name` is what the sender calls it. Raises `LimitExceeded` beyond `limit` bytes, `LimitReached` where the sender
    has gone.
    """
    try:
        size = 0
        with path.open("xb") as file:
            async for part in request.stream():
                size += len(part)
                _check_size(size, limit)
                file.write(part)
        yield
    except ClientDisconnect as error:
        path.unlink(missing_ok=True)
        raise LimitReached(f"{name} has not arrived: its sender hung up") from error
    except BaseException:  # what has arrived is of no use
        path.unlink(missing_ok=True)
        raise


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise LimitExceeded(f"the file is larger than the limit of {limit >> 20:,} MB: make it smaller, or split it")
