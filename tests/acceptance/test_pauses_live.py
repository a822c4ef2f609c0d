"""Contract 4, pauses: ``stop calls of an environment, customer or element for a time, with a reason`` (503 ``paused``, contract 2.4)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.acceptance.commands import command, until
from tests.acceptance.test_follow_changes import within_two_seconds
from tests.acceptance.world import Mapped, World, check_problem

REASON = "it moves to another account"


def pause(world: World, **fields: object) -> dict[str, Any]:
    """A pause made by the admin API; it holds from the answer on."""
    answer = world.admin("POST", "/pauses", {"for": "10m", "reason": REASON} | fields)
    assert answer.status == 201, answer.body
    return dict(answer.json())


def test_calls_are_answered_paused_cached_ones_too_and_others_go_on(world: World, acme: Mapped) -> None:
    globex = world.customer("cached", like="sfdc")
    for call in range(2):
        assert acme.get("/contacts?pageSize=2").value("cache-status").startswith("gateway; hit") is bool(call)
    world.dev.forget()
    made = pause(world, customer=acme.customer)

    for method, path in (("GET", "/contacts?pageSize=2"), ("GET", "/accounts"), ("POST", "/contacts")):
        answer = acme.call(method, path, body=b"{}" if method == "POST" else None)
        problem = check_problem(answer, 503, "paused", "gateway")
        assert 590 <= problem["retryAfter"] <= 600
        assert problem["detail"].startswith(f"calls for {acme.customer} are paused until ")
        assert problem["detail"].endswith(f" UTC: {REASON}")
    assert world.dev.arrivals() == []
    assert globex.get("/contacts?pageSize=2").status == 200

    assert world.admin("DELETE", f"/pauses/{made['id']}").status == 204
    assert acme.get("/contacts?pageSize=2").value("cache-status").startswith("gateway; hit")


def test_it_ends_by_itself_after_what_retry_after_says(world: World, acme: Mapped) -> None:
    made = pause(world, customer=acme.customer, **{"for": "1200ms"})
    problem = check_problem(acme.get("/ping"), 503, "paused", "gateway")
    assert problem["retryAfter"] == 2
    time.sleep(problem["retryAfter"])

    assert acme.get("/ping").status == 200
    assert world.admin("GET", f"/pauses/{made['id']}").status == 404


def test_of_an_element_and_of_a_customer_of_it(world: World) -> None:
    first, second = (world.customer("pausedelement", like="hubspot") for _ in range(2))
    one = pause(world, customer=first.customer, element="pausedelement", environment="dev")
    assert [first.get("/ping").status, second.get("/ping").status] == [503, 200]
    every = pause(world, element="pausedelement")
    assert [first.get("/ping").status, second.get("/ping").status] == [503, 503]
    for made in (one, every):
        assert world.admin("DELETE", f"/pauses/{made['id']}").status == 204
    assert [first.get("/ping").status, second.get("/ping").status] == [200, 200]


def test_platform_calls_are_those_of_the_element_platform(world: World) -> None:
    made = pause(world, element="platform", environment="staging")
    try:
        named = "Gateway-Environment: staging"
        check_problem(world.call("GET", "/elements", named), 503, "paused", "gateway")
        assert world.call("GET", "/elements", "Gateway-Environment: dev").status == 200
    finally:
        assert world.admin("DELETE", f"/pauses/{made['id']}").status == 204


def test_who_may_not_call_learns_nothing_of_a_pause(world: World, acme: Mapped) -> None:
    pause(world, customer=acme.customer)
    key = world.new_key(customers=["somebody-else"])["key"]
    assert world.call("GET", "/ping", f"Gateway-Customer: {acme.customer}", key=key).status == 403


@pytest.mark.parametrize("by_header", [True, False])
def test_an_explanation_says_so_too(world: World, acme: Mapped, by_header: bool) -> None:
    pause(world, customer=acme.customer)
    question = {"path": "/contacts", "environment": "dev", "customer": acme.customer}
    answer = acme.get("/contacts", "Gateway-Explain: 1") if by_header else world.admin("POST", "/explain", question)
    check_problem(answer, 503, "paused", "gateway")


def test_added_and_removed_by_the_command_line_within_two_seconds(world: World, acme: Mapped) -> None:
    said = ("--customer", acme.customer, "--for", "10m", "--reason", REASON)
    made = command(world.folder, "pauses", "add", *said)
    within_two_seconds(time.monotonic(), lambda: acme.get("/ping").status == 503)
    command(world.folder, "pauses", "remove", made["id"])
    within_two_seconds(time.monotonic(), lambda: acme.get("/ping").status == 200)


def test_the_operator_sees_which_calls_it_held_back(world: World, acme: Mapped) -> None:
    pause(world, customer=acme.customer)
    acme.get("/ping", "X-Request-Id: held-back-1")

    def found() -> list[Any]:
        return list(world.admin("GET", f"/exchanges?customer={acme.customer}").json()["items"])

    until(lambda: len(found()) == 1)
    (record,) = found()
    assert (record["status"], record["problem"], record["customer"]) == (503, "paused", acme.customer)
    assert record["decisions"][-1]["reason"].endswith(REASON)
