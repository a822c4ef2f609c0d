"""The vocabulary: headers keep order and octets, paths and queries stay raw."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Environment, Exchange, Headers, Instance, Pair, Request, Target
from gateway.secret import Secret

names = st.text(string.ascii_letters + "-", min_size=1, max_size=3)
octets = st.binary(max_size=8).map(lambda data: data.decode("latin-1"))
pairs = st.lists(st.tuples(names, octets), max_size=8)


@given(pairs)
def test_order_spelling_and_octets_are_kept(given_pairs: list[Pair]) -> None:
    assert Headers(iter(given_pairs)).pairs == tuple(given_pairs)


@given(pairs, names)
def test_look_ups_agree(given_pairs: list[Pair], name: str) -> None:
    headers, name = Headers(given_pairs), name.lower()
    lines = [value for key, value in given_pairs if key.lower() == name]

    assert headers.getall(name) == tuple(lines)
    assert headers.get(name, "default") == (", ".join(lines) if lines else "default")
    assert (name in headers) is bool(lines)


@given(pairs, st.sets(names.map(str.lower), max_size=4))
def test_without_takes_away_every_spelling_and_nothing_else(given_pairs: list[Pair], gone: set[str]) -> None:
    before = Headers(given_pairs)
    left = before.without(gone)

    assert left.pairs == tuple(pair for pair in given_pairs if pair[0].lower() not in gone)
    assert before.pairs == tuple(given_pairs)


@given(pairs, pairs)
def test_plus_adds_behind(one: list[Pair], other: list[Pair]) -> None:
    assert Headers(one).plus(*other) == Headers([*one, *other])


def test_values_are_not_shown() -> None:
    assert repr(Headers([("Authorization", "canary")])) == "<Headers Authorization>"


@given(st.text("/a?%", max_size=8), st.text("/a?%=", max_size=8))
def test_path_and_query_are_raw(path: str, query: str) -> None:
    path = path.replace("?", "")
    request = Request("GET", f"{path}?{query}", Headers())

    assert (request.path, request.query) == (path, query)
    assert (Request("GET", path, Headers()).path, Request("GET", path, Headers()).query) == (path, "")


def test_a_target_names_its_element() -> None:
    environment = Environment("dev", "http://h", Secret("u"), Secret("o"))
    instance = Instance("gwi_abcdefgh", "dev", "acme", "hubspot", Secret("t"))

    assert Target(environment, instance, "/x").element == "hubspot"
    assert Target(environment, None, "/x").element == "platform"


def test_an_exchange_remembers_decisions_and_is_itself() -> None:
    exchange = Exchange("id", "GET", "/x", 0.0)
    exchange.note("cache", "hit", "fresh")
    exchange.note("limits", "allowed")

    assert exchange.decisions == [("cache", "hit", "fresh"), ("limits", "allowed", "")]
    assert exchange != Exchange("id", "GET", "/x", 0.0)
    assert len({exchange, exchange}) == 1
