from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.virtual_time import Deadlock, Spinning, VirtualTimeLoop, run


def test_a_day_passes_at_once_and_to_the_last_bit() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        moments = []
        for moment in (1 / 3, 86400.1, 1e6 / 7):
            await loop.sleep_until(moment)
            moments.append(loop.time())
        return moments

    began = time.monotonic()
    assert run(main()) == [1 / 3, 86400.1, 1e6 / 7]
    assert time.monotonic() - began < 5


def test_timers_ring_in_their_order_and_at_their_time() -> None:
    rung: list[tuple[float, float]] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        rung.append((seconds, asyncio.get_running_loop().time()))

    async def main() -> None:
        await asyncio.gather(*[sleep(seconds) for seconds in (3.0, 1.0, 0.0, 2.0)])

    run(main(), VirtualTimeLoop(100.0))
    assert rung == [(0.0, 100.0), (1.0, 101.0), (2.0, 102.0), (3.0, 103.0)]


def test_who_waits_for_what_never_comes_is_a_deadlock() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="test_who_waits_for_what_never_comes"):
        run(main())


def test_who_turns_without_end_is_stopped() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()

        def turn() -> None:
            loop.call_soon(turn)

        turn()
        await asyncio.Event().wait()

    with pytest.raises(Spinning):
        run(main())


def test_a_task_that_is_left_and_an_error_that_nobody_took_are_told_of() -> None:
    async def leaves_a_task() -> None:
        asyncio.get_running_loop().create_task(asyncio.sleep(5))

    async def leaves_an_error() -> None:
        asyncio.get_running_loop().create_future().set_exception(ValueError("nobody took it"))

    with pytest.raises(AssertionError, match="tasks are left"):
        run(leaves_a_task())
    with pytest.raises(AssertionError, match="nobody took it"):
        run(leaves_an_error())
