"""Fields on their way: what never goes up, what never comes down, and octets that stay as they are."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Headers, Pair
from gateway.upstream.headers import downward, request_head, upward
from gateway.upstream.masking import needles

names = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=12)
fields = st.lists(st.tuples(names, values), max_size=8)

NEVER_UP = """Authorization X-Api-Key Gateway-Customer Gateway-Anything Cookie Forwarded X-Forwarded-For X-Forwarded-Anything Connection
Keep-Alive Proxy-Connection Proxy-Authorization TE Trailer Transfer-Encoding Upgrade Content-Length Host Expect""".split()
NEVER_DOWN = "Connection Keep-Alive Proxy-Connection Proxy-Authenticate Trailer Transfer-Encoding Upgrade".split()


def lowered(pairs: tuple[Pair, ...] | list[Pair]) -> set[str]:
    return {name.lower() for name, _ in pairs}


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
@pytest.mark.parametrize("name", NEVER_UP)
def test_never_sent_up(name: str, spell: type[str]) -> None:
    assert upward(Headers([("Accept", "x"), (spell(name), "v")])) == [("Accept", "x")]


@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
@pytest.mark.parametrize("name", NEVER_DOWN)
def test_never_sent_down(name: str, spell: type[str]) -> None:
    assert downward(Headers([("Content-Type", "x"), (spell(name), "v")]), ()).pairs == (("Content-Type", "x"),)


@given(fields, st.lists(names, min_size=1, max_size=4), st.sampled_from([",", ", ", " ,\t", ",,"]))
def test_what_connection_names_goes_neither_way(pairs: list[Pair], named: list[str], comma: str) -> None:
    headers = Headers([*pairs, *[(name, "v") for name in named], ("Connection", comma.join(name.upper() for name in named))])
    hop = {name.lower() for name in named}

    assert not lowered(upward(headers)) & hop
    assert not lowered(downward(headers, ()).pairs) & hop


def test_several_connection_lines_all_count() -> None:
    headers = Headers([("Connection", "X-One"), ("X-One", "1"), ("connection", "x-two, close"), ("X-Two", "2"), ("X-Three", "3")])

    assert upward(headers) == [("X-Three", "3")]


@given(fields)
def test_the_rest_goes_up_in_order_and_spelling(pairs: list[Pair]) -> None:
    kept = upward(Headers(pairs))
    position = 0
    for pair in kept:
        position = pairs.index(pair, position) + 1
    harmless = [pair for pair in pairs if pair[0].lower().startswith("z")]

    assert [pair for pair in kept if pair[0].lower().startswith("z")] == harmless


@given(fields, st.lists(names, max_size=3))
def test_our_authorization_always_goes_up_and_the_callers_never(pairs: list[Pair], named: list[str]) -> None:
    caller = [*pairs, ("authorization", "Bearer gwk_x"), ("Connection", ", ".join([*named, "authorization"]))]
    head = request_head("GET", "/x", "h", upward(Headers(caller)), [("Authorization", "User u, Organization o")])
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization:")]

    assert lines == [b"Authorization: User u, Organization o"]


@pytest.mark.parametrize("name", ["If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range"])
def test_our_conditions_stand_in_for_the_callers(name: str) -> None:
    headers = Headers([(name, "theirs"), ("Accept", "x")])

    assert upward(headers) == [(name, "theirs"), ("Accept", "x")]
    assert upward(headers, [("If-None-Match", '"ours"')]) == [("Accept", "x"), ("If-None-Match", '"ours"')]
    assert upward(headers, ()) == [("Accept", "x")]


@given(fields, fields)
def test_a_head_is_its_lines_in_latin_1(pairs: list[Pair], added: list[Pair]) -> None:
    lines = request_head("PATCH", "/a%2Fb?c", "h:1", pairs, added).decode("latin-1").split("\r\n")

    assert lines[:2] == ["PATCH /a%2Fb?c HTTP/1.1", "Host: h:1"]
    assert lines[2:-2] == [f"{name}: {value}" for name, value in [*pairs, *added]]
    assert lines[-2:] == ["", ""]


def test_a_length_comes_down_only_where_it_describes_a_body_that_is_not_sent() -> None:
    headers = Headers([("Content-Length", "9"), ("ETag", "x")])

    assert downward(headers, ()).pairs == (("ETag", "x"),)
    assert downward(headers, (), keep_length=True).pairs == headers.pairs


@given(fields, st.sampled_from(["X-Echo", "Location", "Link"]))
def test_an_echoed_secret_is_masked_and_the_rest_stays(pairs: list[Pair], name: str) -> None:
    others = [pair for pair in pairs if pair[0].lower().startswith("z")]
    headers = Headers([*others, (name, "a=sec\xe9ret1;b=secret22;secret22")])

    assert downward(headers, needles(["secret22"])).pairs == (*others, (name, "a=sec\xe9ret1;b=********;********"))
