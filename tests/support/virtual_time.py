"""An asyncio loop whose time is virtual: where nothing is ready, it jumps to the next timer. Hours pass in milliseconds, and exactly.

What a real loop would hide fails here: a loop in which nothing is ready and no timer runs (deadlock), one that turns and turns (spinning),
a task that is left behind, an exception that nobody took.
"""

from __future__ import annotations

import asyncio
import gc
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_MOST_TURNS = 200_000


class Deadlock(AssertionError):
    """Nothing is ready and no timer runs: whoever waits would wait for ever"""


class Spinning(AssertionError):
    """The loop turns without end"""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """``time()`` begins at ``start`` (seconds). ``turns`` are those of the loop until now, ``jumps`` those that moved the time."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start
        self.turns = self.jumps = 0
        self.complaints: list[Mapping[str, Any]] = []
        super().__init__(_JumpingSelector(self))
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        return self.now

    async def sleep_until(self, moment: float) -> None:
        """Until the time is ``moment`` to the last bit, as far as no earlier timer is due within the loop's resolution."""
        if moment > self.now:
            awake = self.create_future()
            self.call_at(moment, _wake, awake)
            await awake

    def jump(self, timeout: float | None) -> None:
        """What the selector does instead of waiting ``timeout`` seconds (None: for ever)."""
        self.turns += 1
        if self.turns > _MOST_TURNS:
            raise Spinning(f"{self.turns} turns, the time is {self.now}")
        if timeout is None:
            raise Deadlock(f"at {self.now}: " + ", ".join(repr(task.get_coro()) for task in asyncio.all_tasks(self)))
        if timeout > 0:
            self.jumps += 1
            # The timer's own moment, as sums of differences would be off by a rounding.
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.jump(timeout)
        return super().select(0)


def run(main: Coroutine[Any, Any, T], loop: VirtualTimeLoop | None = None) -> T:
    """What ``main`` returns, run in virtual time. ``AssertionError`` where it leaves a task, or an exception that nobody took."""
    loop = loop or VirtualTimeLoop()
    try:
        result = loop.run_until_complete(main)
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        assert not left, f"tasks are left: {left}"
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.turns = 0
            loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
        loop.close()
    gc.collect(0)  # a future with an exception that nobody took complains when it goes
    assert not loop.complaints, loop.complaints
    return result


def _wake(awake: asyncio.Future[None]) -> None:
    if not awake.done():
        awake.set_result(None)
