"""Faults of interim answers that an adversarial reading found; each test fails until its fault is mended, and stays to keep it away."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.cases import ask
from tests.support.lane import Lane
from tests.support.origin import head, ok, script


def test_an_interim_answer_has_no_field_that_the_final_one_may_not_have(lane: Lane) -> None:
    """``server/answer.py`` leaves these out: contract 2.3."""
    lane.origin.behaviours["fields"] = script(head("103 Early Hints", "Set-Cookie2: a=b", "X-Request-Id: theirs"), ok())
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/fields"))
        assert caller.answer() is not None
        interim = bytes(caller.received).partition(b"\r\n\r\n")[0].lower()
    assert b"set-cookie2" not in interim
    assert b"theirs" not in interim


def test_an_interim_answer_may_say_that_the_connection_ends(lane: Lane) -> None:
    """RFC 9112 §9.6: it ends behind the final answer, which comes still."""
    lane.origin.behaviours["close"] = script(head("103 Early Hints", "Connection: close"), ok())
    assert lane.ask(ask("GET ~/close")).status == 200


def test_interim_answers_do_not_pile_up_for_a_caller_who_reads_nothing(lane: Lane) -> None:
    """A hundred heads of up to 8 MiB each."""
    large = head("103 Early Hints", *[f"X-{number}: {'x' * 25_000}" for number in range(40)])
    lane.origin.behaviours["large"] = script(*[large] * 60, ok())
    lane.sentinel()
    lane.origin.forget()
    before = resident(lane.gateway.process.pid)
    with lane.caller(receive_buffer=4096) as caller:
        lane.send(caller, ask("GET ~/large"))
        lane.origin.wait(lambda: bool(lane.own()) and lane.own()[0].wire.idle, within=2.0)
        grown = resident(lane.gateway.process.pid) - before
    assert grown < 30_000_000, f"{grown / 1e6:.0f} MB"


def resident(process: int) -> int:
    """Octets of memory that a process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))
    assert found
    return int(found[1]) * 1024
