"""Three services, 500 calls, three elements with limits of three kinds: HubSpot's window, NetSuite's one call at a time, Marketo's day.

``sync`` is noisy and makes 330 of the calls, ``orders`` and ``reports`` make 85 each, and ``reports`` is batch work. All begin at once,
and say how long they can wait (``Prefer: wait=60``); last come 30 calls of Marketo that do not wait, ten more than its day has left. The
sandbox refuses, in the providers' own forms, whatever is too much.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from bench.peers import PREFIX

WAIT_S = 60
SERVICES = ("sync", "orders", "reports")
RESOURCES = {"hubspot": "/hubs/marketing/contacts", "netsuiteerpv2": "/hubs/erp/customers", "marketo": "/hubs/marketing/contacts"}
WAITING: Mapping[str, Mapping[str, int]] = {
    "sync": {"hubspot": 250, "netsuiteerpv2": 20, "marketo": 30},
    "orders": {"hubspot": 50, "netsuiteerpv2": 20, "marketo": 15},
    "reports": {"hubspot": 50, "netsuiteerpv2": 20, "marketo": 15},
}
HASTY = 30
"""Calls of Marketo by ``sync``, after the others, that do not wait."""
DAY = 80
"""What Marketo's day has in this scene."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call; ``wait``: how many seconds it may."""

    service: str
    element: str
    number: int
    wait: int

    @property
    def target(self) -> str:
        return f"{PREFIX}{RESOURCES[self.element]}?pageSize=1&service={self.service}&n={self.number}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call ended: ``good`` is an answer of the element's, not one about a limit; ``refused`` names who refused it, if one did."""

    call: Call
    status: int
    good: bool
    seconds: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A call that reached the sandbox, by its journal, in order."""

    element: str
    service: str


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the scene."""

    ended: tuple[Ended, ...]
    arrived: tuple[Arrived, ...]
    seconds: float
    refused: int
    """Calls that the sandbox refused, by its own count."""

    def good(self, *, waits: bool | None = None) -> int:
        return sum(one.good for one in self.ended if waits is None or (one.call.wait > 0) == waits)

    def longest(self) -> float:
        """Seconds, of those that were answered well."""
        return max((one.seconds for one in self.ended if one.good), default=0.0)

    def last_place(self, service: str, element: str) -> tuple[int, int]:
        """(Which of the element's calls, from 1, was the service's last; how many there were)."""
        order = [one.service for one in self.arrived if one.element == element]
        places = [place for place, whose in enumerate(order, 1) if whose == service]
        return (max(places, default=0), len(order))


async def play(addresses: Mapping[str, str], sandbox: str, fields: Mapping[str, Mapping[str, str]]) -> Played:
    """The scene through the proxies at ``addresses`` (by element) in front of ``sandbox``; ``fields`` are what each service sends."""
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=2 * WAIT_S)) as session:
        await _asked(session, "DELETE", sandbox, "/sandbox/requests")
        started = time.monotonic()
        underway = asyncio.Event()
        waiting = [_made(session, call, addresses, fields, underway) for call in _waiting()]
        ended = list(await asyncio.gather(*waiting))
        # One after the other: it is the day that stops them, not Marketo's ten at a time.
        hasty = [Call("sync", "marketo", 1000 + number, 0) for number in range(HASTY)]
        ended += [await _made(session, call, addresses, fields, underway) for call in hasty]
        seconds = time.monotonic() - started
        journal = json.loads(await _asked(session, "GET", sandbox, "/sandbox/requests"))
        limits = json.loads(await _asked(session, "GET", sandbox, "/sandbox/limits"))
    refused = sum(one["refused"] for one in limits["spent"])
    return Played(tuple(ended), tuple(_arrived(journal["calls"])), seconds, refused)


def _waiting() -> list[Call]:
    return [
        Call(service, element, number, WAIT_S)
        for service, calls in WAITING.items()
        for element, count in calls.items()
        for number in range(count)
    ]


async def _made(
    session: ClientSession, call: Call, addresses: Mapping[str, str], fields: Mapping[str, Mapping[str, str]], underway: asyncio.Event
) -> Ended:
    """The others come when the noisy one is well under way: first come, first served would have them wait for all of its calls."""
    if call.service != "sync":
        await underway.wait()
    said = {**fields[call.service], "Gateway-Element": call.element, "Prefer": f"wait={call.wait}"}
    started = time.monotonic()
    async with session.get(addresses[call.element] + call.target, headers=said) as answer:
        body = await answer.read()
    underway.set()
    return _ended(call, answer.status, body, time.monotonic() - started)


def _ended(call: Call, status: int, body: bytes, seconds: float) -> Ended:
    document = json.loads(body or b"null")
    if status == 200 and not (isinstance(document, dict) and document.get("success") is False):  # Marketo refuses with a 200
        return Ended(call, status, True, seconds)
    ours = isinstance(document, dict) and str(document.get("type", "")).startswith("urn:gateway:")
    return Ended(call, status, False, seconds, "gateway" if ours else "sandbox")


def _arrived(calls: Iterable[Mapping[str, str]]) -> Iterable[Arrived]:
    for one in calls:
        asked = parse_qs(urlsplit(one["target"]).query)
        if "service" in asked:
            yield Arrived(one["element"], asked["service"][0])


async def _asked(session: ClientSession, method: str, sandbox: str, path: str) -> bytes:
    async with session.request(method, sandbox + path) as answer:
        answer.raise_for_status()
        return await answer.read()


def kinds(ended: Sequence[Ended]) -> Counter[str]:
    """How many calls ended in which way: ``good``, ``429 by the gateway``, ``200 by the sandbox`` (Marketo's way to refuse)…"""
    return Counter("good" if one.good else f"{one.status} by the {one.refused}" for one in ended)
