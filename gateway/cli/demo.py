"""``gateway demo``: sandbox and gateway in one process, real calls through both, and curl lines to go on with."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import signal
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gateway.app import Gateway, running
from gateway.cli.demo_tour import Place, call, document, invite, show
from gateway.cli.output import print_json
from gateway.config import ConfigError, load, load_for_serving
from gateway.database.engine import open_database, upgrade
from gateway.instances.vault import Vault
from gateway.models import NewInstance, NewKey
from gateway.operations import Operations
from gateway.sandbox import Sandbox
from gateway.sandbox import server as sandbox_server
from gateway.settings import Config
from gateway.telemetry.logs import configure

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
limits = ["3/3s"]
[elements.closeio.cache]
enabled = false
"""


@dataclass(frozen=True, slots=True)
class _Keys:
    service: str
    admin: str


def demo(
    port: Annotated[int, typer.Option(help="Of the data listener; the admin listener takes the next one. 0: any that is free")] = 8080,
    once: Annotated[bool, typer.Option("--once", help="Make the calls and exit, instead of staying up")] = False,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Take the elements' limits and cache rules from there (Close.io keeps the demo's)"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell as one line of JSON what was called, and where all is")] = False,
) -> None:
    """Run sandbox and gateway with seeded customers, show a miss, a hit, a 429, a wait and the metrics, and stay up to be tried."""
    given = None if config is None else load(config)
    configure("warning")
    asyncio.run(_demo(port, once, given, as_json))


async def _demo(port: int, once: bool, given: Config | None, as_json: bool) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        sandbox = Sandbox()
        upstream = await stack.enter_async_context(sandbox_server.running(sandbox))
        try:
            gateway, keys = await _started(stack, folder, upstream, sandbox, port, given)
        except ConfigError as error:
            if port == 0:
                raise
            typer.echo(f"{error}; taking ports that are free instead", err=True)
            gateway, keys = await _started(stack, folder, upstream, sandbox, 0, given)
        place = Place(upstream, *_urls(gateway), keys.service, keys.admin)
        if as_json:
            print_json(await document(place))
        else:
            await show(place)
        if not once:
            if not as_json:
                invite(place)
            await _until_told()


async def _started(
    stack: AsyncExitStack, folder: Path, upstream: str, sandbox: Sandbox, port: int, given: Config | None
) -> tuple[Gateway, _Keys]:
    """A gateway in front of ``sandbox``; ``ConfigError`` where a port is taken."""
    path, keys = await _set_up(folder, upstream, sandbox, port)
    config, environments, master = load_for_serving(path, _environ(sandbox))
    if given is not None:
        elements = {**given.elements, "closeio": config.elements["closeio"]}
        config = config.model_copy(update={"elements": elements, "cache": given.cache})
    return await stack.enter_async_context(running(config, environments, master)), keys


def _environ(sandbox: Sandbox) -> dict[str, str]:
    return {"DEMO_USER_SECRET": sandbox.user_secret, "DEMO_ORGANIZATION_SECRET": sandbox.organization_secret}


async def _set_up(folder: Path, upstream: str, sandbox: Sandbox, port: int) -> tuple[Path, _Keys]:
    """Write a configuration and fill a database: every seeded customer mapped, a key for a service and one for an operator."""
    path = folder / "gateway.toml"
    path.write_text(_CONFIG.format(upstream=upstream, data=port, admin=port + 1 if port else 0))
    keys_file = folder / "master.keys"
    if not keys_file.exists():
        keys_file.write_text(f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
    config, _, keys = load_for_serving(path, _environ(sandbox))
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
    listed = await call(f"{upstream}/instances", {"Authorization": authorization})
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


async def _until_told() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def _urls(gateway: Gateway) -> tuple[str, str]:
    return f"http://{gateway.data[0]}:{gateway.data[1]}", f"http://{gateway.admin[0]}:{gateway.admin[1]}"
