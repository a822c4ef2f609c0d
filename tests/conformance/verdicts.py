"""What a result of http-cache-tests means, and how results are counted: the suite's own rules (its ``lib/display.mjs``), for any proxy.

A test counts as passed only if those that it depends on are passed too and its preparations worked. What the results of a proxy do not
have was not there when they were taken, or could not be run: it is not passed either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = bool | Sequence[str]
"""True, or (what went wrong: Setup or Assertion, message)."""

Verdict = Literal["passed", "failed", "setup", "dependency", "untested"]


@dataclass(frozen=True)
class Test:
    """One test of the suite; ``kind``: required, optimal, or check, which only tells how a cache behaves."""

    __test__ = False  # for pytest

    id: str
    suite: str
    kind: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """The tests by id, the results by id, and the results that the package brings: (file, name, version)."""

    tests: Mapping[str, Test]
    results: Mapping[str, Outcome]
    published: Sequence[tuple[str, str, str]]


def verdict(id: str, tests: Mapping[str, Test], results: Mapping[str, Outcome]) -> Verdict:
    """What the results say about a test; of a check, passed means yes."""
    if id not in tests or id not in results:
        return "untested"
    if any(verdict(other, tests, results) != "passed" for other in tests[id].depends_on):
        return "dependency"
    outcome = results[id]
    if outcome is True:
        return "passed"
    return "setup" if not isinstance(outcome, bool) and outcome[0] == "Setup" else "failed"


def not_passed(tests: Mapping[str, Test], results: Mapping[str, Outcome]) -> set[str]:
    """The required and optimal tests that are not passed."""
    return {id for id, test in tests.items() if test.kind != "check" and verdict(id, tests, results) != "passed"}


def count(tests: Mapping[str, Test], results: Mapping[str, Outcome], kind: str, without: Collection[str] = ()) -> tuple[int, int]:
    """(passed, all) of a kind, but for the tests ``without``."""
    counted = [id for id, test in tests.items() if test.kind == kind and id not in without]
    return sum(verdict(id, tests, results) == "passed" for id in counted), len(counted)


def by_suite(
    tests: Mapping[str, Test], results: Mapping[str, Outcome], kind: str, without: Collection[str] = ()
) -> dict[str, tuple[int, int]]:
    """(passed, all) of a kind for each suite that has some, in the suite's order."""
    counted = [test for id, test in tests.items() if test.kind == kind and id not in without]
    total, passed = (
        Counter(test.suite for test in counted),
        Counter(test.suite for test in counted if verdict(test.id, tests, results) == "passed"),
    )
    return {suite: (passed[suite], number) for suite, number in total.items()}
