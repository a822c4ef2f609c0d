"""No secret shows up anywhere while the fast paths are warm: not in answers, logs, records, metrics, nor in what they remember to show."""

from __future__ import annotations

import gc
from collections.abc import Callable

from gateway.server.fastforward import FastForwarding
from gateway.server.fastpath import FastPath, KnownAnswer
from gateway.server.forms import Form, Forms
from gateway.server.known_callers import KnownCaller
from gateway.server.underway import Underway
from gateway.telemetry.repeated import Forwards, Repeats
from gateway.upstream.prepared import Prepared
from tests.canary.planted import Planted
from tests.canary.upstream import ECHOES
from tests.fastpath.asking import AGENT, SCRIPTS, get, post
from tests.fastpath.conftest import Make
from tests.fastpath.sides import ELEMENTS, ORGANIZATION, USER, Pair, Side, token_of
from tests.support.origin import Recorded, script

AGENT_1 = AGENT.format("silent")
LOOKED_AT = (
    "/metrics", "/readyz", "/admin/v1/exchanges?limit=1000", "/admin/v1/limits", "/admin/v1/cache", "/admin/v1/keys", "/admin/v1/instances",
    "/admin/v1/instances:export",
)  # fmt: skip
KINDS = (FastPath, FastForwarding, KnownAnswer, KnownCaller, Form, Forms, Underway, Prepared, Forwards, Repeats)


def planted(pair: Pair) -> Planted:
    """Everything that nobody may ever see."""
    found = Planted()
    found.plant("user", USER)
    found.plant("organization", ORGANIZATION)
    for name, text in pair.fast.keys.items():
        found.plant(f"key {name}", text)
    for customer in ("acme", "globex"):
        for element in ELEMENTS:
            found.plant(f"token of {customer} for {element}", token_of(customer, element))
    return found


def call(side: Side, pair: Pair, calls: list[bytes]) -> bytes:
    """All that came of ``calls``, each on a connection that is kept as long as it is."""
    octets = bytearray()
    caller = pair.caller(side, patience=3.0)
    for one in calls:
        if caller.ending != "open":
            octets += caller.received
            caller = pair.caller(side, patience=3.0)
        caller.send(side.filled(one))
        answer = caller.answer()
        if answer is None or answer.closing or not answer.complete:
            octets += caller.received
            caller.close()
            caller = pair.caller(side, patience=3.0)
    return bytes(octets + caller.received)


def test_nothing_tells_a_secret_while_the_fast_paths_are_warm(own: Make) -> None:
    with own() as pair:
        side, secrets = pair.fast, planted(pair)
        pair.behave(**SCRIPTS)

        def seen(name: str) -> Callable[[Recorded], bytes]:
            return lambda request: ECHOES[name](request.values("authorization")[0])

        pair.behave(**{f"echo-{name}": script(seen(name)) for name in ECHOES if not name.startswith(("broken", "not-http", "interim"))})
        names = [f"echo-{name}" for name in ECHOES if f"echo-{name}" in side.origin.behaviours]
        said = b""
        for element in ("plain", "kept", "budgeted"):
            reads = [get(f"/c/{n}/plain", AGENT_1, element=element) for n in range(6)] + [get("/c/fresh", AGENT_1, element=element)] * 6
            writes = [post(f"/c/{n}/plain", b"{}", AGENT_1, element=element) for n in range(6)]
            said += call(side, pair, [*reads, *writes])
            for name in names:
                reads = [get(f"/c/{n}/{name}", AGENT_1, element=element) for n in (1, 2, 3, 1)]
                said += call(side, pair, [*reads, *[post(f"/c/{n}/{name}", b"{}", AGENT_1, element=element) for n in (1, 2, 3)]])
            said += call(side, pair, [get("/c/@KEY:usual@/plain", AGENT_1, element=element)] * 4)
            said += call(side, pair, [get("/c/1/plain?x=1", AGENT_1, "X-Request-Id: @KEY:usual@", element=element)] * 4)
            assert side.taken["repeated"] > 0
            assert side.taken["answered"] > 0
        assert secrets.traces(said) == []
        for path in LOOKED_AT:
            assert secrets.traces(side.operator("GET", path).body) == [], path
        assert secrets.traces(side.operator("GET", "/metrics", None, "Accept: application/openmetrics-text").body) == []
        assert secrets.traces(side.written.getvalue().encode()) == []
        shown = side.at(lambda: [repr(one) + str(one) for one in gc.get_objects() if isinstance(one, KINDS)])
        assert len(shown) > 20
        assert secrets.traces("".join(shown).encode()) == []


def test_what_goes_up_holds_no_key_of_the_caller(own: Make) -> None:
    with own() as pair:
        pair.behave(**SCRIPTS)
        side = pair.fast
        fields = ("Authorization: Bearer @KEY:usual@", "X-Request-Id: one", "Accept: application/json")
        calls = [get(f"/c/{n}/plain", *fields).replace(b"X-Api-Key: @KEY:usual@\r\n", b"") for n in range(8)]
        calls += [get(f"/c/{n}/plain", "Elements-Version: hydra", key="narrow") for n in range(8)]
        call(side, pair, calls)
        assert side.taken["answered"] >= 6
        secrets = Planted()
        for name, text in side.keys.items():
            secrets.plant(name, text)
        arrived: list[Recorded] = side.origin.requests
        assert len(arrived) == 16
        assert secrets.traces(b"".join(request.head for request in arrived)) == []
        for request in arrived:
            assert request.values("authorization") == [f"User {USER}, Organization {ORGANIZATION}, Element {token_of('acme', 'plain')}"]
