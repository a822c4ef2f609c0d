"""Shedding: burst or overload, who is refused first, and which requests can be refused without being read."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.server.shedding import Shedder, is_whole_and_plain, request_id_of

HEAD = b"GET /elements/api-v2/contacts HTTP/1.1\r\nHost: gateway\r\nX-Api-Key: k\r\n\r\n"


def overloaded(shedder: Shedder, probes: int) -> Shedder:
    for _ in range(probes):
        shedder.observe(1.0)
    return shedder


@pytest.mark.parametrize("late", [[1.0, 1.0, 0.0, 0.0, 0.0] * 12, [0.0] * 60, [0.1] * 60], ids=["bursts", "at ease", "on the target"])
def test_what_does_not_stand_is_no_overload(late: list[float]) -> None:
    shedder = Shedder(0.1)
    for one in late:
        shedder.observe(one)
        assert shedder.share == 1.0
    assert shedder.degraded() is None


def test_nothing_is_shed_without_a_target() -> None:
    shedder = overloaded(Shedder(0.0), 50)
    assert not any(shedder.sheds(batch) for batch in (True, False) for _ in range(100))


def test_the_share_shrinks_by_a_part_and_grows_by_steps() -> None:
    shedder = overloaded(Shedder(0.1), 6)
    assert shedder.share == pytest.approx(0.9**2)
    for _ in range(3):  # until most of the last were in time
        shedder.observe(0.0)
    assert shedder.share == pytest.approx(0.9**4 + 0.02)
    assert overloaded(shedder, 100).share == 0.05
    for _ in range(2 + 49):
        shedder.observe(0.0)
    assert (shedder.share, shedder.degraded()) == (1.0, None)


@given(st.integers(5, 30))
def test_interactive_work_is_let_in_by_its_share_and_batch_only_beyond_half(probes: int) -> None:
    shedder = overloaded(Shedder(0.1, Random(probes).random), probes)
    share = shedder.share
    let_in = [sum(not shedder.sheds(batch) for _ in range(1000)) for batch in (False, True)]
    assert let_in[0] == pytest.approx(1000 * share, abs=60)
    assert let_in[1] == pytest.approx(1000 * max(0.0, 2 * share - 1), abs=60)
    assert shedder.degraded() == f"overloaded: {1 - share:.0%} of the calls are refused"


@pytest.mark.parametrize(
    "data",
    [
        HEAD.replace(b"GET", b"POST"),
        HEAD.replace(b"GET", b"HEAD"),
        HEAD[:-1],
        HEAD + HEAD,
        HEAD + b"x",
        HEAD.replace(b"Host", b"Content-Length: 4\r\nHost"),
        HEAD.replace(b"Host", b"content-LENGTH : 4\r\nHost"),
        HEAD.replace(b"Host", b"Transfer-Encoding: chunked\r\nHost"),
        HEAD.replace(b"Host", b"Connection: close\r\nHost"),
        HEAD.replace(b"Host", b"Expect: 100-continue\r\nHost"),
        HEAD.replace(b"Host", b"Upgrade: h2c\r\nHost"),
        HEAD.replace(b"Host", b"Origin: https://app.example.com\r\nHost"),
        HEAD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        HEAD.replace(b"/elements/api-v2/contacts", b"/healthz"),
        HEAD.replace(b"/elements", b"http://x/elements"),
        HEAD.replace(b"/elements", b"/ "),
        b"\r\n" + HEAD,
        b"\r\n\r\n",
        HEAD.replace(b"k\r\n", b"k" * 9000 + b"\r\n"),
    ],
)
def test_what_is_served_the_long_way(data: bytes) -> None:
    assert is_whole_and_plain(HEAD)
    assert not is_whole_and_plain(data)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"X-Request-Id: abc-1", "abc-1"),
        (b"x-request-id:abc", "abc"),
        (b"X-Request-Id: two words", None),
        (b"X-Request-Id: " + b"x" * 129, None),
        (b"X-Request-Id: gwk_aaaaaaaaaaaa_secret", None),
        (b"Accept: */*", None),
    ],
)
def test_the_callers_own_id_is_taken_over(field: bytes, expected: str | None) -> None:
    assert request_id_of(HEAD.replace(b"Host", field + b"\r\nHost")) == expected
