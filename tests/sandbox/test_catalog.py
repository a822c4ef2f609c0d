"""The catalog, the hubs, the organization: what the platform shows."""

from __future__ import annotations

import pytest

from gateway.sandbox.catalog import ELEMENTS

from .conftest import Api


async def test_elements_are_listed_in_pages(api: Api) -> None:
    first = await api("GET", "/elements?pageSize=40", as_=None)
    rest = await api("GET", f"/elements?nextPage={first.headers['Elements-Next-Page-Token']}", as_=None)

    assert [element["key"] for element in first.json + rest.json] == list(ELEMENTS)
    assert first.headers["Elements-Returned-Count"] == "40"
    assert "Elements-Next-Page-Token" not in rest.headers


async def test_elements_take_where(api: Api) -> None:
    reply = await api("GET", "/elements?where=extended%3D'false'%20AND%20key+in+('sfdc','none')", as_=None)

    assert [element["key"] for element in reply.json] == ["sfdc"]


async def test_an_element_is_found_by_key_and_by_id(api: Api) -> None:
    by_key, by_id = await api("GET", "/elements/hubspot", as_=None), await api("GET", "/elements/43", as_=None)

    assert by_key.json == by_id.json
    assert (by_key.json["id"], by_key.json["hub"], by_key.json["authentication"]) == (43, "marketing", {"type": "oauth2"})
    required = [entry["key"] for entry in by_key.json["configuration"] if entry["required"]]
    assert required == ["oauth.api.key", "oauth.api.secret", "oauth.callback.url"]


async def test_keys_are_plain_texts(api: Api) -> None:
    assert "closeio" in (await api("GET", "/elements/keys", as_=None)).json
    assert len((await api("GET", "/hubs/keys", as_=None)).json) == 33  # 28 documented, five that came later


async def test_a_hub_shows_its_elements_when_asked(api: Api) -> None:
    plain, hydrated = await api("GET", "/hubs/crm", as_=None), await api("GET", "/hubs/crm?hydrate=true", as_=None)
    elements = await api("GET", "/hubs/crm/elements", as_=None)

    assert "elements" not in plain.json
    assert [element["key"] for element in hydrated.json["elements"]][:2] == ["sfdc", "closeio"]
    assert elements.json == hydrated.json["elements"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/elements/nope", 404),
        ("GET", "/hubs/nope", 404),
        ("GET", "/formulas", 404),
        ("GET", "/usage", 404),
        ("GET", "/elements/hubspot/nope", 404),
        ("POST", "/elements", 405),
        ("DELETE", "/hubs/crm", 405),
        ("PUT", "/organizations/me", 405),
    ],
)
async def test_what_is_not_there_and_what_is_not_allowed(api: Api, method: str, path: str, status: int) -> None:
    reply = await api(method, path)

    assert (reply.status, set(reply.json)) == (status, {"requestId", "message"})
    assert ("Allow" in reply.headers) == (status == 405)


async def test_the_organization_tells_its_secret(api: Api) -> None:
    assert (await api("GET", "/organizations/me")).json["secret"] == "sandbox-org"
