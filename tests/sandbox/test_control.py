"""``/sandbox/**``: changes behind the back of the API, the list of routes, what arrived by filter."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sandbox.control import ROUTES

from .conftest import Api


@pytest.fixture
def everything() -> bool:
    return True


async def test_a_row_changes_behind_the_api_s_back(api: Api) -> None:
    row = (await api("GET", "/contacts?pageSize=1", as_="acme-sfdc")).json[0]
    base = f"/sandbox/instances/acme-sfdc/contacts/{row['id']}"
    await api("DELETE", "/sandbox/requests", as_=None)
    made = await api("POST", "/sandbox/instances/481102/Contact", as_=None, json={"LastName": "Behind"})
    changed = await api("PATCH", base, as_=None, json={"LastName": "Changed"})

    assert (await api("GET", base, as_=None)).json == changed.json
    assert made.json in (await api("GET", "/sandbox/instances/acme-sfdc/contacts", as_=None)).json
    assert (await api("PUT", base, as_=None, json={"LastName": "Put"})).json["LastName"] == "Put"
    assert (await api("GET", "/sandbox/requests", as_=None)).json["count"] == 0
    assert len(list(api.sandbox.usage)) == 1
    assert (await api("GET", f"/contacts/{row['id']}", as_="acme-sfdc")).json["LastName"] == "Put"
    assert (await api("GET", f"/contacts/{made.json['id']}", as_="acme-sfdc")).json["LastName"] == "Behind"
    assert (await api("DELETE", base, as_=None)).raw == b""
    assert (await api("GET", f"/contacts/{row['id']}", as_="acme-sfdc")).status == 404


async def test_neither_dials_nor_limits_hold_back_here(api: Api) -> None:
    api.sandbox.dials.set("*", error={"every": 1})
    await api("PUT", "/sandbox/limits", as_=None, json={"elements": {"sfdc": {"limits": ["1/day"]}}})

    for _ in range(3):
        assert (await api("POST", "/sandbox/instances/acme-sfdc/contacts", as_=None, json={})).status == 200


async def test_a_file_changes_behind_the_api_s_back(api: Api) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    path = "/sandbox/instances/hooli-box/files?path=/readme.txt"
    put = await api("PUT", path, as_=None, data=b"\x00new", headers=octets)

    assert (put.status, put.json["size"]) == (200, 4)
    assert (await api("GET", "/files?path=/readme.txt", as_="hooli-box")).raw == b"\x00new"
    assert (await api("DELETE", path, as_=None)).raw == b""
    assert (await api("GET", "/files?path=/readme.txt", as_="hooli-box")).status == 404
    assert (await api("PUT", "/sandbox/instances/hooli-box/files", as_=None, data=b"x", headers=octets)).status == 400


@pytest.mark.parametrize(
    ("method", "target", "status", "word"),
    [
        ("GET", "/sandbox/instances/nobody/contacts", 404, "nobody"),
        ("GET", "/sandbox/instances/acme-sfdc/nothing", 404, "expected one of contacts"),
        ("GET", "/sandbox/instances/acme-sfdc/contacts/none", 404, "none"),
        ("GET", "/sandbox/instances/acme-sfdc", 405, "GET"),
        ("GET", "/sandbox/instances/acme-sfdc/contacts/1/2", 404, "{resource}"),
        ("DELETE", "/sandbox/instances/nobody", 404, "nobody"),
        ("PUT", "/sandbox/instances/nobody/token", 404, "nobody"),
        ("POST", "/sandbox/instances/acme-sfdc/contacts/none", 405, "POST"),
        ("PATCH", "/sandbox/instances", 405, "PATCH"),
        ("GET", "/sandbox/nowhere", 404, "GET /sandbox lists"),
        ("GET", "/sandbox/requests?since=x", 400, "since"),
        ("POST", "/sandbox/instances/acme-sfdc/contacts", 400, "JSON"),
    ],
)
async def test_errors_say_what_was_expected(api: Api, method: str, target: str, status: int, word: str) -> None:
    reply = await api(method, target, as_=None, data=b"[]" if method == "POST" else None, headers={"Content-Type": "application/json"})

    assert (reply.status, word in reply.json["message"]) == (status, True)


async def test_instances_are_listed_without_their_tokens(api: Api) -> None:
    listed = await api("GET", "/sandbox/instances", as_=None)
    by_name = {line["name"]: line for line in listed.json}

    assert set(by_name["acme-sfdc"]) == {"id", "name", "element", "hub", "tags", "disabled", "resources"}
    assert "files" in by_name["hooli-box"]["resources"]
    assert api.token("acme-sfdc").encode() not in listed.raw


@pytest.mark.parametrize("target", ["/sandbox", "/sandbox/"])
async def test_the_routes_are_listed(api: Api, target: str) -> None:
    assert (await api("GET", target, as_=None)).json == dict(ROUTES)


async def test_each_route_that_is_listed_is_there(api: Api) -> None:
    names: dict[str, Any] = {"{id or name}": "hooli-box", "{resource}": "members", "{row}": "x", "{element}": "box", "?path=": ""}
    for route in ROUTES:
        methods, _, target = route.partition(" /")
        for name, value in names.items():
            target = target.replace(name, value)
        reply = await api("TRACE", f"/{target}", as_=None)
        assert reply.status == 405, route
        assert reply.headers["Allow"].split(", ") == methods.split(", "), route


async def test_what_arrived_by_filter(api: Api) -> None:
    await api("GET", "/contacts", as_="acme-sfdc")
    await api("GET", "/contacts", as_="acme-hubspot")
    await api("DELETE", "/contacts/none", as_="acme-hubspot")

    async def found(query: str) -> list[int]:
        return [call["number"] for call in (await api("GET", f"/sandbox/requests?{query}", as_=None)).json["calls"]]

    assert await found("") == [1, 2, 3]
    assert await found("since=1") == [2, 3]
    assert await found("element=hubspot&method=get") == [2]
    assert await found("instance=481102") == [1]
    assert (await api("GET", "/sandbox/requests?since=3", as_=None)).json == {"count": 3, "calls": []}
