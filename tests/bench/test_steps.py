"""The microbenchmarks cannot rot: each step and each walk runs once, and what they claim to look at is what they look at."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.peers import BenchError
from bench.steps import command
from bench.steps.shortcuts import CALLS, SHORTCUTS, Lanes
from bench.steps.step import at_once
from bench.steps.walk import WALKS
from bench.steps.walks import playing

ROOT = Path(__file__).resolve().parents[2]
NEEDED = pytest.mark.skipif(find_spec("pytest_benchmark") is None, reason="the steps need pytest-benchmark: pip install pytest-benchmark")


@NEEDED
def test_every_step_and_every_walk_runs():
    once = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "-rA", "--benchmark-disable", "bench/steps"]
    done = subprocess.run(once, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (one.name for one in command.ALL):
        assert f"[{name}]\n" in done.stdout


@NEEDED
def test_the_command_shows_what_was_asked_for_and_its_ratio_to_the_plainest(capsys):
    assert command.main(["--quick", "--only", "shape-", "answer-hit"]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["shape-known", "shape-new", "answer-hit"]
    assert rows[0][-1] == "1.0"
    assert float(rows[1][-1]) > 1
    assert all(row[1:3] and "to" in row[3] for row in rows)


def test_a_step_that_there_is_not_is_said(capsys):
    with pytest.raises(SystemExit) as wrong:
        command.main(["--only", "breakfast"])
    assert wrong.value.code == 2
    assert "there is no step breakfast" in capsys.readouterr().err


def test_figures_are_for_one_call():
    rounds = {"median": 3e-3, "q1": 2e-3, "q3": 4e-3}
    found = {"benchmarks": [{"param": "hit", "stats": rounds, "extra_info": {"calls": 100}}]}
    (figure,) = command.read(json.loads(json.dumps(found)))
    assert figure.name == "hit"
    assert figure[1:] == pytest.approx((3e-5, 2e-5, 4e-5))
    assert command.section([figure]).rows[0][2:] == ("30.0 µs", "20.0 µs to 40.0 µs", "1.0")


def test_names_are_not_given_twice():
    names = [one.name for one in command.ALL]
    assert len(names) == len(set(names))


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
async def test_what_waits_is_no_step():
    with pytest.raises(Exception, match="waits for something"):
        at_once(asyncio.sleep(0))


def test_a_walk_whose_answers_are_not_what_they_must_be_fails():
    with playing() as scene:
        by_name = {walk.name: walk for walk in WALKS}
        scene.ready(by_name["forward"])(3)
        with pytest.raises(RuntimeError, match="forward: an answer begins"):
            scene.ready(replace(by_name["forward"], status=201))(1)
        with pytest.raises(RuntimeError, match="forward: an answer begins"):
            scene.ready(replace(by_name["forward"], shows=by_name["hit"].shows))(1)


def test_a_walk_that_comes_another_way_than_it_must_fails():
    by_name = {walk.name: walk for walk in WALKS}
    with playing(fast_path=False) as scene:
        scene.ready(by_name["forward-corridor"])(3)
        with pytest.raises(RuntimeError, match="forward: 2 of 2 calls walked the corridor, expected 0"):
            scene.ready(by_name["forward"])(2)
    with playing() as scene:
        scene.ready(by_name["hit-ids"])(3)
        with pytest.raises(RuntimeError, match="post-corridor: 0 of 2 calls walked the corridor, expected 2"):
            scene.ready(by_name["post-corridor"])(2)


def test_a_shortcut_that_is_not_taken_fails():
    by_name = {shortcut.name: shortcut for shortcut in SHORTCUTS}
    with playing() as scene:
        lanes = Lanes(scene, by_name["fast-hit"].walk)
        lanes.settle()
        lanes.hit()
        assert len(scene.telemetry.notes) == CALLS
        lanes.settle()
        assert not scene.telemetry.notes
        with pytest.raises(BenchError, match="a call that is forwarded is not known"):
            lanes.begin()
