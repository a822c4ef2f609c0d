"""Connections within the process behave as a transport must, as far as the gateway looks."""

from __future__ import annotations

import asyncio

from bench.steps.inprocess import connected


class Heard(asyncio.Protocol):
    def __init__(self) -> None:
        self.data = b""
        self.lost = 0

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost += 1


async def test_what_is_written_arrives_on_the_next_turn_and_in_order():
    one, other = Heard(), Heard()
    end = connected(asyncio.get_running_loop(), one, other)
    end.write(b"a")
    end.writelines([b"b", b"c"])
    assert other.data == b""
    await asyncio.sleep(0)
    assert (one.data, other.data) == (b"", b"abc")


async def test_who_pauses_reading_gets_it_later():
    one, other = Heard(), Heard()
    end = connected(asyncio.get_running_loop(), one, other)
    assert end.peer is not None
    end.peer.pause_reading()
    assert not end.peer.is_reading()
    end.write(b"a")
    await asyncio.sleep(0)
    end.write(b"b")
    await asyncio.sleep(0)
    assert other.data == b""
    end.peer.resume_reading()
    await asyncio.sleep(0)
    assert other.data == b"ab"


async def test_both_ends_learn_of_the_end_once_and_nothing_arrives_behind_it():
    one, other = Heard(), Heard()
    end = connected(asyncio.get_running_loop(), one, other)
    end.close()
    end.abort()
    end.write(b"late")
    assert end.is_closing()
    await asyncio.sleep(0)
    assert (one.lost, other.lost, other.data) == (1, 1, b"")
