"""Credentials before a real sandbox, over the real client, with mappings in a real SQLite; only the clock is turned by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from gateway.database.engine import open_database, upgrade
from gateway.exchange import Environment, Exchange, Instance, SecretPair, Target
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.models import NewInstance
from gateway.operations import Operations
from gateway.sandbox import Sandbox
from gateway.sandbox.server import running
from gateway.secret import Secret
from gateway.settings import Config
from gateway.upstream.client import Client
from gateway.upstream.credentials import Asked, Credentials, Finding
from gateway.upstream.headers import request_head
from gateway.upstream.protocol import ClientSettings, Origin

FIRST = SecretPair(Secret("first-user-secret="), Secret("organization-secret"))
NEXT = SecretPair(Secret("next-user-secret="), Secret("organization-secret"))
CONFIG = Config.model_validate({"environments": {"dev": {"base_url": "http://x", "user_secret": "env:A", "organization_secret": "env:B"}}})


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def get(client: Client, base_url: str, path: str, authorization: str) -> Asked:
    """One GET; its answer read to the end."""
    origin = Origin.of(base_url)
    head = request_head("GET", origin.path + path, origin.authority, [], [("Authorization", authorization)])
    response = await client.send(origin, head, b"", head_only=False)
    body = response.body if isinstance(response.body, bytes) else b"".join([chunk async for chunk in response.body])
    try:
        return Asked(response.status, json.loads(body))
    except ValueError:
        return Asked(response.status)


def platform(pair: SecretPair) -> str:
    return f"User {pair.user.reveal()}, Organization {pair.organization.reveal()}"


@dataclass
class Scene:
    """``probes`` are those that were made, ``most`` how many at once; ``log`` is what was logged."""

    environment: Environment
    sandbox: Sandbox
    instances: Instances
    operations: Operations
    client: Client
    log: list[Any]
    path: Path
    clock: Clock = field(default_factory=Clock)
    probes: list[str] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    credentials: Credentials = field(init=False)

    async def ask(self, environment: Environment, pair: SecretPair, path: str) -> Asked:
        self.probes.append(path)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await get(self.client, environment.base_url, path, platform(pair))
        finally:
            self.under_way -= 1

    async def add(self, name: str, *, numbered: bool = True, token: str | None = None, element: str | None = None) -> str:
        """A mapping of the sandbox's instance of this name; its handle."""
        there = self.sandbox.instances.named(name)
        said = {
            "environment": "dev", "customer": name, "element": element or there.element.key, "token": token or there.token,
            "instance_id": there.id if numbered else None,
        }  # fmt: skip
        return (await self.operations.add_instance(NewInstance.model_validate(said), actor="test")).handle

    async def mapping(self, handle: str) -> Instance:
        self.instances.forget()
        instance = await self.instances.by_handle(handle)
        assert instance is not None
        return instance

    async def target(self, handle: str) -> Target:
        return Target(self.environment, await self.mapping(handle), "/contacts")

    async def send(self, target: Target, pair: SecretPair | None = None, path: str = "/contacts?pageSize=1") -> int:
        """The status of one call with the pair in use, which is heard of."""
        authorization = platform(pair or self.credentials.pair("dev"))
        if target.instance is not None:
            authorization += f", Element {target.instance.token.reveal()}"
        status = (await get(self.client, self.environment.base_url, path, authorization)).status
        self.credentials.heard(target, status)
        return status

    async def examine(
        self, target: Target, pair: SecretPair | None = None, *, provider: bool = False, started: float | None = None
    ) -> Finding:
        """A 401 to a call that began now."""
        exchange = Exchange("id", "GET", "/contacts", self.clock() if started is None else started)
        used = pair or self.credentials.pair("dev")
        token = target.instance.token if target.instance else None
        finding = await self.credentials.examine(target, used, token, provider, exchange)
        assert [note[:2] for note in exchange.decisions] == [("authorization", finding.value)]
        return finding

    async def call(self, handle: str) -> tuple[int, int]:
        """As a call goes: the status that its caller gets, and how often it was sent."""
        target, started = await self.target(handle), self.clock()
        used = self.credentials.pair("dev")
        status = await self.send(target, used)
        if status != 401 or await self.examine(target, used, started=started) is not Finding.REPEAT:
            return status, 1
        return await self.send(await self.credentials.renewed(target)), 2

    async def at_once(self, targets: Sequence[Target], **more: Any) -> list[Finding]:
        return await asyncio.gather(*(self.examine(target, **more) for target in targets))

    def take(self, *pairs: SecretPair) -> None:
        """The sandbox takes the users of these pairs and no others."""
        self.sandbox.secrets.users = [pair.user.reveal() for pair in pairs]

    def events(self, *but: str) -> list[str]:
        return [line["event"] for line in self.log if line["event"] not in ("audit", *but)]

    def told(self, event: str) -> dict[str, Any]:
        return next(line for line in self.log if line["event"] == event)


@asynccontextmanager
async def scene(
    tmp_path: Path, spare: SecretPair | None = None, *, everything: bool = False, base_url: str = "", **settings: float
) -> AsyncIterator[Scene]:
    """``base_url``: of another upstream than the sandbox. At the end nothing is on its way, and no secret was logged."""
    upgrade(tmp_path / "gateway.db")
    sandbox = Sandbox(everything=everything)
    sandbox.user_secret, sandbox.organization_secret = FIRST.user.reveal(), FIRST.organization.reveal()
    secrets = {instance.token for instance in sandbox.instances} | {pair.user.reveal() for pair in (FIRST, NEXT)}
    with capture_logs() as log:
        async with (
            running(sandbox) as base,
            open_database(tmp_path / "gateway.db") as database,
            Client(ClientSettings(max_connections=600)) as client,
        ):
            environment = Environment("dev", base_url or base, FIRST.user, FIRST.organization, spare)
            instances, operations = Instances(database, Vault([("k", b"1" * 32)])), Operations(database, Vault([("k", b"1" * 32)]), CONFIG)
            here = Scene(environment, sandbox, instances, operations, client, log, tmp_path / "gateway.db")
            here.credentials = Credentials({"dev": environment}, here.ask, instances, here.clock, lambda: 1.5e9, **settings)
            try:
                yield here
            finally:
                await here.credentials.close()
            assert here.under_way == 0
    secrets |= {instance.token for instance in sandbox.instances} | {FIRST.organization.reveal()}
    said = repr(log) + repr(here.credentials.describe()) + repr(here.environment)
    assert not [secret for secret in secrets if secret in said]
