"""A secret can be used and compared, not shown, hashed or sent."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Environment, Instance, Target
from gateway.secret import Secret

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "show",
    [
        str,
        repr,
        "{}".format,
        "{:>40}".format,
        "{!r:.99}".format,
        "%s".__mod__,
        ascii,
        lambda secret: f"{secret}{[secret]}{ {'a': secret} }",
    ],
)
def test_showing_does_not_show(show: object) -> None:
    assert CANARY not in show(Secret(CANARY))  # type: ignore[operator]


@pytest.mark.parametrize("carry", [pickle.dumps, json.dumps, hash, bytes, vars])
def test_it_does_not_travel(carry: object) -> None:
    with pytest.raises(TypeError) as raised:
        carry(Secret(CANARY))  # type: ignore[operator]

    assert CANARY not in str(raised.value)


def test_copies_are_itself() -> None:
    secret = Secret(CANARY)

    assert copy.copy(secret) is copy.deepcopy(secret) is copy.deepcopy([secret])[0] is secret


@given(st.text(), st.text())
def test_equality_is_that_of_the_values(one: str, other: str) -> None:
    try:
        one.encode()
        other.encode()
    except UnicodeEncodeError:
        return
    assert (Secret(one) == Secret(other)) is (one == other)
    assert Secret(one).reveal() == one


def test_a_text_is_no_secret() -> None:
    assert Secret(CANARY) != CANARY


def test_what_holds_secrets_does_not_show_them(caplog: pytest.LogCaptureFixture) -> None:
    environment = Environment("dev", "http://h", Secret(CANARY), Secret(CANARY))
    target = Target(environment, Instance("gwi_abcdefgh", "dev", "acme", "hubspot", Secret(CANARY)), "/x")
    logging.getLogger("test").error("%s %r", target, environment)
    try:
        raise ValueError(target)
    except ValueError as error:
        text = "".join(traceback.format_exception(error))

    assert CANARY not in repr(target) + caplog.text + text
