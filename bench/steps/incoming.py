"""Steps from a caller's octets to a target: who asks, for whom, and what path that is."""

from __future__ import annotations

import time
from functools import partial
from itertools import cycle

from bench.steps.house import House, fed
from bench.steps.step import Act, Step, at_once
from gateway.callers import permissions
from gateway.paths import families, shape
from gateway.server import intake

# More than paths are remembered for.
_NEW_PATHS = [f"/contacts/{number}/activities" for number in range(20_000)]


def _head(house: House) -> Act:
    return partial(fed, house.connection, house.octets)


def _begin(house: House) -> Act:
    message = house.message
    return lambda: intake.begin(message, intake.headers_of(message), time.monotonic())


def _read(house: House) -> Act:
    message, payload, connection = house.message, house.payload, house.connection
    return lambda: intake.read(message, payload, connection, intake.headers_of(message), 1024**2)


def _identify(house: House) -> Act:
    identify, headers = house.callers.identify, house.headers
    return lambda: at_once(identify(headers))


def _resolve(house: House) -> Act:
    resolve, request, caller, exchange = house.resolver.resolve, house.request, house.caller, house.exchange()
    return lambda: at_once(resolve(request, caller, exchange))


def _permissions(house: House) -> Act:
    key = house.caller.key

    def act() -> None:
        permissions.require_method(key, "GET")
        permissions.require_environment(key, "dev")
        permissions.require_customer(key, "acme")
        permissions.require_element(key, "hubspot")
        permissions.require_scope(key, "hub")

    return act


def _shape_known(house: House) -> Act:
    return partial(shape, "/contacts/7")


def _shape_new(house: House) -> Act:
    path = cycle(_NEW_PATHS).__next__
    return lambda: shape(path())


def _families_known(house: House) -> Act:
    return partial(families, "/hubs/crm/contacts/7")


def _families_new(house: House) -> Act:
    path = cycle(_NEW_PATHS).__next__
    return lambda: families(path())


STEPS = (
    Step("parse-head", "a request head out of its octets, fed with care", _head),
    Step("intake-begin", "its fields, and the record of a call that begins", _begin),
    Step("intake-read", "its fields, checked, as a request of ours", _read),
    Step("identify", "who asks: a key that is known", _identify),
    Step("resolve", "for whom: names that are known", _resolve),
    Step("permissions", "may it: the five questions to a key", _permissions),
    Step("shape-known", "a path's shape, asked before", _shape_known),
    Step("shape-new", "a path's shape, never seen", _shape_new),
    Step("families-known", "what kind of resource a path names, asked before", _families_known),
    Step("families-new", "what kind of resource a path names, never seen", _families_new),
)
