"""Which key a request names, whose it is, what it asks for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest
from gateway.exchange import Headers, Request
from gateway.idempotency.key import fingerprint_of, key_of, owner_of
from tests.idempotency.scene import request

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)


def named(*values: str) -> str | None:
    return key_of(Headers([("Idempotency-Key", value) for value in values]))


def quoted(key: str) -> str:
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(PRINTABLE)
def test_a_quoted_key_is_what_stands_between_the_quotes(key: str) -> None:
    assert named(quoted(key)) == key


@given(PRINTABLE)
def test_both_spellings_of_a_key_are_the_same(key: str) -> None:
    bare = key.strip(" \t")
    if bare and not bare.startswith('"'):
        assert named(bare) == named(quoted(bare)) == named(f"  {quoted(bare)}\t") == bare


@given(st.text(st.characters(max_codepoint=0xFF), max_size=300))
def test_whatever_comes_is_a_key_or_refused_without_being_quoted(value: str) -> None:
    key, said = None, ""
    try:
        key = named(value)
    except BadRequest as error:
        said = error.detail
    if key is None:
        assert said
        assert len(value) < 4 or value not in said
    else:
        assert 1 <= len(key) <= 255
        assert all(" " <= character <= "~" for character in key)


TORN = ['"', '"a', '"a"b', '"a";p=1', '"a", "b"', '"a\\b"', '"a\\']


@pytest.mark.parametrize("value", ["", " ", '""', "a\tb", "a\x7f", "é", "x" * 256, f'"{"x" * 256}"', *TORN])
def test_what_is_no_key(value: str) -> None:
    with pytest.raises(BadRequest, match="1 to 255"):
        named(value)


def test_none_and_two() -> None:
    assert named() is None
    with pytest.raises(BadRequest, match="twice"):
        named("a", "a")


@pytest.mark.parametrize("key", ["x" * 255, "550e8400-e29b-41d4-a716-446655440000", 'a"b', "a\\b", "a, b"])
def test_what_is_one_as_it_stands(key: str) -> None:
    assert named(key) == key


def test_a_key_is_its_owners_alone() -> None:
    lists = [("a", "dev", "gwi_1", "k"), ("b", "dev", "gwi_1", "k"), ("a", "prod", "gwi_1", "k"), ("a", "dev", "", "k")]
    lists.append(("a", "dev", "gwi_1", "l"))
    alike = [("a", "dev", "gwi_", "1k"), ("ad", "ev", "gwi_1", "k"), ("a", "", "dev", "gwi_1k")]
    owners = [owner_of(*parts) for parts in lists + alike]

    assert len({owner.digest for owner in owners} | {owner.salt for owner in owners}) == 16
    assert owner_of(*lists[0]) == owners[0]
    assert "salt" not in repr(owners[0])


def test_a_fingerprint_tells_requests_apart() -> None:
    owner = owner_of("a", "dev", "gwi_1", "k")
    plain = request()
    others = [
        replace(plain, method="PUT"),
        replace(plain, target="/contacts?x=1"),
        request(media="a/jso"),
        Request("POST", "/contacts", Headers(), b""),
        Request("POST", "/contactsa/json", Headers(), b""),
    ]
    found = {fingerprint_of(owner, one).digest() for one in (plain, *others)}

    assert len(found) == 6
    assert fingerprint_of(owner, replace(plain, headers=plain.headers.plus(("Accept", "b/c")))).digest() in found
    assert fingerprint_of(owner_of("a", "dev", "gwi_1", "l"), plain).digest() not in found
