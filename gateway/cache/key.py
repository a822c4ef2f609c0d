"""Under what an answer is stored.

Each instance has a cache of its own: environment and instance handle come first in the key, so an answer that was made with one
customer's token can only ever be given to callers whom the gateway let speak for that same instance. That is what RFC 9111 §3.5
asks where a request carries Authorization. What describes an element (``/elements/…``) is the environment's: it is the same for all.
The path has no ``/hubs/{hub}``, because Cloud Elements does not look at it for an element call (API page 0.2 #2); for a platform call
it does (``/hubs/{key}/elements``), so there it stays. The query counts byte for byte.
``Accept``, ``Elements-Version`` and ``Elements-As-Team-Member`` choose the answer's shape without a ``Vary`` (API page 2.5).
A mapping that was changed, its token perhaps, begins anew: when it was changed is part of the key, so that a change made by another
process needs no message to this one.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.exchange import Headers, Request, Target

Owner = tuple[str, str | None]
"""(environment, instance handle); None as the handle stands for the environment's platform calls."""

# Their value at the upstream is the instance's or nobody's, whatever the caller sent (contract 2.3).
_NOT_THE_CALLERS = frozenset({"authorization", "cookie", "x-api-key", "forwarded", "host"})
# The gateway says these anew for each call, so an answer chosen by them fits no other call.
_NEW_EACH_TIME = frozenset({"*", "x-request-id", "traceparent", "via"})


class Key(NamedTuple):
    """The primary cache key (RFC 9111 §2)."""

    environment: str
    handle: str | None
    path: str
    query: str
    accept: str | None
    version: str | None
    member: str | None
    changed_at: float

    @property
    def owner(self) -> Owner:
        return self.environment, self.handle


def owner_of(target: Target) -> Owner:
    """Whose cache it is."""
    return target.environment.name, target.instance.handle if target.instance and not is_of_the_element(target) else None


def is_of_the_element(target: Target) -> bool:
    """Whether the resource says what an element is, not what is in an instance of it: ``/elements/…``, which Cloud Elements serves alike
    to all who call with an environment's secrets (API page 1.3). What of it is an instance's is never stored (``policy.never_stored``)."""
    return target.resource.startswith("/elements/") or target.resource == "/elements"


def path_of(request: Request, target: Target) -> str:
    """The raw path that names the resource: without the hub for an element call, as it came for a platform call."""
    return target.resource if target.instance else request.path


def key_of(request: Request, target: Target) -> Key:
    """The key of a GET."""
    header = request.headers.get
    instance = None if is_of_the_element(target) else target.instance
    return Key(
        target.environment.name,
        instance.handle if instance else None,
        path_of(request, target),
        request.query,
        accept if (accept := header("accept")) != "*/*" else None,  # which is what none means (RFC 9110 §12.5.1)
        header("elements-version"),
        header("elements-as-team-member"),
        instance.changed_at if instance else 0.0,
    )


def varying(answer: Headers) -> tuple[str, ...] | None:
    """The request fields on which ``answer`` depends (RFC 9111 §4.1), None where it fits no other request.

    A coded body depends on Accept-Encoding even where the answer forgot to say so.
    """
    vary = answer.get("vary")
    names = {name.strip().lower() for name in vary.split(",")} - {""} if vary else set()
    if names & _NEW_EACH_TIME:
        return None
    if "content-encoding" in answer:
        names.add("accept-encoding")
    return tuple(sorted(names - _NOT_THE_CALLERS))


def secondary(names: tuple[str, ...], request: Headers) -> tuple[tuple[str, str | None], ...]:
    """The secondary key: each of ``names`` with the request's value in its normal form."""
    return tuple((name, normal(name, request.get(name))) for name in names)


def normal(name: str, value: str | None) -> str | None:
    """A field value without what means nothing (RFC 9111 §4.1): blanks, and the case of language tags (RFC 9110 §8.5.1). What is
    quoted may mean anything."""
    if value is None or '"' in value:
        return value
    evened = ",".join(" ".join(member.split()) for member in value.split(","))
    return evened.lower() if name == "accept-language" else evened


_NOTHING_NEGOTIATED = (("accept-encoding", None), ("accept-language", None))


def negotiated(request: Headers) -> tuple[tuple[str, str | None], ...]:
    """By what an answer that nobody has seen yet may differ: callers whose values differ do not wait for one another's."""
    index = request.index
    if "accept-encoding" not in index and "accept-language" not in index:
        return _NOTHING_NEGOTIATED
    return secondary(("accept-encoding", "accept-language"), request)
