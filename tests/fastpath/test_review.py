"""What a review of the fast paths found, each once more: a fast path says what the corridor would have said, on every call."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.fastpath.asking import AGENT, SCRIPTS, get, post
from tests.fastpath.conftest import Make
from tests.fastpath.playing import Stage
from tests.fastpath.sides import NEXT_ORGANIZATION, NEXT_USER, ORGANIZATION, USER, Pair, Side
from tests.fastpath.telling import metrics
from tests.support.answers import Answer
from tests.support.cases import BASE
from tests.support.origin import Origin, Recorded, head
from tests.support.wire import Wire

AGENT_1 = AGENT.format("review")
PAGE = "https://page.example"
ELSEWHERE = """environments.elements-dev.base_url = "http://%s"
environments.elements-dev.user_secret = "env:USER"
environments.elements-dev.organization_secret = "env:ORGANIZATION"
"""
NEXT = 'environments.dev.user_secret_next = "env:NEXT_USER"\nenvironments.dev.organization_secret_next = "env:NEXT_ORGANIZATION"'


class Lines:
    """A kept connection to each side."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._callers = [pair.caller(side) for side in pair]

    def ask(self, octets: bytes, method: str = "GET") -> list[Answer]:
        """What the fast side answers, and what the slow one."""
        found = []
        for side, caller in zip(self._pair, self._callers, strict=True):
            if caller.ending != "open":
                caller = self._callers[self._callers.index(caller)] = self._pair.caller(side)
            caller.send(side.filled(octets))
            answer = caller.answer(method)
            assert answer is not None, f"{'fast' if side.fast else 'slow'}: no answer"
            if answer.closing:
                caller.ended(2.0)
            found.append(answer)
        return found

    def statuses(self, octets: bytes, method: str = "GET") -> list[int]:
        return [answer.status for answer in self.ask(octets, method)]


def taken(pair: Pair, act: Callable[[], object], word: str = "answered") -> int:
    """How many calls of ``act`` took the fast side's way."""
    before = pair.fast.taken[word]
    act()
    assert not pair.slow.taken
    return pair.fast.taken[word] - before


@pytest.fixture
def pair(own: Make) -> object:
    with own() as made:
        made.behave(**SCRIPTS)
        yield made


# -- whose call it is


@pytest.mark.parametrize("environment", ["dev", "elements-dev"])
@pytest.mark.parametrize("element", ["", "crm", "finance"])
def test_the_hub_in_the_path_says_which_instance_it_is(own: Make, environment: str, element: str) -> None:
    """Where no element is named, what was found out for one path says nothing about another. One environment's name has "element" in it,
    as the part of a credential has that names an instance."""
    with Origin() as third, own(first=ELSEWHERE % f"{third.authority}{BASE}") as pair:
        third.behaviours.update(SCRIPTS)
        pair.behave(**SCRIPTS)
        seen = []
        for side in pair:
            handles = {hub: _mapped(side, environment, hub) for hub in HUBS}
            key = side.operator("POST", "/admin/v1/keys", {"name": "both", "environments": ["dev", "elements-dev"]}).json()["key"]
            part = f", Element {handles[element]}" if element else ""
            fields = f"Authorization: User {key}, Organization {environment}{part}", "Gateway-Customer: beta"
            origin = third if environment == "elements-dev" else side.origin
            caller = pair.caller(side)
            went = []
            for hub in ["crm"] * 5 + ["finance"] * 5 + ["crm"] * 3:
                caller.send("\r\n".join((f"GET {BASE}/hubs/{hub}/c/plain HTTP/1.1", "Host: gateway", *fields, "", "")).encode())
                answer = caller.answer()
                assert answer is not None
                went.append(origin.requests[-1].values("authorization")[0] if answer.status == 200 else str(answer.json()["type"]))
            seen.append(went)
        assert seen[0] == seen[1]
        if not element:
            tokens = [_hub_token(hub) for hub in ["crm"] * 5 + ["finance"] * 5 + ["crm"] * 3]
            assert seen[0] == [f"User {USER}, Organization {ORGANIZATION}, Element {token}" for token in tokens]


HUBS = {"crm": "plain", "finance": "budgeted"}
"""Which element is beta's in each hub."""


def _hub_token(hub: str) -> str:
    return f"review-token-of-{hub}-0123456789"


def _mapped(side: Side, environment: str, hub: str) -> str:
    told = {"environment": environment, "customer": "beta", "element": HUBS[hub], "hub": hub, "token": _hub_token(hub)}
    answer = side.operator("POST", "/admin/v1/instances", told)
    assert answer.status == 201, answer.body
    return str(answer.json()["handle"])


def test_a_key_that_is_used_on_the_fast_paths_alone_was_used_just_now(pair: Pair) -> None:
    lines = Lines(pair)
    hit = get("/c/same/fresh", AGENT_1)
    for octets in (*[hit] * 4, *[get(f"/c/{n}/plain", AGENT_1) for n in range(4)]):
        lines.ask(octets)
    key_id = pair.fast.keys["usual"].split("_")[1]
    used = pair.fast.at(lambda: pair.fast.listener._pipeline.callers._store)._used  # type: ignore[attr-defined]
    for octets, word in ((hit, "repeated"), (get("/c/9/plain", AGENT_1), "answered")):
        time.sleep(1.1)
        pair.fast.at(used.clear)
        assert taken(pair, lambda octets=octets: lines.ask(octets), word) == 1  # type: ignore[misc]
        assert time.time() - used.get(key_id, 0.0) < 2.0, word


def test_calls_take_the_fast_path_again_with_the_next_secrets(own: Make) -> None:
    with own(first=NEXT) as pair:
        pair.behave(**SCRIPTS)
        rings = [side.listener._pipeline.upstream._credentials._rings["dev"] for side in pair]
        for side, ring in zip(pair, rings, strict=True):  # the next pair was looked at when the gateway started, and taken
            assert side.origin.wait(lambda ring=ring: ring.index == 1)  # type: ignore[misc]
            side.at(lambda ring=ring: setattr(ring, "index", 0))  # type: ignore[misc]
        lines = Lines(pair)
        numbers = iter(range(100))

        def go() -> None:
            assert lines.statuses(get(f"/c/{next(numbers)}/plain", AGENT_1)) == [200, 200]

        for _ in range(4):
            go()
        assert taken(pair, go) == 1
        for side, ring in zip(pair, rings, strict=True):
            assert side.origin.requests[-1].values("authorization")[0].startswith(f"User {USER}, Organization {ORGANIZATION}, ")
            side.at(lambda ring=ring: setattr(ring, "index", 1))  # type: ignore[misc]
        for _ in range(4):
            go()
        for _ in range(4):
            assert taken(pair, go) == 1
            for side in pair:
                assert (
                    side.origin.requests[-1].values("authorization")[0].startswith(f"User {NEXT_USER}, Organization {NEXT_ORGANIZATION}, ")
                )


# -- what comes back


@pytest.mark.parametrize("name", ["fresh", "plain"])
def test_a_page_may_read_each_answer_and_not_only_the_first(own: Make, name: str) -> None:
    with own(first=f'cors.allowed_origins = ["{PAGE}"]') as pair:
        pair.behave(**SCRIPTS)
        lines = Lines(pair)
        for fields, allowed in (([f"Origin: {PAGE}"], [PAGE]), ([], []), ([f"Origin: {PAGE}"], [PAGE])):
            for number in range(6):
                answers = lines.ask(get(f"/c/{name}", AGENT_1, *fields))
                for answer in answers:
                    assert answer.values("access-control-allow-origin") == allowed, number
                    assert "Origin" in ", ".join(answer.values("vary")), number
        assert pair.fast.taken["repeated"] + pair.fast.taken["answered"] >= 3


def test_a_line_that_is_too_long_is_refused_however_well_its_caller_is_known(own: Make) -> None:
    with own(first="listen.max_line_bytes = 300") as pair:
        pair.behave(**SCRIPTS)
        lines = Lines(pair)
        for number in range(5):
            lines.ask(get(f"/c/{number}/plain", AGENT_1))
        assert taken(pair, lambda: lines.ask(get("/c/9/plain", AGENT_1))) == 1
        assert lines.statuses(get(f"/c/{'a' * 200}/plain", AGENT_1)) == [200, 200]
        refused = lines.ask(get(f"/c/{'a' * 400}/plain", AGENT_1))
        assert [answer.status for answer in refused] == [400, 400]
        assert not any("aaaa" * 100 in request.target for side in pair for request in side.origin.requests)


def test_one_who_will_not_wait_does_not_wait_for_a_call_that_waits(own: Make) -> None:
    more = '[elements.tight]\nwait = "6s"\nlimits = ["1000/10s"]\ncache.ttl = "30s"\nbreaker.enabled = false'
    with own(more) as pair:

        def slow(wire: Wire, request: Recorded) -> None:
            time.sleep(0.1)
            wire.send(head("429 Too Many Requests", "Retry-After: 3", "Content-Length: 0"))

        pair.behave(**SCRIPTS, slow=slow)
        lines = Lines(pair)
        for number in range(6):
            lines.ask(get(f"/c/{number}/plain", AGENT_1, element="tight"))
        for side in pair:
            first, second = pair.caller(side), pair.caller(side)
            for caller in (first, second):
                caller.send(side.filled(get("/c/7/plain", AGENT_1, element="tight")))
                assert caller.answer() is not None
            begun = side.taken["begun"]
            first.send(side.filled(get("/c/slow", AGENT_1, element="tight")))
            assert side.origin.wait(lambda side=side: side.origin.requests[-1].target.endswith("slow"))  # type: ignore[misc]
            assert side.taken["begun"] == begun + side.fast
            time.sleep(0.3)  # its 429 is there, and it waits
            asked = time.monotonic()
            second.send(side.filled(get("/c/slow", AGENT_1, "Prefer: wait=0", element="tight")))
            answer = second.answer()
            assert answer is not None
            assert answer.status == 429
            assert time.monotonic() - asked < 1.0
            first.close()


# -- what is left behind


@pytest.mark.parametrize("name", ["500", "chunked"])
def test_calls_that_were_handed_over_are_in_flight_no_more(pair: Pair, name: str) -> None:
    lines = Lines(pair)
    for number in range(5):
        lines.ask(post(f"/c/{number}/plain", b"{}", AGENT_1), "POST")

    def fifty() -> None:
        for number in range(50):
            lines.ask(post(f"/c/{number}/{name}", b"{}", AGENT_1), "POST")

    assert taken(pair, fifty, "taken over") == 50
    Stage(pair).settled()
    assert [metrics(side)['gateway_in_flight_requests{environment="dev"}'] for side in pair] == [0, 0]
