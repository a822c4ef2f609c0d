"""What look-ups remember."""

from __future__ import annotations

import asyncio

import pytest

from gateway.database.memory import Memory


async def answer(value: str | None) -> str | None:
    return value


async def refuse() -> str | None:
    raise AssertionError("asked although it was remembered")


async def test_it_asks_once() -> None:
    memory: Memory[str, str | None] = Memory(10, 10)

    assert await memory.look_up("a", lambda: answer("A")) == "A"
    assert await memory.look_up("a", refuse) == "A"


async def test_it_remembers_that_there_is_nothing() -> None:
    memory: Memory[str, str | None] = Memory(10, 10)

    assert await memory.look_up("a", lambda: answer(None)) is None
    assert await memory.look_up("a", refuse) is None


async def test_a_failure_is_not_remembered() -> None:
    memory: Memory[str, str | None] = Memory(10, 10)
    with pytest.raises(AssertionError):
        await memory.look_up("a", refuse)

    assert await memory.look_up("a", lambda: answer("A")) == "A"


async def test_a_flood_of_unknown_names_pushes_out_no_known_one() -> None:
    memory: Memory[str, str | None] = Memory(2, 3)
    await memory.look_up("a", lambda: answer("A"))
    for number in range(1000):
        await memory.look_up(f"unknown {number}", lambda: answer(None))

    assert len(memory) == 4
    assert await memory.look_up("a", refuse) == "A"


async def test_the_least_used_are_forgotten_first() -> None:
    memory: Memory[str, str | None] = Memory(2, 2)
    for key in ("a", "b", "a", "c"):
        await memory.look_up(key, lambda key=key: answer(key))  # type: ignore[misc]

    assert await memory.look_up("a", refuse) == "a"
    assert await memory.look_up("b", lambda: answer("new")) == "new"


async def test_forget_forgets() -> None:
    memory: Memory[str, str | None] = Memory(2, 2)
    await memory.look_up("a", lambda: answer("old"))
    memory.forget()

    assert await memory.look_up("a", lambda: answer("new")) == "new"


async def test_a_read_that_began_before_forget_brings_nothing_old_back() -> None:
    memory: Memory[str, str | None] = Memory(2, 2)
    read = asyncio.Event()

    async def slow() -> str | None:
        await read.wait()
        return "old"

    task = asyncio.create_task(memory.look_up("a", slow))
    await asyncio.sleep(0)
    memory.forget()
    read.set()
    await task

    assert await memory.look_up("a", lambda: answer("new")) == "new"
