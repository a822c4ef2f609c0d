"""Many requests behind one another, and then a body that has to wait: the connection goes on when there is room again."""

from __future__ import annotations

import threading
import time

from tests.support.cases import ask, post
from tests.support.lane import Lane
from tests.support.origin import Recorded, Wire, ok


def _slowly(wire: Wire, request: Recorded) -> None:
    time.sleep(0.2)  # so that what follows is all there when the gateway reads on
    wire.read_body(request)
    wire.send(ok())


def test_a_body_behind_many_requests_arrives(lane: Lane) -> None:
    body = b"\r\n\r\n" * 75_000
    lane.origin.behaviours["slow"] = _slowly
    octets = lane.fill(post("~/slow", b"a" * 300_000) + ask("GET ~/small") * 16 + post("~/big", body))
    with lane.caller(patience=1.5) as caller:
        sender = threading.Thread(target=caller.send, args=(octets,))
        sender.start()
        answers = [caller.answer() for _ in range(18)]
        caller.reset()
        sender.join(5)
    assert [answer.status if answer else None for answer in answers] == [200] * 18
    assert bytes(lane.own()[-1].payload) == body
