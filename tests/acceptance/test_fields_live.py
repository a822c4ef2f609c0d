"""Contract 2.3, 2.4: which fields of a request and of an answer are sent on, and which are added."""

from __future__ import annotations

import re

import pytest

from tests.acceptance.commands import ORGANIZATION, USER
from tests.acceptance.recorded import answered, arrived
from tests.acceptance.world import Mapped
from tests.support.origin import ok, script


def test_nothing_is_sent_up_but_what_is_written(at_origin: Mapped) -> None:
    """2.3: every field that arrives, with its value."""
    fields = (
        "Accept: a/b;q=0.5",
        "X-Own: 1",
        "X-Own: 2",
        "Elements-Version: Helium",
        "Accept-Encoding: br",
        "User-Agent: me",
        "Prefer: wait=1",
    )
    answer = at_origin.get("/contacts", *fields)
    request = arrived(at_origin)
    trace = request.values("traceparent")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", trace[0])
    wanted = {
        ("host", at_origin.world.raw.authority),
        ("authorization", f"User {USER}, Organization {ORGANIZATION}, Element {at_origin.token}"),
        ("via", "1.1 gateway"),
        ("x-request-id", answer.value("x-request-id")),
        ("traceparent", trace[0]),
        ("accept", "a/b;q=0.5"),
        ("x-own", "1"),
        ("x-own", "2"),
        ("elements-version", "Helium"),
        ("accept-encoding", "br"),
        ("user-agent", "me"),
    }
    found = {(name.lower(), value) for name, value in request.fields}
    assert found - {("prefer", "wait=1")} == wanted
    assert len(request.fields) in (len(wanted), len(wanted) + 1)


def test_nothing_is_invented(at_origin: Mapped) -> None:
    at_origin.get("/contacts")
    assert sorted(name.lower() for name, _ in arrived(at_origin).fields) == ["authorization", "host", "traceparent", "via", "x-request-id"]


NEVER_UP = [
    "Cookie: a=b", "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: x", "X-Forwarded-Proto: https",
    "X-Forwarded-Whatever: 1",
    "Gateway-Whatever: 1", "Gateway-Explain: 0", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: trailers",
    "Upgrade: h2c", "Proxy-Authorization: Basic Zm9v",
]  # fmt: skip


@pytest.mark.parametrize("field", NEVER_UP)
def test_never_sent_up(at_origin: Mapped, field: str) -> None:
    answer = at_origin.get("/contacts", field)
    name, _, value = field.partition(": ")
    assert answer.status in (200, 400, 501)
    for request in at_origin.world.raw.requests:
        assert not request.values(name), field
        assert value not in [found for _, found in request.fields]


def test_what_connection_names_is_not_sent_up(at_origin: Mapped) -> None:
    assert at_origin.get("/contacts", "Connection: X-Private, keep-alive", "X-Private: 1", "X-Public: 1").status == 200
    assert arrived(at_origin).values("x-private") == []
    assert arrived(at_origin).values("x-public") == ["1"]


def test_what_connection_names_cannot_take_away_what_the_gateway_adds(at_origin: Mapped) -> None:
    at_origin.get("/contacts", "Connection: Authorization, Host, Via, X-Request-Id, Gateway-Instance, X-Api-Key")
    for request in at_origin.world.raw.requests:
        assert request.values("authorization") == [f"User {USER}, Organization {ORGANIZATION}, Element {at_origin.token}"]
        assert request.values("via") == ["1.1 gateway"]


def test_request_id_and_traceparent_are_taken_over(at_origin: Mapped) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = at_origin.get("/contacts", "X-Request-Id: mine-4711", f"traceparent: {trace}")
    assert answer.value("x-request-id") == "mine-4711"
    assert arrived(at_origin).values("x-request-id") == ["mine-4711"]
    assert arrived(at_origin).values("traceparent")[0].split("-")[1] == trace.split("-")[1]


@pytest.mark.parametrize("id_", ["", "a b", "x" * 5000, 'a"b', "ü"])
def test_an_odd_request_id_is_not_repeated_blindly(at_origin: Mapped, id_: str) -> None:
    """Ours instead, or theirs; there is one, and it goes into the log and the JSON without harm."""
    answer = at_origin.get("/contacts", f"X-Request-Id: {id_}")
    assert answer.status in (200, 400)
    assert 0 < len(answer.value("x-request-id")) <= 5000


def test_what_comes_back_on_every_call(at_origin: Mapped) -> None:
    """2.4."""
    for answer in (at_origin.get("/contacts"), at_origin.call("POST", "/contacts", body=b"{}")):
        assert answer.value("via") == "1.1 gateway"
        assert answer.value("x-request-id")
        assert re.fullmatch(r"gateway;dur=[\d.]+, queue;dur=[\d.]+, upstream;dur=[\d.]+", answer.value("server-timing"))
        assert answer.value("cache-status").startswith("gateway; fwd=")
        assert answer.values("age") == []


@pytest.mark.parametrize(
    "field",
    [
        "Set-Cookie: a=b",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: close",
        "Trailer: X-T",
        "Upgrade: h2c",
        "X-Private: 1",
    ],
)
def test_never_sent_down(at_origin: Mapped, field: str) -> None:
    answer = answered(at_origin, script(ok(b"{}", field, "Connection: X-Private", "X-Public: 1")))
    assert answer.status == 200
    assert answer.values(field.partition(":")[0]) == []
    assert answer.value("x-public") == "1"
