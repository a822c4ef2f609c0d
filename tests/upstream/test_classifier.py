"""The rules alone: what a probe's answer says, when a trial is due, which pair is in use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.exchange import Environment, Instance, SecretPair
from gateway.secret import Secret
from gateway.upstream.classifier import Asked, Word, blame, first_id, probe_of, word
from gateway.upstream.secret_pairs import TRUSTED_S, Ring
from gateway.upstream.trials import TRIAL_S, Strikes, Trials

USED = Secret("the-token-in-use")
MAPPING = Instance("gwi_x", "dev", "acme", "hubspot", USED, 7)
SHOWN: dict[str, Any] = {"id": 7, "token": "the-new-token=", "element": {"key": "hubspot"}}
FIRST, NEXT = SecretPair(Secret("u1"), Secret("o")), SecretPair(Secret("u2"), Secret("o"))
DEV = Environment("dev", "http://x", FIRST.user, FIRST.organization, NEXT)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(401, {}), Word.BAD),
        (Asked(200, {}), Word.GOOD),
        (Asked(200, []), Word.GOOD),
        (Asked(403), Word.GOOD),
        (Asked(404), Word.GOOD),
        (Asked(200), Word.SILENT),  # not JSON: somebody else's page
        (Asked(200, "x"), Word.SILENT),
        *((Asked(status), Word.SILENT) for status in (0, 204, 302, 400, 407, 408, 429, 500, 503)),
    ],
)
def test_what_a_probe_says_of_its_pair(asked: Asked, expected: Word) -> None:
    assert word(asked) is expected


@pytest.mark.parametrize(
    "document",
    [
        {**SHOWN, "token": USED.reveal()},
        {**SHOWN, "token": ""},
        {**SHOWN, "token": None},
        {**SHOWN, "token": "a, User b"},
        {**SHOWN, "token": "x\r\ny"},
        {**SHOWN, "token": "x" * 2000},
        {**SHOWN, "id": 8},
        {**SHOWN, "element": {"key": "sfdc"}},
        {},
        [],
        None,
    ],
)
def test_no_token_is_taken(document: Any) -> None:
    assert blame(Asked(200, document), MAPPING, USED).token is None


@pytest.mark.parametrize("document", [SHOWN, {**SHOWN, "id": "7"}, {"token": "the-new-token="}])
def test_a_new_token_is_taken(document: Any) -> None:
    assert blame(Asked(200, document), MAPPING, USED).token == Secret("the-new-token=")


@pytest.mark.parametrize("status", [403, 404])
def test_a_new_token_comes_with_a_200_alone(status: int) -> None:
    assert blame(Asked(status, SHOWN), MAPPING, USED).token is None
    assert blame(Asked(200, SHOWN), replace(MAPPING, instance_id=None), USED).token is None


def test_what_is_asked() -> None:
    assert probe_of(MAPPING) == "/instances/7"
    assert probe_of(None) == probe_of(replace(MAPPING, instance_id=None)) == "/instances?pageSize=1"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(200, [{"id": 3}, {"id": 4}]), 3),
        (Asked(200, []), None),
        (Asked(200, [{"id": True}]), None),
        (Asked(200, ["x"]), None),
        (Asked(200, {"id": 3}), None),
        (Asked(404, [{"id": 3}]), None),
    ],
)
def test_the_first_instance_of_a_list(asked: Asked, expected: int | None) -> None:
    assert first_id(asked) == expected


def test_an_answer_does_not_show_the_token() -> None:
    assert "new-token" not in repr(Asked(200, SHOWN)) + repr(blame(Asked(200, SHOWN), MAPPING, USED))


def test_one_trial_in_its_time() -> None:
    trials = Trials()
    assert [trials.admit("a", 5.0), trials.admit("a", 5.0), trials.admit("b", 5.0)] == [0.0, TRIAL_S, 0.0]
    assert trials.admit("a", 5.0 + TRIAL_S - 0.25) == 0.25
    assert trials.admit("a", 5.0 + TRIAL_S) == 0.0
    trials.forget("a")
    trials.forget("nobody")
    assert trials.admit("a", 5.0) == 0.0


def test_strikes_are_counted_by_mapping_and_forgotten() -> None:
    strikes = Strikes()
    assert not strikes
    assert [strikes.count("a"), strikes.count("a"), strikes.count("b")] == [False] * 3
    assert strikes.count("a")
    strikes.forget("a")
    assert strikes
    assert not strikes.count("a")


def test_what_a_ring_remembers() -> None:
    ring = Ring.of(DEV, 1.0)
    assert (ring.in_use, ring.other, ring.good_since < 0, ring.trusted_until < 0) == (FIRST, 1, True, True)
    ring.passed(10.0, 11.0)
    assert (ring.good_since < 0, ring.trusted_until) == (True, 11.0 + TRUSTED_S)  # it was never bad
    ring.failed()
    assert ring.good_since > 1e9
    assert ring.trusted_until < 0
    ring.turn(1, 2.0)
    ring.passed(20.0, 21.0)
    ring.passed(30.0, 31.0)
    assert (ring.in_use, ring.other, ring.since, ring.good_since, ring.trusted_until) == (NEXT, 0, 2.0, 20.0, 31.0 + TRUSTED_S)


def test_secrets_of_another_account_stand_in_for_nobody() -> None:
    ring = Ring.of(DEV, 0.0)
    ring.stranger = True
    assert ring.other is None
    assert Ring.of(replace(DEV, next=None), 0.0).other is None


def test_a_ring_shows_no_secret() -> None:
    assert "u1" not in repr(Ring.of(DEV, 0.0)) + repr(Ring.of(DEV, 0.0).describe())
