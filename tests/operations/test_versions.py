"""Versions of what is stored, changes that hang on them, and cursors."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.callers.store import Keys
from gateway.database.engine import Database
from gateway.errors import BadRequest, NoInstance, NotFound, PreconditionFailed
from gateway.models import InstancePatch, KeyQuery, KeyRotation, MappedInstance, NewInstance, NewKey, parse
from gateway.operations import Operations
from gateway.operations.paging import cursor_of, position_of


async def mapping(operations: Operations) -> MappedInstance:
    new = {"environment": "dev", "customer": "acme", "element": "hubspot", "token": "canary-1"}
    return await operations.add_instance(parse(NewInstance, new), actor="test")


@pytest.mark.parametrize(
    "change", [{"token": "canary-1"}, {"disabled": True}, {"tags": ["a"]}, {"name": "n"}, {"event_signature_key": "s"}], ids=str
)
async def test_each_change_is_another_version_though_the_clock_stands_still(operations: Operations, change: dict[str, Any]) -> None:
    made = await mapping(operations)
    changed = await operations.patch_instance(made.handle, parse(InstancePatch, change), actor="test")

    assert changed.version != made.version
    assert changed.version == (await operations.get_instance(made.handle)).version
    assert changed.version == (await operations.list_instances()).items[0].version


async def test_looking_and_changing_nothing_is_no_new_version(operations: Operations) -> None:
    made = await mapping(operations)
    same = await operations.patch_instance(made.handle, InstancePatch(), actor="test", versions={made.version})

    assert made.version == same.version == (await operations.get_instance(made.handle)).version != ""


async def test_using_a_key_is_no_new_version_rotating_it_is(operations: Operations, database: Database) -> None:
    made = await operations.create_key(parse(NewKey, {"name": "n"}), actor="test")
    keys = Keys(database)
    keys.used(made.id, 1234.0)
    await keys.flush()
    used = await operations.get_key(made.id)
    rotated = await operations.rotate_key(made.id, KeyRotation(overlap=0.0), actor="test", versions={used.version})

    assert used.last_used_at is not None
    assert used.version == made.version
    assert rotated.version not in ("", made.version)
    assert rotated.version == (await operations.get_key(made.id)).version == (await operations.list_keys()).items[0].version


async def test_under_another_version_nothing_happens(operations: Operations) -> None:
    instance = await mapping(operations)
    key = await operations.create_key(parse(NewKey, {"name": "n"}), actor="test")
    with capture_logs() as logs:
        for attempt in (
            operations.patch_instance(instance.handle, parse(InstancePatch, {"disabled": True}), actor="test", versions={"x"}),
            operations.patch_instance(instance.handle, InstancePatch(), actor="test", versions=()),
            operations.delete_instance(instance.handle, actor="test", versions={"x"}),
            operations.rotate_key(key.id, actor="test", versions={"x"}),
            operations.revoke_key(key.id, actor="test", versions={"x", ""}),
        ):
            with pytest.raises(PreconditionFailed):
                await attempt

    assert logs == []
    assert (await operations.get_instance(instance.handle)).version == instance.version
    assert (await operations.get_key(key.id)).version == key.version


async def test_what_does_not_exist_is_said_first(operations: Operations) -> None:
    with pytest.raises(NoInstance):
        await operations.delete_instance("gwi_x", actor="test", versions={"x"})
    with pytest.raises(NotFound):
        await operations.revoke_key("x", actor="test", versions={"x"})


async def test_of_many_under_the_same_version_one_alone_succeeds(operations: Operations) -> None:
    made = await mapping(operations)

    async def change(number: int) -> bool:
        try:
            await operations.patch_instance(
                made.handle, parse(InstancePatch, {"tags": [str(number)]}), actor="test", versions={made.version}
            )
        except PreconditionFailed:
            return False
        return True

    done = await asyncio.gather(*map(change, range(10)))
    assert sum(done) == 1
    assert (await operations.get_instance(made.handle)).tags == [str(done.index(True))]


async def test_keys_come_in_pages_though_they_are_of_one_moment(operations: Operations) -> None:
    made = {(await operations.create_key(parse(NewKey, {"name": "n"}), actor="test")).id for _ in range(7)}
    seen, cursor = [], None
    while True:
        page = await operations.list_keys(KeyQuery(limit=3, cursor=cursor))
        seen += [key.id for key in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert len(seen) == 7
    assert set(seen) == made


async def test_a_cursor_outlives_the_key_that_it_names(operations: Operations, clock: Any) -> None:
    made = []
    for _ in range(3):
        made.append(await operations.create_key(parse(NewKey, {"name": "n"}), actor="test"))
        clock.now += 0.1
    page = await operations.list_keys(KeyQuery(limit=1))
    await operations.revoke_key(made[0].id, actor="test")

    assert [key.id for key in (await operations.list_keys(KeyQuery(cursor=page.next_cursor))).items] == [made[1].id, made[2].id]


@given(st.lists(st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(), min_size=1, max_size=6))
def test_a_cursor_tells_its_position_and_nothing_that_a_url_would_change(position: list[Any]) -> None:
    cursor = cursor_of(position)

    assert position_of(cursor, *map(type, position)) == position
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.text(max_size=200))
def test_another_text_is_a_cursor_or_is_refused(text: str) -> None:
    with suppress(BadRequest):
        assert list(map(type, position_of(text, float, str))) == [float, str]


def test_no_cursor_is_no_position() -> None:
    assert position_of(None, str) is None
