"""``/sandbox/secrets`` and the tokens of instances: who is let in changes while the sandbox runs."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.sandbox import Sandbox

from .conftest import Api

NEXT = "User the-next-user, Organization sandbox-org"


async def status(api: Api, as_: str = "platform", path: str = "/instances?pageSize=1") -> int:
    return (await api("GET", path, as_=as_)).status


async def put(api: Api, **document: Any) -> int:
    return (await api("PUT", "/sandbox/secrets", as_=None, json=document)).status


async def test_a_second_user_is_let_in_and_then_the_first_one_is_not(api: Api) -> None:
    assert (await status(api), await status(api, NEXT)) == (200, 401)
    await put(api, users=["sandbox-user", "the-next-user"])
    assert (await status(api), await status(api, NEXT)) == (200, 200)
    await put(api, users=["the-next-user"])
    assert (await status(api), await status(api, NEXT)) == (401, 200)
    assert (await api("GET", "/organizations/me", as_=NEXT)).json["secret"] == "sandbox-org"
    assert (await api("GET", "/users", as_=NEXT)).json[0]["secret"] == "the-next-user"


async def test_nobody_is_let_in_until_the_secrets_are_back(api: Api) -> None:
    await put(api, organizations=[])
    assert (await status(api), await status(api, "acme-hubspot", "/contacts")) == (401, 401)
    assert (await api("GET", "/sandbox/secrets", as_=None)).json == {"users": ["sandbox-user"], "organizations": []}
    await api("DELETE", "/sandbox/secrets", as_=None)
    assert await status(api) == 200


async def test_a_reset_brings_those_of_the_start_back(api: Api) -> None:
    api.sandbox.user_secret = "of-the-start"
    await put(api, users=[])
    assert api.sandbox.user_secret == ""
    await api("POST", "/sandbox/reset", as_=None)
    assert (api.sandbox.user_secret, api.sandbox.organization_secret) == ("of-the-start", "sandbox-org")


@pytest.mark.parametrize("document", [{"users": "x"}, {"users": [""]}, {"organizations": [1]}, {"user": ["x"]}, {"users": ["x"] * 17}])
async def test_what_is_wrong_changes_nothing(api: Api, document: dict[str, Any]) -> None:
    assert await put(api, **document) == 400
    assert api.sandbox.secrets.document() == {"users": ["sandbox-user"], "organizations": ["sandbox-org"]}


def test_the_secrets_are_not_in_its_representation() -> None:
    assert "sandbox-user" not in repr(Sandbox().secrets)


async def test_a_token_is_refused_though_the_instance_shows_it(api: Api) -> None:
    token, id_ = api.token("acme-hubspot"), next(one.id for one in api.sandbox.instances if one.name == "acme-hubspot")
    await api("DELETE", "/sandbox/instances/acme-hubspot/token", as_=None)

    assert await status(api, "acme-hubspot", "/contacts") == 401
    assert (await api("GET", f"/instances/{id_}")).json["token"] == token
    put_back = await api("PUT", "/sandbox/instances/acme-hubspot/token", as_=None, json={"token": token})
    assert put_back.json == {"token": token}
    assert await status(api, "acme-hubspot", "/contacts") == 200


async def test_a_new_token_takes_the_place_of_the_old_one(api: Api) -> None:
    old = f"User sandbox-user, Organization sandbox-org, Element {api.token('acme-hubspot')}"
    first, second = [(await api("PUT", "/sandbox/instances/acme-hubspot/token", as_=None, json={})).json["token"] for _ in range(2)]

    assert len({old, first, second}) == 3
    assert await status(api, old, "/contacts") == 401
    assert await status(api, "acme-hubspot", "/contacts") == 200


async def test_a_token_is_one_instance_s_alone(api: Api) -> None:
    taken = {"token": api.token("acme-sfdc")}
    assert (await api("PUT", "/sandbox/instances/acme-hubspot/token", as_=None, json=taken)).status == 400
    assert (await api("PUT", "/sandbox/instances/acme-hubspot/token", as_=None, json={"token": "a b"})).status == 400
    assert await status(api, "acme-hubspot", "/contacts") == 200


async def test_an_instance_is_deleted_with_its_token_refused_or_not(api: Api) -> None:
    await api("DELETE", "/sandbox/instances/acme-hubspot/token", as_=None)
    id_ = next(one.id for one in api.sandbox.instances if one.name == "acme-hubspot")
    assert (await api("DELETE", "/sandbox/instances/acme-hubspot", as_=None)).raw == b""
    assert await status(api, path=f"/instances/{id_}") == 404
