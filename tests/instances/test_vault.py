"""The vault: what is sealed opens for its own row and field, and for nothing else."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.instances.vault import Field, Identity, Sealed, Vault, VaultError
from gateway.secret import Secret

K1, K2 = ("k1", b"1" * 32), ("k2", b"2" * 32)
ACME = Identity("dev", "acme", "hubspot", "gwi_a")
TOKEN = Secret("canary-token")


def test_what_goes_in_comes_out() -> None:
    vault = Vault([K1])

    assert vault.decrypt(vault.encrypt(TOKEN, ACME), ACME) == TOKEN


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    old = Vault([K1]).encrypt(TOKEN, ACME)
    ring = Vault([K2, K1])

    assert (old.key_id, ring.encrypt(TOKEN, ACME).key_id, ring.key_ids) == ("k1", "k2", ("k2", "k1"))
    assert ring.decrypt(old, ACME) == TOKEN


def test_the_same_secret_never_looks_the_same() -> None:
    vault = Vault([K1])
    blobs = {vault.encrypt(TOKEN, ACME).blob for _ in range(1000)}

    assert len({blob[:12] for blob in blobs}) == 1000
    assert not any(b"canary" in blob for blob in blobs)


@pytest.mark.parametrize("field", ["environment", "customer", "element", "handle"])
def test_a_secret_does_not_open_in_another_row(field: str) -> None:
    vault = Vault([K1])

    with pytest.raises(VaultError):
        vault.decrypt(vault.encrypt(TOKEN, ACME), replace(ACME, **{field: "other"}))


def test_a_secret_does_not_open_in_another_field() -> None:
    vault = Vault([K1])

    with pytest.raises(VaultError):
        vault.decrypt(vault.encrypt(TOKEN, ACME, "token"), ACME, "event_signature_key")


def test_a_secret_does_not_open_under_the_name_of_another_key_even_of_the_same_octets() -> None:
    sealed = Vault([K1]).encrypt(TOKEN, ACME)

    with pytest.raises(VaultError):
        Vault([("other", K1[1])]).decrypt(Sealed("other", sealed.blob), ACME)


def test_names_that_join_to_the_same_text_are_different() -> None:
    vault = Vault([K1])
    sealed = vault.encrypt(TOKEN, Identity("dev", "ac", "mehubspot", "gwi_a"))

    with pytest.raises(VaultError):
        vault.decrypt(sealed, ACME)


def test_an_absent_key_and_a_wrong_one_are_told_without_the_secret() -> None:
    sealed = Vault([K1]).encrypt(TOKEN, ACME)
    for vault, said in ((Vault([K2]), "does not hold"), (Vault([("k1", K2[1])]), "does not decrypt")):
        with pytest.raises(VaultError, match=said) as caught:
            vault.decrypt(sealed, ACME)
        assert caught.value.status == 503


@given(st.binary(max_size=64))
def test_no_octets_make_it_stumble(blob: bytes) -> None:
    with pytest.raises(VaultError):
        Vault([K1]).decrypt(Sealed("k1", blob), ACME)


@given(st.integers(0, 39), st.integers(1, 255))
def test_not_an_octet_can_be_changed(place: int, change: int) -> None:
    vault = Vault([K1])
    blob = bytearray(vault.encrypt(TOKEN, ACME).blob)
    blob[place] ^= change

    with pytest.raises(VaultError):
        vault.decrypt(Sealed("k1", bytes(blob)), ACME)


def test_an_empty_ring_opens_and_closes_nothing() -> None:
    with pytest.raises(VaultError):
        Vault([]).encrypt(TOKEN, ACME)
    with pytest.raises(VaultError):
        Vault([]).decrypt(Vault([K1]).encrypt(TOKEN, ACME), ACME)


def test_digests_find_a_token_in_its_environment_alone() -> None:
    ring = Vault([K1, K2])
    digests = ring.token_digest("dev", "t")

    assert set(digests) == {"k1", "k2"}
    assert digests == {**Vault([K2]).token_digest("dev", "t"), **Vault([K1]).token_digest("dev", "t")}
    others = [ring.token_digest("prod", "t"), ring.token_digest("dev", "u"), ring.token_digest("de", "vt")]
    assert len({value for one in (digests, *others) for value in one.values()}) == 8


def test_a_vault_shows_key_ids_only() -> None:
    vault = Vault([K1, K2])

    assert repr(vault) == "<Vault k1, k2>"
    assert "canary" not in repr(vault.encrypt(TOKEN, ACME))


@pytest.mark.parametrize("field", ["token", "event_signature_key"])
def test_secrets_of_any_language_come_back(field: Field) -> None:
    vault = Vault([K1])
    secret = Secret("naïve 🔑 ключ")

    assert vault.decrypt(vault.encrypt(secret, ACME, field), ACME, field) == secret


def test_a_vault_does_not_travel() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Vault([K1]))


def test_octets_open_for_their_owner_alone_and_under_the_name_of_their_key() -> None:
    sealed = Vault([K1]).seal_octets(b"canary", b"owner")
    assert b"canary" not in sealed.blob
    assert Vault([K2, K1]).open_octets(sealed, b"owner") == b"canary"

    for vault, owner, one in (
        (Vault([K1]), b"other", sealed),
        (Vault([K2]), b"owner", sealed),
        (Vault([("k1", K2[1])]), b"owner", sealed),
        (Vault([("other", K1[1])]), b"owner", Sealed("other", sealed.blob)),
        (Vault([K1]), b"owner", Sealed("k1", sealed.blob[:8])),
        (Vault([]), b"owner", sealed),
    ):
        with pytest.raises(VaultError):
            vault.open_octets(one, owner)
    with pytest.raises(VaultError):
        Vault([]).seal_octets(b"", b"")
