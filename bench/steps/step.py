"""A step: one thing that happens to a call, as a function that can be called again and again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from bench.peers import BenchError

if TYPE_CHECKING:
    from bench.steps.house import House

Act = Callable[[], object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """``name`` as the command line takes it; ``act`` makes of the rooms what is measured, all that it needs prepared. It runs inside a
    loop, which does not turn meanwhile."""

    name: str
    about: str
    act: Callable[[House], Act]


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What ``coroutine`` returns, which on this way waits for nothing: no task and no turn of a loop is measured with it.

    Raises ``BenchError`` where it does wait.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise BenchError("a step waits for something, and so cannot be measured as one")
