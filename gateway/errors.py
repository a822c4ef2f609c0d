"""Every way in which a call can end early: slug, status and whose fault it is (contract 2.4).

The docstring of a class is the title that callers read. ``detail`` says what happened in this call; it is written by us and
never holds a secret, an upstream address or the text of somebody else's exception. How an error is spoken over HTTP is decided
in one place, ``server/problems.py``.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

Source = Literal["caller", "gateway", "upstream"]


class GatewayError(Exception):
    """Something went wrong in the gateway"""

    slug: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    source: ClassVar[Source] = "gateway"
    never_left = False
    """Whether it is certain that nothing of the call reached the upstream."""

    def __init__(self, detail: str = "", *, retry_after: float | None = None, **extra: Any) -> None:
        """``retry_after`` is in seconds; ``extra`` are further members of the problem document (``candidates=[…]``)."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.extra = extra

    @property
    def title(self) -> str:
        return (type(self).__doc__ or self.slug).strip().splitlines()[0]


class Internal(GatewayError):
    """Something went wrong in the gateway"""


class BadRequest(GatewayError):
    """The request cannot be understood"""

    slug, status, source = "bad-request", 400, "caller"


class RequestTimeout(GatewayError):
    """The request did not arrive in time"""

    slug, status, source = "request-timeout", 408, "caller"


class Unauthenticated(GatewayError):
    """The caller key is missing or wrong"""

    slug, status, source = "unauthenticated", 401, "caller"


class Forbidden(GatewayError):
    """The caller key does not allow this"""

    slug, status, source = "forbidden", 403, "caller"


class NotFound(GatewayError):
    """There is nothing at this path"""

    slug, status, source = "not-found", 404, "caller"


class NoInstance(GatewayError):
    """This customer has no such instance in this environment"""

    slug, status, source = "no-instance", 404, "caller"


class UnknownEnvironment(GatewayError):
    """This environment is not configured"""

    slug, status, source = "unknown-environment", 404, "caller"


class MethodNotAllowed(GatewayError):
    """This method is not allowed here"""

    slug, status, source = "method-not-allowed", 405, "caller"


class Conflict(GatewayError):
    """This conflicts with what exists"""

    slug, status, source = "conflict", 409, "caller"


class AmbiguousInstance(GatewayError):
    """Several instances fit; say which one"""

    slug, status, source = "ambiguous-instance", 409, "caller"


class InstanceNeedsAuthorization(GatewayError):
    """This instance cannot be used until it is authorized again"""

    slug, status, source = "instance-needs-authorization", 409, "gateway"


class NotAcceptable(GatewayError):
    """There is no answer of an accepted type"""

    slug, status, source = "not-acceptable", 406, "caller"


class IdempotencyKeyReused(GatewayError):
    """This Idempotency-Key was used for another request"""

    slug, status, source = "idempotency-key-reused", 422, "caller"


class PreconditionFailed(GatewayError):
    """It is not what the precondition says any more"""

    slug, status, source = "precondition-failed", 412, "caller"


class UnsupportedMediaType(GatewayError):
    """The request body is of a type that is not taken"""

    slug, status, source = "unsupported-media-type", 415, "caller"


class BodyTooLarge(GatewayError):
    """The request body is too large"""

    slug, status, source = "body-too-large", 413, "caller"


class RateLimited(GatewayError):
    """The element's budget is spent"""

    slug, status, source = "rate-limited", 429, "gateway"


class UpstreamUnreachable(GatewayError):
    """Cloud Elements cannot be reached"""

    slug, status, source = "upstream-unreachable", 502, "upstream"


class UpstreamProtocolError(GatewayError):
    """Cloud Elements answered with something that is not proper HTTP"""

    slug, status, source = "upstream-protocol-error", 502, "upstream"


class Overloaded(GatewayError):
    """The gateway has too much to do"""

    slug, status, source = "overloaded", 503, "gateway"


class CircuitOpen(GatewayError):
    """Calls of this element are held back, because too many failed"""

    slug, status, source = "circuit-open", 503, "gateway"


class Paused(GatewayError):
    """Calls are paused"""

    slug, status, source = "paused", 503, "gateway"


class StoreUnavailable(GatewayError):
    """The database cannot be reached"""

    slug, status, source = "store-unavailable", 503, "gateway"


class UpstreamTimeout(GatewayError):
    """Cloud Elements did not answer in time"""

    slug, status, source = "upstream-timeout", 504, "upstream"
