"""Every hub over HTTP: the resources of the catalogue, what lies below them, and their metadata."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from gateway.sandbox.catalog import ELEMENTS, HUBS, Element

from .conftest import Api

BY_HUB = {hub: [element.key for element in ELEMENTS.values() if element.hub == hub] for hub in HUBS}
CHILDREN = [
    (hub, parent, child)
    for hub, keys in BY_HUB.items()
    for parent, children in ELEMENTS[keys[0]].children.items()
    for child in children
]  # fmt: skip


@pytest.fixture
def everything() -> bool:
    return True


async def rows(api: Api, target: str, key: str) -> list[dict[str, Any]]:
    reply = await api("GET", target, as_=f"hooli-{key}")
    assert reply.status == 200, reply.raw
    return list(reply.json)


@pytest.mark.parametrize("hub", HUBS)
async def test_each_resource_of_a_hub_is_read_and_written(api: Api, hub: str) -> None:
    key = BY_HUB[hub][0]
    name = f"hooli-{key}"
    for resource in ELEMENTS[key].resources:
        before = await rows(api, f"/hubs/{hub}/{resource}", key)
        made = await api("POST", f"/hubs/{hub}/{resource}", as_=name, json={"name": "Mine", "size": 3})
        path = f"/hubs/{hub}/{resource}/{made.json['id']}"

        assert before, resource
        assert (made.status, made.json["name"]) == (200, "Mine")
        assert len(await rows(api, f"/{resource}", key)) == len(before) + 1
        assert (await api("PATCH", path, as_=name, json={"size": 4})).json["size"] == 4
        assert (await api("GET", path, as_=name)).json["name"] == "Mine"
        assert [row["id"] for row in await rows(api, f"/{resource}?where=name='Mine'", key)] == [made.json["id"]]
        assert (await api("DELETE", path, as_=name)).raw == b""
        assert (await api("GET", path, as_=name)).status == 404


@pytest.mark.parametrize("key", ELEMENTS)
async def test_each_element_answers_with_what_its_objects_promise(api: Api, key: str) -> None:
    element, name = ELEMENTS[key], f"hooli-{key}"
    vendors = (await api("GET", "/objects", as_=name)).json
    resource, first = next(iter(element.resources)), vendors[0]
    fields = {field["path"] for field in (await api("GET", f"/objects/{first}/metadata", as_=name)).json["fields"]}

    assert vendors == [resource.vendor for resource in element.resources.values()]
    assert (await api("GET", "/ping", as_=name)).json["endpoint"] == key
    listed = await rows(api, f"/{resource}?pageSize=3", key)
    assert all(set(row) <= fields for row in listed)
    assert await rows(api, f"/{quote(first)}?pageSize=3", key) == listed


@pytest.mark.parametrize(("hub", "parent", "child"), CHILDREN)
async def test_what_lies_below_a_row(api: Api, hub: str, parent: str, child: str) -> None:
    key = BY_HUB[hub][0]
    above, name = (await rows(api, f"/{parent}?pageSize=1", key))[0]["id"], f"hooli-{key}"
    path = f"/hubs/{hub}/{parent}/{above}/{child}"
    before = await rows(api, path, key)
    made = await api("POST", path, as_=name, json={"name": "Mine"})
    field = field_of(ELEMENTS[key], parent, child)

    assert made.json[field] == above
    assert [row["id"] for row in await rows(api, path, key)] == [*(row["id"] for row in before), made.json["id"]]
    assert {row[field] for row in before} <= {above}
    assert (await api("GET", f"{path}/{made.json['id']}", as_=name)).json == made.json
    assert (await api("DELETE", f"/{parent}/{above}", as_=name)).status == 200
    assert (await api("GET", path, as_=name)).status == 404
    assert field not in (await api("GET", f"/{child}/{made.json['id']}", as_=name)).json


def field_of(element: Element, parent: str, child: str) -> str:
    return element.spelled_name(element.children[parent][child])


async def test_comments_of_an_incident_and_contacts_of_an_account(api: Api) -> None:
    """The children that the API page names are there, under the page's paths."""
    for hub, parent, child in [
        ("crm", "accounts", "contacts"),
        ("crm", "accounts", "activities"),
        ("crm", "accounts", "notes"),
        ("crm", "accounts", "tasks"),
        ("helpdesk", "incidents", "comments"),
        ("helpdesk", "incidents", "attachments"),
        ("helpdesk", "incidents", "timelogs"),
    ]:
        assert (hub, parent, child) in CHILDREN


async def test_the_platform_s_customers_are_not_the_element_s(api: Api) -> None:
    assert (await api("GET", "/customers")).status == 404
    assert len(await rows(api, "/customers", "quickbooks")) == 12


async def test_a_query_selects_rows(api: Api) -> None:
    statement = quote("select id, total from Invoice where total > 5000")
    found = await rows(api, f"/query?q={statement}", "quickbooks")

    assert found == [{"id": row["id"], "total": row["total"]} for row in await rows(api, "/invoices", "quickbooks") if row["total"] > 5000]
    for text, status in [("", 400), ("drop table x", 400), ("select * from nothing", 404), ("select * from invoices where total >", 400)]:
        assert (await api("GET", f"/query?q={quote(text)}", as_="hooli-quickbooks")).status == status


async def test_null_fields_are_dropped_in_every_hub(api: Api) -> None:
    name = "hooli-greenhouse"
    dropped = await api("GET", "/positions/" + (await rows(api, "/positions", "greenhouse"))[0]["id"], as_=name)
    path = "/employees?where=departmentId%20IS%20NULL"
    hidden = await api("GET", path, as_=name)
    await api("PATCH", "/instances", as_=name, json={"configuration": {"filter.response.nulls": "false"}})
    shown = await api("GET", path, as_=name)

    assert dropped.status == 200
    assert shown.json
    assert all(row["departmentId"] is None for row in shown.json)
    assert all("departmentId" not in row for row in hidden.json)
