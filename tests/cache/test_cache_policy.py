"""The operator's rules, and what they cannot allow."""

import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.policy import CachePolicy, Lifetimes, Rule, never_stored, refusal
from gateway.exchange import Headers, Request


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("/contacts", "/contacts", True),
        ("/contacts", "/contacts/7", False),
        ("/contacts/*", "/contacts/7", True),
        ("/contacts/*", "/contacts/7/notes", False),
        ("/contacts/*", "/contacts", False),
        ("/*/metadata", "/x/metadata", True),
        ("/*/metadata", "/x/y/metadata", False),
        ("/**/metadata", "/x/y/metadata", True),
        ("/objects/**", "/objects", True),
        ("/objects/**", "/objects/a/b", True),
        ("/objects/**", "/objectsx", False),
        ("/usage**", "/usage/analytics", True),
        ("/**", "/anything/at/all", True),
        ("**", "/anything", True),
        ("/a.b", "/axb", False),
        ("/**a*b", "/a/ab", True),
        ("/**a*b**c", "/xa/ab/c", True),
        ("/pre*/x*y", "/prefix/x-y", True),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    assert Rule(glob).matches(path) is matches


@given(st.text("ab*", max_size=7), st.text("ab/", max_size=12))
def test_a_glob_means_what_the_plain_translation_means(glob: str, path: str) -> None:
    parts = re.split(r"(\*\*|\*)", glob)
    plain = "".join({"*": "[^/]*", "**": ".*"}.get(part, re.escape(part)) for part in parts)

    assert Rule(glob).matches(path) == bool(re.fullmatch(plain, path))


@pytest.mark.parametrize(
    ("policy", "path", "expected"),
    [
        (CachePolicy(), "/x", (True, 0.0)),
        (CachePolicy(enabled=False, lifetimes=Lifetimes(5)), "/x", (False, 5)),
        (CachePolicy(lifetimes=Lifetimes(5), rules=(Rule("/x", ttl=9), Rule("/**", ttl=7))), "/x", (True, 9)),
        (CachePolicy(lifetimes=Lifetimes(5), rules=(Rule("/x", ttl=9), Rule("/**", ttl=7))), "/y", (True, 7)),
        (CachePolicy(lifetimes=Lifetimes(5), rules=(Rule("/x", enabled=False),)), "/x", (False, 5)),
        (CachePolicy(lifetimes=Lifetimes(5), rules=(Rule("/x", enabled=False),)), "/y", (True, 5)),
        (CachePolicy(lifetimes=Lifetimes(5), rules=(Rule("/x", enabled=True), Rule("/**", enabled=False, ttl=0.0))), "/x", (True, 0.0)),
    ],
)
def test_the_first_rule_that_says_it_decides(policy: CachePolicy, path: str, expected: tuple[bool, float]) -> None:
    decision = policy.decide(path)
    assert (decision.enabled, decision.lifetimes.ttl) == expected


NEVER = [
    "/ping",
    "/ping/",
    "/bulk",
    "/bulk/7/status",
    "/usage",
    "/usage/analytics",
    "/metrics/api",
    "/events/hubspot",
    "/storage",
    "/instances",
    "/instances/3/docs",
    "/users/me",
    "/organizations/me",
    "/authentication/secrets",
    "/elements/hubspot/instances",
    "/elements/hubspot/instances/4",
    "/elements/hubspot/oauth/url",
    "/files",
    "/files/7",
    "/files/a%2Fb",
    "/files/links",
    "/files/7/links",
    "/formulas/instances/3/executions",
    "/formulas/instances/executions/3/steps",
    "/jobs/executions",
    # spelled by somebody who wants around the rule
    "/INSTANCES",
    "/%69nstances/3",
    "/%2569nstances/3",
    "//instances//3",
    "/instances;x=1/3",
    "/instances.json",
    "/instances%2f3",
    "/HUBS/crm/users",
    "/hubs%2fcrm%2fusers",
]


@pytest.mark.parametrize("path", NEVER)
def test_never_stored(path: str) -> None:
    assert never_stored(path, False)
    assert never_stored(path, True)


@pytest.mark.parametrize(
    "path",
    [
        "/contacts",
        "/contacts/7",
        "/objects/contacts/metadata",
        "/elements",
        "/elements/hubspot",
        "/elements/instances",
        "/files/7/metadata",
        "/folders/%252Freports/contents",
        "/formulas/3",
        "/hubs",
        "/hubs/users",
        "/accounts/3/contacts",
        "/",
    ],
)
def test_the_rest_may_be_stored(path: str) -> None:
    assert not never_stored(path, False)
    assert not never_stored(path, True)


@pytest.mark.parametrize(
    "path", ["/accounts/3/users", "/accounts/3/users/4", "/accounts/instances", "/accounts/3/instances", "/customers/me", "/customers"]
)
def test_with_a_token_these_are_the_vendors(path: str) -> None:
    assert never_stored(path, True)
    assert not never_stored(path, False)


class Body:
    def __init__(self, length: int | None) -> None:
        self.length = length

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x"

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    ("fields", "body", "reason"),
    [
        ({}, b"", None),
        ({"Accept": "x", "If-None-Match": '"1"'}, b"", None),
        ({"Content-Length": "0"}, b"", None),
        ({"Content-Length": "2"}, b"", "body"),
        ({"Transfer-Encoding": "chunked"}, b"", "body"),
        ({}, b"{}", "body"),
        ({}, Body(None), "body"),
        ({}, Body(5), "body"),
        ({}, Body(0), None),
        ({"Range": "bytes=0-1"}, b"", None),  # a stored whole may serve it
        ({"If-Match": '"1"'}, b"", "if-match"),
        ({"If-Unmodified-Since": "x"}, b"", "if-unmodified-since"),
        ({"Elements-Async-Request": "True"}, b"", "elements-async-request"),
        ({"ELEMENTS-ASYNC-CALLBACK-URL": "x"}, b"", "elements-async-callback-url"),
        ({"Elements-Schedule-Request": "0 0 3 * * ?"}, b"", "elements-schedule-request"),
        ({"elements-formula-instance-id": "1"}, b"", "elements-formula-instance-id"),
        ({"Elements-Formula-Step": "1"}, b"", "elements-formula-step"),
        ({"Elements-Session": "true"}, b"", "elements-session"),
    ],
)
def test_requests_that_go_past(fields: dict[str, str], body: bytes, reason: str | None) -> None:
    assert refusal(Request("GET", "/contacts", Headers(fields.items()), body)) == reason
