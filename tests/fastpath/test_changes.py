"""What was found out counts no more once something changed: each change takes effect with the very next call, on both ways alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gateway.callers.store import Keys
from tests.fastpath.asking import AGENT, NO_STORE, SCRIPTS, dated, get, post
from tests.fastpath.conftest import Make
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import NEXT_ORGANIZATION, NEXT_USER, Pair, Side, token_of
from tests.support.answers import Answer
from tests.support.cases import BASE
from tests.support.origin import BODY, Recorded, head, script
from tests.support.raw import Caller
from tests.support.wire import Wire

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


@pytest.fixture
def pair(own: Make) -> object:
    with own() as made:
        yield made


def kept(pair: Pair) -> Kept:
    """A connection whose hits and forwarded calls take the fast paths."""
    made = Kept(pair, *[HIT] * 2, *[forward() for _ in range(2)])
    is_fast(pair, lambda: made.ask(HIT), "repeated")
    is_fast(pair, lambda: made.ask(forward()), "answered")
    return made


def test_a_revoked_key(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    operate(pair, "DELETE", f"/admin/v1/keys/{key_id(pair, 'usual')}")
    assert mine.statuses(forward()) == [401, 401]
    mine = Kept(pair)
    assert mine.statuses(HIT) == [401, 401]


def test_a_rotated_key(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    answers = operate(pair, "POST", f"/admin/v1/keys/{key_id(pair, 'usual')}:rotate", {"overlap": "1s"})
    for octets in (HIT, forward(), HIT, forward(), HIT, forward()):
        assert mine.statuses(octets) == [200, 200]  # with the old one, for a second
    old = [dict(side.keys) for side in pair]
    for side, answer in zip(pair, answers, strict=True):
        side.keys["usual"] = answer.json()["key"]
    for octets in (HIT, forward(), HIT, forward(), HIT, forward()):
        assert mine.statuses(octets) == [200, 200]
    time.sleep(1.1)
    for octets in (HIT, forward()):
        assert mine.statuses(octets) == [200, 200]
    for side, keys in zip(pair, old, strict=True):
        side.keys = keys
    assert mine.statuses(HIT) == [401, 401]
    assert Kept(pair).statuses(forward()) == [401, 401]


def test_a_key_that_expires(pair: Pair) -> None:
    answers = operate(pair, "POST", "/admin/v1/keys", {"name": "brief", "expires": "2s"})
    made = time.monotonic()
    for side, answer in zip(pair, answers, strict=True):
        side.keys["brief"] = answer.json()["key"]
    pair.behave(**SCRIPTS)
    hit = HIT.replace(b"@KEY:usual@", b"@KEY:brief@")
    mine = Kept(pair, *[hit] * 4, *[forward().replace(b"@KEY:usual@", b"@KEY:brief@") for _ in range(4)])
    is_fast(pair, lambda: mine.ask(hit), "repeated")
    is_fast(pair, lambda: mine.ask(forward().replace(b"@KEY:usual@", b"@KEY:brief@")), "begun")
    time.sleep(max(0.0, made + 2.05 - time.monotonic()))
    assert mine.statuses(hit) == [401, 401]
    assert Kept(pair).statuses(forward().replace(b"@KEY:usual@", b"@KEY:brief@")) == [401, 401]


@pytest.mark.parametrize(("change", "status"), [({"disabled": True}, 404), ({"token": "another-token-0123456789"}, 200)])
def test_a_changed_mapping(pair: Pair, change: dict[str, object], status: int) -> None:
    warm(pair)
    mine = kept(pair)
    handle = pair.fast.handles["acme", "plain"]
    operate(pair, "PATCH", f"/admin/v1/instances/{handle}", change)
    for octets in (HIT, forward(), HIT, forward()):
        assert mine.statuses(octets) == [status, status]
        if status == 200:
            for side in pair:
                assert "another-token-0123456789" in side.origin.requests[-1].values("authorization")[0]
    if status == 200:
        operate(pair, "PATCH", f"/admin/v1/instances/{handle}", {"token": token_of("acme", "plain")})
        assert mine.statuses(HIT) == [200, 200]
        assert token_of("acme", "plain") in pair.fast.origin.requests[-1].values("authorization")[0]


def test_a_mapping_that_goes_and_one_that_comes(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    operate(pair, "DELETE", f"/admin/v1/instances/{pair.fast.handles['acme', 'plain']}")
    assert mine.statuses(HIT) == [404, 404]
    assert mine.statuses(forward()) == [404, 404]
    told = {"environment": "dev", "customer": "acme", "element": "plain", "token": "a-new-token-0123456789"}
    operate(pair, "POST", "/admin/v1/instances", told)
    assert mine.statuses(HIT) == [200, 200]
    assert "a-new-token-0123456789" in pair.fast.origin.requests[-1].values("authorization")[0]


@pytest.mark.parametrize("scope", [{"environment": "dev"}, {"customer": "acme"}, {"element": "plain"}, {"customer": "globex"}])
def test_a_pause_and_its_end(pair: Pair, scope: dict[str, str]) -> None:
    warm(pair)
    mine = kept(pair)
    answers = operate(pair, "POST", "/admin/v1/pauses", {**scope, "for": "1m", "reason": "test"})
    status = 200 if scope == {"customer": "globex"} else 503
    for octets in (HIT, forward(), HIT, forward()):
        assert mine.statuses(octets) == [status, status]
    for side, answer in zip(pair, answers, strict=True):
        assert side.operator("DELETE", f"/admin/v1/pauses/{answer.json()['id']}").status == 204
    for octets in (HIT, forward(), HIT, forward()):
        assert mine.statuses(octets) == [200, 200]


def test_a_purge(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    operate(pair, "POST", "/admin/v1/cache:purge", {"customer": "acme"})
    answers = mine.ask(HIT)
    assert [answer.value("cache-status") for answer in answers] == ["gateway; fwd=uri-miss; stored"] * 2


def test_a_write_that_invalidates_says_how_many_answers_went(pair: Pair) -> None:
    def both(wire: Wire, request: Recorded) -> None:
        SCRIPTS["fresh" if request.method == "GET" else "created"](wire, request)

    pair.behave(**{"7": both})
    stage = Stage(pair)
    write = Play((post("/d/7", b"{}", AGENT_1),), ("POST",))
    reads = [Play((get("/d/7", AGENT_1),), on=1), Play((get("/d/7?a=1", AGENT_1),), on=1)]
    stage.compare([*[write] * 6, *reads * 6])
    answered = pair.fast.taken["answered"]
    stage.compare([*[write] * 3, *reads, write, *reads * 3, write, reads[0]])
    assert pair.fast.taken["answered"] - answered >= 2


@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_a_write_whose_answer_names_another_place(pair: Pair, name: str) -> None:
    """What it names is touched, too (RFC 9111 §4.4)."""

    def written(wire: Wire, request: Recorded) -> None:
        place = f"http://{wire._origin.authority}{BASE}/e/7/fresh"
        script(head("201 Created", "Date: Sun, 06 Nov 1994 08:49:37 GMT", f"{name}: {place}", "Content-Length: 0"))(wire, request)

    pair.behave(**SCRIPTS, written=written)
    stage = Stage(pair)
    mine = Kept(pair, *[get("/e/7/fresh", AGENT_1)] * 2)
    for _ in range(6):
        mine.ask(post("/d/7/written", b"{}", AGENT_1), "POST")
    for _ in range(3):
        mine.ask(get("/e/7/fresh", AGENT_1))
        mine.ask(post("/d/7/written", b"{}", AGENT_1), "POST")
        mine.ask(post("/d/7/written", b"{}", AGENT_1), "POST")
        assert [answer.value("cache-status") for answer in mine.ask(get("/e/7/fresh", AGENT_1))] == ["gateway; fwd=uri-miss; stored"] * 2
    stage.settled()


def test_a_lifetime_that_ends_and_one_that_is_renewed(pair: Pair) -> None:
    pair.behave(**SCRIPTS)
    stage = Stage(pair)
    brief = Play((get("/c/1/brief", AGENT_1),))
    stage.compare([brief] * 5)
    time.sleep(1.1)
    stage.compare([brief] * 5)


def test_the_age_is_that_of_the_answer(pair: Pair) -> None:
    pair.behave(old=script(lambda request: head("200 OK", "Cache-Control: max-age=100", "Age: 40", "Content-Length: 2") + b"{}"))
    begun = time.time()
    mine = Kept(pair, get("/c/old", AGENT_1))
    stored = time.time()
    for at in (0.0, 0.2, 0.6, 0.9, 1.3, 1.8, 2.2, 2.8, 3.1):
        time.sleep(max(0.0, stored + at - time.time()))
        earliest = int(time.time() - stored)
        answers = mine.ask(get("/c/old", AGENT_1))
        for answer in answers:
            age, status = int(answer.value("age")), answer.value("cache-status")
            assert 40 + earliest <= age <= 40 + int(time.time() - begun)
            assert status in (f"gateway; hit; ttl={100 - age}", f"gateway; hit; ttl={99 - age}"), (age, status)
    assert pair.fast.taken["repeated"] >= 4


def test_a_quota_that_is_used_up(own: Make) -> None:
    more = '[elements.tight]\nlimits = ["12/h"]\nconcurrency = 3\nbreaker.enabled = false'
    with own(more) as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        plays = [Play((get(f"/c/{n}/plain", AGENT_1, element="tight"),)) for n in range(16)]
        stage.compare(plays)
        assert pair.fast.taken["answered"] >= 6
        assert pair.fast.operator("GET", "/admin/v1/limits").json()["items"][0]["used"] == 12


def test_a_callers_own_quota(own: Make) -> None:
    with own() as pair:
        pair.behave(**SCRIPTS)
        answers = operate(pair, "POST", "/admin/v1/keys", {"name": "few", "limits": ["9/h"]})
        for side, answer in zip(pair, answers, strict=True):
            side.keys["few"] = answer.json()["key"]
        mine = Kept(pair)
        told = [mine.ask(get(f"/c/{n}/plain", AGENT_1, key="few")) for n in range(12)]
        assert [[one.status for one in both] for both in told] == [[200, 200]] * 9 + [[429, 429]] * 3
        assert [[one.values("ratelimit")[0].split(";t=")[0] for one in both] for both in told[:9]] == [
            [f'"9/h";r={8 - n}'] * 2 for n in range(9)
        ]
        assert pair.fast.taken["answered"] >= 4


def test_full_bulkheads_and_budgets(own: Make) -> None:
    """While two calls are under way, the third is refused; and when they are over, nothing is held."""
    more = "[elements.narrowed]\nbulkhead = 2\nbreaker.enabled = false"
    with own(more) as pair:
        pair.behave(**SCRIPTS, slow=script(0.5, NO_STORE))
        stage = Stage(pair)
        stage.compare([Play((get(f"/c/{n}/plain", AGENT_1, element="narrowed"),)) for n in range(6)])
        begun = pair.fast.taken["begun"]
        for side in pair:
            callers = [pair.caller(side) for _ in range(3)]
            for caller in callers * 3:  # at rest, and it is known where its heads are cut
                caller.send(side.filled(get("/c/x/plain", AGENT_1, element="narrowed")))
                assert (answer := caller.answer()) is not None
                assert answer.status == 200
            for number, caller in enumerate(callers):
                caller.send(side.filled(get(f"/c/{number}/slow", AGENT_1, element="narrowed")))
                time.sleep(0.05)
            assert [answer.status for caller in callers if (answer := caller.answer())] == [200, 200, 503]
            for caller in callers:
                caller.close()
        assert pair.fast.taken["begun"] > begun
        stage.settled()
        stage.compare([Play((get(f"/d/{n}/plain", AGENT_1, element="narrowed"),)) for n in range(6)])


def test_a_breaker_that_opens(own: Make) -> None:
    more = "[elements.guarded.breaker]\nminimum_calls = 5\nwindow = '60s'\nopen = '1s'\nprobes = 1\nramp = '0s'"
    with own(more) as pair:
        pair.behave(**SCRIPTS)
        stage = Stage(pair)
        stage.compare([Play((get(f"/c/{n}/plain", AGENT_1, element="guarded"),)) for n in range(6)])
        stage.compare([Play((post(f"/c/{n}/500", b"{}", AGENT_1, element="guarded"),), ("POST",)) for n in range(12)])
        statuses = [ask(side, get("/c/1/plain", AGENT_1, element="guarded")).status for side in pair]
        assert statuses == [503, 503]
        time.sleep(1.1)
        stage.compare([Play((get(f"/c/{n}/plain", AGENT_1, element="guarded"),)) for n in range(6)])


NEXT = 'environments.dev.user_secret_next = "env:NEXT_USER"\nenvironments.dev.organization_secret_next = "env:NEXT_ORGANIZATION"'


def test_the_secrets_of_an_environment_are_rotated(own: Make) -> None:
    with own(first=NEXT) as pair:
        time.sleep(0.3)  # the next pair is looked at once
        _rotated(pair)


def _rotated(pair: Pair) -> None:
    pair.behave(**SCRIPTS)
    Kept(pair, *[HIT] * 3, *[forward() for _ in range(3)])
    mine = kept(pair)
    for side in pair:
        ring = side.listener._pipeline.upstream._credentials._rings["dev"]
        side.at(lambda ring=ring: setattr(ring, "index", 1))  # type: ignore[misc]
    for _ in range(4):
        assert mine.statuses(forward()) == [200, 200]
        for side in pair:
            assert side.origin.requests[-1].values("authorization")[0].startswith(f"User {NEXT_USER}, Organization {NEXT_ORGANIZATION}, ")


def test_a_mapping_that_needs_authorization(own: Make) -> None:
    with own() as pair:
        warm(pair)
        mine = kept(pair)
        handle = pair.fast.handles["acme", "plain"]
        pair.behave(instances=script(dated("200 OK", body=b"[]")), refused=script(dated("401 Unauthorized", body=b'{"message":"no"}')))
        for number in range(8):
            mine.ask(get(f"/c/{number}/refused", AGENT_1))
        states = [side.operator("GET", f"/admin/v1/instances/{handle}").json()["state"] for side in pair]
        assert states[0] == states[1]
        statuses = [mine.statuses(forward()) for _ in range(3)]
        assert all(one == other for one, other in statuses), statuses


def test_while_calls_are_shed_the_fast_paths_let_nobody_in(pair: Pair) -> None:
    warm(pair)
    mine = kept(pair)
    for side in pair:
        side.at(lambda side=side: setattr(side.listener.shedder, "share", 0.0))  # type: ignore[misc]
    for octets in (HIT, forward(), HIT):
        assert mine.statuses(octets) == [503, 503]
    for side in pair:
        side.at(lambda side=side: setattr(side.listener.shedder, "share", 1.0))  # type: ignore[misc]
    for octets in (HIT, forward(), HIT):
        assert mine.statuses(octets) == [200, 200]


def test_while_draining_connections_end_with_their_answer(own: Make) -> None:
    with own() as pair:
        warm(pair)
        mine = kept(pair)
        for side in pair:
            side.at(lambda side=side: setattr(side.gateway.health, "draining", True))  # type: ignore[misc]
        for octets in (HIT, forward()):
            assert [answer.closing for answer in mine.ask(octets)] == [True, True]
            assert [caller.ended(2.0) for caller in mine.callers] == ["closed", "closed"]
            mine = Kept(pair)
        for side in pair:
            side.at(lambda side=side: setattr(side.gateway.health, "draining", False))  # type: ignore[misc]


def test_a_call_that_is_under_way_when_draining_begins_ends_its_connection(own: Make) -> None:
    with own() as pair:
        warm(pair)
        mine = kept(pair)
        pair.behave(slow=script(0.3, NO_STORE))
        for side, caller in zip(pair, mine.callers, strict=True):
            caller.send(side.filled(get("/c/1/slow", AGENT_1)))
            assert side.origin.wait(lambda side=side: side.origin.requests[-1].target.endswith("slow"))  # type: ignore[misc]
            side.at(lambda side=side: setattr(side.gateway.health, "draining", True))  # type: ignore[misc]
            answer = caller.answer()
            assert answer is not None
            assert answer.status == 200
            assert answer.closing
            side.at(lambda side=side: setattr(side.gateway.health, "draining", False))  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["repeated", "answered"])
def test_a_key_was_used_when_it_was_used(pair: Pair, kind: str) -> None:
    warm(pair)
    mine = kept(pair)
    begun = time.time()
    while time.time() < begun + 2.2:
        mine.ask(HIT if kind == "repeated" else forward())
        time.sleep(0.1)
    for side in pair:
        keys = side.listener._pipeline.callers._store
        assert isinstance(keys, Keys)
        used = side.at(lambda keys=keys: keys._used.get(key_id(pair, "usual"), 0.0))  # type: ignore[misc]
        ago = time.time() - used
        assert ago < 1.5, f"{'fast' if side.fast else 'slow'}: the key was used {ago:.1f} s ago"


def test_the_upstreams_answer_that_comes_to_be_storable_is_stored(pair: Pair) -> None:
    """A form is known without its date; whether an answer may be stored must not hang on it."""
    pair.behave(**SCRIPTS)

    def answered(request: Recorded) -> bytes:
        old = request.target.endswith("old/dating")
        date = "Sun, 06 Nov 1994 08:49:37 GMT" if old else time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())
        return head("200 OK", f"Date: {date}", "Cache-Control: max-age=60", f"Content-Length: {len(BODY)}") + BODY

    pair.behave(dating=script(answered))
    stage = Stage(pair)
    stage.compare([Play((get(f"/c/{n}/old/dating", AGENT_1),)) for n in range(6)])
    stage.compare([Play((get("/c/new/dating", AGENT_1),)) for _ in range(3)])
