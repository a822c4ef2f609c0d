"""Contract 2.2: for whom a call is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.commands import until
from tests.acceptance.world import BASE, Mapped, World, check_problem

WAYS: dict[str, Callable[[Mapped], tuple[str, tuple[str, ...]]]] = {
    "headers": lambda one: (BASE, (f"Gateway-Customer: {one.customer}", f"Gateway-Element: {one.element}", "Gateway-Environment: dev")),
    "headers without environment": lambda one: (BASE, (f"Gateway-Customer: {one.customer}", f"Gateway-Element: {one.element}")),
    "customer only": lambda one: (BASE, (f"Gateway-Customer: {one.customer}",)),
    "handle": lambda one: (BASE, (f"Gateway-Instance: {one.handle}",)),
    "handle and its environment": lambda one: (BASE, (f"Gateway-Instance: {one.handle}", "Gateway-Environment: dev")),
    "three names": lambda one: (BASE, (f"Gateway-Instance: dev/{one.customer}/{one.element}",)),
    "lower-case names": lambda one: (BASE, (f"gateway-customer: {one.customer}", f"GATEWAY-ELEMENT: {one.element}")),
    "whole prefix": lambda one: (f"/e/dev/c/{one.customer}/{one.element}{BASE}", ()),
    "prefix without environment": lambda one: (f"/c/{one.customer}/{one.element}{BASE}", ()),
    "prefix without element": lambda one: (f"/c/{one.customer}{BASE}", ()),
    "prefix without either": lambda one: (f"/e/dev/c/{one.customer}{BASE}", ()),
    "environment in front, customer in a header": lambda one: (f"/e/dev{BASE}", (f"Gateway-Customer: {one.customer}",)),
    "customer in front, element in a header": lambda one: (f"/c/{one.customer}{BASE}", (f"Gateway-Element: {one.element}",)),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_name_an_instance(world: World, way: str) -> None:
    acme = world.customer("sfdc")
    base, fields = WAYS[way](acme)
    world.dev.forget()
    answer = world.call("GET", "/contacts?pageSize=1", *fields, base=base)
    assert answer.status == 200, answer.body
    (arrival,) = world.dev.arrivals()
    assert arrival["instance"] == acme.instance_id
    assert arrival["target"] == f"{BASE}/contacts?pageSize=1", "what stands in front of the path is not sent on"
    assert not [name for name in arrival["headers"] if name.lower().startswith(("gateway", "x-api-key"))]


def test_the_path_wins_over_headers(world: World) -> None:
    ours, theirs = world.customer("hubspot"), world.customer("sfdc")
    elsewhere = world.customer("hubspot", "staging", customer=ours.customer)
    headers = (f"Gateway-Customer: {theirs.customer}", "Gateway-Element: sfdc", "Gateway-Environment: dev")
    world.dev.forget()
    world.staging.forget()
    assert world.call("GET", "/ping", *headers, base=f"/c/{ours.customer}/hubspot{BASE}").status == 200
    assert world.call("GET", "/ping", *headers, base=f"/e/staging/c/{ours.customer}/hubspot{BASE}").status == 200
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [ours.instance_id]
    assert [arrival["instance"] for arrival in world.staging.arrivals()] == [elsewhere.instance_id]


def test_the_path_wins_over_gateway_instance_and_the_element_part(world: World) -> None:
    ours, theirs = world.customer(), world.customer()
    world.dev.forget()
    base = f"/c/{ours.customer}/hubspot{BASE}"
    assert world.call("GET", "/ping", f"Gateway-Instance: {theirs.handle}", base=base).status == 200
    named = f"Authorization: User {world.key}, Element {theirs.handle}"
    assert world.call("GET", "/ping", named, base=base, key="").status == 200
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [ours.instance_id] * 2


def test_environments_are_apart(world: World) -> None:
    here = world.customer()
    there = world.customer(environment="staging", customer=here.customer)
    assert here.handle != there.handle
    world.dev.forget()
    world.staging.forget()
    assert world.call("GET", "/ping", f"Gateway-Customer: {here.customer}").status == 200
    assert world.call("GET", "/ping", f"Gateway-Customer: {here.customer}", "Gateway-Environment: staging").status == 200
    assert world.call("GET", "/ping", f"Gateway-Instance: staging/{here.customer}/hubspot").status == 200
    assert [one["instance"] for one in world.dev.arrivals()] == [here.instance_id]
    assert [one["instance"] for one in world.staging.arrivals()] == [there.instance_id] * 2


def test_default_environment_is_the_keys_only_one(world: World) -> None:
    """`default: the key's only one, or the configured default` (dev)."""
    key = world.new_key(environments=["staging"])["key"]
    there = world.customer(environment="staging")
    world.staging.forget()
    assert world.call("GET", "/ping", f"Gateway-Customer: {there.customer}", key=key).status == 200
    assert [one["instance"] for one in world.staging.arrivals()] == [there.instance_id]
    check_problem(world.call("GET", "/ping", f"Gateway-Customer: {there.customer}"), 404, "no-instance", "caller")


@pytest.mark.parametrize("name", ["production", "Dev", "dev2", "CANARYuser"])
def test_unknown_environment(world: World, name: str) -> None:
    acme = world.customer()
    world.dev.forget()
    customer = f"Gateway-Customer: {acme.customer}"
    for answer in (
        world.call("GET", "/ping", customer, f"Gateway-Environment: {name}"),
        world.call("GET", "/ping", base=f"/e/{name}/c/{acme.customer}{BASE}"),
        world.call("GET", "/ping", f"Gateway-Instance: {name}/{acme.customer}/hubspot"),
        world.call("GET", "/elements", f"Gateway-Environment: {name}"),
        world.call("GET", "/ping", f"Authorization: User {world.key}, Organization {name}", customer, key=""),
    ):
        check_problem(answer, 404, "unknown-environment", "caller")
    assert world.dev.arrivals() == []


def test_no_instance(world: World) -> None:
    acme = world.customer("hubspot")
    world.dev.forget()
    for fields in (
        ("Gateway-Customer: nobody",),
        (f"Gateway-Customer: {acme.customer}", "Gateway-Element: sfdc"),
        (f"Gateway-Customer: {acme.customer}", "Gateway-Element: Hubspot"),
        (f"Gateway-Customer: {acme.customer.upper()}",),
        (f"Gateway-Customer: {acme.customer}", "Gateway-Environment: staging"),
        (f"Gateway-Instance: staging/{acme.customer}/hubspot",),
        ("Gateway-Instance: gwi_0000000000000000000000",),
        (f"Gateway-Instance: {acme.handle}0",),
        (f"Gateway-Instance: {acme.handle}", "Gateway-Environment: staging"),
    ):
        check_problem(world.call("GET", "/ping", *fields), 404, "no-instance", "caller")
    check_problem(world.call("GET", "/ping", base=f"/c/{acme.customer}/sfdc{BASE}"), 404, "no-instance", "caller")
    named = f"Authorization: User {world.key}, Element gwi_0000000000000000000000"
    check_problem(world.call("GET", "/ping", named, key=""), 404, "no-instance", "caller")
    assert world.dev.arrivals() == []


def test_a_real_token_in_place_of_a_handle_is_not_repeated(world: World) -> None:
    """A client that still has the real token: refused, and the token shows up nowhere (``World`` looks)."""
    acme = world.customer()
    answer = world.call("GET", "/ping", f"Authorization: User {world.key}, Organization dev, Element {acme.token}", key="")
    assert answer.status in (400, 404)


def test_a_disabled_instance_cannot_be_called(world: World) -> None:
    acme = world.customer()
    assert acme.get("/ping").status == 200
    assert world.admin("PATCH", f"/instances/{acme.handle}", {"disabled": True}).status == 200
    until(lambda: acme.get("/ping").status == 404)
    world.dev.forget()
    check_problem(acme.get("/ping"), 404, "no-instance", "caller")
    check_problem(world.call("GET", "/ping", f"Gateway-Customer: {acme.customer}"), 404, "no-instance", "caller")
    assert world.dev.arrivals() == []
    assert world.admin("PATCH", f"/instances/{acme.handle}", {"disabled": False}).status == 200
    until(lambda: acme.get("/ping").status == 200)


def test_ambiguous_instance_lists_its_candidates(world: World) -> None:
    one = world.customer("hubspot", name="first")
    two = world.customer("sfdc", customer=one.customer)
    world.dev.forget()
    problem = check_problem(world.call("GET", "/contacts", f"Gateway-Customer: {one.customer}"), 409, "ambiguous-instance", "caller")
    wanted = [
        {"handle": one.handle, "element": "hubspot", "name": "first"},
        {"handle": two.handle, "element": "sfdc", "name": None},
    ]
    assert sorted(problem["candidates"], key=lambda found: str(found["element"])) == wanted
    assert world.dev.arrivals() == []
    for mapped in (one, two):
        assert world.call("GET", "/ping", f"Gateway-Customer: {one.customer}", f"Gateway-Element: {mapped.element}").status == 200
        assert mapped.get("/ping").status == 200
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [one.instance_id] * 2 + [two.instance_id] * 2


def test_two_instances_of_one_element(world: World) -> None:
    """Told apart by name; the element is no longer enough."""
    one = world.customer("sfdc", name="europe")
    two = world.customer("sfdc", customer=one.customer, name="america")
    named = (f"Gateway-Customer: {one.customer}", "Gateway-Element: sfdc")
    problem = check_problem(world.call("GET", "/ping", *named), 409, "ambiguous-instance", "caller")
    assert {(found["handle"], found["name"]) for found in problem["candidates"]} == {(one.handle, "europe"), (two.handle, "america")}
    assert two.get("/ping").status == 200


def test_the_hub_of_the_path_decides(world: World) -> None:
    """`else its only instance of the hub in /hubs/{hub}/…; else 409`."""
    crm = world.customer("sfdc", hub="crm")
    marketing = world.customer("hubspot", customer=crm.customer, hub="marketing")
    customer = f"Gateway-Customer: {crm.customer}"
    world.dev.forget()
    assert world.call("GET", "/hubs/crm/contacts", customer).status == 200
    assert world.call("GET", "/hubs/marketing/contacts", customer).status == 200
    assert world.call("GET", "/hubs/marketing/contacts", base=f"/c/{crm.customer}{BASE}").status == 200
    arrivals = world.dev.arrivals()
    assert [arrival["instance"] for arrival in arrivals][:2] == [crm.instance_id, marketing.instance_id]
    assert arrivals[0]["target"] == f"{BASE}/hubs/crm/contacts"
    check_problem(world.call("GET", "/hubs/helpdesk/contacts", customer), 409, "ambiguous-instance", "caller")
    check_problem(world.call("GET", "/contacts", customer), 409, "ambiguous-instance", "caller")


def test_an_only_instance_needs_no_fitting_hub(world: World) -> None:
    """Hub names are not checked by Cloud Elements: neither do we (issue 2)."""
    acme = world.customer("sfdc", hub="crm")
    assert world.call("GET", "/hubs/anything/contacts", f"Gateway-Customer: {acme.customer}").status == 200


@pytest.mark.parametrize("customer", ["42", "a.b-c_d", "acme corp", "Müller", "e", "c", "elements", "100%", "a+b"])
def test_customers_as_our_services_name_them(world: World, customer: str) -> None:
    """`the customer, as our own services name it`: by header as it is, in the path percent-encoded."""
    acme = world.customer(customer=f"{customer}~" if len(customer) < 2 else customer, name=None)
    name = acme.customer.encode().decode("latin-1")
    encoded = "".join(chr(octet) if chr(octet).isalnum() and octet < 128 else f"%{octet:02X}" for octet in acme.customer.encode())
    world.dev.forget()
    assert world.call("GET", "/ping", f"Gateway-Customer: {name}", "Gateway-Element: hubspot").status == 200
    assert world.call("GET", "/ping", base=f"/c/{encoded}/hubspot{BASE}").status == 200
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [acme.instance_id] * 2
    assert world.admin("DELETE", f"/instances/{acme.handle}").status == 204


@pytest.mark.parametrize(
    "path",
    [
        "/c",
        "/c/",
        "/c/acme",
        "/e/dev/contacts",
        "/x/y/elements/api-v2/ping",
        "/elements/api-v3/ping",
        "/",
        "/elements",
        "//elements/api-v2/ping",
    ],
)
def test_paths_outside_of_the_prefix_are_not_found(world: World, path: str) -> None:
    world.dev.forget()
    check_problem(world.call("GET", path, base=""), 404, "not-found", "caller")
    assert world.dev.arrivals() == []
