"""A customer at the recording origin: what arrived there, and what comes back when it behaves as told."""

from __future__ import annotations

import uuid

from tests.acceptance.world import Mapped
from tests.support.answers import Answer
from tests.support.origin import Behaviour, Recorded
from tests.support.raw import Caller


def arrived(acme: Mapped) -> Recorded:
    """The only request that reached the origin."""
    (request,) = acme.world.raw.requests
    assert not request.malformed
    return request


def answered(acme: Mapped, behaviour: Behaviour, method: str = "GET", *fields: str, body: bytes | None = None) -> Answer:
    """What comes back when the origin behaves so."""
    name = uuid.uuid4().hex
    acme.world.raw.behaviours[name] = behaviour
    return acme.call(method, f"/{name}", *fields, body=body)


def raw_call(acme: Mapped, line: str, *fields: str, parts: tuple[bytes | float, ...] = ()) -> tuple[Answer | None, Caller]:
    """A request whose body is sent as it stands in ``parts``."""
    standard = ("Host: gateway", f"X-Api-Key: {acme.world.key}", f"Gateway-Instance: {acme.handle}")
    with Caller(acme.world.served.listeners["data"]) as caller:
        caller.send("\r\n".join((line, *standard, *fields, "", "")).encode("latin-1"), *parts)
        return caller.answer(line.split(" ", maxsplit=1)[0]), caller
