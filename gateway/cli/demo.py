"""``gateway demo``: sandbox and gateway in one process, real calls through both, and curl lines to go on with."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import signal
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import typer
from rich.console import Console
from rich.markup import escape

from gateway.app import Gateway, running
from gateway.config import ConfigError, load_for_serving
from gateway.database.engine import open_database, upgrade
from gateway.instances.vault import Vault
from gateway.models import NewInstance, NewKey
from gateway.operations import Operations
from gateway.sandbox import Sandbox
from gateway.sandbox import server as sandbox_server
from gateway.telemetry.logs import configure

_SHOWN = ("Cache-Status", "Age", "RateLimit", "Retry-After", "Server-Timing")
_METRICS = ("gateway_requests_total", "gateway_upstream_requests_total", "gateway_rate_limited_total", "gateway_cache_entries")
_CONFIG = """
default_environment = "dev"
access_log = false
log_level = "warning"
[listen]
data = "127.0.0.1:{data}"
admin = "127.0.0.1:{admin}"
[environments.dev]
base_url = "{upstream}"
user_secret = "env:DEMO_USER_SECRET"
organization_secret = "env:DEMO_ORGANIZATION_SECRET"
[elements.closeio]
limits = ["3/10s"]
[elements.closeio.cache]
enabled = false
"""

console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class _Keys:
    service: str
    admin: str


def demo(
    port: Annotated[int, typer.Option(help="Of the data listener; the admin listener takes the next one. 0: any that is free")] = 8080,
    once: Annotated[bool, typer.Option("--once", help="Make the calls and exit, instead of staying up")] = False,
) -> None:
    """Run sandbox and gateway with seeded customers, show a miss, a hit, a 429 and the metrics, and stay up to be tried."""
    configure("warning")
    asyncio.run(_demo(port, once))


async def _demo(port: int, once: bool) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        sandbox = Sandbox()
        upstream = await stack.enter_async_context(sandbox_server.running(sandbox))
        path, keys = await _set_up(folder, upstream, sandbox, port)
        environ = {"DEMO_USER_SECRET": sandbox.user_secret, "DEMO_ORGANIZATION_SECRET": sandbox.organization_secret}
        try:
            gateway = await stack.enter_async_context(running(*load_for_serving(path, environ)))
        except ConfigError as error:
            if port == 0:
                raise
            console.print(f"[yellow]{escape(str(error))}; taking ports that are free instead[/]")
            path, keys = await _set_up(folder, upstream, sandbox, 0)
            gateway = await stack.enter_async_context(running(*load_for_serving(path, environ)))
        await _show(gateway, keys, upstream)
        if not once:
            _invite(gateway, keys)
            await _until_told()


async def _set_up(folder: Path, upstream: str, sandbox: Sandbox, port: int) -> tuple[Path, _Keys]:
    """Write a configuration and fill a database: every seeded customer mapped, a key for a service and one for an operator."""
    path = folder / "gateway.toml"
    path.write_text(_CONFIG.format(upstream=upstream, data=port, admin=port + 1 if port else 0))
    keys_file = folder / "master.keys"
    if not keys_file.exists():
        keys_file.write_text(f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    environ = {"DEMO_USER_SECRET": sandbox.user_secret, "DEMO_ORGANIZATION_SECRET": sandbox.organization_secret}
    config, _, keys = load_for_serving(path, environ)
    database_path = config.database_path()
    fresh = not database_path.exists()
    upgrade(database_path)
    async with open_database(database_path) as database:
        operations = Operations(database, Vault(keys), config)
        if fresh:
            await _map(operations, upstream, sandbox)
        service = await operations.create_key(
            NewKey(name="demo service", scopes=["hub", "platform:read"]),
            actor="demo",
        )
        admin = await operations.create_key(NewKey(name="demo operator", scopes=["admin"]), actor="demo")
    return path, _Keys(service.key, admin.key)


async def _map(operations: Operations, upstream: str, sandbox: Sandbox) -> None:
    authorization = f"User {sandbox.user_secret}, Organization {sandbox.organization_secret}"
    listed = await _call(f"{upstream}/instances", {"Authorization": authorization})
    for instance in json.loads(listed.body):
        await operations.add_instance(
            NewInstance.model_validate(
                {
                    "environment": "dev",
                    "customer": instance["tags"][0],
                    "element": instance["element"]["key"],
                    "hub": instance["element"]["hub"],
                    "token": instance["token"],
                    "instance_id": instance["id"],
                }
            ),
            actor="demo",
        )


async def _show(gateway: Gateway, keys: _Keys, upstream: str) -> None:
    data, admin = _urls(gateway)
    console.print(f"\n[bold]Sandbox[/] (a Cloud Elements to play with)  {upstream}")
    console.print(f"[bold]Gateway[/] data {data}   admin {admin}\n")
    contacts = "/elements/api-v2/hubs/marketing/contacts?pageSize=2"
    acme = {"Authorization": f"Bearer {keys.service}", "Gateway-Customer": "acme", "Gateway-Element": "hubspot"}
    await _step("A service asks for acme's contacts. The gateway finds the token and sends it up: a miss.", "GET", data + contacts, acme)
    await _step("The same again is answered from memory; the vendor's budget is not touched: a hit.", "GET", data + contacts, acme)
    await _step(
        "The hub is left out, the customer stands in the path: the same resource, the same entry.",
        "GET",
        f"{data}/c/acme/hubspot/elements/api-v2/contacts?pageSize=2",
        {"X-Api-Key": keys.service},
    )
    await _step("No key, no call.", "GET", data + contacts, {"Gateway-Customer": "acme"})
    initech = {"Authorization": f"Bearer {keys.service}", "Gateway-Customer": "initech", "Gateway-Element": "closeio"}
    for number in range(3):
        await _call(f"{data}/elements/api-v2/contacts?page={number + 1}", initech)
    await _step("Close.io is limited to 3 calls in 10 s here; this is the fourth.", "GET", f"{data}/elements/api-v2/contacts", initech)
    metrics = await _call(f"{admin}/metrics", {})
    console.print("[bold cyan]What Prometheus sees:[/]")
    for line in metrics.body.splitlines():
        if line.startswith(_METRICS):
            console.print(f"  {escape(line)}")
    console.print()


async def _step(title: str, method: str, url: str, headers: Mapping[str, str]) -> None:
    answer = await _call(url, headers)
    console.print(f"[bold cyan]{title}[/]")
    console.print(f"  {method} {escape(url)}")
    colour = "green" if answer.status < 400 else "yellow"
    console.print(f"  [{colour}]{answer.status}[/] {escape(answer.body[:160])}{'…' if len(answer.body) > 160 else ''}")
    for name in _SHOWN:
        if name in answer.headers:
            console.print(f"  [dim]{name}: {escape(answer.headers[name])}[/]")
    console.print()


def _invite(gateway: Gateway, keys: _Keys) -> None:
    data, admin = _urls(gateway)
    console.print("[bold]Now you.[/] In another terminal:\n")
    for line in (
        f"KEY={keys.service}",
        f'curl -i -H "Authorization: Bearer $KEY" "{data}/c/acme/hubspot/elements/api-v2/hubs/marketing/contacts"',
        f'curl -i -H "X-Api-Key: $KEY" -H "Gateway-Customer: globex" "{data}/elements/api-v2/hubs/helpdesk/incidents"',
        f'curl -i -H "Authorization: User $KEY, Organization dev" "{data}/elements/api-v2/instances"',
        f"ADMIN={keys.admin}",
        f'curl -s -H "Authorization: Bearer $ADMIN" "{admin}/admin/v1/exchanges?limit=3"',
        f'curl -s -H "Authorization: Bearer $ADMIN" "{admin}/admin/v1/limits"',
        f"curl -s {admin}/metrics",
    ):
        console.print(f"  {escape(line)}")
    console.print("\nCtrl-C ends it.")


async def _until_told() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _urls(gateway: Gateway) -> tuple[str, str]:
    return f"http://{gateway.data[0]}:{gateway.data[1]}", f"http://{gateway.admin[0]}:{gateway.admin[1]}"


async def _call(url: str, headers: Mapping[str, str]) -> _Answer:
    """One GET, as any service would make it."""
    return await asyncio.to_thread(_get, url, headers)


def _get(url: str, headers: Mapping[str, str]) -> _Answer:
    request = Request(url, headers=dict(headers))  # noqa: S310 - our own loopback URLs
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return _Answer(answer.status, dict(answer.headers.items()), answer.read().decode())
    except HTTPError as error:
        with error:
            return _Answer(error.code, dict(error.headers.items()), error.read().decode())
