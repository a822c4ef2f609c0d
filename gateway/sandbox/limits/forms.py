"""How a spent budget shows itself, in each provider's own form (API page 2.3, 8.2).

Cloud Elements passes a provider's 429 on as its own error object; only of Box it is known that ``Retry-After`` comes along. The
page's table names that header as the provider's signal for some more: they have it here too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.sandbox.call import Answer, ApiError
from gateway.sandbox.catalog import Element


@dataclass(frozen=True, slots=True)
class Breach:
    """What was broken: ``limit`` calls in ``seconds``, or ``limit`` calls at once. ``wait`` is in seconds."""

    kind: Literal["rate", "daily", "concurrency"]
    limit: int
    seconds: float
    wait: float

    @property
    def retry_after(self) -> str:
        return str(max(1, math.ceil(self.wait)))


Form = Callable[[Element, Breach, str], Answer]


def _error(status: int, provider_message: Callable[[Breach], str], retry_after: bool = False) -> Form:
    def form(element: Element, breach: Breach, request_id: str) -> Answer:
        headers = {"Retry-After": breach.retry_after} if retry_after else {}
        return ApiError(status, f"Rate limit exceeded for {element.key}", provider_message(breach), headers).answer(request_id)

    return form


def _hubspot(breach: Breach) -> str:
    policy = "DAILY" if breach.kind == "daily" else "TEN_SECONDLY_ROLLING" if breach.seconds == 10 else "SECONDLY"
    return f"You have reached your {policy.lower()} limit. - RATE_LIMITS - {policy}"


def _marketo(element: Element, breach: Breach, request_id: str) -> Answer:
    """200, and the error in the body: 606 for the rate, 607 for the day, 615 for calls at once."""
    code, message = {
        "rate": ("606", f"Max rate limit '{breach.limit}' exceeded with in '{breach.seconds:g}' secs"),
        "daily": ("607", f"Daily API Requests Quota of {breach.limit} reached"),
        "concurrency": ("615", "Concurrent access limit reached"),
    }[breach.kind]
    return Answer({"requestId": request_id, "success": False, "errors": [{"code": code, "message": message}]})


def _xero(breach: Breach) -> str:
    return f"X-Rate-Limit-Problem: {'day' if breach.kind == 'daily' else 'concurrent' if breach.kind == 'concurrency' else 'minute'}"


FORMS: Mapping[str, Form] = {
    "plain": _error(429, lambda breach: "Too many requests"),
    "retry-after": _error(429, lambda breach: "Too many requests", retry_after=True),
    "hubspot": _error(429, _hubspot),
    "salesforce": _error(403, lambda breach: "REQUEST_LIMIT_EXCEEDED - TotalRequests Limit exceeded."),
    "marketo": _marketo,
    "google": _error(403, lambda breach: "userRateLimitExceeded - User Rate Limit Exceeded"),
    "netsuite": _error(429, lambda breach: "SSS_REQUEST_LIMIT_EXCEEDED - Only one request may be made against a session at a time"),
    "quickbooks": _error(429, lambda breach: "ThrottleExceeded - errorCode=003001"),
    "xero": _error(429, _xero, retry_after=True),
    "forbidden": _error(403, lambda breach: "Developer over rate"),
}
