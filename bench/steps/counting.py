"""What runs, counted instead of timed: instructions of Python's byte code, and calls of functions, by function.

``sys.settrace`` and ``sys.setprofile`` see this thread alone, and frames that are entered while they look. An instruction is one of the
compiled function, whatever the interpreter makes of it once it is warm, so the figure is that of the version of Python, and of nothing
else.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_GATEWAY = f"{ROOT / 'gateway'}/"
_AROUND = frozenset(
    str(ROOT / "bench" / name)
    for name in ("origin.py", *(f"steps/{name}.py" for name in ("counted", "counting", "inprocess", "walk", "walks")))
)
"""Who asks and who answers: not what is looked at."""

Counts = Counter[CodeType]
Tasks = frozenset[asyncio.Task[Any]]


class Instructions:
    """Those that the gateway's functions execute, while inside, but for those of ``others``: tasks that have nothing to do with it."""

    def __init__(self, counts: Counts, others: Tasks = frozenset()) -> None:
        self._counts = counts
        self._others = others

    def __enter__(self) -> None:
        self._before = sys.gettrace()
        sys.settrace(self._entered)

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _entered(self, frame: FrameType, _: str, __: object) -> Any:
        if not frame.f_code.co_filename.startswith(_GATEWAY) or _current() in self._others:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return self._executed

    def _executed(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode":
            self._counts[frame.f_code] += 1
        return self._executed


class Calls:
    """Those that the gateway makes and all below it, of functions in Python and in C, while inside. One in Python (also each time that a
    coroutine goes on) counts for the function itself, one in C for its caller. What is compiled and calls something compiled is not
    seen. ``others`` as above."""

    def __init__(self, counts: Counts, others: Tasks = frozenset()) -> None:
        self._counts = counts
        self._others = others

    def __enter__(self) -> None:
        self._before = sys.getprofile()
        sys.setprofile(self._called)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(self._before)

    def _called(self, frame: FrameType, event: str, _: object) -> None:
        if event in ("call", "c_call") and frame.f_code.co_filename not in _AROUND and _current() not in self._others:
            self._counts[frame.f_code] += 1


def _current() -> asyncio.Task[Any] | None:
    return asyncio.current_task() if asyncio._get_running_loop() is not None else None


def named(counts: Counts) -> dict[str, int]:
    """The same by name, most first: ``server/data.py DataListener._serve``; of files that are not ours only their last two parts."""
    found: Counter[str] = Counter()
    for code, count in counts.items():
        path = code.co_filename.removeprefix(_GATEWAY)
        found[f"{'/'.join(Path(path).parts[-2:])} {code.co_qualname}"] += count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
