"""What one call costs, counted: nothing of it may grow unnoticed, and nothing that was saved be lost again."""

from __future__ import annotations

import pytest

from tools import budget

ALLOWED = {"hit": {"instructions": 1000, "calls": 50}}


def found(instructions: int, calls: int = 50) -> budget.Found:
    return {
        "hit": {"instructions": {"server/a.py quick": 10, "server/b.py slow": instructions - 10}, "calls": {"server/a.py quick": calls}}
    }


def test_every_walk_is_within_its_budget():
    allowed = budget.read(budget.TABLE).get(budget.VERSION)
    if allowed is None:
        pytest.skip(f"no budget is recorded for Python {budget.VERSION}: {budget.COMMAND}")
    told = list(budget.complaints(budget.counted(), allowed))
    assert not told, "\n".join(["", *told])


def test_what_is_counted_depends_neither_on_hashes_nor_on_what_ran_before():
    one = budget.counted("hit", "forward", environ={"PYTHONHASHSEED": "1"})
    other = budget.counted("forward", "hit", environ={"PYTHONHASHSEED": "2"})
    assert one == other
    assert sum(one["hit"]["instructions"].values()) < sum(one["forward"]["instructions"].values())


@pytest.mark.parametrize(("instructions", "calls"), [(1000, 50), (1020, 51), (900, 45), (950, 50)])
def test_a_little_more_or_less_is_nothing(instructions, calls):
    assert list(budget.complaints(found(instructions, calls), ALLOWED)) == []


def test_more_is_told_with_the_functions_that_cost_most():
    (told,) = budget.complaints(found(1021), ALLOWED)
    assert told.splitlines() == [
        "hit: 1,021 instructions, 2.1% more than its budget of 1,000. Most are in",
        "   99.0%   1,011  server/b.py slow",
        "    1.0%      10  server/a.py quick",
    ]
    (told,) = budget.complaints(found(1000, 52), ALLOWED)
    assert told.startswith("hit: 52 calls, 4.0% more than its budget of 50. ")


def test_much_less_lowers_the_budget():
    (told,) = budget.complaints(found(899), ALLOWED)
    assert told == "hit: 899 instructions, 10.1% less than its budget of 1,000: lower the budget: python -m tools.budget"


def test_a_walk_without_a_budget_and_a_budget_without_a_walk_are_told_of():
    assert list(budget.complaints({}, ALLOWED)) == ["hit: in the table, but there is no such walk: python -m tools.budget"]
    assert list(budget.complaints(found(1000), {})) == ["hit: no budget is recorded: python -m tools.budget"]


def test_what_is_written_is_read_again_and_other_versions_stay(tmp_path):
    path = tmp_path / "budget.toml"
    budget.write(path, "3.12", found(900))
    budget.write(path, "3.9", found(800))
    budget.write(path, "3.12", found(1000))
    assert budget.read(path) == {"3.9": {"hit": {"instructions": 800, "calls": 50}}, "3.12": ALLOWED}
    assert path.read_text().index('["3.9"]') < path.read_text().index('["3.12"]')


def test_a_folder_without_a_table_allows_nothing(tmp_path):
    assert budget.read(tmp_path / "absent.toml") == {}
