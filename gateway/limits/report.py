"""Live budgets for people and for scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.limits.store import Key, Report

Where = tuple[str, str]
"""(environment, element)"""

_GATES = {"closed": 2, "reopening": 1}


def rows(reports: Iterable[Report], waiting: Mapping[Key, int]) -> list[dict[str, Any]]:
    """A row for each quota of every budget, the smallest share left first (contract 4, ``GET /limits``).

    ``key`` is the handle, customer, group or key id as ``scope`` says, null for ``element``; ``quota`` is its text, ``limit`` how many
    calls it allows at once; ``resets`` is in seconds, until ``remaining`` grows. ``waiting`` calls wait for that budget. ``learned`` is
    null or what its provider taught: ``state``, ``seconds`` (that it stays closed), ``pace`` (calls a second at which it opens),
    ``refusals``, ``source``. A budget of places has the quota ``concurrency``; one that was only learned of, ``learned``.
    """
    found = [row for one in reports for row in _rows_of(one, waiting.get(one.key, 0))]
    return sorted(found, key=lambda row: row["remaining"] / row["limit"] if row["limit"] else 0.0)


def shares(reports: Iterable[Report]) -> dict[Where, float]:
    """The smallest share left (0 to 1) among the budgets of each element."""
    least: dict[Where, float] = {}
    for one in reports:
        if one.key[0] != "caller" and one.states:
            where = one.key[1], one.key[2]
            least[where] = min(least.get(where, 1.0), *[state.remaining / state.quota.most for state in one.states])
    return least


def gates(reports: Iterable[Report]) -> dict[Where, int]:
    """Of each element with a gate: 1 reopening, 2 closed; the most closed one counts."""
    states: dict[Where, int] = {}
    for one in reports:
        if one.learned is not None:
            where = one.key[1], one.key[2]
            states[where] = max(states.get(where, 0), _GATES[one.learned.state])
    return states


def waiting_by_element(lines: Mapping[Key, int]) -> dict[Where, int]:
    """How many calls wait for budgets of each element."""
    found: dict[Where, int] = {}
    for (_, environment, element, _), calls in lines.items():
        where = environment, element
        found[where] = found.get(where, 0) + calls
    return found


def _rows_of(report: Report, waiting: int) -> list[dict[str, Any]]:
    scope, environment, element, name = report.key
    learned = report.learned
    said = learned and {
        "state": learned.state,
        "seconds": round(learned.seconds, 3),
        "pace": round(learned.pace, 3),
        "refusals": learned.refusals,
        "source": learned.source,
    }
    about = {"environment": environment or None, "element": element or None, "scope": scope, "key": name or None}
    more = {"waiting": waiting, "learned": said}
    rows = [
        {
            **about,
            "quota": state.quota.text,
            "limit": state.quota.most,
            "used": state.used,
            "remaining": state.remaining,
            "resets": round(state.reset_s, 3),
            **more,
        }
        for state in report.states
    ]
    if report.places is not None:
        used = report.under_way
        rows.append(
            {
                **about,
                "quota": "concurrency",
                "limit": report.places,
                "used": used,
                "remaining": max(0, report.places - used),
                "resets": 0.0,
                **more,
            }
        )
    if not rows and learned is not None:
        closed = learned.state == "closed"
        rows.append(
            {
                **about,
                "quota": "learned",
                "limit": 1,
                "used": int(closed),
                "remaining": int(not closed),
                "resets": round(learned.seconds, 3),
                **more,
            }
        )
    return rows
