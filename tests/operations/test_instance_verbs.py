"""The verbs on single mappings."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.database.engine import Database
from gateway.errors import BadRequest, Conflict, NoInstance, UnknownEnvironment
from gateway.exchange import Instance
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.models import InstancePatch, InstanceQuery, MappedInstance, NewInstance, parse
from gateway.operations import Operations


def new(**more: Any) -> NewInstance:
    return parse(NewInstance, {"environment": "dev", "customer": "acme", "element": "hubspot", "token": "canary-1", **more})


def patch(**fields: Any) -> InstancePatch:
    return parse(InstancePatch, fields)


async def add(operations: Operations, **more: Any) -> MappedInstance:
    return await operations.add_instance(new(**more), actor="test")


async def stored(database: Database, vault: Vault, handle: str) -> Instance:
    found = await Instances(database, vault).by_handle(handle)
    assert found is not None
    return found


async def test_a_mapping_is_shown_without_its_secrets(operations: Operations) -> None:
    more = {"instance_id": 7, "hub": "crm", "name": "second", "tags": ["a"], "group": "g", "event_signature_key": "canary-2"}
    made = (await add(operations, **more)).model_dump(mode="json")

    assert re.fullmatch("gwi_[a-z0-9]{24}", made.pop("handle"))
    assert made == {
        "environment": "dev",
        "customer": "acme",
        "element": "hubspot",
        "name": "second",
        "group": "g",
        "hub": "crm",
        "instance_id": 7,
        "tags": ["a"],
        "disabled": False,
        "state": "active",
        "created_at": "1970-01-01T00:16:40Z",
        "updated_at": "1970-01-01T00:16:40Z",
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": ""},
        {"customer": "a/b"},
        {"customer": "a\r\nb"},
        {"customer": "a\x00"},
        {"customer": "a\x85"},
        {"customer": "a" * 129},
        {"customer": " a"},
        {"customer": "\ud800"},
        {"element": "a b"},
        {"element": ""},
        {"element": "../x"},
        {"element": "hubspot\n"},
        {"name": ""},
        {"name": "a\u2028b"},
        {"group": "\x1b[0m"},
        {"tags": ["\n"]},
        {"tags": "a"},
        {"instance_id": 0},
        {"instance_id": 2**63},
        {"instance_id": "x"},
        {"hub": "c/rm"},
        {"handle": "gwi_mine"},
        {"disabled": True},
        {"state": "active"},
        {"created_at": 1},
        {"event_signature_key": "a\nb"},
        {"event_signature_key": ""},
    ],
)
def test_what_makes_no_mapping_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        new(**wrong)

    assert [error["path"].split(".")[0] for error in caught.value.extra["errors"]] == list(wrong)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a b",
        "a,b",
        "a\rb",
        "a\nb",
        "a\r\nX-Evil: 1",
        "a\tb",
        "a\x00",
        "canary\x7f",
        "é",
        "a" * 1025,
        5,
        None,
        ["canary"],
        {"canary": 1},
    ],
)
def test_a_token_that_would_break_a_header_is_refused_and_not_repeated(token: Any) -> None:
    """Threat 14."""
    with pytest.raises(BadRequest) as caught:
        new(token=token)

    assert [error["path"] for error in caught.value.extra["errors"]] == ["token"]
    assert "canary" not in f"{caught.value.detail} {caught.value.extra}"
    assert caught.value.__cause__ is None


def test_every_token_that_a_header_can_carry_is_taken() -> None:
    token = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != ",")

    assert new(token=token).token.reveal() == token
    assert token not in repr(new(token=token))


def test_a_misplaced_secret_is_not_repeated() -> None:
    with pytest.raises(BadRequest) as caught:
        new(**{"S3cret-Canary": 1})

    assert "Canary" not in f"{caught.value.detail} {caught.value.extra}"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"canary"', b"\xff", b'{"token": "canary\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_mapping_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(NewInstance, body)

    assert "canary" not in f"{caught.value.detail} {caught.value.extra}"


async def test_a_mapping_must_be_for_a_configured_environment(operations: Operations) -> None:
    with pytest.raises(UnknownEnvironment, match="dev, prod"):
        await add(operations, environment="staging")


async def test_a_second_mapping_needs_a_name_of_its_own(operations: Operations) -> None:
    first = await add(operations)
    with pytest.raises(Conflict) as caught:
        await add(operations, token="other")
    await add(operations, name="second")
    with pytest.raises(Conflict):
        await add(operations, name="second")
    await add(operations, environment="prod")

    assert caught.value.extra == {"handle": first.handle}
    assert len((await operations.list_instances()).items) == 3


async def test_lists_are_filtered_and_come_in_pages(operations: Operations) -> None:
    for environment in ("dev", "prod"):
        for customer in ("a", "b'; --", "c\u00e9"):
            for name in (None, "x"):
                await add(operations, environment=environment, customer=customer, name=name)
    everything = (await operations.list_instances()).items
    seen, cursor = [], None
    while True:
        page = await operations.list_instances(InstanceQuery(limit=5, cursor=cursor))
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == everything
    assert len({one.handle for one in everything}) == 12
    filtered = await operations.list_instances(InstanceQuery(environment="prod", customer="b'; --", element="hubspot", limit=2))
    assert [(one.environment, one.customer, one.name) for one in filtered.items] == [("prod", "b'; --", None), ("prod", "b'; --", "x")]
    assert filtered.next_cursor is None
    assert (await operations.list_instances(InstanceQuery(element="sfdc"))).items == []


async def test_a_cursor_outlives_the_row_that_it_names(operations: Operations) -> None:
    made = [await add(operations, customer=customer) for customer in "abc"]
    page = await operations.list_instances(InstanceQuery(limit=1))
    await operations.delete_instance(made[0].handle, actor="test")

    assert [one.customer for one in (await operations.list_instances(InstanceQuery(cursor=page.next_cursor))).items] == ["b", "c"]


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "WzEsMiwzLDRd", "e30", "=" * 5, "W1tbW1tbW1s" * 1000])
async def test_a_made_up_cursor_is_refused(operations: Operations, cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor"):
        await operations.list_instances(InstanceQuery(cursor=cursor))


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"page": 1}, {"state": "off"}])
def test_a_query_that_is_none_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        parse(InstanceQuery, query)


async def test_a_patch_changes_what_it_names_and_nothing_else(operations: Operations, database: Database, vault: Vault, clock: Any) -> None:
    made = await add(operations, tags=["a"], group="g", name="n")
    clock.now = 2000.0
    changed = await operations.patch_instance(made.handle, patch(disabled=True, tags=["b"]), actor="test")

    update = {"disabled": True, "state": "disabled", "tags": ["b"], "updated_at": changed.updated_at}
    assert changed == made.model_copy(update=update)
    assert changed.updated_at.timestamp() == 2000.0
    assert (await stored(database, vault, made.handle)).token.reveal() == "canary-1"


async def test_null_takes_away_what_may_be_absent(operations: Operations, path: Path) -> None:
    made = await add(operations, group="g", name="n", event_signature_key="s")
    changed = await operations.patch_instance(made.handle, patch(name=None, group=None, event_signature_key=None), actor="test")

    assert (changed.name, changed.group) == (None, None)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT event_signature_key, event_signature_key_id FROM instances").fetchall() == [(None, None)]


async def test_a_new_token_is_used_and_found(operations: Operations, database: Database, vault: Vault) -> None:
    made = await add(operations)
    await operations.patch_instance(made.handle, patch(token="canary-2"), actor="test")
    instances = Instances(database, vault)

    assert (await stored(database, vault, made.handle)).token.reveal() == "canary-2"
    assert await instances.handle_of("dev", "canary-2") == made.handle
    assert await instances.handle_of("dev", "canary-1") is None


async def test_an_empty_patch_changes_nothing(operations: Operations, clock: Any) -> None:
    made = await add(operations)
    clock.now = 2000.0

    assert await operations.patch_instance(made.handle, patch(), actor="test") == made


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": "x"},
        {"handle": "x"},
        {"environment": "prod"},
        {"token": None},
        {"disabled": None},
        {"tags": None},
        {"token": "a b"},
        {"disabled": "maybe"},
        {"state": "active"},
    ],
)
def test_a_patch_of_anything_else_is_refused(wrong: dict[str, Any]) -> None:
    """Threat 35."""
    with pytest.raises(BadRequest):
        patch(**wrong)


async def test_a_patch_takes_nobody_else_s_name(operations: Operations) -> None:
    first, second = await add(operations), await add(operations, name="second")
    with pytest.raises(Conflict) as caught:
        await operations.patch_instance(second.handle, patch(name=None), actor="test")
    same = await operations.patch_instance(second.handle, patch(name="second"), actor="test")

    assert caught.value.extra == {"handle": first.handle}
    assert same.name == "second"


async def test_a_deleted_mapping_is_gone(operations: Operations) -> None:
    made = await add(operations)
    await operations.delete_instance(made.handle, actor="test")

    for attempt in (
        operations.get_instance(made.handle),
        operations.delete_instance(made.handle, actor="test"),
        operations.patch_instance(made.handle, patch(disabled=True), actor="test"),
    ):
        with pytest.raises(NoInstance):
            await attempt


async def test_a_handle_that_does_not_exist_is_not_repeated(operations: Operations) -> None:
    with pytest.raises(NoInstance) as caught:
        await operations.get_instance("canary")

    assert "canary" not in caught.value.detail


async def test_every_write_leaves_one_line_and_no_secret(operations: Operations) -> None:
    with capture_logs() as logs:
        made = await add(operations, event_signature_key="canary-2")
        await operations.patch_instance(made.handle, patch(token="canary-3", tags=[]), actor="key1")
        await operations.delete_instance(made.handle, actor="key2")

    assert [(line["actor"], line["verb"], line["id"]) for line in logs] == [
        ("test", "instance.add", made.handle),
        ("key1", "instance.patch", made.handle),
        ("key2", "instance.delete", made.handle),
    ]
    assert "canary" not in str(logs)
