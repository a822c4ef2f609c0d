"""What was found out counts no more once something changed: each change takes effect with the very next call, on both ways alike."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from gateway.callers.store import Keys
from gateway.pauses.rules import Pause, by_scope
from tests.fastpath.asking import SCRIPTS, dated, get
from tests.fastpath.changing import AGENT_1, HIT, Kept, forward, kept, key_id, operate, warm
from tests.fastpath.conftest import Make
from tests.fastpath.sides import NEXT_ORGANIZATION, NEXT_USER, Pair, token_of
from tests.support.origin import script

NEXT = 'environments.dev.user_secret_next = "env:NEXT_USER"\nenvironments.dev.organization_secret_next = "env:NEXT_ORGANIZATION"'


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


@pytest.mark.parametrize("kind", ["repeated", "answered"])
def test_a_key_that_expires(pair: Pair, kind: str) -> None:
    pair.behave(**SCRIPTS)
    answers = operate(pair, "POST", "/admin/v1/keys", {"name": "brief", "expires": "2s"})
    for side, answer in zip(pair, answers, strict=True):
        side.keys["brief"] = answer.json()["key"]
    ends = [datetime.fromisoformat(answer.json()["expires_at"]).timestamp() for answer in answers]

    def octets() -> bytes:
        return (HIT if kind == "repeated" else forward()).replace(b"@KEY:usual@", b"@KEY:brief@")

    callers = [pair.caller(side) for side in pair]
    for side, caller, end in zip(pair, callers, ends, strict=True):
        status, asked, taken = 200, 0.0, side.taken[kind]
        while status == 200:
            asked = time.time()
            caller.send(side.filled(octets()))
            said = caller.answer()
            assert said is not None
            status = said.status
            assert status == 401 or asked < end + 0.02, f"{'fast' if side.fast else 'slow'}: served {asked - end:.2f} s after it expired"
            time.sleep(0.03)
        assert not side.fast or side.taken[kind] > taken or asked > end + 1, "it never took the fast path"


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


def test_a_pause_that_is_read_after_calls_came_to_be_known(pair: Pair) -> None:
    """Pauses are read a moment after it is noticed that something changed; what was learned in between must not outlive that."""
    warm(pair)
    mine = kept(pair)
    pause = Pause("p", ("dev", None, None), "test", time.time() + 60)
    for side in pair:
        side.at(lambda side=side: setattr(side.listener._pipeline.pauses, "known", by_scope([pause])))  # type: ignore[misc]
    for octets in (HIT, forward(), HIT, forward()):
        assert mine.statuses(octets) == [503, 503]
    for side in pair:
        side.at(lambda side=side: setattr(side.listener._pipeline.pauses, "known", {}))  # type: ignore[misc]
    for octets in (HIT, forward()):
        assert mine.statuses(octets) == [200, 200]


def test_the_secrets_of_an_environment_are_rotated(own: Make) -> None:
    with own(first=NEXT) as pair:
        time.sleep(0.3)  # the next pair is looked at once
        _rotated(pair)


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
