"""The verbs on caller keys."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.callers.keys import matches
from gateway.callers.store import Keys
from gateway.database.engine import Database
from gateway.errors import BadRequest, NotFound, UnknownEnvironment
from gateway.instances.vault import Vault
from gateway.models import KeyRotation, NewKey, parse
from gateway.operations import Operations
from gateway.settings import Config


def new(**more: Any) -> NewKey:
    return parse(NewKey, {"name": "n", **more})


async def works(database: Database, text: str, now: float) -> bool:
    key = await Keys(database).by_id(text.split("_")[1])
    return key is not None and matches(key, text, now)


async def test_a_key_may_call_everything_on_hubs_unless_told_otherwise(operations: Operations) -> None:
    made = (await operations.create_key(new(), actor="test")).model_dump(mode="json")

    assert made.pop("key").startswith(f"gwk_{made.pop('id')}_")
    assert made == {
        "name": "n",
        "environments": ["dev", "prod"],
        "customers": ["*"],
        "elements": ["*"],
        "methods": ["*"],
        "scopes": ["hub"],
        "priority": "interactive",
        "limits": [],
        "created_at": "1970-01-01T00:16:40Z",
        "expires_at": None,
        "last_used_at": None,
        "previous_expires_at": None,
    }


async def test_a_key_is_what_was_asked_for(operations: Operations) -> None:
    said = {
        "environments": ["dev"],
        "customers": ["a*"],
        "elements": ["sfdc"],
        "methods": ["GET", "HEAD"],
        "scopes": ["admin", "platform:read"],
    }
    made = await operations.create_key(new(**said, priority="batch", expires="90d"), actor="test")

    assert {name: getattr(made, name) for name in said} == said
    assert (made.priority, made.expires_at) == ("batch", datetime.fromtimestamp(1000 + 90 * 86400, UTC))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"name": "n" * 129},
        {"scopes": ["root"]},
        {"scopes": []},
        {"environments": []},
        {"methods": ["get"]},
        {"methods": []},
        {"customers": []},
        {"customers": ["\x00"]},
        {"priority": "urgent"},
        {"limits": ["0/s"]},
        {"limits": ["100/week"]},
        {"limits": [""]},
        {"limits": "100/10s"},
        {"limits": None},
        {"limits": [f"{number}/s" for number in range(1, 10)]},
        {"expires": "soon"},
        {"expires": "0s"},
        {"expires": "9" * 400 + "d"},
        {"expires": -1},
        {"role": "admin"},
        {"id": "mine"},
        {"digest": "x"},
    ],
)
def test_what_makes_no_key_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        new(**wrong)

    assert [error["path"].split(".")[0] for error in caught.value.extra["errors"]] == list(wrong)


async def test_a_key_s_quotas_are_kept_in_their_one_spelling(operations: Operations, database: Database) -> None:
    said = [" 100/10s", "10/s   burst 20", "1000/day", "100/10s ", "10/s burst 20"]
    made = await operations.create_key(new(limits=said), actor="test")
    rotated = await operations.rotate_key(made.id, actor="test")
    key = await Keys(database).by_id(made.id)

    assert made.limits == rotated.limits == (await operations.get_key(made.id)).limits == ["100/10s", "10/s burst 20", "1000/day"]
    assert key is not None
    assert key.limits == tuple(made.limits)


def test_a_quota_that_is_none_is_told_where_it_stands_and_what_was_expected() -> None:
    with pytest.raises(BadRequest) as caught:
        new(limits=["100/10s", "canary"])

    (error,) = caught.value.extra["errors"]
    assert error["path"] == "limits.1"
    assert '"100/10s", "10/s burst 20" (units s, min, h), "250000/day" or "9/month"' in error["error"]
    assert "canary" not in str(caught.value.extra)


PATTERN = NewKey.model_json_schema()["properties"]["limits"]["items"]["pattern"]


@given(st.from_regex(PATTERN) | st.text("0123456789/ smindayhourt\t", max_size=24))
def test_the_schema_says_of_a_quota_no_more_and_no_less_than_what_is_taken(text: str) -> None:
    try:
        new(limits=[text])
    except BadRequest:
        assert not re.search(PATTERN, text)
    else:
        assert re.search(PATTERN, text)


async def test_environments_must_be_configured(operations: Operations, database: Database, vault: Vault) -> None:
    with pytest.raises(UnknownEnvironment, match="dev, prod"):
        await operations.create_key(new(environments=["dev", "staging"]), actor="test")
    with pytest.raises(BadRequest):
        await Operations(database, vault, Config()).create_key(new(), actor="test")


async def test_keys_are_listed_the_oldest_first_without_their_secrets(operations: Operations, clock: Any) -> None:
    made = []
    for _ in range(3):
        made.append(await operations.create_key(new(), actor="test"))
        clock.now += 1
    listed = await operations.list_keys()

    assert [key.id for key in listed.items] == [key.id for key in made]
    text = listed.model_dump_json()
    assert not any(word in text for word in ("digest", "gwk_", *(key.key[-43:] for key in made)))


async def test_a_rotated_key_s_old_secret_lives_on_for_the_overlap(operations: Operations, database: Database) -> None:
    old = await operations.create_key(new(), actor="test")
    rotated = await operations.rotate_key(old.id, parse(KeyRotation, {"overlap": "1h"}), actor="test")

    assert rotated.id == old.id
    assert rotated.key != old.key
    assert rotated.previous_expires_at == datetime.fromtimestamp(4600, UTC)
    assert [await works(database, old.key, now) for now in (4599.0, 4600.0)] == [True, False]
    assert [await works(database, rotated.key, now) for now in (1000.0, 1e9)] == [True, True]


async def test_a_day_is_the_overlap_unless_told_otherwise(operations: Operations) -> None:
    made = await operations.create_key(new(), actor="test")

    assert (await operations.rotate_key(made.id, actor="test")).previous_expires_at == datetime.fromtimestamp(1000 + 86400, UTC)


async def test_without_overlap_the_old_secret_dies_at_once(operations: Operations, database: Database) -> None:
    old = await operations.create_key(new(), actor="test")
    rotated = await operations.rotate_key(old.id, KeyRotation(overlap=0.0), actor="test")

    assert rotated.previous_expires_at is None
    assert not await works(database, old.key, 1000.0)


async def test_only_one_old_secret_lives_on(operations: Operations, database: Database) -> None:
    first = await operations.create_key(new(), actor="test")
    second = await operations.rotate_key(first.id, actor="test")
    third = await operations.rotate_key(first.id, actor="test")

    assert [await works(database, key.key, 1000.0) for key in (first, second, third)] == [False, True, True]


async def test_a_revoked_key_is_gone(operations: Operations, database: Database) -> None:
    made = await operations.create_key(new(), actor="test")
    await operations.revoke_key(made.id, actor="test")

    assert not await works(database, made.key, 1000.0)
    assert (await operations.list_keys()).items == []
    for verb in (operations.revoke_key, operations.rotate_key):
        with pytest.raises(NotFound) as caught:
            await verb(made.id, actor="test")
        assert made.id not in caught.value.detail


async def test_every_write_leaves_one_line_and_no_secret(operations: Operations) -> None:
    with capture_logs() as logs:
        made = await operations.create_key(new(name="canary\"'"), actor="cli:me")
        rotated = await operations.rotate_key(made.id, actor="key1")
        await operations.list_keys()
        await operations.revoke_key(made.id, actor="key2")

    assert [(line["actor"], line["verb"], line["id"]) for line in logs] == [
        ("cli:me", "key.create", made.id),
        ("key1", "key.rotate", made.id),
        ("key2", "key.revoke", made.id),
    ]
    assert not any(secret in str(logs) for secret in (made.key[-43:], rotated.key[-43:]))
    assert made.key not in repr(made)


async def test_what_fails_leaves_no_line(operations: Operations) -> None:
    with capture_logs() as logs, pytest.raises(NotFound):
        await operations.revoke_key("aaaaaaaaaaaa", actor="test")

    assert logs == []
