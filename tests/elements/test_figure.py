"""A figure: ours and the provider's in one form, and what is left free between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.elements.figure import Figure, most_within, rate
from gateway.limits.gcra import Gcra
from gateway.limits.quota import parse_quota
from gateway.limits.window import Window

SAID = {"head_room": "a quarter", "source": "somewhere"}


def figure(**fields: object) -> Figure:
    return Figure.model_validate(SAID | fields)


@pytest.mark.parametrize(
    ("fields", "left_free"),
    [
        ({"limit": "75/10s", "provider": "100/10s"}, 0.25),
        ({"limit": "150/10s", "provider": "20/s"}, 0.25),
        ({"limit": "3/2s burst 30", "provider": "2/s burst 40"}, 0.25),
        ({"limit": "80/day", "provider": "100/24h"}, 0.2),
        ({"limit": "75/month", "provider": "100/month"}, 0.25),
        ({"concurrency": 8, "provider": 10}, 0.2),
        ({"limit": "200/s", "provider": "100/s"}, -1.0),
        ({"limit": "1/s"}, None),
    ],
)
def test_what_is_left_free(fields: dict[str, object], left_free: float | None) -> None:
    assert figure(**fields).left_free == (None if left_free is None else pytest.approx(left_free))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"limit": "1/s", "concurrency": 1},
        {"limit": "1/s", "provider": 10},
        {"concurrency": 1, "provider": "1/s"},
        {"limit": "many"},
        {"limit": "1/s", "provider": "many"},
        {"concurrency": 0},
        {"limit": "1/s", "source": ""},
        {"limit": "1/s", "head_room": ""},
        {"limit": "1/s", "uncertain": ""},
        {"limit": "1/s", "sauce": "x"},
    ],
)
def test_what_is_no_figure(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        figure(**fields)


def test_how_people_read_it() -> None:
    assert (figure(limit="75/10s").text, figure(limit="1/s").provider_text) == ("75/10s", None)
    assert (figure(concurrency=8, provider=10).text, figure(concurrency=8, provider=10).provider_text) == ("8 at once", "10 at once")


@given(
    st.integers(1, 20),
    st.sampled_from(["s", "2s", "7s", "30s"]),
    st.integers(0, 5),
    st.integers(1, 60),
    st.lists(st.floats(0, 4, allow_nan=False), max_size=200),
)
def test_no_stretch_sees_more_than_it_says(limit: int, period: str, burst: int, span_s: int, pauses: list[float]) -> None:
    quota = parse_quota(f"{limit}/{period}" + (f" burst {burst}" if burst else ""))
    meter = Gcra(quota) if quota.kind == "gcra" else Window(quota)
    now, went = 0.0, []
    for pause in pauses:
        now += pause
        while meter.wait(now) == 0:
            meter.spend(now)
            went.append(now)

    # GCRA may be one early by a float's last digit; half-open stretches, as the meters count.
    assert all(sum(1 for other in went if start <= other < start + span_s - 1e-6) <= most_within(quota, span_s) for start in went)
    assert rate(quota) * quota.period_s == pytest.approx(limit)
