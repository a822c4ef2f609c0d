"""Several Pythons side by side: what is compared with what, and how one that cannot take part is told of."""

from __future__ import annotations

import json
import platform
import sys

import pytest

from bench import pythons
from bench.contest.installing import Missing
from bench.steps import debian
from bench.steps.interpreters import ROOT, Interpreter, probed
from bench.steps.walk import WALKS


def named(version: str) -> Interpreter:
    return Interpreter(("none",), f"source of {version}", version, "built", str(ROOT), "", "" if version == "3.11.1" else "newer packages")


def test_the_walks_run_in_a_process_of_an_interpreter():
    ours = Interpreter((sys.executable,), "ours", platform.python_version(), "", str(ROOT), "")
    found = json.loads(ours.run("-m", "bench.steps.walks", "20"))
    assert list(found) == [walk.name for walk in WALKS]
    assert all(seconds > 0 for seconds in found.values())


def test_ratios_are_taken_within_a_round():
    one, twice = ({walk.name: seconds for walk in WALKS} for seconds in (1.0, 2.0))
    slow = {name: 10 * seconds for name, seconds in one.items()}
    section = pythons.section([named("3.11.1"), named("3.14.1")], [[one, twice], [slow, slow], [twice, one]])
    assert [row[3] for row in section.rows] == ["1.00 (1.00 to 1.00)", "1.00 (0.50 to 2.00)"]
    assert section.rows[1][:3] == ("3.14.1", "source of 3.14.1", "built")
    assert section.remark.endswith("3.14.1: newer packages.")


def test_one_that_is_none_is_left_out_loudly(tmp_path, capsys):
    broken = tmp_path / "python3.13"
    broken.write_text("#!/bin/sh\necho there is no such version >&2\nexit 127\n")
    broken.chmod(0o755)
    assert pythons.main(["--python", str(broken), str(tmp_path / "absent"), "--folder", str(tmp_path)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "there is no such version" in said
    assert "does not start (No such file or directory)" in said
    assert "Fewer than two" in said


def test_an_interpreter_says_what_it_is():
    version, build = probed((sys.executable,), "ours")
    assert version == platform.python_version()
    assert build.startswith(platform.python_compiler())


@pytest.mark.parametrize("suite", ["", "../sid", "sid;", "SID"])
def test_a_suite_is_a_name(suite, tmp_path):
    with pytest.raises(Missing, match="expected the name of a suite"):
        debian.of_suite(suite, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_mirror_is_an_address():
    assert debian.mirror().partition("://")[0] in ("http", "https", "file")
