"""Sealing: whatever the shape of a platform answer, no planted secret stays in it (contract 2.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.instances.sealing import SEALED, dump, must_seal, parse, seal, tokens

CANARY = "canary-4b7d"
TOKENS = ["token", "Token", "TOKEN", "instanceToken", "elementToken"]
SECRETS = """secret password Password userSecret organizationSecret apiSecret clientSecret privateKey access_token refresh_token accessToken
oauth.api.secret oauth.api.key oauth.user.token oauth.user.token.secret oauth.user.refresh_token oauth.basic.header oauth.token
aws.api.key aws.api.secret event.notification.signature.key some.password sftp.passphrase""".split()
HARMLESS = """tokens id name tags oauth.token.url oauth.token.refresh_url oauth.token.revoke_url oauth.authorization.url oauth.callback.url
oauth.scope oauth.user.refresh_interval base.url username key emailAddress secretary""".split()

# What may stand where a secret stands: itself, in a list, in a table, several times over.
planted = st.recursive(
    st.just(CANARY),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=2)
    ),
    max_leaves=3,
)
leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
entries = st.builds(
    lambda key, value, name: {"key": key, name: value},
    st.sampled_from(SECRETS),
    planted,
    st.sampled_from(["propertyValue", "value", "defaultValue"]),
)
documents = st.recursive(
    leaves | entries | st.builds(lambda name, value: {name: value}, st.sampled_from([*TOKENS, *SECRETS]), planted),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(HARMLESS), inner, max_size=3),
        st.builds(
            lambda table, name, value: {**table, name: value},
            st.dictionaries(st.text(max_size=3), inner, max_size=2),
            st.sampled_from(SECRETS),
            planted,
        ),
    ),
    max_leaves=12,
)


@given(documents)
def test_no_planted_secret_stays(document: Any) -> None:
    assert CANARY not in json.dumps(seal(document, {}))


@given(
    st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(HARMLESS), inner, max_size=3), max_leaves=12
    )
)
def test_what_is_no_secret_stays_as_it_is(document: Any) -> None:
    assert seal(document, {}) == document


@given(documents)
def test_sealing_again_changes_nothing_and_the_document_stays_itself(document: Any) -> None:
    before = json.dumps(document)
    once = seal(document, {})

    assert seal(once, {}) == once
    assert json.dumps(document) == before


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_becomes_its_handle_where_it_is_mapped(name: str) -> None:
    document = [{"id": 1, name: "mapped"}, {"inner": {name: "unmapped"}}]

    assert seal(document, {"mapped": "gwi_1"}) == [{"id": 1, name: "gwi_1"}, {"inner": {name: SEALED}}]
    assert sorted(tokens(document)) == ["mapped", "unmapped"]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", [CANARY, 123456, [CANARY], {"a": CANARY}])
def test_a_secret_becomes_asterisks(name: str, value: object) -> None:
    assert seal({name: value}, {}) == {name: SEALED}


@pytest.mark.parametrize("value", [None, "", True, False])
@pytest.mark.parametrize("name", ["secret", "password"])
def test_that_there_is_no_secret_may_be_seen(name: str, value: object) -> None:
    assert seal({name: value}, {}) == {name: value}


def test_that_there_is_no_token_may_be_seen() -> None:
    assert seal({"token": None}, {}) == {"token": None}


def test_a_configuration_entry_is_judged_by_its_key() -> None:
    entry = {"id": 7, "key": "oauth.api.secret", "name": "API secret", "propertyValue": CANARY, "type": "PASSWORD"}

    assert seal([entry, {"key": "base.url", "propertyValue": "x"}], {}) == [
        entry | {"propertyValue": SEALED},
        {"key": "base.url", "propertyValue": "x"},
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/instances", True),
        ("/instances/7", True),
        ("/Instances/7/configuration", True),
        ("/%69nstances", True),
        ("//instances;x=y", True),
        ("/hubs/crm/instances/7", True),
        ("/hubs/crm//Instances", True),
        ("/elements/hubspot/instances", True),
        ("/elements/hubspot/instances/7", True),
        ("/hubs/crm/elements/43/instances", True),
        ("/users", True),
        ("/users/me/secrets", True),
        ("/organizations/me", True),
        ("/accounts/7/users", True),
        ("/accounts/7/users/8", True),
        ("/authentication", True),
        ("/authentication/passwords", True),
        ("/contacts", False),
        ("/hubs/crm/contacts/instances", False),
        ("/elements", False),
        ("/elements/hubspot/metadata", False),
        ("/instancesx", False),
        ("", False),
        ("/", False),
    ],
)
def test_which_families_are_sealed(path: str, expected: bool) -> None:
    assert must_seal(path) is expected


@given(documents)
def test_documents_are_read_back(document: Any) -> None:
    assert parse(dump(document)) == (document, False)
