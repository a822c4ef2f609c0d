"""Every step and every walk in pytest-benchmark: run by ``python -m bench steps``, which tells it how, and how long.

A step is called inside a loop that does not turn, one of the fast paths' for many calls a round, with what it needs made anew before each;
a walk turns a loop of its own, ``CALLS`` calls a round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import pytest

from bench.steps import shortcuts, walks
from bench.steps.house import House, opened
from bench.steps.shortcuts import SHORTCUTS, Lanes, Shortcut
from bench.steps.step import Step
from bench.steps.table import STEPS
from bench.steps.walk import WALKS, Walk
from bench.steps.walks import Scene

CALLS = 100
ROUNDS = 200  # of a shortcut, so many calls each


class Benchmark(Protocol):
    """What is used of pytest-benchmark's fixture."""

    extra_info: dict[str, Any]

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any: ...

    def pedantic(self, target: Callable[[], Any], *, setup: Callable[[], Any], rounds: int, warmup_rounds: int) -> Any: ...


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def house(loop: asyncio.Runner) -> Iterator[House]:
    context = opened()
    house = loop.run(context.__aenter__())
    try:
        yield house
    finally:
        loop.run(context.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with walks.playing(fast_path=request.param) as scene:
        yield scene


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_step(step: Step, house: House, loop: asyncio.Runner, benchmark: Benchmark) -> None:
    async def inside() -> None:
        benchmark(step.act(house))

    benchmark.extra_info["calls"] = 1
    loop.run(inside())


@pytest.mark.parametrize("shortcut", SHORTCUTS, ids=lambda shortcut: shortcut.name)
def test_shortcut(shortcut: Shortcut, benchmark: Benchmark) -> None:
    benchmark.extra_info["calls"] = shortcuts.CALLS
    with walks.playing() as scene:
        lanes = Lanes(scene, shortcut.walk)
        benchmark.pedantic(partial(shortcut.act, lanes), setup=partial(shortcut.before, lanes), rounds=ROUNDS, warmup_rounds=10)
        lanes.rest()


@pytest.mark.parametrize(("scene", "walk"), [pytest.param(walk.fast_path, walk, id=walk.name) for walk in WALKS], indirect=["scene"])
def test_walk(walk: Walk, scene: Scene, benchmark: Benchmark) -> None:
    benchmark.extra_info["calls"] = CALLS
    benchmark(scene.ready(walk), CALLS)
