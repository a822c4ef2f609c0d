"""A pair whose fast side knows its callers, and what changes it."""

from __future__ import annotations

from collections.abc import Callable

from tests.fastpath.asking import AGENT, SCRIPTS, get, post
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import Pair, Side
from tests.support.answers import Answer
from tests.support.raw import Caller

AGENT_1 = AGENT.format("changing")


HIT = get("/c/same/fresh", AGENT_1)


WRITE = post("/d/7/plain", b"{}", AGENT_1)


_numbers = iter(range(10**6))


def forward() -> bytes:
    """A call that nobody made before, by a caller who is known."""
    return get(f"/c/{next(_numbers)}/plain", AGENT_1)


def warm(pair: Pair, key: str = "usual", element: str = "plain") -> Stage:
    """Have a hit and forwarded calls known on the fast side."""
    pair.behave(**SCRIPTS)
    stage = Stage(pair)
    stage.compare([Play((octets,)) for octets in (*[get("/c/same/fresh", AGENT_1, key=key, element=element)] * 6,)])
    stage.compare([Play((get(f"/w/{n}/plain", AGENT_1, key=key, element=element),)) for n in range(6)])
    return stage


def ask(side: Side, octets: bytes, method: str = "GET") -> Answer:
    with Caller(side.address) as caller:
        caller.send(side.filled(octets))
        first = caller.answer(method)
        assert first is not None
    return first


class Kept:
    """A kept connection to each side, that was at rest since its caller was known."""

    def __init__(self, pair: Pair, *warmed: bytes) -> None:
        self.pair = pair
        self.callers = [pair.caller(side) for side in pair]
        for octets in warmed:
            self.ask(octets)

    def ask(self, octets: bytes, method: str = "GET") -> list[Answer]:
        """What both answer."""
        found = []
        for side, caller in zip(self.pair, self.callers, strict=True):
            caller.send(side.filled(octets))
            answer = caller.answer(method)
            assert answer is not None
            found.append(answer)
        return found

    def statuses(self, octets: bytes, method: str = "GET") -> list[int]:
        return [answer.status for answer in self.ask(octets, method)]


def operate(pair: Pair, method: str, path: str, document: object = None) -> list[Answer]:
    answers = [side.operator(method, path, document) for side in pair]
    assert all(answer.status < 300 for answer in answers), [answer.body for answer in answers]
    return answers


def key_id(pair: Pair, name: str) -> str:
    return pair.fast.keys[name].split("_")[1]


def is_fast(pair: Pair, act: Callable[[], object], word: str) -> None:
    """Fail unless the fast side's way is taken by ``act``."""
    before = pair.fast.taken[word]
    act()
    assert pair.fast.taken[word] > before, f"{word}: not taken"
    assert not pair.slow.taken


def kept(pair: Pair) -> Kept:
    """A connection whose hits and forwarded calls take the fast paths."""
    made = Kept(pair, *[HIT] * 2, *[forward() for _ in range(2)])
    is_fast(pair, lambda: made.ask(HIT), "repeated")
    is_fast(pair, lambda: made.ask(forward()), "answered")
    return made
