"""Which calls a filter means."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.exchange import Exchange
from gateway.telemetry.selection import Carrying, Selection


def call(path: str = "/elements/api-v2/hubs/crm/contacts/7", **fields: Any) -> Exchange:
    made = Exchange("ours", "GET", path, 0.0, 0.0, f"00-{'4b' * 16}-{'0f' * 8}-01")
    known = {"customer": "acme", "element": "hubspot", "environment": "dev", "caller": "k1", "status": 404, "cache": "miss"}
    for name, value in {**known, "total_seconds": 0.25, "elements_request_id": "theirs", **fields}.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("name", "fits", "differs"),
    [
        ("customer", "acme", "bravo"), ("customer", "acme", ""), ("element", "hubspot", "sfdc"), ("environment", "dev", "prod"),
        ("caller", "k1", "k"), ("cache", "miss", "hit"), ("status", "404", "400"), ("status", "4xx", "5xx"), ("status", "4XX", "204"),
        ("status", "500,404", "5xx,403"), ("min_ms", 250.0, 250.1), ("min_ms", 0.0, 9e9),
    ],
)  # fmt: skip
def test_what_is_given_must_apply(name: str, fits: Any, differs: Any) -> None:
    assert Selection(**{name: fits})(call())
    assert not Selection(**{name: differs})(call())


def test_all_that_is_given_must_apply_and_nothing_given_is_everything() -> None:
    assert Selection()(call())
    assert Selection(customer="acme", status="4xx", min_ms=1, path="/contacts/*")(call())
    assert not Selection(customer="acme", status="4xx", min_ms=1, path="/leads/*")(call())


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("/hubs/crm/contacts/7", "/elements/api-v2/hubs/crm/contacts/7", True),
        ("/hubs/*/contacts/*", "/elements/api-v2/hubs/crm/contacts/7", True),
        ("/contacts/*", "/elements/api-v2/hubs/crm/contacts/7", True),
        ("/contacts/**", "/elements/api-v2/hubs/crm/contacts", True),
        ("/contacts", "/elements/api-v2/hubs/crm/contacts/7", False),
        ("/contacts/*", "/elements/api-v2/contacts/7/notes", False),
        ("**/notes", "/elements/api-v2/contacts/7/notes", True),
        ("/contacts", "/c/acme/hubspot/elements/api-v2/contacts", True),
        ("/contacts/a b", "/elements/api-v2//contacts/a%20b", True),
        ("/c/**", "/c/acme/hubspot/elements/api-v2/contacts", False),
        ("/nothing", "/nothing", True),
        ("/**", "", True),
    ],
)
def test_a_glob_is_on_the_path_behind_the_prefix(glob: str, path: str, fits: bool) -> None:
    assert Selection(path=glob)(call(path)) is fits


@pytest.mark.parametrize("call_id", ["ours", "theirs", "4b" * 16])
def test_a_call_is_known_by_each_of_its_ids(call_id: str) -> None:
    assert Carrying(call_id)(call())
    assert not Carrying(call_id[:-1])(call())


def test_a_call_without_an_id_is_not_known_by_its_absence() -> None:
    assert not Carrying("")(call())
    assert not Carrying("theirs")(call(elements_request_id=""))
