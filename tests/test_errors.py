"""Slugs, statuses and sources are those of contract 2.4."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.errors import GatewayError

CONTRACT = {
    "bad-request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "no-instance": 404,
    "unknown-environment": 404,
    "method-not-allowed": 405,
    "ambiguous-instance": 409,
    "instance-needs-authorization": 409,
    "body-too-large": 413,
    "idempotency-key-reused": 422,
    "rate-limited": 429,
    "internal": 500,
    "upstream-unreachable": 502,
    "upstream-protocol-error": 502,
    "circuit-open": 503,
    "overloaded": 503,
    "paused": 503,
    "store-unavailable": 503,
    "upstream-timeout": 504,
}
BEYOND = {"not-acceptable": 406, "request-timeout": 408, "conflict": 409, "precondition-failed": 412, "unsupported-media-type": 415}


def kinds(parent: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_slugs_and_statuses_are_the_contracts() -> None:
    assert {kind.slug: kind.status for kind in kinds() if kind.__module__ == errors.__name__} == CONTRACT | BEYOND


@pytest.mark.parametrize("kind", [GatewayError, *kinds()], ids=lambda kind: kind.__name__)
def test_each_has_a_title_and_a_fault(kind: type[GatewayError]) -> None:
    error = kind("detail")

    assert error.title == error.title.strip()
    assert error.title
    assert "\n" not in error.title
    assert (error.source == "caller") <= (400 <= error.status < 500)
    assert (error.source == "upstream") <= (error.status in (502, 504))


def test_what_is_said_is_kept() -> None:
    error = errors.AmbiguousInstance("which?", retry_after=2.5, candidates=[1])

    assert (error.detail, str(error), error.retry_after, error.extra) == ("which?", "which?", 2.5, {"candidates": [1]})
