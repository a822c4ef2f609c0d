"""Contract 2.2: platform calls."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.commands import ORGANIZATION, USER
from tests.acceptance.world import World, check_problem
from tests.support.answers import Answer

NEW = {"name": "made", "element": {"key": "closeio"}, "configuration": {"username": "u", "password": "p", "base.url": "https://x.test"}}


@pytest.mark.parametrize(
    "path", ["/elements", "/elements/hubspot", "/hubs", "/hubs/crm", "/organizations/me", "/instances", "/elements/sfdc/instances"]
)
def test_platform_read(world: World, path: str) -> None:
    key = world.new_key(scopes=["platform:read"])["key"]
    world.dev.forget()
    answer = world.call("GET", path, "Cache-Control: no-cache", key=key)  # another test may have asked for it before
    assert answer.status == 200, answer.body
    (arrival,) = world.dev.arrivals()
    assert (arrival["instance"], arrival["method"]) == (None, "GET")


@pytest.mark.parametrize(
    ("scopes", "method", "status"),
    [
        (["hub"], "GET", 403),
        (["hub"], "POST", 403),
        (["admin"], "GET", 403),
        (["platform:read"], "GET", 200),
        (["platform:read"], "HEAD", 200),
        (["platform:read"], "POST", 403),
        (["platform:read"], "PUT", 403),
        (["platform:read"], "PATCH", 403),
        (["platform:read"], "DELETE", 403),
        (["platform:write"], "POST", 200),
        (["platform:read", "platform:write"], "DELETE", 200),
    ],
    ids=str,
)
def test_platform_scopes(world: World, scopes: list[str], method: str, status: int) -> None:
    key = world.new_key(scopes=scopes)["key"]
    world.raw.forget()
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    answer = world.call(method, "/formulas", "Gateway-Environment: raw", "Content-Type: application/json", key=key, body=body)
    assert answer.status == status, answer.body
    if status == 403 and method != "HEAD":
        check_problem(answer, 403, "forbidden", "caller")
    assert len(world.raw.requests) == (status == 200)


def test_a_platform_call_carries_no_element(world: World) -> None:
    world.raw.forget()
    assert world.call("GET", "/formulas", "Gateway-Environment: raw").status == 200
    (request,) = world.raw.requests
    assert request.values("authorization") == [f"User {USER}, Organization {ORGANIZATION}"]


def test_an_element_call_carries_all_three(world: World) -> None:
    acme = world.customer(environment="raw")
    world.raw.forget()
    assert acme.get("/contacts").status == 200
    (request,) = world.raw.requests
    assert request.values("authorization") == [f"User {USER}, Organization {ORGANIZATION}, Element {acme.token}"]


def create(world: World, path: str, *fields: str, key: str | None = None) -> Answer:
    return world.call("POST", path, "Content-Type: application/json", *fields, body=json.dumps(NEW).encode(), key=key)


@pytest.mark.parametrize("path", ["/instances", "/elements/closeio/instances", "//instances", "/instances/"])
def test_creating_an_instance_is_a_platform_call_whoever_is_named(world: World, path: str) -> None:
    acme = world.customer(environment="raw")
    world.raw.forget()
    named = ("Gateway-Environment: raw", f"Gateway-Customer: {acme.customer}")
    assert create(world, path, *named).status == 200
    assert create(world, path, f"Gateway-Instance: raw/{acme.customer}/{acme.element}").status == 200
    assert [request.values("authorization") for request in world.raw.requests] == [[f"User {USER}, Organization {ORGANIZATION}"]] * 2
    key = world.new_key(scopes=["hub", "platform:read"])["key"]
    check_problem(create(world, path, *named, key=key), 403, "forbidden", "caller")


def test_a_handle_names_the_environment_of_a_creation_too(world: World) -> None:
    """`Gateway-Instance … instead of the three above`, the environment among them: not created in the default environment."""
    acme = world.customer(environment="raw")
    world.raw.forget()
    world.dev.forget()
    create(world, "/instances", f"Gateway-Instance: {acme.handle}")
    assert [arrival["target"] for arrival in world.dev.arrivals()] == []
    assert len(world.raw.requests) == 1


def test_creating_for_a_customer_that_is_not_there_yet(world: World) -> None:
    """`a customer named there is the owner of what is created`: it needs no mapping before."""
    answer = create(world, "/instances", "Gateway-Customer: a-new-one")
    assert answer.status == 200, answer.body
    assert answer.json()["token"] == "***"


def test_creating_for_a_customer_that_the_key_is_not_for(world: World) -> None:
    key = world.new_key(scopes=["platform:write"], customers=["ours-*"])["key"]
    world.dev.forget()
    check_problem(create(world, "/instances", "Gateway-Customer: theirs", key=key), 403, "forbidden", "caller")
    assert world.dev.arrivals() == []


def test_other_instance_calls_by_a_customer_are_element_calls(world: World) -> None:
    """Only POST on the collection is always the platform's: PUT /instances/enabled with a customer is the customer's own."""
    acme = world.customer()
    world.dev.forget()
    assert acme.call("DELETE", "/instances/enabled").status == 200
    assert acme.call("PUT", "/instances/enabled").status == 200
    assert [one["instance"] for one in world.dev.arrivals()] == [acme.instance_id] * 2


def test_accounts_are_the_customers_or_the_platforms(world: World) -> None:
    """One path, two families: with a customer the provider's accounts, without one Cloud Elements' own."""
    acme = world.customer("sfdc")
    ours, theirs = world.call("GET", "/accounts").json(), acme.get("/accounts").json()
    assert [row["type"] for row in ours] == ["Default"]
    assert len(theirs) == 20
