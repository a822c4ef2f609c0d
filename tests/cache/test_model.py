"""The real cache and its real store beside a naive model of them, under anything that may happen, by a set clock.

The law: what the model has fresh is served, and without a call; nothing is served that the model does not have, for that owner, in that
state; stale only as far as policy goes; and the store never holds more than it may.
"""

from __future__ import annotations

import asyncio

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.cache.beside import Play
from tests.cache.happenings import steps

# To make a failing sequence small takes minutes: add `Phase.shrink` for that.
quickly = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate))


@quickly
@given(steps)
def test_what_is_fresh_is_served_and_nothing_else(steps: list[object]) -> None:
    asyncio.run(Play(10_000_000).run(steps))


@quickly
@given(steps, st.sampled_from([2000, 5000, 9000]))
def test_a_store_that_is_too_small_forgets_and_never_errs(steps: list[object], max_bytes: int) -> None:
    asyncio.run(Play(max_bytes).run(steps))
