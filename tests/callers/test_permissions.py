"""What a key may do: silence or a refusal, and nothing of what was refused is guessed around."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers import permissions
from gateway.callers.keys import CallerKey
from gateway.errors import Forbidden


def key(**more: object) -> CallerKey:
    return CallerKey("abcdefghijkl", "n", b"", **more)  # type: ignore[arg-type]


def allowed(check: Callable[[], None]) -> bool:
    try:
        check()
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("globs", "name", "expected"),
    [
        (("*",), "acme", True),
        ((), "acme", False),
        (("acme",), "acme", True),
        (("acme",), "Acme", False),
        (("acme-*",), "acme-eu", True),
        (("acme-*",), "acme", False),
        (("a", "b*"), "bb", True),
        (("acme",), "acme2", False),
        (("?cme",), "acme", True),
        (("acme\n",), "acme", False),
    ],
)
def test_globs_of_customers_and_elements(globs: tuple[str, ...], name: str, expected: bool) -> None:
    assert allowed(lambda: permissions.require_customer(key(customers=globs), name)) is expected
    assert allowed(lambda: permissions.require_element(key(elements=globs), name)) is expected
    assert permissions.allows_element(key(elements=globs), name) is expected


@given(st.lists(st.sampled_from(["dev", "prod", "*"])), st.sampled_from(["dev", "prod", "Dev", "*", ""]))
def test_an_environment_is_never_a_pattern(listed: list[str], asked: str) -> None:
    assert allowed(lambda: permissions.require_environment(key(environments=tuple(listed)), asked)) is (asked in listed)


@pytest.mark.parametrize(
    ("methods", "method", "expected"),
    [
        (("*",), "DELETE", True),
        (("GET",), "GET", True),
        (("GET",), "HEAD", False),
        (("GET", "POST"), "POST", True),
        (("GET",), "get", False),
    ],
)
def test_methods(methods: tuple[str, ...], method: str, expected: bool) -> None:
    assert allowed(lambda: permissions.require_method(key(methods=methods), method)) is expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_platform_scopes(method: str) -> None:
    assert permissions.platform_scope(method) == ("platform:read" if method in ("GET", "HEAD", "OPTIONS") else "platform:write")


@given(
    st.sets(st.sampled_from(["hub", "platform:read", "platform:write", "admin"])),
    st.sampled_from(["hub", "platform:read", "platform:write", "admin"]),
)
def test_no_scope_stands_for_another(scopes: set[str], scope: str) -> None:
    assert allowed(lambda: permissions.require_scope(key(scopes=tuple(scopes)), scope)) is (scope in scopes)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/instances", True),
        ("/instances/", True),
        ("/instances/7", True),
        ("/instances/7/configuration", True),
        ("/instances/count", True),
        ("/Instances/7", True),
        ("/%69nstances/7", True),
        ("//instances//7", True),
        ("/hubs/crm/instances/7", True),
        ("/hubs/crm/instances", True),
        ("/instances/configuration", False),
        ("/instances/events/7", False),
        ("/instances/objects/definitions", False),
        ("/elements/hubspot/instances", True),
        ("/elements/hubspot/instances/7", True),
        ("/elements/hubspot", False),
        ("/elements", False),
        ("/organizations/me", True),
        ("/organizations", True),
        ("/authentication", True),
        ("/contacts", False),
        ("/hubs/crm/contacts/instances", False),
        ("/accounts", False),
        ("/", False),
        ("", False),
    ],
)
def test_platform_paths(path: str, expected: bool) -> None:
    assert permissions.is_platform_path(path) is expected
