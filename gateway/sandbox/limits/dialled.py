"""A limit's refusal on demand: in the form of any provider, telling in any of the forms in use when to come back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from gateway.sandbox.call import Answer, ApiError
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.limits.forms import FORMS, Breach
from gateway.sandbox.limits.table import TABLE

OWN = "own"
Way = Literal[
    "seconds", "date", "rfc850", "asctime", "ratelimit", "ratelimit-reset", "delta", "epoch", "epoch-ms", "timestamp", "after", "message"
]  # fmt: skip


def _whole(seconds: float) -> str:
    return str(math.ceil(seconds))


WAYS: Mapping[Way, tuple[str, Callable[[float, datetime], str]]] = {
    # the field, and its value for so many seconds from the moment when they have passed
    "seconds": ("Retry-After", lambda seconds, then: str(seconds)),
    "date": ("Retry-After", lambda seconds, then: format_datetime(then, usegmt=True)),
    "rfc850": ("Retry-After", lambda seconds, then: then.strftime("%A, %d-%b-%y %H:%M:%S GMT")),
    "asctime": ("Retry-After", lambda seconds, then: then.ctime()),
    "ratelimit": ("RateLimit", lambda seconds, then: f'"sandbox";r=0;t={_whole(seconds)}'),
    "ratelimit-reset": ("RateLimit-Reset", lambda seconds, then: _whole(seconds)),
    "delta": ("X-RateLimit-Reset", lambda seconds, then: _whole(seconds)),
    "epoch": ("X-RateLimit-Reset", lambda seconds, then: _whole(then.timestamp())),
    "epoch-ms": ("X-RateLimit-Reset", lambda seconds, then: _whole(then.timestamp() * 1000)),
    "timestamp": ("X-RateLimit-Reset", lambda seconds, then: then.isoformat(timespec="milliseconds")),
    "after": ("X-RateLimit-Reset-After", lambda seconds, then: str(seconds)),
    "message": ("", lambda seconds, then: f"Please try again in {seconds} seconds."),
}
_WHOLE_SECONDS: frozenset[Way] = frozenset({"date", "rfc850", "asctime"})


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal of one call in ``lane`` at ``now``. ``form`` is one of ``FORMS``, or ``own``: the element's; a call to the platform has no
    provider, its form is plain."""

    lane: str
    form: str
    kind: Literal["rate", "daily", "concurrency"]
    seconds: float | None
    told: Way
    now: datetime

    def answer(self, request_id: str) -> Answer:
        element = ELEMENTS.get(self.lane)
        name = self.form if self.form != OWN else TABLE[self.lane].form if self.lane in TABLE else "plain"
        if element is None:
            answer = ApiError(429, f"Rate limit exceeded for {self.lane}", "Too many requests").answer(request_id)
        else:
            answer = FORMS[name](element, Breach(self.kind, 100, 10.0, self.seconds or 0.0), request_id)
        if self.seconds is not None:
            self._tell(answer, self.seconds)
        return answer

    def _tell(self, answer: Answer, seconds: float) -> None:
        field, value = WAYS[self.told]
        then = self.now + timedelta(seconds=seconds)
        if self.told in _WHOLE_SECONDS and then.microsecond:
            then = then.replace(microsecond=0) + timedelta(seconds=1)
        said = value(seconds, then)
        answer.headers.pop("Retry-After", None)
        if field:
            answer.headers[field] = said
            return
        where, name = (answer.body, "providerMessage") if "providerMessage" in answer.body else (answer.body["errors"][0], "message")
        where[name] = f"{where[name]}. {said}"
