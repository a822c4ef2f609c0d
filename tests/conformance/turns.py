"""One path whose origin gives one answer after the other, and calls to it through the gateway."""

from __future__ import annotations

import uuid
from collections import deque

from tests.support.answers import Answer
from tests.support.cases import ask
from tests.support.lane import Lane
from tests.support.origin import Recorded, Step, Wire, head


def saying(*fields: str, status: str = "200 OK", body: bytes = b"first", interim: bytes = b"") -> bytes:
    """An answer with these fields, in text."""
    return interim + head(status, "Content-Type: text/plain", f"Content-Length: {len(body)}", *fields) + body


class Turns:
    """``answers`` are given in turn, the last one for good."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.name = uuid.uuid4().hex

    def answers(self, *turns: Step | tuple[Step, ...]) -> None:
        """Each turn is a step, or several."""
        left = deque(turns)

        def behave(wire: Wire, request: Recorded) -> None:
            wire.read_body(request)
            turn = left.popleft() if len(left) > 1 else left[0]
            for step in turn if isinstance(turn, tuple) else (turn,):
                wire.perform(step, request)

        self.lane.origin.behaviours[self.name] = behave

    def get(self, *fields: str) -> Answer:
        return self.lane.ask(ask(f"GET ~/{self.name}", *fields))

    @property
    def arrived(self) -> list[Recorded]:
        """What reached the origin at this path."""
        return [request for request in self.lane.origin.requests if request.target.endswith(self.name)]

    def reused(self, *fields: str, status: str = "200 OK") -> bool:
        """Whether an answer with these fields is given to a second caller; checks that the gateway says so too."""
        self.answers(saying(*fields, status=status), saying(*fields, status=status, body=b"second"))
        first, second = self.get(), self.get()
        assert first.body == b"first"
        hit = second.body == b"first"
        assert second.value("cache-status").startswith("gateway; hit" if hit else "gateway; fwd=")
        assert bool(second.values("age")) or not hit
        assert len(self.arrived) == 2 - hit
        return hit
