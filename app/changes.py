"""A library's overview for all who watch it: looked for once, made once, whoever and however many ask."""

import gzip
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from anyio import sleep, to_thread

_LOOK_SECONDS = 0.25  # between two looks, while anybody waits
_LEAST_BYTES = 1_000  # that are worth to be compressed


class Overview(NamedTuple):
    """What is sent: JSON, and the same compressed, where that is less."""

    plain: bytes
    compressed: bytes | None


class Changes:
    """Safe to share between threads and event loops. `revision` gives an entity tag, `overview` the JSON of then."""

    def __init__(self, revision: Callable[[], str], overview: Callable[[], bytes]) -> None:
        self._revision = revision
        self._overview = overview
        self._looking, self._making = threading.Lock(), threading.Lock()
        self._looked = -_LOOK_SECONDS
        self._tag = ""
        self._made: tuple[str, Overview] = ("", Overview(b"", None))
        self._is_stopping = False

    async def tag(self) -> str:
        """The entity tag of now."""
        return await to_thread.run_sync(self._look, 0.0)

    async def changed(self, known: str, seconds: float) -> str:
        """The entity tag as soon as it is another one than `known`; the same one after so many seconds."""
        end = time.monotonic() + seconds
        tag = await self.tag()
        while tag == known and time.monotonic() < end and not self._is_stopping:
            await sleep(min(_LOOK_SECONDS, max(0.0, end - time.monotonic())))
            is_new = time.monotonic() - self._looked < _LOOK_SECONDS  # another one that waits has looked
            tag = self._tag if is_new else await to_thread.run_sync(self._look, _LOOK_SECONDS)
        return tag

    async def overview(self, tag: str) -> Overview:
        """That of the tag, or a newer one."""
        return await to_thread.run_sync(self._make, tag)

    def stop(self) -> None:
        """Nobody waits any more: the server is being stopped."""
        self._is_stopping = True

    def _look(self, age: float) -> str:
        with self._looking:
            if time.monotonic() - self._looked >= age:
                self._tag = self._revision()
                self._looked = time.monotonic()
            return self._tag

    def _make(self, tag: str) -> Overview:
        with self._making:
            if self._made[0] != tag:
                plain = self._overview()
                is_worth_it = len(plain) >= _LEAST_BYTES
                self._made = tag, Overview(plain, gzip.compress(plain, 1, mtime=0) if is_worth_it else None)
            return self._made[1]
