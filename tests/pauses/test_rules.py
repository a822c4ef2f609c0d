"""Which pauses hold a call back, with the time as an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pauses.rules import Pause, Scope, by_scope, in_force, refusal
from gateway.server.problems import retry_after

CALL = ("dev", "acme", "hubspot")
PLATFORM = ("dev", "", "platform")


def pause(*scope: str | None, ends_at: float = 100.0, id: str = "p", reason: str = "because") -> Pause:
    environment, customer, element = scope
    return Pause(id, (environment, customer, element), reason, ends_at)


def held(call: tuple[str, str, str], *pauses: Pause, now: float = 50.0) -> str | None:
    found = in_force(by_scope(pauses), *call, now)
    return found.id if found else None


@pytest.mark.parametrize(
    ("scope", "call", "expected"),
    [
        (("dev", None, None), CALL, True),
        ((None, "acme", None), CALL, True),
        ((None, None, "hubspot"), CALL, True),
        (("dev", "acme", None), CALL, True),
        (("dev", None, "hubspot"), CALL, True),
        ((None, "acme", "hubspot"), CALL, True),
        (("dev", "acme", "hubspot"), CALL, True),
        (("prod", None, None), CALL, False),
        (("prod", "acme", "hubspot"), CALL, False),
        (("dev", "globex", "hubspot"), CALL, False),
        (("dev", "acme", "sfdc"), CALL, False),
        (("dev", "ACME", None), CALL, False),
        ((None, "acme*", None), CALL, False),
        (("dev", None, None), PLATFORM, True),
        ((None, None, "platform"), PLATFORM, True),
        (("prod", None, "platform"), PLATFORM, False),
        ((None, "acme", None), PLATFORM, False),
        ((None, None, "platform"), CALL, False),
    ],
)
def test_all_that_a_pause_names_must_be_so(scope: Scope, call: tuple[str, str, str], expected: bool) -> None:
    assert (held(call, pause(*scope)) is not None) is expected


def test_it_ends_by_itself_at_its_very_moment() -> None:
    it = pause("dev", None, None, ends_at=100.0)

    assert held(CALL, it, now=99.999) == "p"
    assert held(CALL, it, now=100.0) is None


def test_of_several_the_one_that_ends_last_counts() -> None:
    several = [
        pause("dev", None, None, ends_at=100, id="environment"),
        pause(None, "acme", None, ends_at=300, id="customer"),
        pause(None, "acme", None, ends_at=200, id="customer, shorter"),
        pause(None, "globex", None, ends_at=900, id="somebody else's"),
    ]

    assert held(CALL, *several) == held(CALL, *reversed(several)) == "customer"
    assert held(("dev", "initech", "hubspot"), *several) == "environment"


names = st.sampled_from(["", "a", "b"])
scopes = st.tuples(*[st.sampled_from([None, "a", "b"])] * 3).filter(any)


@given(
    st.lists(st.builds(Pause, st.uuids().map(str), scopes, st.just("r"), st.integers(1, 20).map(float)), max_size=20),
    st.tuples(names, names, names),
    st.integers(0, 21),
)
def test_it_says_what_a_look_at_each_pause_would(pauses: list[Pause], call: tuple[str, str, str], now: int) -> None:
    meant = [one for one in pauses if one.ends_at > now and all(name in (None, said) for name, said in zip(one.scope, call, strict=True))]

    found = in_force(by_scope(pauses), *call, now)

    assert (found.ends_at if found else None) == max((one.ends_at for one in meant), default=None)
    assert found is None or found in meant


def test_the_caller_is_told_what_until_when_why_and_when_to_come_back() -> None:
    error = refusal(pause("dev", "acme", "hubspot", ends_at=1000.0, reason="it moves"), 990.5)

    assert error.detail == "hubspot calls for acme in dev are paused until 1970-01-01 00:16:40 UTC: it moves"
    assert (error.slug, error.status, error.source) == ("paused", 503, "gateway")
    assert error.retry_after == 9.5
    assert retry_after(error) == 10


@pytest.mark.parametrize(
    ("scope", "said"),
    [(("dev", None, None), "calls in dev"), ((None, "acme", None), "calls for acme"), ((None, None, "platform"), "platform calls")],
)
def test_what_a_pause_does_not_name_is_not_said(scope: Scope, said: str) -> None:
    assert refusal(pause(*scope), 0).detail.startswith(f"{said} are paused until ")
