"""Work that several wait for and that nobody who leaves takes down with him."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Key = tuple[str, ...]


class SharedTasks:
    """At most one task of each name at a time."""

    def __init__(self) -> None:
        self._tasks: dict[Key, asyncio.Task[Any]] = {}

    def start(self, key: Key, work: Callable[[], Coroutine[Any, Any, Any]]) -> asyncio.Task[Any]:
        """The task that is on its way under ``key``, else a new one. Wait for it with ``asyncio.shield``."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """End what is on its way."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
