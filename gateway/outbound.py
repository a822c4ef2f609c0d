"""The upstream side of the composition: client, limits, guards, credentials, and the sender that asks them all."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import cache as memoize
from typing import TYPE_CHECKING

from gateway.accepting import beside
from gateway.exchange import Environment, Exchange
from gateway.instances.store import Instances
from gateway.limits import Limits
from gateway.pauses import Pauses
from gateway.policies import client_settings, guard_settings, limit_rules, queue_settings
from gateway.settings import Config
from gateway.telemetry import Telemetry
from gateway.upstream.credentials import Credentials
from gateway.upstream.guards import Guards
from gateway.upstream.probing import Prober
from gateway.upstream.protocol import UpstreamClient
from gateway.upstream.sender import Sender

if TYPE_CHECKING:
    from gateway.upstream.client import Client


def client_of(config: Config) -> tuple[UpstreamClient, Client | None]:
    """The client that the configuration names, and once more if it is the lean one; the other is not loaded."""
    settings = client_settings(config)
    if config.upstream.client == "aiohttp":
        from gateway.upstream.session_client import SessionClient  # noqa: PLC0415

        return SessionClient(settings), None
    from gateway.upstream.client import Client  # noqa: PLC0415

    client = Client(settings)
    return client, client


@dataclass(frozen=True, slots=True)
class Outbound:
    """What other parts ask of it."""

    sender: Sender
    limits: Limits
    credentials: Credentials


async def open_outbound(
    config: Config,
    environments: Mapping[str, Environment],
    instances: Instances,
    pauses: Pauses,
    telemetry: Telemetry,
    stack: AsyncExitStack,
) -> Outbound:
    """Everything that calls upstream; ``stack`` closes it."""
    client, lean = client_of(config)
    await stack.enter_async_context(client)
    limits = Limits(memoize(lambda key: limit_rules(config, key)), time.monotonic, time.time, queue_settings(config))
    stack.push_async_callback(limits.close)
    guards = Guards(memoize(lambda key: guard_settings(config, key)), config.callers.bulkhead)
    prober = Prober(client, telemetry.record, time.monotonic, time.time)
    credentials = Credentials(environments, prober.ask, instances, time.monotonic, time.time)
    stack.push_async_callback(credentials.close)
    await stack.enter_async_context(beside(credentials.watch()))
    telemetry.metrics.watch_budgets(limits.shares, limits.gates, limits.waiting)
    telemetry.metrics.watch_upstreams(lambda: guards.states(time.monotonic()), credentials.alarm)

    def still_allowed(exchange: Exchange) -> None:
        pauses.check(exchange.environment, exchange.customer, exchange.element)

    sender = Sender(client, limits, guards, credentials, time.monotonic, time.time, still_allowed, lean)
    return Outbound(sender, limits, credentials)
