"""What every list does with its query: ``where``, ``orderBy``, pages, ``fields``, and the headers that tell of them (API page 2.4, 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.sandbox.call import Answer, ApiError, Call, Row
from gateway.sandbox.ceql import field_of, parse_where
from gateway.sandbox.paging import requested_page

MAX_PAGE = 5000


def listed(rows: Iterable[Row], call: Call, largest: int = MAX_PAGE) -> Answer:
    """One page of ``rows``. Raises ``ApiError`` 400 for a query that cannot be understood."""
    test = parse_where(call.param("where"))
    page = requested_page(call, largest)
    found = ordered([row for row in rows if test(row)], call.param("orderBy"))
    part, token = page.cut(len(found))
    shown = [with_fields(row, call.param("fields")) for row in found[part]]
    headers = {"Elements-Returned-Count": str(len(shown))}
    if call.flag("returnTotalCount", "returnCount"):
        headers["Elements-Total-Count"] = str(len(found))
    if token:
        headers["Elements-Next-Page-Token"] = token
    if page.remark:
        headers["Elements-Error"] = page.remark
    return Answer(shown, headers=headers)


def with_fields(row: Row, fields: str) -> Row:
    """The members of ``row`` that a comma list names, in the row's order and spelling; all of them where the list is empty."""
    names = {name.strip().lower() for name in fields.split(",")} - {""}
    return {key: value for key, value in row.items() if not names or key.lower() in names}


def ordered(rows: list[Row], order: str) -> list[Row]:
    """``rows`` by ``name [asc|desc], …``; the sort is stable, so that pages fit together. Raises ``ApiError`` 400."""
    for term in reversed([term.split() for term in order.split(",") if term.strip()]):
        name, direction = term[0], term[1].lower() if len(term) == 2 else "asc"
        if len(term) > 2 or direction not in ("asc", "desc"):
            raise ApiError(400, "Invalid orderBy: expected `field asc` or `field desc`")
        rows = sorted(rows, key=lambda row, name=name: _rank(field_of(row, name)), reverse=direction == "desc")  # type: ignore[misc]
    return rows


def _rank(value: Any) -> tuple[int, float, str]:
    """Nulls first, then numbers and truths, then text without regard to case."""
    if value is None:
        return (0, 0, "")
    if isinstance(value, (int, float)):
        return (1, value, "")
    return (2, 0, str(value).lower())
