"""Problems: RFC 9457 documents that a Cloud Elements client can also read (contract 2.4)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import errors
from gateway.errors import GatewayError
from gateway.server.problems import CONTENT_TYPE, document, problem, retry_after

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_error_is_a_whole_problem(kind: type[GatewayError]) -> None:
    response = problem(kind("what happened: é"), "id-1")
    assert isinstance(response.body, bytes)
    members = json.loads(response.body)

    assert response.status == members["status"] == kind.status
    assert response.headers.get("content-type") == CONTENT_TYPE == "application/problem+json"
    assert response.headers.get("cache-control") == "no-store"
    assert members["type"] == f"urn:gateway:problem:{kind.slug}"
    assert members["title"] == members["message"]
    assert (members["detail"], members["requestId"], members["source"]) == ("what happened: é", "id-1", kind.source)
    assert ("retryAfter" in members) is ("retry-after" in response.headers) is (kind.status in (429, 503))


def test_the_contracts_example() -> None:
    error = errors.RateLimited("hubspot for acme allows 100 calls in 10 s", retry_after=2.3)

    assert document(error, "…") == {
        "type": "urn:gateway:problem:rate-limited",
        "title": "The element's budget is spent",
        "status": 429,
        "detail": "hubspot for acme allows 100 calls in 10 s",
        "source": "gateway",
        "retryAfter": 3,
        "requestId": "…",
        "message": "The element's budget is spent",
    }


@given(st.floats(0, 1e8))
def test_retry_after_is_whole_at_least_one_and_long_enough(seconds: float) -> None:
    whole = retry_after(errors.RateLimited("", retry_after=seconds))

    assert isinstance(whole, int)
    assert whole >= 1
    assert seconds - 1e-5 <= whole < max(seconds + 1, 2)


@pytest.mark.parametrize(("seconds", "whole"), [(None, 1), (0.0, 1), (0.2, 1), (1.0, 1), (1.01, 2), (10.000000000001, 10), (9.9999999, 10)])
def test_retry_after(seconds: float | None, whole: int) -> None:
    error = errors.RateLimited("", retry_after=seconds)

    assert retry_after(error) == whole
    assert problem(error, "id").headers.get("retry-after") == str(whole)


def test_candidates_are_members() -> None:
    assert document(errors.AmbiguousInstance("", candidates=[{"handle": "gwi_x"}]), "id")["candidates"] == [{"handle": "gwi_x"}]


@pytest.mark.parametrize(
    ("kind", "field"),
    [(errors.Unauthenticated, "www-authenticate"), (errors.MethodNotAllowed, "allow"), (errors.RateLimited, "retry-after")],
)
def test_fields_that_a_status_asks_for(kind: type[GatewayError], field: str) -> None:
    """RFC 9110 §15.5.2, §15.5.6."""
    assert problem(kind(), "id").headers.get(field)
    assert field not in problem(errors.BadRequest(), "id").headers
