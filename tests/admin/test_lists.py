"""Every list comes in pages, and every query is read strictly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.operations.paging import cursor_of
from gateway.server.admin_routes import ROUTES
from tests.admin.conftest import PREFIX, Api, refused
from tests.admin.test_access import IDS

LISTS = [route for route in ROUTES if route.answer.model and "items" in route.answer.model.model_fields]
GUARDED = [route for route in ROUTES if route.scope != "public"]


def pages(api: Api, path: str, limit: int) -> Iterator[list[Any]]:
    """Each page of a list."""
    cursor = ""
    while True:
        answer = api.call("GET", f"{PREFIX}{path}?limit={limit}{cursor}")
        assert answer.status == 200, answer.body
        page = answer.json()
        assert page.keys() == {"items", "next_cursor"}
        yield page["items"]
        if page["next_cursor"] is None:
            return
        cursor = f"&cursor={page['next_cursor']}"


@pytest.fixture(scope="session")
def filled(api: Api) -> Api:
    """Something in each list."""
    for _ in range(3):
        api.key()
        api.made("/pauses", customer="paused", reason="because", **{"for": "1h"})
        customer = api.instance()["customer"]
        for path in ("/elements/api-v2/ping", "/elements/api-v2/pong"):
            api.through(customer, path)
    return api


def test_every_list_has_pages() -> None:
    assert sorted(route.path.removeprefix(PREFIX) for route in LISTS) == [
        "/exchanges", "/exchanges/{request_id}", "/exchanges:follow", "/instances", "/keys", "/limits", "/pauses",
    ]  # fmt: skip
    for route in LISTS:
        assert {"limit", "cursor"} <= route.query.model_fields.keys()
        assert route.answer.model
        assert {"items", "next_cursor"} <= route.answer.model.model_fields.keys()


@pytest.mark.parametrize("path", ["/instances", "/keys", "/limits", "/pauses"])
@pytest.mark.parametrize("limit", [1, 2, 1000])
def test_page_by_page_everything_comes_once(filled: Api, path: str, limit: int) -> None:
    found = list(pages(filled, path, limit))
    items = [item for page in found for item in page]
    whole = filled.call("GET", PREFIX + path).json()
    for item in items + whole["items"]:  # these move while one reads
        item.pop("last_used_at", None)
        item.pop("resets", None)

    assert len(items) > 2
    assert items == whole["items"]
    assert whole["next_cursor"] is None
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1]


def test_calls_come_once_too_while_new_ones_arrive(filled: Api) -> None:
    before = filled.call("GET", PREFIX + "/exchanges?limit=1000").json()["items"]
    items = []
    for page in pages(filled, "/exchanges", 2):
        items += page
        filled.through("nobody")

    assert items == before
    assert len(items) >= 6


def test_the_scarcest_budget_is_first(filled: Api) -> None:
    shares = [item["remaining"] / item["limit"] for item in filled.call("GET", PREFIX + "/limits").json()["items"]]
    assert shares == sorted(shares)
    assert len(set(shares)) > 1


FOREIGN = ["", "x", "W10", "bnVsbA", "WzEsMiwzXQ", "W05hTiwieCJd", "a" * 3000]
"""Some of them read as ``[]``, ``null``, ``[1,2,3]`` and ``[NaN,"x"]``."""


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
@pytest.mark.parametrize("cursor", [*FOREIGN, cursor_of(["a"]), cursor_of(["a", "b"]), cursor_of([True])])
def test_a_cursor_of_nobodys_is_refused(api: Api, route: Any, cursor: str) -> None:
    problem = refused(api.call("GET", f"{route.path}?cursor={cursor}"), 400, "bad-request")
    assert problem["detail"].startswith("cursor: ")


@pytest.mark.parametrize("route", LISTS, ids=lambda route: route.path)
@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "9" * 40, "null"])
def test_a_limit_that_is_none_is_refused(api: Api, route: Any, limit: str) -> None:
    problem = refused(api.call("GET", f"{route.path}?limit={limit}"), 400, "bad-request")
    assert [error["path"] for error in problem["errors"]] == ["limit"]


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
def test_unknown_query_parameters_are_refused_everywhere(api: Api, route: Any) -> None:
    path = route.path.format_map(IDS)
    problem = refused(api.call(route.method, f"{path}?unknown=1", body={} if route.body else None), 400, "bad-request")
    assert problem["errors"] == [{"path": "unknown", "error": "unknown field"}]


def test_a_parameter_stands_there_once(api: Api) -> None:
    refused(api.call("GET", PREFIX + "/keys?limit=1&limit=2"), 400, "bad-request")
