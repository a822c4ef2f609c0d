"""``/usage``: what really arrived, as Cloud Elements tells of it."""

from __future__ import annotations

import pytest

from .conftest import Api, Clock


async def test_each_call_leaves_a_record(api: Api, clock: Clock) -> None:
    clock.move(0.25)
    api.sandbox.dials.set("hubspot", latency=0.01)
    call = await api("GET", "/hubs/marketing/contacts?pageSize=1", as_="acme-hubspot")
    (record,) = (await api("GET", "/usage")).json

    assert record == {
        "request_id": call.headers["Elements-Request-Id"],
        "traffic_id": call.headers["Elements-Request-Id"],
        "traffic_date": "2019-01-02T03:04:05.250Z",
        "request_status": "SUCCESS",
        "response_status": 200,
        "request_method": "GET",
        "request_uri": "/elements/api-v2/hubs/marketing/contacts?pageSize=1",
        "request_ip": "127.0.0.1",
        "element_api": "marketing",
        "element_key": "hubspot",
        "element_name": "HubSpot",
        "element_resource": "contacts",
        "instance_id": 481101,
        "instance_name": "acme-hubspot",
        "instance_tags": ["acme"],
        "account_id": 3301,
        "account_name": "Sandbox",
        "company_id": 2202,
        "company_name": "Sandbox",
        "user_id": 90210,
        "user_name": "ops@sandbox.test",
        "process_time": 10,
        "platform_process_time": 0,
        "vendor_process_time": 10,
    }
    assert (await api("GET", f"/usage/{record['request_id']}")).json == record
    assert (await api("GET", "/usage/0")).status == 404


async def test_what_is_not_counted(api: Api) -> None:
    await api("GET", "/contacts", as_=None)  # 401
    await api("GET", "/elements/keys", as_=None)  # the public catalogue
    await api("GET", "/sandbox/requests", as_=None)
    await api("GET", "/usage")

    empty = await api("GET", "/usage")
    assert (empty.status, empty.json["message"]) == (404, "No usage found")


@pytest.fixture
async def calls(api: Api, clock: Clock) -> None:
    for path, name in [
        ("/contacts", "acme-hubspot"),
        ("/none", "acme-sfdc"),
        ("/instances", "platform"),
        ("/incidents", "globex-servicenowoauth"),
    ]:
        await api("GET", path, as_=name)
        clock.move(3600)


@pytest.mark.parametrize(
    ("query", "resources"),
    [
        ("", ["incidents", "instances", "none", "contacts"]),
        ("hub=crm", ["none"]),
        ("keys[]=hubspot&keys%5B%5D=sfdc", ["none", "contacts"]),
        ("tags[]=acme", ["none", "contacts"]),
        ("instanceIds[]=481101", ["contacts"]),
        ("accountIds[]=3301&pageSize=2", ["incidents", "instances"]),
        ("pageSize=2&pageOffset=1", ["none", "contacts"]),
        ("status=FAILED", ["none"]),
        ("status=success&hub=platform", ["instances"]),
        ("searchText=INCIDENT", ["incidents"]),
        ("searchText=acme-hub", ["contacts"]),
        ("from=2019-01-02T05:00:00Z", ["incidents", "instances"]),
        ("from=2019-01-02&to=2019-01-02T03:04:05Z", ["contacts"]),
    ],
)
async def test_filters(api: Api, calls: None, query: str, resources: list[str]) -> None:
    assert [record["element_resource"] for record in (await api("GET", f"/usage?{query}")).json] == resources


@pytest.mark.parametrize("query", ["from=2030-01-01", "hub=none", "accountIds[]=0", "tags[]=acme&tags[]=globex"])
async def test_nothing_found_is_404(api: Api, calls: None, query: str) -> None:
    assert (await api("GET", f"/usage?{query}")).status == 404


@pytest.mark.parametrize("query", ["status=odd", "from=soon", "to=x", "pageOffset=-1", "pageSize=0", "nextPage=x"])
async def test_a_bad_filter_is_400(api: Api, calls: None, query: str) -> None:
    assert (await api("GET", f"/usage?{query}")).status == 400


async def test_pages_of_usage_fit_together(api: Api, calls: None) -> None:
    first = await api("GET", "/usage?pageSize=3&returnTotalCount=true")
    rest = await api("GET", f"/usage?nextPage={first.headers['Elements-Next-Page-Token']}")

    assert [first.headers[name] for name in ("Elements-Returned-Count", "Elements-Total-Count")] == ["3", "4"]
    assert first.json + rest.json == (await api("GET", "/usage")).json
    assert "Elements-Next-Page-Token" not in rest.headers


async def test_analytics(api: Api, calls: None) -> None:
    statuses = (await api("GET", "/usage/analytics/statuses")).json
    times = (await api("GET", "/usage/analytics/times?interval=day")).json

    assert statuses[:2] == [
        {"timestamp": "2019-01-02T03", "count": 1, "success": 1, "failed": 0},
        {"timestamp": "2019-01-02T04", "count": 1, "success": 0, "failed": 1},
    ]
    assert times == [{"timestamp": "2019-01-02", "count": 4, "avg": 0.0, "min": 0, "max": 0}]
    assert {"elementKey": "hubspot", "count": 1} in (await api("GET", "/usage/analytics/activity/elements")).json
    assert (await api("GET", "/usage/analytics/times?from=2030-01-01")).json == []
    assert (await api("GET", "/usage/analytics/times?interval=week")).status == 400


async def test_it_needs_the_platform_s_secrets(api: Api) -> None:
    assert (await api("GET", "/usage", as_="User sandbox-user")).status == 401


async def test_the_id_of_a_call_is_never_given_again(api: Api) -> None:
    first = await api("GET", "/contacts", as_="acme-hubspot")
    await api("POST", "/sandbox/reset", as_=None)
    again = await api("GET", "/contacts", as_="acme-hubspot")

    # A reset starts the data anew, never the ids of calls: one id is one call.
    assert first.headers["Elements-Request-Id"] != again.headers["Elements-Request-Id"]
    assert len(first.headers["Elements-Request-Id"]) == 24
