"""Instances: found, created, changed, disabled, deleted; their tokens live and die with them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from .conftest import Api, Clock

BODY: dict[str, Any] = {
    "element": {"key": "hubspot"},
    "providerData": {"code": "4f1c"},
    "name": "hooli-<b>hubspot</b>",
    "tags": ["hooli", "<i>prod</i>"],
    "configuration": {
        "oauth.callback.url": "https://app.hooli.test/cb",
        "oauth.api.key": "planted-id",
        "oauth.api.secret": "planted-secret",
        "event.notification.enabled": True,
        "pagination.max": 50,
    },
}
MASK = "********"


async def created(api: Api) -> dict[str, Any]:
    reply = await api("POST", "/instances", json=BODY)
    assert reply.status == 200
    return dict(reply.json)


async def test_the_list_has_the_seeded_instances_in_pages(api: Api) -> None:
    first = await api("GET", "/instances?pageSize=4&returnTotalCount=true")
    rest = await api("GET", f"/instances?nextPage={first.headers['Elements-Next-Page-Token']}")

    names = [instance["name"] for instance in first.json + rest.json]
    assert names == ["acme-hubspot", "acme-sfdc", "globex-hubspot", "globex-servicenowoauth", "initech-sapc4chd", "initech-closeio"]
    assert first.headers["Elements-Total-Count"] == "6"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("tags[]=acme", ["acme-hubspot", "acme-sfdc"]),
        ("tags%5B%5D=acme", ["acme-hubspot", "acme-sfdc"]),
        ("tags[]=acme&searchText=SFDC", ["acme-sfdc"]),
        ("searchText=close", ["initech-closeio"]),
        ("tags[]=acme&nextPage=", ["acme-hubspot", "acme-sfdc"]),
    ],
)
async def test_tags_and_text_narrow_the_list(api: Api, query: str, names: list[str]) -> None:
    assert [instance["name"] for instance in (await api("GET", f"/instances?{query}")).json] == names


@pytest.mark.parametrize("query", ["tags[]=nobody", "tags[]=acme&tags[]=globex", "searchText=zzz"])
async def test_nothing_found_is_a_404_of_the_known_form(api: Api, query: str) -> None:
    reply = await api("GET", f"/instances?{query}")

    assert (reply.status, reply.json["message"]) == (404, "No instances found")


async def test_a_created_instance_has_a_token_that_works(api: Api) -> None:
    instance = await created(api)

    assert len(instance["token"]) == 44
    assert len(base64.b64decode(instance["token"], validate=True)) == 32
    assert (await api("GET", "/ping", as_=f"User sandbox-user, Element {instance['token']}")).json["endpoint"] == "hubspot"
    assert (await created(api))["token"] != instance["token"]


async def test_secrets_are_masked_and_texts_sanitised(api: Api) -> None:
    instance = await created(api)

    configuration = instance["configuration"]
    assert (configuration["oauth.api.key"], configuration["oauth.api.secret"]) == (MASK, MASK)
    assert configuration["oauth.callback.url"] == "https://app.hooli.test/cb"
    assert (configuration["event.notification.enabled"], configuration["pagination.max"]) == ("true", "50")
    assert (instance["name"], instance["tags"], instance["eventsEnabled"]) == ("hooli-hubspot", ["hooli", "prod"], True)
    assert "providerData" not in instance
    assert set(instance) >= {"id", "name", "token", "valid", "tags", "user", "element", "configuration"}
    read = await api("GET", f"/instances/{instance['id']}")
    assert read.json == instance
    assert b"planted" not in read.raw


async def test_a_password_is_masked_too(api: Api) -> None:
    login = {"base.url": "https://c4c.test", "username": "ana", "password": "planted"}
    reply = await api("POST", "/elements/sapc4chd/instances", json={"name": "x", "configuration": login})

    assert (reply.json["configuration"]["username"], reply.json["configuration"]["password"]) == ("ana", MASK)


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"element": None}, 400, "element.key"),
        ({"element": {}}, 400, "element.key"),
        ({"element": {"key": ["hubspot"]}}, 400, "element.key"),
        ({"element": {"key": "nope"}}, 404, "nope"),
        ({"configuration": {"oauth.api.key": "k", "oauth.callback.url": "c"}}, 400, "oauth.api.secret"),
        ({"configuration": None}, 400, "configuration"),
        ({"configuration": {"oauth.api.key": {}}}, 400, "configuration"),
        ({"name": 7}, 400, "name"),
        ({"tags": "acme"}, 400, "tags"),
        ({"externalAuthentication": "initial"}, 400, "oauth.user.token"),
    ],
)
async def test_a_bad_creation_says_what_is_missing_and_creates_nothing(api: Api, change: Any, status: int, word: str) -> None:
    reply = await api("POST", "/instances", json=BODY | change)

    assert (reply.status, word in reply.json["message"]) == (status, True)
    assert len((await api("GET", "/instances")).json) == 6


async def test_own_tokens_need_no_callback(api: Api) -> None:
    configuration = {"oauth.api.key": "k", "oauth.api.secret": "s", "oauth.user.token": "t"}
    reply = await api("POST", "/instances", json=BODY | {"externalAuthentication": "initial", "configuration": configuration})

    assert (reply.status, reply.json["externalAuthentication"]) == (200, "initial")


async def test_patch_replaces_tags_and_merges_configuration(api: Api) -> None:
    instance = await created(api)
    changes = {"tags": ["new"], "configuration": {"pagination.max": "10", "oauth.api.key": MASK}}
    reply = await api("PATCH", f"/instances/{instance['id']}", json=changes)

    expected = instance | {"tags": ["new"], "configuration": instance["configuration"] | {"pagination.max": "10"}}
    assert reply.json == expected
    assert api.sandbox.instances.get(str(instance["id"])).configuration["oauth.api.key"] == "planted-id"


async def test_put_starts_over_but_keeps_id_and_token(api: Api) -> None:
    instance = await created(api)
    path = f"/instances/{instance['id']}"
    refused = await api("PUT", path, json={"name": "bare", "configuration": {}})
    replaced = await api("PUT", path, json=BODY | {"name": "again", "tags": []})

    assert refused.status == 400
    assert (replaced.json["name"], replaced.json["tags"]) == ("again", [])
    assert (replaced.json["id"], replaced.json["token"]) == (instance["id"], instance["token"])


async def test_a_deleted_instance_is_gone_and_its_token_dead(api: Api) -> None:
    instance = await created(api)
    authorization = f"User sandbox-user, Element {instance['token']}"
    gone = await api("DELETE", f"/instances/{instance['id']}")

    assert (gone.status, gone.raw) == (200, b"")
    assert (await api("GET", "/contacts", as_=authorization)).status == 401
    missing = await api("GET", f"/instances/{instance['id']}")
    assert (missing.status, missing.json["message"]) == (404, f"No element instance found with ID {instance['id']}")


async def test_without_an_id_the_token_names_the_instance(api: Api) -> None:
    authorization = f"User sandbox-user, Element {api.token('acme-sfdc')}"

    renamed = await api("PATCH", "/instances", as_=authorization, json={"name": "renamed"})
    assert (renamed.json["name"], renamed.json["token"]) == ("renamed", api.token("renamed"))
    replaced = await api("PUT", "/instances", as_=authorization, json=BODY)
    assert (replaced.json["name"], replaced.json["element"]["key"]) == ("hooli-hubspot", "sfdc")
    assert (await api("DELETE", "/instances/enabled", as_=authorization)).raw == b""
    assert (await api("GET", "/ping", as_=authorization)).status == 403
    assert (await api("DELETE", "/instances", as_=authorization)).status == 200
    assert (await api("DELETE", "/instances", as_=authorization)).status == 401


async def test_get_without_an_id_is_the_list_even_with_a_token(api: Api) -> None:
    assert len((await api("GET", "/instances", as_="acme-sfdc")).json) == 6


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_without_an_id_the_platform_s_secrets_are_not_enough(api: Api, method: str) -> None:
    assert (await api(method, "/instances", json=BODY)).status == 401


async def test_an_element_has_its_own_instances(api: Api) -> None:
    mine = await api("GET", "/elements/hubspot/instances")
    id_ = mine.json[0]["id"]

    assert [instance["name"] for instance in mine.json] == ["acme-hubspot", "globex-hubspot"]
    assert (await api("GET", f"/elements/43/instances/{id_}")).json == mine.json[0]
    assert (await api("GET", f"/elements/sfdc/instances/{id_}")).status == 404
    assert (await api("DELETE", f"/elements/hubspot/instances/{id_}")).status == 200
    assert [instance["name"] for instance in (await api("GET", "/elements/hubspot/instances")).json] == ["globex-hubspot"]


@pytest.mark.parametrize("id_", ["0", "abc", "99999999999999999999999", "%C2%B2", "-1"])
async def test_no_such_instance(api: Api, id_: str) -> None:
    assert (await api("GET", f"/instances/{id_}")).status == 404


async def test_a_repr_holds_no_secret(api: Api) -> None:
    await created(api)

    shown = "".join(map(repr, api.sandbox.instances))
    assert "hooli-hubspot" in shown
    assert "planted" not in shown
    assert api.token("acme-sfdc") not in shown


async def test_a_trace_has_an_id_while_it_is_on(api: Api, clock: Clock) -> None:
    async def traced() -> bool:
        return "Elements-Trace-Id" in (await api("GET", "/ping", as_="acme-sfdc")).headers

    before = await traced()
    on = await api("PUT", "/instances/481102/trace-logging", json={"duration": 5})
    during = await traced()
    clock.move(5 * 60)
    assert (before, on.json["traceLoggingEnabled"], during, await traced()) == (False, True, True, False)
    await api("PUT", "/instances/trace-logging", as_="acme-sfdc")
    assert await traced()
    assert (await api("DELETE", "/instances/trace-logging", as_="acme-sfdc")).raw == b""
    assert not await traced()
    assert (await api("PUT", "/instances/481102/trace-logging", json={"duration": "5"})).status == 400
