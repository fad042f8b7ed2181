"""Threads for one kind of request: so many at once, in the order in which they came, none waiting for long."""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, Semaphore, move_on_after, to_thread

from .settings import Busy

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_PATIENCE_SECONDS = 60.0  # a browser's user has gone by then


class Threads:
    """At most `count` at once, of their own: no other kind of request can take them all.

    As a decorator it makes a route that blocks one that is awaited. Raises `Busy` for what was not begun in `patience`
    seconds.
    """

    def __init__(self, count: int, *, patience: float = _PATIENCE_SECONDS) -> None:
        self._places = Semaphore(count)
        self._patience = patience

    def __call__(self, route: Callable[_Parameters, _Result]) -> Callable[_Parameters, Awaitable[_Result]]:
        @wraps(route)
        async def awaited(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
            return await self.run(route, *args, **kwargs)

        return awaited

    async def run(
        self, work: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        with move_on_after(self._patience) as waiting:
            await self._places.acquire()
        if waiting.cancelled_caught:
            raise Busy(f"too much is asked at once: this waited {self._patience:.0f} s for its turn, ask it again")
        try:
            return await to_thread.run_sync(partial(work, *args, **kwargs), limiter=CapacityLimiter(1))
        finally:
            self._places.release()
