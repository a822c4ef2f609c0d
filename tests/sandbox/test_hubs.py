"""Hub data: stateful resources of five elements, children, lists with all their parameters."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.seed import CUSTOMERS

from .conftest import Api

INSTANCES = [f"{customer}-{key}" for customer, keys in CUSTOMERS.items() for key in keys]
EVERYWHERE = [(name, resource) for name in INSTANCES for resource in ELEMENTS[name.partition("-")[2]].resources]


async def first(api: Api, resource: str, as_: str) -> dict[str, Any]:
    return dict((await api("GET", f"/{resource}?pageSize=1", as_=as_)).json[0])


@pytest.mark.parametrize(("name", "resource"), EVERYWHERE)
async def test_a_row_is_created_read_changed_replaced_and_deleted(api: Api, name: str, resource: str) -> None:
    made = await api("POST", f"/{resource}", as_=name, json={"id": "mine", "colour": "red", "size": 3})
    path = f"/{resource}/{made.json['id']}"

    assert (made.status, made.json["colour"], made.json["id"] != "mine") == (200, "red", True)
    assert (await api("GET", path, as_=name)).json == made.json
    patched = await api("PATCH", path, as_=name, json={"colour": "blue", "id": "other"})
    assert patched.json == made.json | {"colour": "blue"}
    replaced = await api("PUT", path, as_=name, json={"shape": "round"})
    assert replaced.json == {key: value for key, value in made.json.items() if key not in ("colour", "size")} | {"shape": "round"}
    gone = await api("DELETE", path, as_=name, data=b"null", headers={"Content-Type": "application/json"})
    assert (gone.status, gone.raw) == (200, b"")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        missing = await api(method, path, as_=name, json={})
        assert (missing.status, "providerMessage" in missing.json) == (404, True)


async def test_instances_share_nothing(api: Api) -> None:
    row = await first(api, "contacts", "acme-hubspot")
    await api("DELETE", f"/contacts/{row['id']}", as_="acme-hubspot")

    assert len((await api("GET", "/contacts", as_="acme-hubspot")).json) == 59
    assert len((await api("GET", "/contacts", as_="globex-hubspot")).json) == 60


@pytest.mark.parametrize(
    "target", ["/hubs/crm/contacts", "/hubs/nonsense/contacts", "//contacts/", "/hubs//x//contacts", "/hubs/%252F/contacts"]
)
async def test_the_hub_and_empty_segments_do_not_count(api: Api, target: str) -> None:
    assert (await api("GET", target, as_="acme-sfdc")).json == (await api("GET", "/contacts", as_="acme-sfdc")).json


async def test_ping_tells_element_and_time(api: Api) -> None:
    assert (await api("GET", "/hubs/crm/ping", as_="acme-sfdc")).json == {"dateTime": "2019-01-02T03:04:05+00:00", "endpoint": "sfdc"}


async def test_objects_in_both_versions(api: Api) -> None:
    plain = await api("GET", "/objects", as_="acme-hubspot")
    helium = await api("GET", "/objects", as_="acme-hubspot", headers={"Elements-Version": "helium"})

    assert plain.json[:3] == ["Contact", "Company", "List"]
    assert helium.json[1] == {"name": "accounts", "vendorName": "Company", "type": "vendor"}


@pytest.mark.parametrize("name", ["incidents", "Case", "case"])
async def test_metadata_names_the_fields(api: Api, name: str) -> None:
    fields = {field["path"]: field["type"] for field in (await api("GET", f"/objects/{name}/metadata", as_="acme-sfdc")).json["fields"]}

    assert (fields["Id"], fields["Priority"], fields["LastModifiedDate"]) == ("string", "number", "string")
    assert (await api("GET", "/objects/nope/metadata", as_="acme-sfdc")).status == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/lists", 404),  # Salesforce has none
        ("GET", "/nowhere", 404),
        ("GET", "/contacts/1/2/3", 404),
        ("GET", "/contacts/%252F", 404),
        ("GET", "/incidents/1/contacts", 404),
        ("GET", "/accounts/none/contacts", 404),
        ("PUT", "/contacts", 405),
        ("POST", "/ping", 405),
        ("POST", "/contacts/1", 405),
        ("OPTIONS", "/contacts", 405),
    ],
)
async def test_what_is_not_there(api: Api, method: str, path: str, status: int) -> None:
    reply = await api(method, path, as_="acme-sfdc")

    assert (reply.status, reply.headers["Elements-Request-Id"]) == (status, reply.json["requestId"])
    assert "Elements-Element-Instance-Id" in reply.headers


async def test_head_is_get_without_the_body(api: Api) -> None:
    head, get = await api("HEAD", "/contacts", as_="acme-sfdc"), await api("GET", "/contacts", as_="acme-sfdc")

    assert (head.status, head.raw) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_headers_of_a_list(api: Api) -> None:
    reply = await api("GET", "/contacts?pageSize=7&returnTotalCount=True", as_="acme-hubspot", headers={"Origin": "https://app.test"})

    assert reply.headers["Elements-Returned-Count"] == "7"
    assert reply.headers["Elements-Total-Count"] == "60"
    assert reply.headers["Elements-Element-Instance-Id"] == "481101"
    assert "Elements-Next-Page-Token" in reply.headers["Access-Control-Expose-Headers"]
    for name in ("ETag", "Cache-Control", "Last-Modified", "Vary", "Set-Cookie"):
        assert name not in reply.headers
    bare = await api("GET", "/contacts", as_="acme-hubspot")
    assert not {"Elements-Total-Count", "Elements-Next-Page-Token", "Elements-Error", "Access-Control-Expose-Headers"} & set(bare.headers)


async def test_pages_fit_together(api: Api) -> None:
    whole = (await api("GET", "/contacts?orderBy=lastName", as_="acme-hubspot")).json
    rows, token = [], ""
    while True:
        page = await api("GET", f"/contacts?orderBy=lastName&pageSize=25&nextPage={quote(token)}", as_="acme-hubspot")
        rows += page.json
        if "Elements-Next-Page-Token" not in page.headers:
            break
        token = page.headers["Elements-Next-Page-Token"]
        assert not token.endswith("=")
    second = await api("GET", "/contacts?orderBy=lastName&pageSize=25&page=2", as_="acme-hubspot")

    assert rows == whole
    assert second.json == whole[25:50]


async def test_hubspot_cuts_pages_at_100_and_says_so(api: Api) -> None:
    for _ in range(45):
        await api("POST", "/contacts", as_="acme-hubspot", json={"lastName": "More"})
    silent, cut = await api("GET", "/contacts", as_="acme-hubspot"), await api("GET", "/contacts?pageSize=150", as_="acme-hubspot")

    assert (len(silent.json), len(cut.json), cut.status) == (100, 100, 200)
    assert "100" in cut.headers["Elements-Error"]
    assert "Elements-Error" not in silent.headers
    assert "Elements-Next-Page-Token" in cut.headers


async def test_where_fields_and_order_by(api: Api) -> None:
    where = quote("Priority >= 3 AND (Status = 'open' OR Status LIKE 'pend%')")
    rows = (await api("GET", f"/incidents?where={where}&fields=Id,Priority,Status&orderBy=Priority%20desc", as_="acme-sfdc")).json

    assert rows
    assert all(set(row) == {"Id", "id", "Priority", "Status"} and row["Priority"] >= 3 and row["Status"] != "closed" for row in rows)
    assert all(one["Priority"] >= two["Priority"] for one, two in pairwise(rows))


@pytest.mark.parametrize(
    "query", ["where=Status=", "where=%3D'x'", "pageSize=0", "pageSize=x", "page=-1", "nextPage=zzz", "orderBy=Name+sideways"]
)
async def test_a_bad_query_is_400(api: Api, query: str) -> None:
    assert (await api("GET", f"/incidents?{query}", as_="acme-sfdc")).status == 400


async def test_null_fields_are_dropped_unless_the_instance_says_otherwise(api: Api) -> None:
    path = "/contacts?where=phone%20IS%20NULL&pageSize=3"
    dropped = await api("GET", path, as_="acme-hubspot")
    await api("PATCH", "/instances", as_="acme-hubspot", json={"configuration": {"filter.response.nulls": False}})
    shown = await api("GET", path, as_="acme-hubspot")

    assert all("phone" not in row for row in dropped.json)
    assert [row["phone"] for row in shown.json] == [None, None, None]


async def test_an_item_takes_fields(api: Api) -> None:
    row = await first(api, "contacts", "acme-hubspot")

    assert (await api("GET", f"/contacts/{row['id']}?fields=email", as_="acme-hubspot")).json == {"email": row["email"]}


async def test_contacts_of_an_account(api: Api) -> None:
    account = await first(api, "accounts", "acme-sfdc")
    path = f"/accounts/{account['id']}/contacts"
    made = await api("POST", path, as_="acme-sfdc", json={"LastName": "New"})
    listed = await api("GET", f"{path}?where=LastName='New'", as_="acme-sfdc")

    assert made.json["AccountId"] == account["id"]
    assert listed.json == [made.json]
    assert (await api("GET", f"{path}/{made.json['id']}", as_="acme-sfdc")).json == made.json
    await api("DELETE", f"/accounts/{account['id']}", as_="acme-sfdc")
    assert (await api("GET", path, as_="acme-sfdc")).status == 404
    assert "AccountId" not in (await api("GET", f"/contacts/{made.json['id']}", as_="acme-sfdc")).json


async def test_contacts_on_a_list(api: Api) -> None:
    row = await first(api, "lists", "acme-hubspot")
    path = f"/lists/{row['id']}/contacts"
    made = (await api("POST", "/contacts", as_="acme-hubspot", json={"lastName": "New"})).json

    assert len((await api("GET", path, as_="acme-hubspot")).json) > 3
    assert (await api("GET", f"{path}/{made['id']}", as_="acme-hubspot")).status == 404
    assert (await api("POST", path, as_="acme-hubspot", json={"id": made["id"]})).json == made
    assert (await api("GET", f"{path}?where=lastName='New'", as_="acme-hubspot")).json == [made]
    assert (await api("DELETE", f"{path}/{made['id']}", as_="acme-hubspot")).raw == b""
    assert (await api("GET", f"{path}?where=lastName='New'", as_="acme-hubspot")).json == []
    assert (await api("GET", f"/contacts/{made['id']}", as_="acme-hubspot")).status == 200
    assert (await api("POST", path, as_="acme-hubspot", json={"id": "none"})).status == 404
    assert (await api("PATCH", f"{path}/{made['id']}", as_="acme-hubspot", json={})).status == 404


async def test_a_deleted_contact_leaves_its_lists(api: Api) -> None:
    row = await first(api, "lists", "acme-hubspot")
    path = f"/lists/{row['id']}/contacts"
    before = (await api("GET", path, as_="acme-hubspot")).json
    await api("DELETE", f"/contacts/{before[0]['id']}", as_="acme-hubspot")

    assert (await api("GET", path, as_="acme-hubspot")).json == before[1:]
