"""Provisioning and login: the OAuth URL and the provider's page behind it, configuration entries, secrets by login."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from .conftest import PLATFORM, Api

APP = {"apiKey": "id", "apiSecret": "planted", "callbackUrl": "https://app.hooli.test/cb?x=1", "state": "s/1", "scope": "read"}
QUERY = "apiKey=id&apiSecret=planted&callbackUrl=https%3A%2F%2Fapp.hooli.test%2Fcb%3Fx%3D1&state=s%2F1&scope=read"


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_the_url_leads_to_the_provider_and_back_with_a_code(api: Api) -> None:
    reply = await api("GET", f"/elements/hubspot/oauth/url?{QUERY}", as_=None)
    page = await api("GET", reply.json["oauthUrl"], as_=None)

    assert (reply.status, reply.json["element"]) == (200, "hubspot")
    assert "planted" not in reply.raw.decode()
    assert query_of(reply.json["oauthUrl"])["redirect_uri"] == APP["callbackUrl"]
    assert page.status == 302
    back = page.headers["Location"]
    assert back.startswith("https://app.hooli.test/cb?x=1&")
    assert (query_of(back)["state"], len(query_of(back)["code"])) == ("s/1", 24)


async def test_a_body_keeps_the_secret_out_of_the_url(api: Api) -> None:
    by_query = await api("GET", f"/elements/43/oauth/url?{QUERY}", as_=None)
    by_body = await api("POST", "/elements/hubspot/oauth/url", as_=None, json=APP)

    assert by_body.json == by_query.json


async def test_who_refuses_comes_back_with_an_error(api: Api) -> None:
    url = (await api("GET", f"/elements/hubspot/oauth/url?{QUERY}", as_=None)).json["oauthUrl"]
    back = (await api("GET", url + "&deny=true", as_=None)).headers["Location"]

    assert (query_of(back)["error"], "code" in query_of(back)) == ("access_denied", False)


async def test_the_default_app_and_the_proxy(api: Api) -> None:
    default = (await api("GET", "/elements/box/oauth/url/default?state=x", as_=None)).json["oauthUrl"]
    proxy = (await api("GET", f"/elements/box/oauth/url?{QUERY}&callbackProxy=true", as_=None)).json["oauthUrl"]

    assert query_of(default)["redirect_uri"] == query_of(proxy)["redirect_uri"] == "https://auth.cloudelements.io/oauth"


async def test_oauth1_needs_a_token_first(api: Api) -> None:
    token = (await api("GET", f"/elements/quickbooks/oauth/token?{QUERY}", as_=None)).json
    url = await api("GET", f"/elements/quickbooks/oauth/url?{QUERY}&requestToken={token['token']}", as_=None)
    back = (await api("GET", url.json["oauthUrl"], as_=None)).headers["Location"]

    assert set(token) == {"token", "secret"}
    assert query_of(back)["oauth_token"] == token["token"]
    assert query_of(back)["oauth_verifier"]


@pytest.mark.parametrize(
    ("target", "status", "word"),
    [
        ("/elements/hubspot/oauth/url", 400, "apiKey, apiSecret, callbackUrl"),
        ("/elements/hubspot/oauth/url?apiKey=x&callbackUrl=y", 400, "apiSecret"),
        ("/elements/quickbooks/oauth/url?apiKey=x", 400, "requestToken"),
        ("/elements/hubspot/oauth/token?apiKey=x", 404, ""),
        ("/elements/closeio/oauth/url", 400, "basic"),
        ("/elements/nope/oauth/url", 404, "nope"),
        ("/sandbox/provider/hubspot/authorize?client_id=x", 400, "redirect_uri"),
        ("/sandbox/provider/hubspot/authorize?client_id=x&redirect_uri=javascript:x", 400, "http"),
        ("/sandbox/provider/nope/authorize", 404, "nope"),
    ],
)
async def test_what_is_missing(api: Api, target: str, status: int, word: str) -> None:
    reply = await api("GET", target, as_=None)

    assert (reply.status, word in reply.json["message"]) == (status, True)


async def test_configuration_by_entry(api: Api) -> None:
    entries = {entry["key"]: entry for entry in (await api("GET", "/instances/481101/configuration")).json}
    event = entries["event.notification.enabled"]
    by_id = await api("PATCH", f"/instances/481101/configuration/{event['id']}", json={"propertyValue": True})
    own = await api("GET", "/instances/configuration", as_="acme-hubspot")

    assert set(event) == {"id", "key", "name", "description", "propertyValue", "type", "required", "active", "hideFromConsole"}
    assert (entries["oauth.api.secret"]["propertyValue"], entries["oauth.api.secret"]["type"]) == ("********", "PASSWORD")
    assert (event["propertyValue"], by_id.json["propertyValue"], event["type"]) == ("false", "true", "BOOLEAN")
    assert {entry["key"]: entry["propertyValue"] for entry in own.json}["event.notification.enabled"] == "true"
    assert (await api("GET", "/instances/481101")).json["eventsEnabled"] is True
    assert (await api("GET", "/instances/configuration/pagination.max", as_="acme-hubspot")).json["id"] == entries["pagination.max"]["id"]


async def test_an_entry_that_the_element_does_not_know(api: Api) -> None:
    await api("PATCH", "/instances/481101", json={"configuration": {"event.objects": "Contact"}})
    listed = (await api("GET", "/instances/481101/configuration")).json

    assert (listed[-1]["key"], listed[-1]["propertyValue"], listed[-1]["required"]) == ("event.objects", "Contact", False)


@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("/instances/481101/configuration/0", {"propertyValue": "x"}, 404),
        ("/instances/481101/configuration/pagination.max", {}, 400),
        ("/instances/481101/configuration/pagination.max", {"propertyValue": {}}, 400),
        ("/instances/0/configuration", {}, 404),
        ("/instances/481101/configuration/pagination.max/more", {}, 404),
    ],
)
async def test_bad_entries(api: Api, target: str, body: dict[str, Any], status: int) -> None:
    assert (await api("PATCH", target, json=body)).status == status


async def test_own_configuration_needs_a_token(api: Api) -> None:
    assert (await api("GET", "/instances/configuration")).status == 401


async def test_a_login_gives_the_secrets(api: Api) -> None:
    login = {"username": "ops@sandbox.test", "password": "sandbox-password"}
    token = (await api("POST", "/authentication", as_=None, json=login)).json["token"]
    secrets = await api("GET", "/authentication/secrets", as_=None, headers={"Authorization": f"Bearer {token}"})

    user, organization = secrets.json["userSecret"], secrets.json["organizationSecret"]
    assert f"User {user}, Organization {organization}" == PLATFORM
    assert (await api("POST", "/authentication", as_=None, json=login | {"password": "x"})).status == 401
    assert (await api("GET", "/authentication/secrets", as_=None, headers={"Authorization": "Bearer x"})).status == 401
    assert (await api("GET", "/authentication/secrets")).status == 401


async def test_users_without_a_token_are_the_platform_s(api: Api) -> None:
    (user,) = (await api("GET", "/users")).json

    assert (await api("GET", "/users/ops%40sandbox.test")).json == user
    assert user["secret"] == "sandbox-user"
    assert (await api("GET", "/users/nobody")).status == 404
    assert "Email" in (await api("GET", "/users", as_="acme-sfdc")).json[0]  # with one, the element's


async def test_metadata_of_an_element_and_a_count_of_instances(api: Api) -> None:
    metadata = (await api("GET", "/elements/hubspot/metadata", as_=None)).json

    assert (metadata["key"], metadata["bulk"]["supported"]) == ("hubspot", True)
    assert (await api("GET", "/elements/0/metadata", as_=None)).status == 404
    assert (await api("GET", "/instances/count")).json["elementInstances"]["hubspot"] == 2
