"""Lines that are written without making anybody wait: by a thread, in batches.

A slow or full pipe, a full disk or a closed output must not stop the gateway (faults 41). What cannot be written is dropped and
counted.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TextIO

MAX_WAITING = 20_000
_BATCH_S = 0.05


class Lines:
    """Writes to ``stream`` from ``start`` to ``close``; ``dropped`` counts what was lost. Offers what a logger asks of a file."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        self._thread.start()

    def close(self) -> bool:
        """Write what waits and stop, within a second even if nobody reads; False if the stream is stuck."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1.0)
        return not self._thread.is_alive()

    def write(self, text: str) -> int:
        """Have ``text`` written soon."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
        else:
            self._waiting.append(text)
        return len(text)

    def write_all(self, texts: list[str]) -> None:
        """Have each of ``texts`` written soon."""
        room = max(0, MAX_WAITING - len(self._waiting))
        self.dropped += max(0, len(texts) - room)
        self._waiting.extend(texts[:room])

    def flush(self) -> None:
        """Nothing is promised about when."""

    def _run(self) -> None:
        while not self._ending.wait(_BATCH_S):
            self._pass_on()
        self._pass_on()

    def _pass_on(self) -> None:
        count = len(self._waiting)
        if not count:
            return
        text = "".join([self._waiting.popleft() for _ in range(count)])
        try:
            if self._stream is None:
                raise ValueError("there is no such output")
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self.dropped += count
