"""Who may do what: every spelling of the header, every family, and silence about what was wrong."""

from __future__ import annotations

import re

import pytest

from gateway.sandbox.authorization import Credentials, parse_authorization

from .conftest import Api

SECRETS = Credentials("u=s+/", "o", "t==")


@pytest.mark.parametrize(
    "value",
    [
        "User u=s+/, Organization o, Element t==",
        "Element t==, User u=s+/, Organization o",
        "Organization o,User u=s+/,Element t==",
        "user u=s+/, ORGANIZATION o, eLeMeNt t==",
        "User u=s+/, Organization o, Element: t==",
        "User:u=s+/ ,  Organization : o , Element   t== ,",
    ],
)
def test_every_spelling_says_the_same(value: str) -> None:
    assert parse_authorization(value) == SECRETS


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("", Credentials()),
        ("Element t", Credentials(element="t")),
        ("User u", Credentials("u")),
        ("Bearer x", None),
        ("User a, User b", None),
        ("User", None),
        ("User a b", None),
        ("Usera", None),
    ],
)
def test_subsets_and_what_is_no_such_header(value: str, found: Credentials | None) -> None:
    assert parse_authorization(value) == found


def test_credentials_do_not_show_themselves() -> None:
    assert repr(SECRETS) == "Credentials()"


@pytest.mark.parametrize(
    "path", ["/elements", "/elements/keys", "/elements/hubspot", "/elements/43/configuration", "/hubs", "/hubs/crm", "/hubs/keys"]
)
async def test_the_catalog_is_public(api: Api, path: str) -> None:
    reply = await api("GET", path, as_=None)

    assert reply.status == 200


BAD = "User sandbox-user, Organization wrong"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/instances", None),
        ("/instances", "User sandbox-user"),
        ("/instances", "Organization sandbox-org"),
        ("/instances", BAD),
        ("/instances", "User wrong, Organization sandbox-org"),
        ("/instances", "User sandbox-user, Organization sandbox-org, Element dead"),
        ("/instances", "Bearer sandbox-user"),
        ("/organizations/me", "User sandbox-user"),
        ("/elements/hubspot/instances", None),
        ("/formulas", None),
        ("/accounts", None),
        ("/contacts", "User sandbox-user, Organization sandbox-org"),
        ("/contacts", "User sandbox-user, Element dead"),
        ("/hubs/crm/contacts", None),
        ("/ping", None),
        ("/nowhere", None),
        ("", None),
    ],
)
async def test_401_in_the_form_of_the_api_and_always_in_the_same_words(api: Api, path: str, value: str | None) -> None:
    reply = await api("GET", path, as_=value)

    assert reply.status == 401
    assert set(reply.json) == {"requestId", "message"}
    assert re.fullmatch("[0-9a-f]{24}", reply.json["requestId"])
    assert reply.headers["Elements-Request-Id"] == reply.json["requestId"]
    assert reply.json["message"] == "Invalid Organization or User secret, or invalid Element token provided."


async def test_hub_data_needs_user_and_element_and_the_organization_only_if_right(api: Api) -> None:
    token = api.token("acme-hubspot")

    statuses = [
        (await api("GET", "/contacts", as_=value)).status
        for value in (
            f"Element {token}, User sandbox-user",
            f"element:{token},user sandbox-user,ORGANIZATION sandbox-org",
            f"User sandbox-user, Organization wrong, Element {token}",
            f"User wrong, Element {token}",
            f"Element {token}",
        )
    ]

    assert statuses == [200, 200, 401, 401, 401]


async def test_two_authorization_lines_are_one_list(api: Api) -> None:
    lines = [("Authorization", "User sandbox-user"), ("Authorization", f"Element {api.token('acme-sfdc')}")]

    assert (await api("GET", "/ping", as_=None, headers=lines)).status == 200


async def test_a_disabled_instance_is_403_but_for_its_objects(api: Api) -> None:
    id_ = api.sandbox.instances.with_token(api.token("acme-hubspot")).id  # type: ignore[union-attr]
    await api("DELETE", f"/instances/{id_}/enabled")

    statuses = [
        (await api("GET", path, as_="acme-hubspot")).status for path in ("/contacts", "/ping", "/objects", "/hubs/marketing/objects")
    ]
    assert statuses == [403, 403, 200, 200]

    assert (await api("PUT", "/instances/enabled", as_="acme-hubspot")).json["disabled"] is False
    assert (await api("GET", "/contacts", as_="acme-hubspot")).status == 200


async def test_accounts_are_the_crm_s_with_a_token_and_the_platform_s_without(api: Api) -> None:
    platform = await api("GET", "/accounts")
    crm = await api("GET", "/accounts", as_="acme-sfdc")

    assert [account["type"] for account in platform.json] == ["Default"]
    assert (len(crm.json), set(crm.json[0]) >= {"id", "Id", "Name"}) == (20, True)
