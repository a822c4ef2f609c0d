"""The verbs on pauses."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, insert, select
from structlog.testing import capture_logs

from gateway.database.engine import Database
from gateway.database.schema import pauses as table
from gateway.errors import BadRequest, Conflict, NotFound, UnknownEnvironment
from gateway.models import NewPause, PauseQuery, parse
from gateway.operations import Operations
from gateway.pauses.rules import MOST


def new(**fields: Any) -> NewPause:
    return parse(NewPause, {"customer": "acme", "for": "10m", "reason": "because", **fields})


async def stored(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def test_a_pause_says_what_it_names_and_when_it_ends(operations: Operations) -> None:
    made = await operations.add_pause(new(element="hubspot"), actor="test")
    shown = made.model_dump(mode="json")

    assert len(shown.pop("id")) == 12
    assert shown == {
        "environment": None,
        "customer": "acme",
        "element": "hubspot",
        "reason": "because",
        "created_at": "1970-01-01T00:16:40Z",
        "ends_at": "1970-01-01T00:26:40Z",
    }
    assert await operations.get_pause(made.id) == made
    assert (await operations.list_pauses()).items == [made]


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": None},
        {"for": "0s"},
        {"for": "-1s"},
        {"for": "soon"},
        {"for": "31d"},
        {"for": None},
        {"for": True},
        {"reason": ""},
        {"reason": "r" * 201},
        {"reason": "two\nlines"},
        {"reason": "\x1b[2J"},
        {"reason": " blank "},
        {"reason": "ask with gwk_abcdefghijkl_secret"},
        {"reason": "GWK_abcdefghijkl_secret"},
        {"reason": None},
        {"customer": "a/b"},
        {"customer": ""},
        {"element": "*"},
        {"environment": "a b"},
        {"for_": "10m"},
        {"until": "tomorrow"},
    ],
    ids=str,
)
def test_what_is_no_pause_is_refused_and_not_repeated(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        new(**wrong)
    assert "abcdefghijkl" not in caught.value.detail


def test_what_is_wrong_is_said_by_the_name_that_was_used() -> None:
    with pytest.raises(BadRequest) as caught:
        parse(NewPause, {"for": "31d", "reason": "x" * 201})
    assert caught.value.detail.startswith("for: expected more than nothing and 30d at most; reason: ")
    with pytest.raises(BadRequest, match=r"^expected at least one of environment, customer and element$"):
        parse(NewPause, {"for": "30d", "reason": "x"})


async def test_an_environment_must_be_configured(operations: Operations, database: Database) -> None:
    with pytest.raises(UnknownEnvironment, match="configured: dev, prod"):
        await operations.add_pause(new(environment="test"), actor="test")
    assert await stored(database) == 0


async def test_a_pause_that_was_removed_or_has_ended_is_none(operations: Operations, clock: Any) -> None:
    removed, ended = [await operations.add_pause(new(), actor="test") for _ in range(2)]
    await operations.remove_pause(removed.id, actor="test")
    assert (await operations.list_pauses()).items == [ended]
    clock.now += 600
    assert (await operations.list_pauses()).items == []

    for one in (removed.id, ended.id, "gwk_abcdefghijkl_secret", ""):
        for verb in (operations.get_pause(one), operations.remove_pause(one, actor="test")):
            with pytest.raises(NotFound) as caught:
                await verb
            assert caught.value.detail == "no pause that is in force has this id"


async def test_the_rows_of_those_that_have_ended_go_at_the_next_write(operations: Operations, database: Database, clock: Any) -> None:
    for length in ("1s", "2s", "1h", "1h"):
        last = await operations.add_pause(new(**{"for": length}), actor="test")
    clock.now += 2
    assert await stored(database) == 4
    await operations.remove_pause(last.id, actor="test")
    assert await stored(database) == 1
    clock.now += 3600
    await operations.add_pause(new(), actor="test")
    assert await stored(database) == 1


async def test_the_newest_is_first_page_by_page(operations: Operations, clock: Any) -> None:
    made = []
    for number in range(5):
        clock.now += number % 2
        made.append((await operations.add_pause(new(), actor="test")).id)
    whole = [pause.id for pause in (await operations.list_pauses()).items]
    paged, cursor = [], None
    while True:
        page = await operations.list_pauses(PauseQuery(limit=2, cursor=cursor))
        paged += [pause.id for pause in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert sorted(whole) == sorted(made)
    assert paged == whole
    assert whole[0] in made[-2:]
    assert whole[-1] == made[0]
    with pytest.raises(BadRequest, match="cursor"):
        await operations.list_pauses(PauseQuery(cursor="WzEsMiwzXQ"))


async def test_there_are_not_more_than_a_thousand(operations: Operations, database: Database, clock: Any) -> None:
    async with database.write() as connection:
        row = {"customer": "c", "reason": "r", "created_at": 1.0, "ends_at": clock.now + 1}
        await connection.execute(insert(table), [row | {"id": f"{number:012}"} for number in range(MOST)])
    with pytest.raises(Conflict, match="1000 pauses are in force"):
        await operations.add_pause(new(), actor="test")
    clock.now += 1
    await operations.add_pause(new(), actor="test")
    assert await stored(database) == 1


async def test_the_trail_tells_who_paused_what(operations: Operations) -> None:
    with capture_logs() as lines:
        made = await operations.add_pause(new(element="hubspot"), actor="key-1")
        await operations.remove_pause(made.id, actor="key-2")

    added, removed = lines
    assert (added["actor"], added["verb"], added["id"]) == ("key-1", "pause.add", made.id)
    assert (added["environment"], added["customer"], added["element"], added["for_s"]) == (None, "acme", "hubspot", 600.0)
    assert (removed["actor"], removed["verb"], removed["id"]) == ("key-2", "pause.remove", made.id)


async def test_a_look_up_notices_each_change(operations: Operations, database: Database) -> None:
    before = await database.revision()
    made = await operations.add_pause(new(), actor="test")
    added = await database.revision()
    await operations.remove_pause(made.id, actor="test")

    assert before < added < await database.revision()
