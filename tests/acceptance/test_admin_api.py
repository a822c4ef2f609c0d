"""Contract 4: the admin API, as far as issue 2 builds it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.acceptance.commands import until
from tests.acceptance.world import World, check_problem, refused
from tests.support.answers import Answer

TOKEN = "CANARYadmintoken4711=="
_serial = count(1)
ROUTES = [
    ("GET", "/instances"), ("POST", "/instances"), ("GET", "/instances/gwi_x"), ("PATCH", "/instances/gwi_x"), ("DELETE",
    "/instances/gwi_x"),
    ("POST", "/instances:import"), ("GET", "/instances:export"), ("GET", "/keys"), ("POST", "/keys"), ("POST", "/keys/x:rotate"),
    ("GET", "/keys/x"), ("DELETE", "/keys/x"),
    ("POST", "/cache:purge"), ("GET", "/limits"), ("GET", "/exchanges"),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _canary(world: World) -> None:
    world.secrets.add(TOKEN)


def fresh(**fields: object) -> dict[str, Any]:
    """A mapping that nobody has yet."""
    return {"environment": "dev", "customer": f"admin-{next(_serial)}", "element": "hubspot", "token": TOKEN, **fields}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_an_admin_key(world: World, method: str, path: str) -> None:
    body: dict[str, str] | None = {} if method in ("POST", "PATCH") else None
    check_problem(world.admin(method, path, body, key=""), 401, "unauthenticated", "caller")
    check_problem(world.admin(method, path, body, key="gwk_wrong_wrong"), 401, "unauthenticated", "caller")
    check_problem(world.admin(method, path, body, key=world.key), 403, "forbidden", "caller")


@pytest.mark.parametrize("path", ["/nothing", "", "/", "/instances/", "/instances/a/b", "/keys/x:rotate", "/instances:nothing"])
def test_unknown_routes(world: World, path: str) -> None:
    assert refused(world.admin("GET", path), 405 if path == "/keys/x:rotate" else 404)
    assert world.admin("GET", path, key="").status == 401


def test_other_methods(world: World) -> None:
    answer = world.admin("PUT", "/instances", {})
    refused(answer, 405)
    assert answer.value("allow")


# Instances


def test_the_life_of_an_instance(world: World) -> None:
    wanted = fresh(
        instance_id=4711, hub="marketing", name="main", tags=["a", "b"], group="g", event_signature_key="CANARYadmintoken4711==signed"
    )
    made = world.admin("POST", "/instances", wanted)
    assert made.status == 201, made.body
    mapping = made.json()
    assert mapping["handle"].startswith("gwi_")
    for name in ("environment", "customer", "element", "instance_id", "hub", "name", "tags", "group"):
        assert mapping[name] == wanted[name]
    assert mapping["disabled"] is False
    assert "token" not in mapping
    assert "event_signature_key" not in mapping
    path = f"/instances/{mapping['handle']}"
    assert world.admin("GET", path).json() == mapping
    changed = world.admin("PATCH", path, {"name": "other", "tags": [], "group": None, "disabled": True, "token": TOKEN + "new"})
    assert changed.status == 200
    assert {
        **mapping,
        "name": "other",
        "tags": [],
        "group": None,
        "disabled": True,
        "state": "disabled",
        "updated_at": changed.json()["updated_at"],
    } == changed.json()
    assert world.admin("GET", path).json() == changed.json()
    assert world.admin("DELETE", path).status == 204
    refused(world.admin("GET", path), 404)
    refused(world.admin("PATCH", path, {"name": "x"}), 404)
    refused(world.admin("DELETE", path), 404)


def test_a_second_one_conflicts_unless_its_name_differs(world: World) -> None:
    one = fresh()
    assert world.admin("POST", "/instances", one).status == 201
    refused(world.admin("POST", "/instances", one), 409)
    assert world.admin("POST", "/instances", {**one, "name": "second"}).status == 201
    refused(world.admin("POST", "/instances", {**one, "name": "second"}), 409)
    assert world.admin("POST", "/instances", {**one, "environment": "staging"}).status == 201
    assert world.admin("POST", "/instances", {**one, "element": "sfdc"}).status == 201


def test_a_patch_may_not_make_two_alike(world: World) -> None:
    one = fresh()
    world.admin("POST", "/instances", one)
    second = world.admin("POST", "/instances", {**one, "name": "second"}).json()
    refused(world.admin("PATCH", f"/instances/{second['handle']}", {"name": None}), 409)


@pytest.mark.parametrize(
    "change",
    [
        {"environment": None}, {"customer": ""}, {"customer": None}, {"element": 5}, {"token": ""}, {"token": None},
        {"token": "two words"}, {"token": "a,b"},
        {"tokens": "x"}, {"unknown": 1}, {"instance_id": "x"}, {"instance_id": -1}, {"tags": "a"}, {"customer": "a/b"},
        {"customer": "a\nb"}, {"element": "a/b"},
        {"token": "line\nbreak"}, {"token": ["list"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_new_instance_may_not_be(world: World, change: dict[str, object]) -> None:
    document = {name: found for name, found in fresh(**change).items() if found is not None}
    refused(world.admin("POST", "/instances", document))


def test_an_unknown_environment(world: World) -> None:
    answer = world.admin("POST", "/instances", fresh(environment="nowhere"))
    assert answer.status in (400, 404)
    refused(answer, answer.status)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a":' * 2000], ids=lambda body: body[:9])
@pytest.mark.parametrize("path", ["/instances", "/keys"])
def test_bodies_that_are_no_object(world: World, path: str, body: bytes) -> None:
    refused(world.admin("POST", path, body))


@pytest.mark.parametrize(
    "change",
    [
        {"handle": "x"},
        {"customer": "x"},
        {"element": "x"},
        {"environment": "staging"},
        {"disabled": "maybe"},
        {"token": None},
        {"tags": None},
    ],
)
def test_what_a_patch_may_not_change(world: World, change: dict[str, object]) -> None:
    handle = world.admin("POST", "/instances", fresh()).json()["handle"]
    refused(world.admin("PATCH", f"/instances/{handle}", change))


def pages(world: World, query: str) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        page = world.admin("GET", f"/instances?{query}{cursor}")
        assert page.status == 200, page.body
        assert page.json().keys() == {"items", "next_cursor"}
        yield page.json()["items"]
        if page.json()["next_cursor"] is None:
            return
        cursor = f"&cursor={page.json()['next_cursor']}"


def test_listing_with_filters_and_pages(world: World) -> None:
    customer = fresh()["customer"]
    handles = {
        world.admin("POST", "/instances", fresh(customer=customer, name=f"n{n}", element=("hubspot", "sfdc")[n % 2])).json()["handle"]
        for n in range(7)
    }
    found = list(pages(world, f"customer={customer}&limit=3"))
    assert [len(page) for page in found] == [3, 3, 1]
    assert {item["handle"] for page in found for item in page} == handles
    assert sum(map(len, pages(world, f"customer={customer}&element=sfdc"))) == 3
    assert sum(map(len, pages(world, f"customer={customer}&environment=staging"))) == 0
    for query in ("limit=0", "limit=x", "limit=100000", "nothing=1", "cursor=hello"):
        refused(world.admin("GET", f"/instances?{query}"))


# Bulk


def importing(world: World, text: str, kind: str = "application/x-ndjson") -> Answer:
    return world.admin("POST", "/instances:import", text.encode(), f"Content-Type: {kind}")


def test_import_ndjson_and_csv(world: World) -> None:
    rows = [fresh(instance_id=1, tags=["x", "y"]), fresh(name="b")]
    answer = importing(world, "".join(json.dumps(row) + "\n" for row in rows))
    assert answer.status == 200, answer.body
    assert answer.json()["imported"] == 2
    table = io.StringIO()
    writer = csv.DictWriter(table, ["environment", "customer", "element", "token", "name"])
    writer.writeheader()
    more = [fresh(), fresh()]
    writer.writerows(more)
    assert importing(world, table.getvalue(), "text/csv").json()["imported"] == 2
    for row in rows + more:
        (item,) = world.admin("GET", f"/instances?customer={row['customer']}").json()["items"]
        assert item["tags"] == row.get("tags", [])


def test_import_is_all_or_nothing_with_a_report_by_line(world: World) -> None:
    good, again = fresh(), fresh()
    world.admin("POST", "/instances", again)
    lines = [
        json.dumps(good),
        "{",
        json.dumps(fresh(unknown=1)),
        json.dumps(again),
        json.dumps(good),
        json.dumps(fresh(environment="nowhere")),
    ]
    answer = importing(world, "\n".join(lines))
    assert 400 <= answer.status < 500
    problem = refused(answer, answer.status)
    assert {error["line"] for error in problem["errors"]} == {2, 3, 4, 5, 6}
    assert all(error["error"] for error in problem["errors"])
    assert world.admin("GET", f"/instances?customer={good['customer']}").json()["items"] == []


def test_imported_ones_can_be_called(world: World) -> None:
    made = world.dev.create("hubspot", "imported-1")
    world.secrets.add(made["token"])
    row = fresh(token=made["token"])
    assert importing(world, json.dumps(row)).status == 200
    until(lambda: world.call("GET", "/ping", f"Gateway-Customer: {row['customer']}").status == 200)


def test_export_holds_everything_but_tokens(world: World) -> None:
    row = fresh(tags=["t"], name="exported")
    world.admin("POST", "/instances", row)
    answer = world.admin("GET", "/instances:export")
    assert answer.status == 200
    assert answer.value("content-type").startswith("application/x-ndjson")
    items = [json.loads(line) for line in answer.body.decode().splitlines()]
    (item,) = [item for item in items if item["customer"] == row["customer"]]
    assert (item["environment"], item["element"], item["tags"], item["name"]) == ("dev", "hubspot", ["t"], "exported")
    assert not [name for item in items for name in item if "token" in name]
    table = list(csv.DictReader(io.StringIO(world.admin("GET", "/instances:export", None, "Accept: text/csv").body.decode())))
    assert row["customer"] in [line["customer"] for line in table]


@pytest.mark.parametrize("document", [{"unknown": 1}, {"path": 5}, {"customer": ["a"]}, []])
def test_what_a_purge_may_not_be(world: World, document: object) -> None:
    refused(world.admin("POST", "/cache:purge", document))


def test_exchanges_tell_each_decision_with_its_reason(world: World) -> None:
    acme = world.customer("cached", like="sfdc")
    acme.get("/contacts?pageSize=1&apiSecret=CANARYadmintoken4711==", "X-Request-Id: told-1")
    acme.get("/contacts?pageSize=1&apiSecret=CANARYadmintoken4711==", "X-Request-Id: told-2")
    world.call("GET", "/contacts", "Gateway-Customer: nobody", "X-Request-Id: told-3")
    answer = world.admin("GET", "/exchanges?limit=3")
    items = answer.json()["items"]
    assert [item["request_id"] for item in items] == ["told-3", "told-2", "told-1"]
    assert [item["status"] for item in items] == [404, 200, 200]
    hit = items[1]
    assert (hit["environment"], hit["customer"], hit["element"], hit["instance"]) == ("dev", acme.customer, "cached", acme.handle)
    assert (hit["cache"], hit["method"]) == ("hit", "GET")
    assert {"room": "cache", "decision": "hit", "reason": "fresh"} in hit["decisions"]
    for item in items:
        for decision in item["decisions"]:
            assert decision.keys() == {"room", "decision", "reason"}
    assert items[0]["problem"] == "no-instance"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=-1", "unknown=1"])
def test_exchanges_refuse_what_they_do_not_know(world: World, query: str) -> None:
    refused(world.admin("GET", f"/exchanges?{query}"))
