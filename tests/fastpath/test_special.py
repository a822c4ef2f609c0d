"""``SPECIAL`` names the first part of each path of which some rule knows more than of others: of those left over, none does."""

from __future__ import annotations

import string

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.cache.invalidation import instance_number, touched_by
from gateway.cache.policy import METADATA, never_stored
from gateway.callers.permissions import is_platform_path
from gateway.exchange import Request
from gateway.instances.address import creates_instance
from gateway.instances.sealing import must_seal
from gateway.paths import PREFIX, canonical, refuse_dot_segments, shape, shape_of, split_prefix, without_hub
from gateway.server.known_callers import LINE, SPECIAL

WORDS = st.sampled_from([*sorted(SPECIAL), *"contacts links oauth executions crm 7 1234567890123456789 configuration".split()])
PARTS = st.one_of(
    WORDS, WORDS.map(str.upper), WORDS.map(str.title), st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=8)
)
PATHS = st.builds(
    lambda hub, parts: (f"/hubs/{hub}" if hub else "") + "/" + "/".join(parts), st.none() | PARTS, st.lists(PARTS, min_size=1, max_size=5)
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])


@settings(deadline=None, max_examples=2000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(PATHS, METHODS)
def test_no_rule_knows_of_a_path_that_is_not_special(path: str, method: str) -> None:
    match = LINE.fullmatch(f"{method} {PREFIX}{path} HTTP/1.1".encode())
    assert match is not None
    assume(match[4].lower().decode() not in SPECIAL)
    assert not is_platform_path(path)
    assert not never_stored(path, platform=False)
    assert not must_seal(path)
    assert not creates_instance(method, path)
    assert instance_number(path) is None
    assert touched_by(method, without_hub(path)).below != frozenset({()}), "everything of the instance would go"


@settings(deadline=None, max_examples=1000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(PATHS, METHODS, st.text(string.printable.strip(), max_size=8))
def test_the_line_is_taken_apart_as_the_corridor_does_it(path: str, method: str, query: str) -> None:
    line = f"{method} {PREFIX}{path}?{query} HTTP/1.1".encode()
    match = LINE.fullmatch(line)
    if match is None:
        assert "#" in query or not query.isascii()
        return
    said, target, resource, first = match.groups()
    refuse_dot_segments(path)
    assert split_prefix(f"{PREFIX}{path}?{query}") == ((None, None, None), target.decode())
    assert said.decode() == method
    assert resource.decode() == without_hub(Request(method, target.decode(), headers=None).path)  # type: ignore[arg-type]
    assert resource.decode().split("/")[1] == first.decode()
    assert shape(resource.decode()) == shape_of(resource.decode())
    assert canonical(path) == path.lower()


def test_each_special_part_is_one_for_a_reason() -> None:
    """What could be left out would be faster, and nobody would notice."""
    metadata = {rule.path.split("/")[1] for rule in METADATA}
    for name in sorted(SPECIAL):
        tails = ("", "/7", "/7/instances", "/7/users", "/7/executions", "/7/links", "/7/oauth", "/7/x/instances", "/7/executions/8")
        paths = [f"/{name}{tail}" for tail in tails]
        known = any(
            is_platform_path(path) or never_stored(path, platform=True) or must_seal(path) or instance_number(path) is not None
            for path in paths
        )
        assert known or name in metadata or name == "hubs", name


ODD = st.sampled_from(
    ["/a/../b", "/a/./b", "/%61", "//a", "/a//b", "/a/", "/", "", "/a;b", "/a.json", "/ä", "/a b", "/a#", "/hubs/", "/~a", "/a*"]
)


@given(ODD, METHODS)
def test_an_odd_spelling_is_for_the_corridor(path: str, method: str) -> None:
    assert LINE.fullmatch(f"{method} {PREFIX}{path} HTTP/1.1".encode()) is None


@given(st.sampled_from(["HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "PURGE", ""]))
def test_other_methods_are_for_the_corridor(method: str) -> None:
    assert LINE.fullmatch(f"{method} {PREFIX}/contacts HTTP/1.1".encode()) is None
