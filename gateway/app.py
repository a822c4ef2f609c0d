"""The composition root: builds every room from the configuration, opens what must be opened, closes it in reverse, serves.

Start-up refuses what would fail later (contract 3): a database whose rows the master keys cannot decrypt, an address in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache as memoize
from types import MappingProxyType
from typing import TextIO, cast

import structlog

from gateway.accepting import Accepting, beside
from gateway.background import Following
from gateway.cache import Cache
from gateway.cache.memory import MemoryStore
from gateway.callers import Callers
from gateway.callers.certificates import Certificates
from gateway.callers.store import Keys
from gateway.config import ConfigError, Problem, supervision, tracing_headers, without_effect
from gateway.database.engine import Database, open_database, upgrade
from gateway.exchange import Environment
from gateway.explaining import Explainer
from gateway.hardening import keep_memory_private
from gateway.idempotency import Idempotency, KeptAnswers
from gateway.instances import Resolver
from gateway.instances.provisioning import Sealer
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.operations import Operations, verify_vault
from gateway.outbound import open_outbound
from gateway.pauses import Pauses
from gateway.pauses.store import StoredPauses
from gateway.pipeline import Pipeline
from gateway.policies import cache_policy, listen_settings
from gateway.revalidation import Revalidations
from gateway.server.admin import AdminParts, make_app
from gateway.server.cors import Cors
from gateway.server.data import DataListener
from gateway.server.health import Health
from gateway.server.systemd import Supervisor, inherited
from gateway.settings import Config
from gateway.telemetry import Telemetry
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.lines import Lines
from gateway.telemetry.logs import configure
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent
from gateway.telemetry.tracing import Tracing

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: where it listens, and how it is told to stop."""

    data: tuple[str, int]
    admin: tuple[str, int]
    health: Health
    telemetry: Telemetry
    cache: Cache
    accepting: Accepting
    hurry: asyncio.Event
    """Set: do not wait for open calls any longer."""


def run(config: Config, environments: Mapping[str, Environment], keys: Sequence[tuple[str, bytes]], *, as_json: bool = False) -> int:
    """Serve until a signal says to stop; the exit status of the process. ``as_json``: name the listeners as JSON."""
    said = supervision()
    sockets, problems = inherited(said, os.getpid())
    if problems:
        raise ConfigError([Problem(line) for line in problems])
    supervisor = Supervisor(said, os.getpid())
    errors = Lines(sys.stderr)
    errors.start()
    configure(config.log_level, cast("TextIO", errors))
    keep_memory_private(inspectable=config.inspectable)
    path = config.database_path()
    # Most of what a call makes is gone when the call is: looking for cycles less often saves a twentieth of the work.
    gc.set_threshold(100_000, 50, 100)
    gc.freeze()
    try:
        if path.parent.is_dir():
            upgrade(path)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            status = runner.run(_serve(running(config, environments, keys, sockets), config, as_json, supervisor))
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


async def _serve(runs: AbstractAsyncContextManager[Gateway], config: Config, as_json: bool, supervisor: Supervisor) -> int:
    stop, reread = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reread.set)
    async with beside(supervisor.watchdog()), runs as gateway, beside(gateway.accepting.rereading(reread, supervisor)):
        for name, address in (("data", gateway.data), ("admin", gateway.admin)):
            url = gateway.accepting.url(name, address)
            _say(json.dumps({"listener": name, "url": url}) if as_json else f"{name} listener on {url}")
        for setting in without_effect(config):
            log.warning("a setting has no effect: no listener asks for certificates", setting=setting)
        supervisor.tell("READY=1", "STATUS=serving")
        await stop.wait()
        supervisor.tell("STOPPING=1", "STATUS=draining")
        log.info("draining", open_calls=len(gateway.telemetry.metrics.live), drain_timeout_s=config.listen.drain_timeout)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, gateway.hurry.set)  # whoever sends a second one will not wait
    log.info("stopped")
    return 1 if gateway.hurry.is_set() else 0


@asynccontextmanager
async def running(
    config: Config,
    environments: Mapping[str, Environment],
    keys: Sequence[tuple[str, bytes]],
    sockets: Mapping[str, socket.socket] = MappingProxyType({}),
) -> AsyncIterator[Gateway]:
    """A gateway that serves while inside; on leaving, it drains and everything is closed. ``sockets`` listen already, by listener.

    Raises ``ConfigError`` where the master keys do not fit the database or an address cannot be listened on.
    """
    vault, health, hurry = Vault(keys), Health(), asyncio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(config.database_path()))
        problems = await verify_vault(database, vault, kept_since=time.time() - config.idempotency.keep)
        if problems:
            raise ConfigError([Problem(line) for line in problems])
        instances, caller_keys = Instances(database, vault), Keys(database)
        telemetry = _telemetry(config, stack)
        stack.callback(telemetry.settle)
        entries = MemoryStore(config.cache.max_bytes, time.time)
        telemetry.metrics.watch_cache(lambda: entries.bytes, lambda: entries.entries)
        policy = memoize(lambda key: cache_policy(config, key))
        cache = Cache(policy, entries, time.time, config.cache.max_object_bytes, instances.numbered)
        pauses = Pauses(StoredPauses(database), time.time)
        outbound = await open_outbound(config, environments, instances, pauses, telemetry, stack)
        callers = Callers(caller_keys, time.time, Certificates(config.callers.certificates))
        revalidations = Revalidations(telemetry.record, time.monotonic, time.time, config.cache.max_object_bytes)
        stack.push_async_callback(revalidations.close)
        idempotency = await _idempotency(config, database, vault, revalidations, stack)
        resolver = Resolver(environments, config.default_environment, instances, lambda element: config.element(element).hubs)
        explainer = Explainer(caller_keys, resolver, cache, outbound.limits, outbound.sender, pauses)
        pipeline = Pipeline(
            callers,
            resolver,
            cache,
            outbound.sender,
            Sealer(instances),
            revalidations,
            explainer,
            pauses=pauses,
            idempotency=idempotency,
            clock=time.monotonic,
        )
        following = Following(database, instances, caller_keys, pauses, telemetry.metrics)
        health.checks += [following.degraded, outbound.credentials.degraded]
        await stack.enter_async_context(following.running())
        listening = listen_settings(config)
        cors = await Cors.of(config.cors.allowed_origins) if config.cors.allowed_origins else None
        listener = DataListener(pipeline, telemetry, listening, health.is_draining, cors, _tracing(config, environments, stack))
        if config.listen.fast_path:
            await stack.enter_async_context(beside(listener.shorten(caller_keys, instances).watch()))
        health.checks.append(listener.shedder.degraded)
        await stack.enter_async_context(beside(listener.shedder.watch(time.monotonic)))
        operations = Operations(database, vault, config)
        app = make_app(AdminParts(operations, callers, cache, outbound.limits, telemetry, health, explainer, pauses))
        if cors is not None:
            cors.guard(app)
        accepting = Accepting(config, sockets, hurry)
        # Entered first, so left last: /readyz tells of the draining until it is over.
        admin_server = listener.server()
        await admin_server.carry(app)
        admin = await stack.enter_async_context(accepting.listening(admin_server, "admin", 1.0))
        drain_s = config.listen.drain_timeout
        data = await stack.enter_async_context(accepting.listening(listener.server(), "data", drain_s))
        stack.callback(outbound.limits.drain, drain_s)
        stack.callback(setattr, health, "draining", True)
        health.started = True
        yield Gateway(data, admin, health, telemetry, cache, accepting, hurry)


def _telemetry(config: Config, stack: AsyncExitStack) -> Telemetry:
    access_log = None
    if config.access_log:
        access_log = AccessLog(sys.stdout)
        access_log.start()
        stack.push_async_callback(asyncio.to_thread, access_log.close)
    return Telemetry(Metrics(config.environments), access_log, Recent())


async def _idempotency(config: Config, database: Database, vault: Vault, background: Revalidations, stack: AsyncExitStack) -> Idempotency:
    kept = config.idempotency
    idempotency = Idempotency(KeptAnswers(database, vault, time.time, kept.keep, kept.max_bytes), kept.max_object_bytes, background.start)
    await idempotency.sweep()
    stack.push_async_callback(idempotency.close)
    return idempotency


def _tracing(config: Config, environments: Mapping[str, Environment], stack: AsyncExitStack) -> Tracing | None:
    if not config.tracing.enabled:
        return None
    from gateway.telemetry.spans import spans_of  # noqa: PLC0415 - only where calls are traced
    from gateway.telemetry.tracing_export import Delivery  # noqa: PLC0415 - loads what an optional extra brings

    base_urls = {name: environment.base_url for name, environment in environments.items()}
    scheme = "http" if config.listen.data_tls is None else "https"
    section = config.tracing
    delivery = Delivery(
        section.endpoint, tracing_headers(config), section.service_name, lambda exchange: spans_of(exchange, scheme, base_urls)
    )
    stack.push_async_callback(asyncio.to_thread, delivery.close)
    return Tracing(section.sample_ratio, delivery.take, time.monotonic)
