"""Threads for a kind of request: bounded in number and in waiting."""

import asyncio
import inspect
import threading

import pytest
from colvision.app.settings import Busy
from colvision.app.threads import Threads


def test_no_more_run_at_once_than_there_are_threads_and_all_are_answered():
    running, most, lock = 0, 0, threading.Lock()
    pause = threading.Event()

    def work(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pause.wait(0.01)
        with lock:
            running -= 1
        return number

    async def ask():
        threads = Threads(3)
        return await asyncio.gather(*(threads.run(work, number) for number in range(20)))

    assert asyncio.run(ask()) == list(range(20))
    assert most <= 3


def test_what_waits_for_too_long_is_told_to_come_again_and_one_kind_does_not_wait_for_another():
    ending = threading.Event()

    async def ask():
        busy, idle = Threads(1, patience=0.1), Threads(1)
        first = asyncio.create_task(busy.run(ending.wait))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="ask it again"):
            await busy.run(int)
        assert await idle.run(int) == 0
        ending.set()
        assert await first
        assert await busy.run(int) == 0  # what was refused has taken no thread

    asyncio.run(ask())


def test_a_route_keeps_its_signature():
    @Threads(1)
    def route(page: int, *, width: int = 3) -> int:
        return page * width

    assert str(inspect.signature(route)) == "(page: int, *, width: int = 3) -> int"
    assert asyncio.run(route(2)) == 6
