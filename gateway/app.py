"""The composition root: builds every room from the configuration, opens what must be opened, closes it in reverse, serves.

Start-up refuses what would fail later (contract 3): a database whose rows the master keys cannot decrypt, an address in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache as memoize
from typing import TextIO, cast

import structlog

from gateway.background import Following
from gateway.cache import Cache
from gateway.cache.memory import MemoryStore
from gateway.cache.policy import CachePolicy, Lifetimes, Rule
from gateway.callers import Callers
from gateway.callers.store import Keys
from gateway.config import ConfigError, Problem, without_effect
from gateway.database.engine import open_database, upgrade
from gateway.exchange import Environment
from gateway.explaining import Explainer
from gateway.instances import Resolver
from gateway.instances.provisioning import Sealer
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.limits import Limits
from gateway.limits.quota import parse_quota
from gateway.limits.store import Policy
from gateway.operations import Operations, verify_vault
from gateway.pipeline import Pipeline
from gateway.revalidation import Revalidations
from gateway.server.admin import AdminParts, make_app
from gateway.server.data import DataListener
from gateway.server.health import Health
from gateway.server.listen_settings import ListenSettings
from gateway.server.listener import GuardedServer
from gateway.settings import Config
from gateway.telemetry import Telemetry
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.lines import Lines
from gateway.telemetry.logs import configure
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent
from gateway.upstream.client import Client
from gateway.upstream.pool import ClientSettings
from gateway.upstream.sender import Sender

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: where it listens, and how it is told to stop."""

    data: tuple[str, int]
    admin: tuple[str, int]
    health: Health
    telemetry: Telemetry
    cache: Cache
    hurry: asyncio.Event
    """Set: do not wait for open calls any longer."""


def run(config: Config, environments: Mapping[str, Environment], keys: Sequence[tuple[str, bytes]], *, as_json: bool = False) -> int:
    """Serve until a signal says to stop; the exit status of the process. ``as_json``: name the listeners as JSON."""
    errors = Lines(sys.stderr)
    errors.start()
    configure(config.log_level, cast("TextIO", errors))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold every secret in plain (threats 19)
    path = config.database_path()
    # Most of what a call makes is gone when the call is: looking for cycles less often saves a twentieth of the work.
    gc.set_threshold(20_000, 20, 50)
    gc.freeze()
    try:
        if path.parent.is_dir():
            upgrade(path)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            status = runner.run(_serve(config, environments, keys, as_json))
    finally:
        written = errors.close()
    if not written or not _flushed():
        os._exit(status)  # an output that takes nothing would hold the interpreter's end too
    return status


def _flushed() -> bool:
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return False
    return True


def _say(text: str) -> None:
    """A line for whoever started the gateway, if anybody listens."""
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - where it installs
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _serve(config: Config, environments: Mapping[str, Environment], keys: Sequence[tuple[str, bytes]], as_json: bool) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config, environments, keys) as gateway:
        for name, (host, port) in (("data", gateway.data), ("admin", gateway.admin)):
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            _say(json.dumps({"listener": name, "url": url}) if as_json else f"{name} listener on {url}")
        for setting in without_effect(config):
            log.warning("a setting has no effect in this version", setting=setting)
        await stop.wait()
        log.info("draining", open_calls=len(gateway.telemetry.metrics.live), drain_timeout_s=config.listen.drain_timeout)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, gateway.hurry.set)  # whoever sends a second one will not wait
    log.info("stopped")
    return 1 if gateway.hurry.is_set() else 0


@asynccontextmanager
async def running(config: Config, environments: Mapping[str, Environment], keys: Sequence[tuple[str, bytes]]) -> AsyncIterator[Gateway]:
    """A gateway that serves while inside; on leaving, it drains and everything is closed.

    Raises ``ConfigError`` where the master keys do not fit the database or an address cannot be listened on.
    """
    vault, health, hurry = Vault(keys), Health(), asyncio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(config.database_path()))
        problems = await verify_vault(database, vault)
        if problems:
            raise ConfigError([Problem(line) for line in problems])
        instances, caller_keys = Instances(database, vault), Keys(database)
        telemetry = _telemetry(config, stack)
        entries = MemoryStore(config.cache.max_bytes, time.time)
        telemetry.metrics.watch_cache(lambda: entries.bytes, lambda: entries.entries)
        policy = memoize(lambda key: _cache_policy(config, key))
        cache = Cache(policy, entries, time.time, config.cache.max_object_bytes, instances.numbered)
        client = await stack.enter_async_context(Client(_client_settings(config)))
        limits = Limits(memoize(lambda key: _limit_policy(config, key)), time.monotonic, time.time)
        callers = Callers(caller_keys, time.time)
        revalidations = Revalidations(telemetry.record, time.monotonic, time.time)
        stack.push_async_callback(revalidations.close)
        sender = Sender(client, limits, time.monotonic)
        pipeline = Pipeline(
            callers,
            Resolver(environments, config.default_environment, instances),
            cache,
            sender,
            Sealer(instances),
            revalidations,
            Explainer(cache, limits, sender),
        )
        following = Following(database, instances, caller_keys, telemetry.metrics)
        health.checks.append(following.degraded)
        await stack.enter_async_context(following.running())
        listening = _listen_settings(config)
        listener = DataListener(pipeline, telemetry, listening, health.is_draining)
        operations = Operations(database, vault, config)
        app = make_app(AdminParts(operations, callers, cache, limits, telemetry, health))
        # Entered first, so left last: /readyz tells of the draining until it is over.
        admin_server = listener.server()
        await admin_server.carry(app)
        admin = await stack.enter_async_context(_listening(admin_server, config.listen.admin, "admin", 1.0, hurry))
        drain_s = config.listen.drain_timeout
        data = await stack.enter_async_context(_listening(listener.server(), config.listen.data, "data", drain_s, hurry))
        stack.callback(setattr, health, "draining", True)
        health.started = True
        yield Gateway(data, admin, health, telemetry, cache, hurry)


@asynccontextmanager
async def _listening(
    server: GuardedServer, address: tuple[str, int], name: str, drain_s: float, hurry: asyncio.Event
) -> AsyncIterator[tuple[str, int]]:
    """Accept connections while inside; on leaving accept no more, let open calls finish for ``drain_s`` seconds, then cut."""
    loop = asyncio.get_running_loop()
    try:
        sockets = await loop.create_server(server, *address, backlog=1024, reuse_address=True)
    except OSError as error:
        message = f"listen.{name}: found {address[0]}:{address[1]}, expected an address that can be listened on ({error.strerror})"
        raise ConfigError([Problem(message)]) from None
    sweeper = asyncio.create_task(server.sweep())
    try:
        yield sockets.sockets[0].getsockname()[:2]
    finally:
        sockets.close()
        cut = await server.drain(drain_s, hurry)
        if cut:
            log.warning("open calls were cut", listener=name, calls=cut)
        sweeper.cancel()


def _telemetry(config: Config, stack: AsyncExitStack) -> Telemetry:
    access_log = None
    if config.access_log:
        access_log = AccessLog(sys.stdout)
        access_log.start()
        stack.push_async_callback(asyncio.to_thread, access_log.close)
    return Telemetry(Metrics(config.environments), access_log, Recent())


def _cache_policy(config: Config, key: str) -> CachePolicy:
    section = config.element(key).cache
    names = Lifetimes._fields
    rules = tuple(Rule(rule.path, rule.enabled, **{name: getattr(rule, name) for name in names}) for rule in section.rules)
    return CachePolicy(section.enabled, Lifetimes(*(getattr(section, name) for name in names)), rules)


def _limit_policy(config: Config, key: str) -> Policy:
    section = config.element(key)
    return Policy(tuple(parse_quota(text) for text in section.limits), section.scope, section.timezone)


def _client_settings(config: Config) -> ClientSettings:
    ca_file = config.upstream.ca_file
    return ClientSettings(
        connect_timeout=config.upstream.connect_timeout,
        response_timeout=config.upstream.response_timeout,
        body_timeout=config.upstream.body_timeout,
        keep_alive=config.upstream.keep_alive,
        max_connections=config.upstream.max_connections,
        ca_file=str(config.folder / ca_file) if ca_file else None,
    )


def _listen_settings(config: Config) -> ListenSettings:
    listen = config.listen
    return ListenSettings(
        header_timeout=listen.header_timeout,
        body_timeout=listen.body_timeout,
        keep_alive_timeout=listen.keep_alive_timeout,
        write_timeout=listen.write_timeout,
        max_connections=listen.max_connections,
        max_line_bytes=listen.max_line_bytes,
        max_head_bytes=listen.max_head_bytes,
        max_fields=listen.max_fields,
        max_body_bytes=listen.max_body_bytes,
    )
