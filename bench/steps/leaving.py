"""Steps of a call that leaves: budgets, guards, the head that goes up, the answer that comes down."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from bench.origin import DOCUMENT, HEAD
from bench.steps.house import BASE, House, answer
from bench.steps.inprocess import Transport
from bench.steps.step import Act, Step, at_once
from gateway.limits import FREE, Limits
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Rules
from gateway.limits.store import Policy
from gateway.upstream.answer_heads import fields_of
from gateway.upstream.client import answer_of
from gateway.upstream.connection import Connection
from gateway.upstream.guards import Guards, GuardSettings
from gateway.upstream.headers import downward
from gateway.upstream.injection import Injections, head_of
from gateway.upstream.masking import masked
from gateway.upstream.protocol import Origin


def _limits(house: House, *quotas: str) -> Act:
    rules = Rules(Policy(tuple(parse_quota(text) for text in quotas)))
    limits, exchange = Limits(lambda _: rules, time.monotonic, time.time), house.exchange()
    acquire, request, target = limits.acquire, house.request, house.target

    def act() -> None:
        permit = at_once(acquire(request, target, exchange))
        now = time.monotonic()
        permit.written(now)
        permit.heard(now)
        permit.over()
        exchange.decisions.clear()

    return act


def _guards(house: House) -> Act:
    settings = GuardSettings()
    guards, target = Guards(lambda _: settings, 256), house.target

    def act() -> None:
        passage = guards.enter(guards.of(target), FREE, target.caller, time.monotonic())
        now = time.monotonic()
        passage.written(now)
        passage.heard(now)
        passage.report("success", now)
        passage.over(now)

    return act


def _injection(house: House) -> Act:
    return partial(Injections(house.credentials).of, house.target)


def _head(house: House) -> Act:
    injection, origin = Injections(house.credentials).of(house.target), Origin.of(BASE)
    return partial(head_of, house.request, origin, injection, None, house.exchange(), False)


def _parse(house: House, times: int) -> Act:
    loop = asyncio.get_running_loop()
    connection, end = Connection(loop, lambda _: None), Transport(loop)
    end.set_protocol(connection)
    connection.connection_made(end)
    octets = HEAD % (b"200 OK", b"no-store", len(DOCUMENT) * times) + DOCUMENT * times

    def act() -> None:
        connection.ask(head_only=False)
        connection.data_received(octets)
        message, payload = at_once(answer_of(connection))
        fields_of(message)
        payload.read_nowait(-1)
        connection.done()

    return act


def _downward(house: House) -> Act:
    secrets = Injections(house.credentials).of(house.target).secrets
    pairs = answer().headers.plus(("Content-Length", "1024"), ("Connection", "keep-alive"))
    return lambda: downward(pairs.plus(), secrets)


def _masked(house: House, times: int) -> Act:
    secrets, response = Injections(house.credentials).of(house.target).secrets, answer(times=times)
    return partial(masked, response, secrets)


STEPS = (
    Step("limit-window", "a call of a quota within a window, spent and given back", lambda house: _limits(house, "5000000/10s")),
    Step("limit-gcra", "the same of an even rate", lambda house: _limits(house, "40000000/min burst 5000000")),
    Step(
        "limit-three",
        "the same of a window, a rate and a day together",
        lambda house: _limits(house, "5000000/10s", "40000000/min burst 5000000", "900000000/day"),
    ),
    Step("guards", "breaker and bulkheads, in and out again", _guards),
    Step("injection", "what a mapping's calls carry, known", _injection),
    Step("head-up", "the octets of the head that goes up", _head),
    Step("parse-answer-1k", "an upstream's answer of 1 KB out of its octets", lambda house: _parse(house, 1)),
    Step("parse-answer-10k", "one of 10 KB", lambda house: _parse(house, 10)),
    Step("downward", "the fields that go down, echoed secrets masked", _downward),
    Step("mask-1k", "secrets looked for in 1 KB of JSON", lambda house: _masked(house, 1)),
    Step("mask-10k", "secrets looked for in 10 KB of JSON", lambda house: _masked(house, 10)),
)
