"""Caller keys: form, digest, comparison, rotation, expiry."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from statistics import median
from time import perf_counter_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.callers.keys import DUMMY, CallerKey, digest, matches, mint, parse, remint


def made(**more: object) -> tuple[CallerKey, str]:
    key_id, text = mint()
    return CallerKey(key_id, "n", digest(text.reveal()), **more), text.reveal()  # type: ignore[arg-type]


def test_a_key_says_its_id_and_carries_256_bits() -> None:
    key_id, text = mint()

    assert re.fullmatch(rf"gwk_{key_id}_[A-Za-z0-9]{{43}}", text.reveal())
    assert re.fullmatch("[a-z0-9]{12}", key_id)
    assert parse(text.reveal()) == (key_id, text.reveal().rpartition("_")[2])


def test_no_two_keys_are_alike() -> None:
    minted = [mint() for _ in range(500)]

    assert len({key_id for key_id, _ in minted}) == len({text.reveal() for _, text in minted}) == 500


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gwk_",
        "gwk_abc",
        "gwk__",
        "GWK_abcdefghijkl_" + "a" * 43,
        "gwk_ABCDEFGHIJKL_" + "a" * 43,
        "gwk_abcdefghijkl_" + "a" * 42,
        "gwk_abcdefghijkl_" + "a" * 44,
        "gwk_abcdefghijkl_" + "a" * 43 + "\n",
        " gwk_abcdefghijkl_" + "a" * 43,
        "gwk_abcdefghijkl_" + "é" * 43,
    ],
)
def test_what_is_no_key_is_not_taken_for_one(text: str) -> None:
    assert parse(text) is None


@given(st.text())
def test_no_text_makes_it_stumble(text: str) -> None:
    parse(text)
    assert not matches(DUMMY, text, 0)


def test_the_digest_is_sha_256_of_the_whole_text() -> None:
    assert digest("gwk_x") == hashlib.sha256(b"gwk_x").digest()


def test_only_its_own_text_matches() -> None:
    key, text = made()

    assert matches(key, text, 0)
    for wrong in ("", text[:-1], text + "a", text.upper(), made()[1], remint(key.id).reveal()):
        assert not matches(key, wrong, 0)


def test_a_forged_digest_does_not_help() -> None:
    """Threat 22: who reads the database cannot call."""
    key, _ = made()

    assert not matches(key, key.digest.hex(), 0)
    assert not matches(key, key.digest.decode("latin-1"), 0)


def test_an_expired_key_matches_no_more() -> None:
    key, text = made(expires_at=100.0)

    assert (matches(key, text, 99.9), matches(key, text, 100.0)) == (True, False)


def test_a_rotated_secret_lives_on_for_the_overlap() -> None:
    key, new = made()
    old = remint(key.id).reveal()
    rotated = replace(key, previous_digest=digest(old), previous_expires_at=100.0)

    assert (matches(rotated, old, 99.9), matches(rotated, old, 100.0)) == (True, False)
    assert (matches(rotated, new, 99.9), matches(rotated, new, 100.0)) == (True, True)
    assert not matches(replace(rotated, expires_at=50.0), old, 50.0)


def test_the_dummy_matches_nothing_and_shows_nothing() -> None:
    assert not matches(DUMMY, mint()[1].reveal(), -1e12)
    key, _ = made()
    assert repr(key) == f"<CallerKey {key.id}>"


def test_an_unknown_key_costs_the_same_work() -> None:
    """Threat 23, coarse enough for a busy machine; interleaved, so that both suffer alike."""
    key, text = made()
    known: list[float] = []
    unknown: list[float] = []
    for _ in range(3000):
        for subject, times in ((key, known), (DUMMY, unknown)):
            start = perf_counter_ns()
            matches(subject, text, 0)
            times.append(perf_counter_ns() - start)

    assert abs(median(known) - median(unknown)) < 5000
