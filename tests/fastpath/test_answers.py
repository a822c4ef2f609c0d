"""Whatever an upstream answers, well or badly, both ways make the same of it, whether or not it came to be known."""

from __future__ import annotations

import pytest

from tests.fastpath.asking import AGENT, SCRIPTS, fresh, get, post
from tests.fastpath.playing import Play, Stage
from tests.support.cases import BASE
from tests.support.raw import Part


def known(number: int, element: str, key: str = "usual") -> list[Play]:
    """Plays after which a caller, and a plain answer to it, are known."""
    agent = AGENT.format(number)
    return [
        *[Play((get(f"/c{number}/{n}/plain", agent, element=element, key=key),)) for n in range(5)],
        *[Play((post(f"/c{number}/{n}/plain", b"{}", agent, element=element, key=key),), ("POST",)) for n in range(5)],
    ]


@pytest.mark.parametrize("element", ["plain", "kept", "budgeted"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_answer_is_the_same_each_time(stage: Stage, name: str, element: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    begun = stage.pair.fast.taken["begun"]
    once = Play((get(f"/c{number}/same/{name}", agent, element=element),))
    plays = [
        *known(number, element),
        *[once] * 4,
        *[Play((get(f"/c{number}/{n}/{name}?n={n}", agent, element=element),)) for n in range(4)],
        *[Play((post(f"/c{number}/{n}/{name}", b'{"n":1}', agent, element=element),), ("POST",)) for n in range(4)],
        Play((post(f"/c{number}/{name}", b"", agent, element=element, method="DELETE"),), ("DELETE",)),
        *[once] * 2,
        Play((get(f"/c{number}/plain", agent, element=element),)),
    ]
    stage.compare(plays)
    assert stage.pair.fast.taken["begun"] - begun >= 4
    assert not stage.pair.slow.taken


@pytest.mark.parametrize("name", ["plain", "fresh", "late", "chunked", "404", "500", "echo"])
def test_several_connections_take_turns(stage: Stage, name: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    calls = [get(f"/c{number}/{n // 2}/{name}", agent, customer="acme" if n % 3 else "globex") for n in range(12)]
    stage.compare([*known(number, "plain"), *[Play((octets,), on=n % 3) for n, octets in enumerate(calls)]])


PIECES: dict[str, tuple[Part, ...]] = {
    "head and body": (b"\r\n\r\n", 0.02),
    "in the request line": (BASE.encode(), 0.02),
    "before the last octet of the head": (b"\r\n\r", 0.02),
}


@pytest.mark.parametrize("where", PIECES)
def test_a_request_in_pieces_is_the_same_request(stage: Stage, where: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    mark, pause = PIECES[where]
    plays = known(number, "plain")
    for n in range(3):
        octets = post(f"/c{number}/{n}/plain", b'{"n":1}', agent)
        at = octets.index(mark) + len(mark)  # type: ignore[arg-type]
        plays.append(Play((octets[:at], pause, octets[at:]), ("POST",)))
    stage.compare([*plays, *known(number, "plain")])


def test_requests_that_come_together_are_answered_in_order(stage: Stage) -> None:
    number = fresh()
    agent = AGENT.format(number)
    one, other, late = (get(f"/c{number}/{name}", agent) for name in ("plain", "fresh", "late"))
    write = post(f"/c{number}/plain", b'{"n":1}', agent)
    stage.compare(
        [
            *known(number, "plain"),
            Play((one + other,), ("GET", "GET")),
            Play((late, 0.01, one), ("GET", "GET")),
            Play((late, 0.01, write, 0.01, one), ("GET", "POST", "GET")),
            Play((late, 0.01, one[:40], 0.05, one[40:]), ("GET", "GET")),
            Play((write + write + one,), ("POST", "POST", "GET")),
            Play((late + b"GARBAGE\r\n\r\n",), ("GET", "GET")),
            Play((late, 0.01, b"GARBAGE\r\n\r\n"), ("GET", "GET")),
            Play((one,)),
        ]
    )
