"""Calls that are known, and under way."""

from __future__ import annotations

from tests.fastpath.asking import AGENT, get, post
from tests.fastpath.sides import Pair, Side
from tests.support.raw import Caller

AGENT_1 = AGENT.format("leaving")


MORE = "[elements.narrowed]\nlimits = ['5000/h']\nconcurrency = 400\nbreaker.enabled = false"


FIRST = 'upstream.max_connections = 300\nlisten.header_timeout = "1s"'


def known(pair: Pair, side: Side) -> Caller:
    """A connection at rest whose calls, with and without a body, take the fast path."""
    caller = pair.caller(side)
    for number in range(3):
        for octets, method in ((get(f"/w/{number}/plain", AGENT_1, element="narrowed"), "GET"), (write("plain"), "POST")):
            caller.send(side.filled(octets))
            assert (answer := caller.answer(method)) is not None
            assert answer.status == 200
    return caller


def write(name: str) -> bytes:
    return post(f"/w/1/{name}", b'{"n":1}', AGENT_1, element="narrowed")


def read(name: str) -> bytes:
    return get(f"/w/1/{name}", AGENT_1, element="narrowed")


def begun(pair: Pair, side: Side, octets: bytes) -> Caller:
    """A caller whose call has reached the origin, by the fast path where there is one."""
    caller = known(pair, side)
    method = octets.split(b" ")[0].decode()
    for _ in range(2):  # so that its heads are cut where this one is
        caller.send(side.filled(write("plain") if method == "POST" else read("plain")))
        assert caller.answer() is not None
    side.origin.forget()
    before = side.taken["begun"]
    caller.send(side.filled(octets))
    assert side.origin.wait(lambda: bool(side.origin.requests))
    assert not side.fast or side.taken["begun"] == before + 1, "the call did not take the fast path"
    return caller
