"""Contract 2.4: upstreams that fail."""

from __future__ import annotations

import pytest

from tests.acceptance.recorded import answered
from tests.acceptance.world import BASE, Mapped, World, check_problem
from tests.support.origin import CLOSE, RESET, STALL, Behaviour, script
from tests.support.raw import Caller


def test_upstream_unreachable(world: World) -> None:
    check_problem(world.customer("plain", environment="dead").get("/contacts"), 502, "upstream-unreachable", "upstream")


@pytest.mark.parametrize("behaviour", [script(CLOSE), script(RESET)], ids=["close", "reset"])
def test_an_upstream_that_hangs_up(at_origin: Mapped, behaviour: Behaviour) -> None:
    check_problem(answered(at_origin, behaviour), 502, "upstream-unreachable", "upstream")


def test_an_upstream_that_speaks_something_else(at_origin: Mapped) -> None:
    check_problem(answered(at_origin, script(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", CLOSE)), 502, "upstream-protocol-error", "upstream")


def test_an_upstream_that_says_nothing(at_origin: Mapped) -> None:
    """``upstream.response_timeout`` is 2 s here."""
    check_problem(answered(at_origin, script(STALL)), 504, "upstream-timeout", "upstream")


def test_the_misbehaving_sandbox_passes_through(world: World) -> None:
    acme = world.customer("plain", like="closeio")
    with world.dev.dials(closeio={"rate_limit": {"next": 1, "retry_after": 3}}):
        limited = acme.get("/contacts")
    assert (limited.status, limited.value("retry-after")) == (429, "3")
    assert limited.value("content-type").startswith("application/json")
    problem = check_problem(acme.get("/contacts"), 429, "rate-limited", "gateway")
    assert 1 <= problem["retryAfter"] <= 3
    other = world.customer("plain", like="closeio")
    with world.dev.dials(closeio={"error": {"next": 2, "status": 503}}):  # it is asked once more
        assert other.get("/contacts").status == 503
    with world.dev.dials(closeio={"error": {"next": 1, "status": 503}}):
        assert other.call("POST", "/contacts", "Content-Type: application/json", body=b"{}").status == 503


def test_a_cut_answer_does_not_look_complete(world: World) -> None:
    acme = world.customer("plain", like="closeio")
    with world.dev.dials(closeio={"cut": {"next": 1}}), Caller(world.served.listeners["data"]) as caller:
        fields = f"Host: gateway\r\nX-Api-Key: {world.key}\r\nGateway-Instance: {acme.handle}\r\n\r\n"
        caller.send(f"GET {BASE}/contacts HTTP/1.1\r\n{fields}".encode())
        answer = caller.answer()
    assert answer is not None
    assert not answer.complete
