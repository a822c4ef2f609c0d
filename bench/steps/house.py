"""The rooms that steps are measured in: the gateway's own objects, put together as ``gateway/app.py`` does it, rows in a real database.

Also one call as it comes in, and what becomes of it on its way.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader

from bench.origin import DOCUMENT
from bench.peers import BenchError
from bench.steps.inprocess import Transport
from bench.steps.step import at_once
from gateway.cache import Cache, CachePolicy
from gateway.cache.memory import MemoryStore
from gateway.callers import Caller, Callers
from gateway.callers.store import Keys
from gateway.database.engine import open_database, upgrade
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Response, Target
from gateway.instances import Resolver
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.models import NewInstance, NewKey
from gateway.operations import Operations
from gateway.paths import PREFIX
from gateway.secret import Secret
from gateway.server import intake
from gateway.server.data_connection import DataConnection
from gateway.server.listen_settings import ListenSettings
from gateway.server.listener import GuardedServer
from gateway.server.shedding import Shedder
from gateway.settings import Config, EnvironmentConfig
from gateway.upstream.credentials import Credentials

BASE = f"http://127.0.0.1:1{PREFIX}"
RESOURCE = "/hubs/crm/contacts/7"
JSON = Headers([("Content-Type", "application/json;charset=UTF-8"), ("Elements-Request-Id", "5f3c1e0aab12cd34ef567890")])
_STORE_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class House:
    """The rooms, and a GET of 1 KB that passes through them: its octets, and what is known of it at each step."""

    callers: Callers
    resolver: Resolver
    cache: Cache
    credentials: Credentials
    connection: DataConnection
    octets: bytes
    message: RawRequestMessage
    payload: StreamReader
    headers: Headers
    request: Request
    caller: Caller
    target: Target

    @property
    def instance(self) -> Instance:
        """The mapping that the call is for. Raises ``BenchError`` where it is for none."""
        if self.target.instance is None:
            raise BenchError("the call has no mapping")
        return self.target.instance

    def exchange(self) -> Exchange:
        """The record of a call that has come as far as the cache."""
        exchange = intake.begin(self.message, self.headers, time.monotonic())
        exchange.caller, exchange.environment, exchange.customer, exchange.element = self.caller.key.id, "dev", "acme", "hubspot"
        exchange.handle, exchange.resource = self.instance.handle, "/contacts/{id}"
        return exchange

    def asking(self, resource: str, *fields: tuple[str, str]) -> tuple[Request, Target]:
        """The same call for another resource, with more fields."""
        request = Request("GET", resource, self.headers.plus(*fields))
        return request, Target(self.target.environment, self.target.instance, resource, self.caller.key)


def answer(caching: str = "no-store", times: int = 1) -> Response:
    """An upstream's answer of so many KB, as it goes down."""
    return Response(200, JSON.plus(("Cache-Control", caching)), DOCUMENT * times, "OK")


@asynccontextmanager
async def opened() -> AsyncIterator[House]:
    """The house, while inside."""
    secret = [Secret(secrets.token_hex(32)) for _ in range(3)]
    environments = {"dev": Environment("dev", BASE, secret[0], secret[1])}
    vault = Vault([("one", secrets.token_bytes(32))])
    with tempfile.TemporaryDirectory(prefix="gateway-steps-") as name:
        upgrade(Path(name) / "gateway.db")
        async with open_database(Path(name) / "gateway.db") as database:
            named = EnvironmentConfig(base_url=BASE, user_secret="env:USER", organization_secret="env:ORGANIZATION")
            verbs = Operations(database, vault, Config(environments={"dev": named}))
            created = await verbs.create_key(NewKey(name="bench"), actor="bench")
            row = {"environment": "dev", "customer": "acme", "element": "hubspot", "token": secret[2].reveal()}
            await verbs.add_instance(NewInstance.model_validate(row), actor="bench")
            instances = Instances(database, vault)
            callers = Callers(Keys(database), time.time)
            resolver = Resolver(environments, None, instances)
            connection = _connection()
            octets = _request(created.key)
            message, payload = fed(connection, octets)
            headers = intake.headers_of(message)
            request = intake.read(message, payload, connection, headers, 1024**2)
            caller = await callers.identify(headers)
            target = await resolver.resolve(request, caller, Exchange("", "GET", RESOURCE, 0.0))
            credentials = Credentials(environments, _never, instances, time.monotonic, time.time)
            cache = Cache(lambda _: CachePolicy(), MemoryStore(_STORE_BYTES, time.time), time.time, 1024**2)
            try:
                yield House(callers, resolver, cache, credentials, connection, octets, message, payload, headers, request, caller, target)
            finally:
                connection.abort()
                await credentials.close()
                await asyncio.sleep(0)


def fed(connection: DataConnection, octets: bytes) -> tuple[RawRequestMessage, StreamReader]:
    """The request that comes out of ``octets``, taken from the connection as its own task would take it. Raises ``BenchError``."""
    connection.data_received(octets)
    message, payload = connection._messages.popleft()
    if connection._parser is not None:
        connection._parser.message_consumed()
    if not isinstance(message, RawRequestMessage):
        raise BenchError("the request was not understood")
    return message, payload


def store(house: House, resource: str, *more: tuple[str, str]) -> None:
    """Have the cache hold an answer for ``resource``, which carries ``more`` fields."""
    request, target = house.asking(resource)
    exchange = house.exchange()
    found = at_once(house.cache.look_up(request, target, exchange))
    fresh = answer("max-age=3600")
    fresh.headers = fresh.headers.plus(*more)
    at_once(house.cache.settle(request, target, found, fresh, exchange))
    if "stored" not in exchange.cache_status:
        raise BenchError(f"{resource} was not stored: {exchange.decisions[-1:]}")


def _request(key: str) -> bytes:
    head = f"GET {PREFIX}{RESOURCE} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench/1\r\nAccept: application/json\r\n"
    return f"{head}Authorization: Bearer {key}\r\nGateway-Customer: acme\r\nGateway-Element: hubspot\r\n\r\n".encode()


def _connection() -> DataConnection:
    """A caller's connection, whose task never comes to its turn: the loop stands while steps are measured."""
    loop = asyncio.get_running_loop()
    settings = ListenSettings()
    server = GuardedServer(_never, _never, settings, bytes, Shedder(settings.overload_lag), bytes)
    connection = DataConnection(server, loop, settings)
    end = Transport(loop)
    end.set_protocol(connection)
    connection.connection_made(end)
    return connection


async def _never(*_: object) -> NoReturn:
    raise BenchError("nothing is served, and nobody is asked, while steps are measured")
