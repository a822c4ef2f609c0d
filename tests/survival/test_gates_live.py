"""A provider's own limit is spent (fault 25): whatever form its word takes closes the gate for that budget, and it opens in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from tests.support.origin import BODY, Behaviour, Recorded, Wire, head, ok
from tests.survival.scene import Scene, seconds, slug

MESSAGE = {"requestId": "a", "message": "Too many requests"}
FORMS: list[tuple[str, Callable[[], str], str]] = [
    ("retry-after-seconds", lambda: "Retry-After: 30", "Retry-After"),
    ("retry-after-date", lambda: f"Retry-After: {formatdate(time.time() + 30, usegmt=True)}", "Retry-After"),
    ("x-ratelimit-reset-delta", lambda: "X-RateLimit-Reset: 30", "X-RateLimit-Reset"),
    ("x-ratelimit-reset-epoch", lambda: f"X-RateLimit-Reset: {int(time.time()) + 30}", "X-RateLimit-Reset"),
    ("x-ratelimit-reset-after", lambda: "X-RateLimit-Reset-After: 30", "X-RateLimit-Reset-After"),
    ("ratelimit-draft", lambda: 'RateLimit: "a";r=0;t=30', "RateLimit"),
    ("ratelimit-reset", lambda: "RateLimit-Reset: 30", "RateLimit-Reset"),
    ("message", lambda: "", "message"),
]


def said(status: str, document: object, *fields: str) -> bytes:
    body = json.dumps(document).encode()
    return head(status, "Content-Type: application/json", f"Content-Length: {len(body)}", *filter(None, fields)) + body


def first(*answers: bytes, rest: bytes = ok(BODY, "Cache-Control: no-store")) -> Behaviour:
    """``answers`` in order, then ``rest``."""
    left = list(answers)

    def behave(wire: Wire, request: Recorded) -> None:
        wire.read_body(request)
        wire.send(left.pop(0) if left else rest)

    return behave


@pytest.mark.parametrize(("number", "form"), list(enumerate(FORMS)), ids=[name for name, _, _ in FORMS])
def test_each_form_closes_the_gate(scene: Scene, number: int, form: tuple[str, Callable[[], str], str]) -> None:
    """The one who was refused gets the provider's answer as it is; the next one ours, before anything leaves; other customers neither."""
    customer = f"gated-{number}"
    _, field, source = form
    document = MESSAGE if field() else {**MESSAGE, "providerMessage": "Rate limit exceeded, retry after 30 seconds"}
    scene.origin.behaviours["limited"] = first(said("429 Too Many Requests", document, field()))
    with scene.surviving("gated") as counted:
        answer = scene.call("GET ~/limited", customer=customer)
        assert (answer.status, answer.json()) == (429, document)
        refusal = scene.call("GET ~/x", customer=customer)
        assert slug(refusal) == "rate-limited"
        assert 28 <= int(refusal.value("retry-after")) <= 31
        assert "left alone" in refusal.json()["detail"]
        assert scene.arrived("x") == 0
        assert scene.call("GET ~/x", customer="gated-15").status == 200
        row = scene.row(customer, "learned")
        assert row is not None
        assert row["learned"]["state"] == "closed"
        assert 28 <= row["learned"]["seconds"] <= 31
        assert row["learned"]["source"] == f"429, {source}"
        assert scene.state("gateway_limit_gate_state", "gated") == 2
    assert counted == {
        "requests 429": 2,
        "upstream 429": 1,
        "signals": 1,
        "limited rejected": 1,
        "problem rate-limited": 1,
        "requests 200": 1,
        "upstream 200": 1,
    }
    assert any("limit is spent" in line and scene.planted.handles[customer] in line for line in scene.gateway.text.splitlines())


@pytest.mark.parametrize("known", [True, False], ids=["limits-known", "no-limit-known"])
def test_it_opens_in_time(scene: Scene, fresh: str, known: bool) -> None:
    """Exactly when it was said, and slowly, also where the provider's word is all that is known; who may wait does, and is served."""
    element = fresh if known else "gated"
    customer = fresh if known else "gated-10"
    scene.origin.behaviours["limited"] = first(said("429 Too Many Requests", MESSAGE, "Retry-After: 1"))
    with scene.surviving(element) as counted:
        for number in range(10):  # two calls a second in five: what it is given back step by step
            assert scene.call(f"GET ~/{number}", customer=customer).status == 200
        closed = time.monotonic()
        assert scene.call("GET ~/limited", customer=customer).status == 429
        refusal = scene.call("GET ~/x", customer=customer)
        assert (slug(refusal), refusal.value("retry-after")) == ("rate-limited", "1")
        waited = scene.call("GET ~/limited", "Prefer: wait=5", customer=customer)
        assert waited.status == 200
        assert 1.0 <= seconds(closed) < 1.8
        assert slug(scene.call("GET ~/x", customer=customer)) == "rate-limited", "all of it at once"
        learned = [row["learned"] for row in scene.limits() if row["key"] == scene.planted.handles[customer]]
        assert learned[0]["state"] == "reopening"
        assert learned[0]["refusals"] == 1
    assert counted["limited queued"] == 1


def test_whose_call_it_was_may_wait_too(scene: Scene) -> None:
    """A call that was refused so was not carried out: where its caller has time, a POST is made again when the gate opens."""
    scene.origin.behaviours["limited"] = first(said("429 Too Many Requests", MESSAGE, "Retry-After: 1"))
    with scene.surviving("gated") as counted:
        started = time.monotonic()
        body = b'{"a":1}'
        fields = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Prefer: wait=5")
        answer = scene.call("POST ~/limited", *fields, body=body, customer="gated-11")
        assert (answer.status, answer.value("preference-applied")) == (200, "wait=5")
        assert 1.0 <= seconds(started) < 2.0
        assert [bytes(item.payload) for item in scene.own()] == [body, body]
    assert counted == {"requests 200": 1, "upstream 429": 1, "upstream 200": 1, "signals": 1, "retries": 1, "limited queued": 1}


def test_who_cannot_wait_that_long_gets_the_answer(scene: Scene) -> None:
    scene.origin.behaviours["limited"] = first(said("429 Too Many Requests", MESSAGE, "Retry-After: 60"))
    with scene.surviving("gated"):
        started = time.monotonic()
        answer = scene.call("GET ~/limited", "Prefer: wait=5", customer="gated-12")
        assert (answer.status, answer.json()) == (429, MESSAGE)
        assert seconds(started) < 1


def test_a_payload_that_is_too_large_teaches_nothing(scene: Scene) -> None:
    """Cloud Elements answers 429 to that as well (API page 8.1)."""
    document = {"requestId": "a", "message": "The payload exceeds the maximum size of 10 MB"}
    scene.origin.behaviours["large"] = first(said("429 Too Many Requests", document))
    with scene.surviving("gated") as counted:
        assert scene.call("POST ~/large", customer="gated-13").json() == document
        assert scene.call("GET ~/x", customer="gated-13").status == 200
        assert scene.row("gated-13", "learned") is None
    assert counted == {"requests 429": 1, "upstream 429": 1, "requests 200": 1, "upstream 200": 1}


@pytest.mark.parametrize(
    ("element", "status", "document", "teaches"),
    [
        ("sfdc", "403 Forbidden", {"message": "REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded."}, True),
        ("sfdc", "403 Forbidden", {"message": "INSUFFICIENT_ACCESS"}, False),
        ("marketo", "200 OK", {"success": True, "result": [{"note": '"code":"606"'}]}, False),
        ("marketo", "200 OK", {"success": False, "errors": [{"code": "606", "message": "Max rate limit exceeded"}]}, True),
    ],
    ids=["sfdc", "sfdc-other", "marketo-data", "marketo"],
)
def test_by_preset(scene: Scene, element: str, status: str, document: dict[str, object], teaches: bool) -> None:
    """The element's own way to say so; its answer passes on as it is. (What teaches nothing comes before what closes the gate.)"""
    scene.origin.behaviours["said"] = first(said(status, document, "Cache-Control: no-store"))
    if element == "sfdc" and not teaches:
        element = "gated"
    with scene.surviving(element) as counted:
        customer = "gated-14" if element == "gated" else element
        answer = scene.call("GET ~/said", customer=customer)
        assert (str(answer.status), answer.json()) == (status[:3], document)
        again = scene.call("GET ~/x", customer=customer)
        assert slug(again) == ("rate-limited" if teaches else "200")
    assert counted["signals"] == int(teaches)
