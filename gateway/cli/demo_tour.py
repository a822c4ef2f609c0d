"""The calls that ``gateway demo`` makes, and how they are shown: as they happen for people, or all at once as JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from rich.console import Console
from rich.markup import escape

_SHOWN = ("Cache-Status", "Age", "RateLimit", "Retry-After", "Preference-Applied", "Server-Timing")
_SHOWN_CHARACTERS = 260
_METRICS = ("gateway_requests_total", "gateway_upstream_requests_total", "gateway_rate_limited_total", "gateway_cache_entries")

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo runs (base URLs without a trailing slash), and the keys to it, which are good for nothing else."""

    sandbox: str
    data: str
    admin: str
    service_key: str
    admin_key: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def shown(self) -> dict[str, str]:
        """The fields that say what the gateway did."""
        return {name: self.headers[name] for name in _SHOWN if name in self.headers}


@dataclass(frozen=True, slots=True)
class Step:
    """One GET that was made to show something."""

    title: str
    url: str
    answer: Answer


async def steps(place: Place) -> AsyncIterator[Step]:
    """A miss, a hit, another spelling of it, a refusal, a spent budget and a wait for it, each made when it is asked for."""
    data = place.data
    contacts = f"{data}/elements/api-v2/hubs/marketing/contacts?pageSize=2"
    acme = {"Authorization": f"Bearer {place.service_key}", "Gateway-Customer": "acme", "Gateway-Element": "hubspot"}
    yield await _step("A service asks for acme's contacts. The gateway finds the token and sends it up: a miss.", contacts, acme)
    again = await call(contacts, acme)
    told = _told(again, "The same again is answered from memory; the vendor's budget is not touched: a hit.", "The same again.")
    yield Step(told, contacts, again)
    other = f"{data}/c/acme/hubspot/elements/api-v2/contacts?pageSize=2"
    entry = await call(other, {"X-Api-Key": place.service_key})
    elsewhere = "The hub is left out, the customer stands in the path: the same resource"
    yield Step(_told(entry, f"{elsewhere}, the same entry.", f"{elsewhere}."), other, entry)
    yield await _step("No key, no call.", contacts, {"Gateway-Customer": "acme"})
    initech = {"Authorization": f"Bearer {place.service_key}", "Gateway-Customer": "initech", "Gateway-Element": "closeio"}
    for number in range(3):
        await call(f"{data}/elements/api-v2/contacts?page={number + 1}", initech)
    fourth = f"{data}/elements/api-v2/contacts"
    yield await _step("Close.io is limited to 3 calls in 3 s here; this is the fourth.", fourth, initech)
    waiting = asyncio.create_task(call(fourth, {**initech, "Prefer": "wait=5"}))
    yield Step("The same with Prefer: wait=5 waits for its turn. Meanwhile it shows among the budgets.", *await _budgets(place, waiting))
    yield Step("Then there is room, and it is sent: Server-Timing tells how long it was in the queue.", fourth, await waiting)


async def metrics(place: Place) -> list[str]:
    """The lines of a scrape that tell of these calls."""
    scrape = await call(f"{place.admin}/metrics", {})
    return [line for line in scrape.body.splitlines() if line.startswith(_METRICS)]


async def show(place: Place) -> None:
    """Make the calls and print each as it happens."""
    console.print(f"\n[bold]Sandbox[/] (a Cloud Elements to play with)  {place.sandbox}")
    console.print(f"[bold]Gateway[/] data {place.data}   admin {place.admin}\n")
    async for step in steps(place):
        _print_step(step)
    console.print("[bold cyan]What Prometheus sees:[/]")
    for line in await metrics(place):
        console.print(f"  {escape(line)}")
    console.print()


async def document(place: Place) -> dict[str, Any]:
    """Make the calls and tell of all of them: where everything is, the keys to go on with, what was asked and answered."""
    made = [
        {"title": step.title, "method": "GET", "url": step.url, "status": step.answer.status}
        | {"headers": step.answer.shown, "body": step.answer.body}
        async for step in steps(place)
    ]
    urls = {"sandbox": place.sandbox, "data": place.data, "admin": place.admin}
    keys = {"service_key": place.service_key, "admin_key": place.admin_key}
    return urls | keys | {"calls": made, "metrics": await metrics(place)}


def invite(place: Place) -> None:
    """Print curl lines to go on with."""
    data, admin = place.data, place.admin
    console.print("[bold]Now you.[/] In another terminal:\n")
    for line in (
        f"KEY={place.service_key}",
        f'curl -i -H "Authorization: Bearer $KEY" "{data}/c/acme/hubspot/elements/api-v2/hubs/marketing/contacts"',
        f'curl -i -H "X-Api-Key: $KEY" -H "Gateway-Customer: globex" "{data}/elements/api-v2/hubs/helpdesk/incidents"',
        f'curl -i -H "Authorization: User $KEY, Organization dev" "{data}/elements/api-v2/instances"',
        f"ADMIN={place.admin_key}",
        f'curl -s -H "Authorization: Bearer $ADMIN" "{admin}/admin/v1/exchanges?limit=3"',
        f'curl -s -H "Authorization: Bearer $ADMIN" "{admin}/admin/v1/limits"',
        f"curl -s {admin}/metrics",
    ):
        console.print(f"  {escape(line)}")
    console.print("\nCtrl-C ends it.")


async def call(url: str, headers: Mapping[str, str]) -> Answer:
    """One GET, as any service would make it."""
    return await asyncio.to_thread(_get, url, headers)


def _told(answer: Answer, hit: str, otherwise: str) -> str:
    """What can be said of a repeated call: a configuration that was given may keep no such answers, or allow few calls."""
    return hit if "; hit" in answer.headers.get("Cache-Status", "") else f"{otherwise} Under the configuration given it is no hit."


async def _budgets(place: Place, waiting: asyncio.Task[Answer]) -> tuple[str, Answer]:
    """The scarcest budget, as soon as the call ``waiting`` shows in it; as it is then, should that be over before."""
    url = f"{place.admin}/admin/v1/limits?limit=1"
    while True:
        over = waiting.done()
        answer = await call(url, {"Authorization": f"Bearer {place.admin_key}"})
        if over or '"waiting": 1' in answer.body:
            return url, answer
        await asyncio.sleep(0.02)


async def _step(title: str, url: str, headers: Mapping[str, str]) -> Step:
    return Step(title, url, await call(url, headers))


def _print_step(step: Step) -> None:
    answer = step.answer
    console.print(f"[bold cyan]{step.title}[/]")
    console.print(f"  GET {escape(step.url)}")
    colour = "green" if answer.status < 400 else "yellow"
    console.print(
        f"  [{colour}]{answer.status}[/] {escape(answer.body[:_SHOWN_CHARACTERS])}{'…' if len(answer.body) > _SHOWN_CHARACTERS else ''}"
    )
    for name, value in answer.shown.items():
        console.print(f"  [dim]{name}: {escape(value)}[/]")
    console.print()


def _get(url: str, headers: Mapping[str, str]) -> Answer:
    request = Request(url, headers=dict(headers))  # noqa: S310 - our own loopback URLs
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return Answer(answer.status, dict(answer.headers.items()), answer.read().decode())
    except HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers.items()), error.read().decode())
