"""What the model's items mean for a request: which may be given how, and what the caller must get then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from gateway.cache import Lifetimes
from gateway.exchange import Response
from tests.cache.happenings import OBJECTS, OWNERS, POLICIES, Get, Head, Purge, Write
from tests.cache.model import Item, Place

Doubt = Callable[[Place], bool]
"""Whether what is at a place, or on its way there, may be the old."""


class Slowly:
    """A body of two pieces."""

    length = None

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body[:3]
        yield self.body[3:]

    async def aclose(self) -> None:
        """Nothing is held."""


def nothing(_: Place) -> bool:
    return False


def place_of(step: Get | Head | Write) -> Place:
    environment, instance = OWNERS[step.who]
    return (environment, instance.handle if instance else None), step.path, step.query.removeprefix("?") if isinstance(step, Get) else ""


def configured(place: Place) -> Lifetimes:
    (_, handle), path, _ = place
    element = next((one.element for _, one in OWNERS if one and one.handle == handle), "platform")
    return OBJECTS[path]._replace(negative_ttl=POLICIES[element].negative_ttl) if path in OBJECTS else POLICIES[element]


def fits_purge(step: Purge) -> Doubt:
    def doubtful(place: Place) -> bool:
        (environment, handle), path, _ = place
        customer, element = next(((one.customer, one.element) for _, one in OWNERS if one and one.handle == handle), ("", "platform"))
        named = step.environment in (None, environment) and step.customer in (None, customer) and step.element in (None, element)
        return named and (step.path is None or path == step.path or path.startswith(f"{step.path}/"))

    return doubtful


def usable(have: Item, wish: str, now: int) -> str | None:
    """How it may be given without a call."""
    name, _, number = wish.partition("=")
    if have.left(now) > 0:
        too_old = (
            name == "no-cache"
            or (name == "max-age" and have.age(now) > int(number))
            or (name == "min-fresh" and have.left(now) < int(number))
        )
        return None if too_old else "hit"
    return "while revalidating" if have.left(now) + have.while_revalidating > 0 and stale_will_do(have, wish, now) else None


def stale_will_do(have: Item, wish: str, now: int) -> bool:
    name, _, number = wish.partition("=")
    return name not in ("no-cache", "min-fresh") and (name != "max-age" or have.age(now) <= int(number))


def check(response: Response, have: Item, wanted: dict[str, str], now: int | None) -> None:
    """The answer is this item, or what the request asks for of it; ``now``: and as old as it is."""
    condition = wanted.get("if-none-match")
    if have.status == 200 and condition in ("*", have.said.etag) and condition:
        assert (response.status, response.body) == (304, b"")
    elif have.status == 200 and "range" in wanted:
        assert (response.status, response.body) == (206, have.body[:4])
    else:
        assert (response.status, response.body) == (have.status, have.body)
    assert now is None or response.headers.get("age") == str(have.age(now))


async def whole(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    body = b"".join([chunk async for chunk in response.body])
    await response.body.aclose()
    for _ in range(5):
        await asyncio.sleep(0)  # the store has it a moment after the reader
    return body
