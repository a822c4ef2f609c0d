"""Steps of the cache: looking an answer up, keeping one."""

from __future__ import annotations

import time
from itertools import count

from bench.peers import BenchError
from bench.steps.house import House, answer, store
from bench.steps.step import Act, Step, at_once
from gateway.cache import Fresh, Lifetimes
from gateway.cache.entry import Subject, draft
from gateway.exchange import Pair


def _hit(house: House) -> Act:
    store(house, "/contacts/hit")
    return _found(house, "/contacts/hit")


def _vary(house: House) -> Act:
    store(house, "/contacts/vary", ("Vary", "Accept-Language, Accept"))
    return _found(house, "/contacts/vary")


def _found(house: House, resource: str, *fields: Pair) -> Act:
    request, target = house.asking(resource, *fields)
    exchange, look_up = house.exchange(), house.cache.look_up
    if not isinstance(at_once(look_up(request, target, exchange)), Fresh):
        raise BenchError(f"{resource} is not in the cache")

    def act() -> None:
        at_once(look_up(request, target, exchange))
        exchange.decisions.clear()

    return act


def _miss(house: House) -> Act:
    request, target = house.asking("/contacts/miss")
    exchange, cache = house.exchange(), house.cache

    def act() -> None:
        cache.abandon(at_once(cache.look_up(request, target, exchange)))
        exchange.decisions.clear()

    return act


def _draft(house: House) -> Act:
    fields, wanted, lifetimes = answer("max-age=3600").headers, house.headers, Lifetimes()
    subject, now = Subject("acme", "hubspot"), time.time()
    return lambda: draft(200, fields, wanted, now, now, lifetimes, subject, "OK")


def _kept(house: House) -> Act:
    """Each answer is of another resource, so the store is soon full, and drops one for each that it keeps."""
    numbers, exchange, cache, fresh = count(), house.exchange(), house.cache, answer("max-age=3600")

    def act() -> None:
        request, target = house.asking(f"/contacts/{next(numbers)}")
        found = at_once(cache.look_up(request, target, exchange))
        at_once(cache.settle(request, target, found, fresh, exchange))
        exchange.decisions.clear()

    return act


def _not_kept(house: House) -> Act:
    request, target = house.asking("/contacts/not-kept")
    exchange, cache, fresh = house.exchange(), house.cache, answer()

    def act() -> None:
        found = at_once(cache.look_up(request, target, exchange))
        at_once(cache.settle(request, target, found, fresh, exchange))
        exchange.decisions.clear()

    return act


STEPS = (
    Step("cache-hit", "look-up: a fresh answer of 1 KB is there", _hit),
    Step("cache-vary", "look-up: a fresh answer is there, chosen by two fields", _vary),
    Step("cache-miss", "look-up: nothing is there; the plan given up again", _miss),
    Step("cache-draft", "whether an answer may be kept, and its entry", _draft),
    Step("cache-kept", "look-up of nothing, the answer of 1 KB kept, another dropped", _kept),
    Step("cache-not-kept", "look-up of nothing, the answer not to be kept", _not_kept),
)
