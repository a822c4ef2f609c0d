"""Cloud Elements' header: read in every form that clients write, built in one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.authorization import Credentials, build, parse
from gateway.errors import BadRequest
from gateway.exchange import Instance, SecretPair
from gateway.secret import Secret

values = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1, max_size=30)
blanks = st.text(" \t", max_size=3)
NAMES = ("user", "organization", "element")


@given(values, values, values)
def test_what_is_built_is_read_back(user: str, organization: str, token: str) -> None:
    pair = SecretPair(Secret(user), Secret(organization))
    instance = Instance("gwi_abcdefgh", "dev", "acme", "hubspot", Secret(token))

    if not any(value.startswith(":") for value in (user, organization, token)):
        assert parse(build(pair, instance)) == Credentials(user, organization, token)
        assert parse(build(pair, None)) == Credentials(user, organization, None)
    assert build(pair, instance) == f"User {user}, Organization {organization}, Element {token}"


@given(st.data())
def test_order_subset_case_and_blanks_are_free(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    credentials, parts = {}, []
    for name in chosen:
        value = credentials[name] = data.draw(values.filter(lambda text: not text.startswith(":")))
        spelled = "".join(random.Random(len(value)).choice([letter.upper(), letter]) for letter in name)
        separator = data.draw(st.sampled_from([" ", "  ", "\t", ":", ": ", " : "]))
        parts.append(data.draw(blanks) + spelled + separator + value + data.draw(blanks))

    assert parse(",".join(parts)) == Credentials(**credentials)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("User a=b=", Credentials(user="a=b=")),
        ("Element: gwi_x", Credentials(element="gwi_x")),
        ("User a:b,Organization c", Credentials(user="a:b", organization="c")),
        ("element env/cust/el", Credentials(element="env/cust/el")),
    ],
)
def test_examples(value: str, expected: Credentials) -> None:
    assert parse(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer x",
        "User",
        "User ",
        "User a b",
        "User a,",
        ",User a",
        "User a,,Element b",
        "User a, Bearer b",
        "Usera",
        "User=a",
        "User \xe9",
        "User a;Element b",
        "User\na",
    ],
)
def test_other_forms_are_not_taken_for_it(value: str) -> None:
    assert parse(value) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_part_twice_is_refused_and_not_quoted(name: str) -> None:
    with pytest.raises(BadRequest) as raised:
        parse(f"{name} canary-one, {name.upper()} canary-two")

    assert "canary" not in raised.value.detail


def test_credentials_are_not_shown() -> None:
    assert "canary" not in repr(Credentials("canary", "canary", "canary"))
