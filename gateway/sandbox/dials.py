"""The dials to misbehave, per element or for all: what the next calls of an element meet instead of a good answer.

A lane is an element's key, ``platform`` for calls that name no instance, or ``*`` for whatever has no dial of its own. Only calls
that passed authorization are counted and hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from gateway.sandbox.call import ApiError
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.limits.dialled import OWN, Refused, Way
from gateway.sandbox.limits.forms import FORMS

LANES = frozenset({"*", "platform", *ELEMENTS})


class Trigger(BaseModel):
    """The first ``next`` calls are hit, and each ``every``-th (0: none). ``next`` counts down as it hits."""

    model_config = ConfigDict(extra="forbid", strict=True)

    next: int = Field(0, ge=0)
    every: int = Field(0, ge=0)

    def hits(self, count: int) -> bool:
        """Whether the ``count``-th call (from 1) since the dial was set is hit."""
        if self.next:
            self.next -= 1
            return True
        return self.every > 0 and count % self.every == 0


class RateLimit(Trigger):
    """429; with ``Retry-After`` in seconds where ``retry_after`` is given (API page 2.3: it is optional).

    ``told`` says ``retry_after`` in another way, ``form`` refuses in another provider's form, or in the element's ``own``; ``kind`` is
    what it says was spent.
    """

    retry_after: int | float | None = Field(None, ge=0, le=10**9, allow_inf_nan=False)
    told: Way = "seconds"
    form: str = "plain"
    kind: Literal["rate", "daily", "concurrency"] = "rate"

    @field_validator("form")
    @classmethod
    def _known(cls, form: str) -> str:
        if form != OWN and form not in FORMS:
            raise ValueError(f"expected {OWN} or one of {', '.join(FORMS)}")
        return form


class ServerError(Trigger):
    """A 5xx answer; nothing was done."""

    status: int = Field(503, ge=500, le=599)


class Slow(Trigger):
    """The body trickles: ``chunk`` octets, then ``pause`` seconds, and again."""

    chunk: int = Field(64, ge=1)
    pause: float = Field(0.02, ge=0, le=600)


class Dial(BaseModel):
    """``latency`` is in seconds and comes before all else. Of several that hit one call: reset, expired, rate limit, error, cut; then
    slow, chunked, gzip and session, which go together.

    A reset, a 401, a 429 and a 5xx come before anything is done; the others are about the answer to a call that was carried out.
    ``expired`` is a 401 of the provider, whose access has ended (API page 1.5). ``chunked`` announces no length; ``gzip`` compresses for
    those who accept it. ``session`` sets the cookie that Cloud Elements sometimes sets (1.5).
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    latency: float = Field(0, ge=0, le=600)
    reset: Trigger = Field(default_factory=Trigger)
    expired: Trigger = Field(default_factory=Trigger)
    rate_limit: RateLimit = Field(default_factory=RateLimit)
    error: ServerError = Field(default_factory=ServerError)
    cut: Trigger = Field(default_factory=Trigger)
    slow: Slow = Field(default_factory=Slow)
    chunked: Trigger = Field(default_factory=Trigger)
    gzip: Trigger = Field(default_factory=Trigger)
    session: Trigger = Field(default_factory=Trigger)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What one call meets."""

    latency: float = 0.0
    reset: bool = False
    error: ApiError | Refused | None = None
    cut: bool = False
    slow: Slow | None = None
    chunked: bool = False
    gzip: bool = False
    session: bool = False


NOTHING = Misbehaviour()


@dataclass(slots=True)
class _Set:
    dial: Dial
    calls: int = 0


@dataclass(slots=True)
class Dials:
    """The dials as they stand now."""

    _lanes: dict[str, _Set] = field(default_factory=dict)

    def set(self, lane: str, /, **settings: Any) -> None:
        """Turn the dial of ``lane``; what is not named is off. Raises ``ValueError`` for an unknown lane or a bad setting.

        ``dials.set("hubspot", latency=0.2, rate_limit={"next": 2, "retry_after": 1})``
        """
        if lane not in LANES:
            raise ValueError(f"{lane[:40]}: expected the key of an element, platform or *")
        self._lanes[lane] = _Set(Dial.model_validate(settings))

    def load(self, lanes: Mapping[str, Any]) -> None:
        """Replace every dial (PUT /sandbox/dials). Raises ``ApiError`` 400, and then nothing has changed."""
        fresh = Dials()
        for lane, settings in lanes.items():
            if not isinstance(settings, dict):
                raise ApiError(400, f"{lane[:40]}: expected an object")
            try:
                fresh.set(lane, **settings)
            except ValidationError as error:
                first = error.errors()[0]
                raise ApiError(400, f"{lane}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
            except ValueError as error:
                raise ApiError(400, str(error)[:200]) from None
        self._lanes = fresh._lanes

    def clear(self) -> None:
        self._lanes.clear()

    def settings(self) -> dict[str, Any]:
        """Every dial as it stands, ``next`` counted down."""
        return {lane: turned.dial.model_dump() for lane, turned in self._lanes.items()}

    def meet(self, lane: str, now: datetime) -> Misbehaviour:
        """What the next call in ``lane`` meets, which came at ``now``; counts it."""
        turned = self._lanes.get(lane) or self._lanes.get("*")
        if turned is None:
            return NOTHING
        turned.calls += 1
        return _decide(turned.dial, turned.calls, lane, now)


def _decide(dial: Dial, count: int, lane: str, now: datetime) -> Misbehaviour:
    if dial.reset.hits(count):
        return Misbehaviour(dial.latency, reset=True)
    if dial.expired.hits(count):
        return Misbehaviour(dial.latency, error=ApiError(401, "Request failed", f"The access token for {lane} has expired"))
    if dial.rate_limit.hits(count):
        limit = dial.rate_limit
        return Misbehaviour(dial.latency, error=Refused(lane, limit.form, limit.kind, limit.retry_after, limit.told, now))
    if dial.error.hits(count):
        return Misbehaviour(dial.latency, error=ApiError(dial.error.status, "Request failed", f"The provider of {lane} is out of order"))
    if dial.cut.hits(count):
        return Misbehaviour(dial.latency, cut=True)
    return Misbehaviour(
        dial.latency,
        slow=dial.slow if dial.slow.hits(count) else None,
        chunked=dial.chunked.hits(count),
        gzip=dial.gzip.hits(count),
        session=dial.session.hits(count),
    )
