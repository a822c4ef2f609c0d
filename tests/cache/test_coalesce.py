"""Flights by themselves: who waits for whom, what comes of it, and that the books are empty afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.cache.coalesce import REMEMBERED_S, Flight, FlightKey, Flights, Landed
from gateway.cache.filling import Filling
from gateway.cache.key import Key
from gateway.exchange import Headers, Pair
from tests.cache.test_cache_memory import PLAIN
from tests.cache.test_filling import Held

KEY = Key("dev", "gwi_a", "/contacts", "", None, None, None, 0.0)
LANDED = Landed(PLAIN, None)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flights(clock: Clock) -> Flights:
    return Flights(clock)


def key_of(flights: Flights, *fields: Pair, key: Key = KEY) -> FlightKey:
    return flights.key(key, Headers(fields), ())


async def waiting(flight: Flight, number: int) -> list[asyncio.Task[Landed | bool]]:
    tasks = [asyncio.create_task(flight.wait()) for _ in range(number)]
    await asyncio.sleep(0)
    return tasks


async def told(tasks: list[asyncio.Task[Landed | bool]]) -> list[Landed | bool | None]:
    """What each was told so far; None: nothing."""
    for _ in range(3):
        await asyncio.sleep(0)
    found = [task.result() if task.done() and not task.cancelled() else None for task in tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def test_who_waits_is_told_what_lands_and_the_flight_is_over(flights: Flights) -> None:
    key = key_of(flights)
    flight = flights.lead(key, 0)
    assert flights.find(key) is flight
    tasks = await waiting(flight, 3)
    flight.land(LANDED)
    assert flights.find(key) is None
    assert await told(tasks) == [LANDED] * 3


async def test_while_the_body_arrives_later_ones_may_join(flights: Flights) -> None:
    key = key_of(flights)
    flight = flights.lead(key, 0)

    async def store(_: bytes) -> None:
        """Nothing is kept here."""

    landed = Landed(PLAIN, Filling(Held(b"a"), 10, store))
    flight.land(landed)
    assert flights.find(key) is flight
    assert await flight.wait() is landed
    flights.end(flight)
    assert flights.find(key) is None


async def test_release_lets_all_go_and_the_key_is_remembered_for_a_while(flights: Flights, clock: Clock) -> None:
    key = key_of(flights)
    flight = flights.lead(key, 0)
    tasks = await waiting(flight, 3)
    flight.release()
    assert await told(tasks) == [False] * 3
    flights.lead(key, 0)
    assert flights.find(key) is None
    clock.now = REMEMBERED_S
    flight = flights.lead(key, 0)
    assert flights.find(key) is flight


@pytest.mark.parametrize(
    ("failures", "outcome"), [([False], [True, None, None]), ([True], [True, None, None]), ([True, True], [True, False, False])]
)
async def test_handing_over(flights: Flights, failures: list[bool], outcome: list[bool | None]) -> None:
    key = key_of(flights)
    flight = flights.lead(key, 0)
    tasks = await waiting(flight, 3)
    for failed in failures:
        flight.hand_over(failed=failed)
    assert (flights.find(key) is flight) is (None in outcome)
    assert await told(tasks) == outcome


async def test_a_failure_is_not_remembered(flights: Flights) -> None:
    key = key_of(flights)
    for _ in range(3):
        flight = flights.lead(key, 0)
        flight.hand_over(failed=True)
        assert flights.find(key) is None
    flight = flights.lead(key, 0)
    assert flights.find(key) is flight


async def test_leaders_may_leave_as_often_as_they_like(flights: Flights) -> None:
    flight = flights.lead(key_of(flights), 0)
    tasks = await waiting(flight, 5)
    for _ in range(4):
        flight.hand_over()
    flight.land(LANDED)
    assert await told(tasks) == [True, True, True, True, LANDED]


async def test_who_left_is_passed_over(flights: Flights) -> None:
    flight = flights.lead(key_of(flights), 0)
    first, second, third = await waiting(flight, 3)
    first.cancel()
    await asyncio.sleep(0)
    flight.hand_over()
    assert await told([second, third]) == [True, None]


@pytest.mark.parametrize("news", ["landed", "released"])
async def test_who_leaves_as_the_news_come_changes_nothing(flights: Flights, news: str) -> None:
    key = key_of(flights)
    flight = flights.lead(key, 0)
    first, second = await waiting(flight, 2)
    if news == "landed":
        flight.land(LANDED)
    else:
        flight.release()
    first.cancel()
    assert await told([second]) == [LANDED if news == "landed" else False]
    assert flights.find(key) is None


async def test_who_is_handed_over_to_as_it_leaves_hands_on(flights: Flights) -> None:
    flight = flights.lead(key_of(flights), 0)
    first, second = await waiting(flight, 2)
    flight.hand_over()
    first.cancel()
    assert await told([second]) == [True]


async def test_a_newer_flight_is_not_ended_by_an_older_one(flights: Flights) -> None:
    key = key_of(flights)
    older = flights.lead(key, 0)
    newer = flights.lead(key, 1)
    tasks = await waiting(older, 1)
    older.release()
    assert flights.find(key) is newer
    assert await told(tasks) == [False]


async def test_what_lands_makes_a_key_shareable_again(flights: Flights) -> None:
    key = key_of(flights)
    first = flights.lead(key, 0)
    waiting = asyncio.ensure_future(first.wait())
    await asyncio.sleep(0)
    first.release()
    assert await waiting is False
    alone = flights.lead(key, 0)
    assert flights.find(key) is None
    alone.land(LANDED)
    flight = flights.lead(key, 0)
    assert flights.find(key) is flight


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((), (), True),
        ((("Accept-Encoding", "gzip, br"),), (("accept-encoding", "gzip,br"),), True),
        ((("Accept-Encoding", "gzip"),), (("Accept-Encoding", "br"),), False),
        ((("Accept-Encoding", "gzip"),), (), False),
        ((("Accept-Language", "DE"),), (("Accept-Language", "de"),), True),
        ((("Accept-Language", "de"),), (("Accept-Language", "en"),), False),
        ((("X-Any", "1"),), (("X-Any", "2"),), True),
    ],
)
def test_who_may_wait_for_whom(flights: Flights, one: tuple[Pair, ...], other: tuple[Pair, ...], same: bool) -> None:
    assert (key_of(flights, *one) == key_of(flights, *other)) is same


@pytest.mark.parametrize(
    "other",
    [
        KEY._replace(environment="prod"),
        KEY._replace(handle="gwi_b"),
        KEY._replace(handle=None),
        KEY._replace(path="/x"),
        KEY._replace(query="a"),
        KEY._replace(accept="x"),
        KEY._replace(version="Helium"),
        KEY._replace(member="m"),
        KEY._replace(changed_at=1.0),
    ],
)
def test_another_key_is_another_flight(flights: Flights, other: Key) -> None:
    flights.lead(key_of(flights), 0)
    assert flights.find(key_of(flights, key=other)) is None


async def test_by_what_answers_were_seen_to_vary_the_next_ones_are_told_apart(flights: Flights) -> None:
    asks = ("X-Shape", "a"), ("X-Shape", "b")
    assert key_of(flights, asks[0]) == key_of(flights, asks[1])
    flight = flights.lead(key_of(flights, asks[0]), 0)
    flight.land(Landed(replace(PLAIN, varies=(("x-shape", "a"),)), None))
    assert key_of(flights, asks[0]) != key_of(flights, asks[1])


def test_what_is_stored_tells_them_apart_too(flights: Flights) -> None:
    entries = (replace(PLAIN, varies=(("x-shape", "a"),)),)
    assert flights.key(KEY, Headers([("X-Shape", "a")]), entries) != flights.key(KEY, Headers([("X-Shape", "b")]), entries)


async def test_the_books_are_empty_afterwards(flights: Flights) -> None:
    for number in range(50):
        flight = flights.lead(key_of(flights, key=KEY._replace(query=str(number))), 0)
        tasks = await waiting(flight, 2)
        (flight.release, flight.hand_over, lambda: flight.land(LANDED))[number % 3]()  # noqa: B023 - called at once
        if number % 3 == 1:
            flight.hand_over()
            flight.hand_over()
        await told(tasks)
    assert not flights._flying
