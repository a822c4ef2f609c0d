"""``/usage`` and ``/usage/analytics/**`` (API page 3.6)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote

from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.paging import Page, requested_page
from gateway.sandbox.state import Sandbox
from gateway.sandbox.usage.log import Use

_PAGE, _LARGEST = 100, 1000
_INTERVALS = {"second": 19, "minute": 16, "hour": 13, "day": 10, "month": 7, "year": 4}  # how much of an ISO time names one
_STATUSES = {"success": True, "failed": False}


def usage_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Raises ``ApiError``: 404 where nothing is found, 400 for a filter that cannot be understood."""
    call.allow("GET")
    match rest:
        case []:
            return _listed(call, _found(sandbox, call))
        case ["analytics", "times"]:
            return Answer(_buckets(sandbox, call, _times))
        case ["analytics", "statuses"]:
            return Answer(_buckets(sandbox, call, _outcomes))
        case ["analytics", "activity"] | ["analytics", "activity", "elements"]:
            return Answer(_activity(sandbox, call))
        case [id_]:
            for use in sandbox.usage:
                if use.request_id == id_:
                    return Answer(use.document())
            raise ApiError(404, f"No usage found with id {quote(id_)[:40]}")
    raise not_found()


def _listed(call: Call, found: list[Use]) -> Answer:
    page = _page(call)
    part, token = page.cut(len(found))
    rows = [use.document() for use in found[part]]
    if not rows:
        raise ApiError(404, "No usage found")
    headers = {"Elements-Returned-Count": str(len(rows))}
    if call.flag("returnTotalCount", "returnCount"):
        headers["Elements-Total-Count"] = str(len(found))
    return Answer(rows, headers=headers | ({"Elements-Next-Page-Token": token} if token else {}))


def _page(call: Call) -> Page:
    """``pageOffset`` counts pages from 0 (the page names it without saying what it counts)."""
    offset = call.param("pageOffset") or "0"
    if not (offset.isascii() and offset.isdigit() and len(offset) < 7):
        raise ApiError(400, "Invalid value for pageOffset: expected a number from 0")
    page = requested_page(call, _LARGEST, default=_PAGE)
    return page if call.param("nextPage") or call.param("page") else Page(int(offset) + 1, page.size)


def _found(sandbox: Sandbox, call: Call) -> list[Use]:
    tests = [test for test in (_status(call), _since(call), _until(call), _about(call), _text(call)) if test]
    return [use for use in sandbox.usage if all(test(use) for test in tests)]


Test = Callable[[Use], bool]


def _status(call: Call) -> Test | None:
    wanted = call.param("status").lower()
    if not wanted:
        return None
    if wanted not in _STATUSES:
        raise ApiError(400, "Invalid value for status: expected SUCCESS or FAILED")
    return lambda use: use.succeeded == _STATUSES[wanted]


def _since(call: Call) -> Test | None:
    start = _time(call, "from")
    return (lambda use: use.at >= start) if start else None


def _until(call: Call) -> Test | None:
    end = _time(call, "to")
    return (lambda use: use.at <= end) if end else None


def _about(call: Call) -> Test | None:
    hub = call.param("hub")
    wanted = {name: {value for value in call.params(f"{name}[]") if value} for name in ("keys", "tags", "accountIds", "instanceIds")}

    def test(use: Use) -> bool:
        record = use.document()
        return (
            (not hub or record["element_api"] == hub)
            and (not wanted["keys"] or record.get("element_key") in wanted["keys"])
            and (not wanted["instanceIds"] or str(record.get("instance_id")) in wanted["instanceIds"])
            and (not wanted["accountIds"] or str(record["account_id"]) in wanted["accountIds"])
            and (not wanted["tags"] or wanted["tags"] <= set(record.get("instance_tags", ())))
        )

    return test if hub or any(wanted.values()) else None


def _text(call: Call) -> Test | None:
    text = call.param("searchText").lower()
    return (lambda use: text in use.uri.lower() or bool(use.instance and text in use.instance.name.lower())) if text else None


def _time(call: Call, name: str) -> datetime | None:
    text = call.param(name)
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ApiError(400, f"Invalid value for {name}: expected a date or an ISO time") from None
    return time.replace(tzinfo=UTC) if time and not time.tzinfo else time


def _buckets(sandbox: Sandbox, call: Call, summary: Callable[[list[Use]], Row]) -> list[Row]:
    """One row an ``interval`` (default: hour) in which there was a call, oldest first; no calls, no rows."""
    interval = call.param("interval") or "hour"
    if interval not in _INTERVALS:
        raise ApiError(400, f"Invalid value for interval: expected {', '.join(_INTERVALS)}")
    groups: dict[str, list[Use]] = {}
    for use in reversed(_found(sandbox, call)):
        groups.setdefault(use.at.isoformat()[: _INTERVALS[interval]], []).append(use)
    return [{"timestamp": start, **summary(uses)} for start, uses in groups.items()]


def _times(uses: list[Use]) -> Row:
    times = [use.duration_ms for use in uses]
    return {"count": len(times), "avg": sum(times) / len(times), "min": min(times), "max": max(times)}


def _outcomes(uses: list[Use]) -> Row:
    good = sum(use.succeeded for use in uses)
    return {"count": len(uses), "success": good, "failed": len(uses) - good}


def _activity(sandbox: Sandbox, call: Call) -> list[Row]:
    counts: dict[str, int] = {}
    for use in _found(sandbox, call):
        if use.instance:
            counts[use.instance.element.key] = counts.get(use.instance.element.key, 0) + 1
    return [{"elementKey": key, "count": count} for key, count in counts.items()]
