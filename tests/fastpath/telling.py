"""What a side says of the same calls, so that two sides can be compared: only what must differ is taken out, and its form is checked.

What is drawn (ids, times, durations, ports) becomes a word in angle brackets. What counts seconds (``Age``, ``ttl``, ``t``) may differ
by one, since the second call of a pair comes a moment after the first; ``same`` sees to that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from tests.fastpath.sides import Side
from tests.support.answers import Answer
from tests.support.origin import Recorded

_TIMING = re.compile(r"gateway;dur=(\d+\.\d{3}), queue;dur=(\d+\.\d{3}), upstream;dur=(\d+\.\d{3})")
_DRAWN = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00")
_SECONDS = re.compile(r"((?:ttl=|;t=|^Age: |fresh for |^Retry-After: |\"retryAfter\": |may come back in ))(\d+)", re.MULTILINE)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|\+00:00)")
_NOW = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20\d\d \d\d:\d\d:\d\d GMT")
_DURATIONS = ("ms", "own_ms", "queue_ms", "upstream_ms")
GIVEN_TRACE = "aaaaaaaa"
"""How the trace ids begin that tests send: they stay as they are."""


def drawn(text: str) -> str:
    """``text`` without ids that a gateway draws."""
    return _DRAWN.sub(lambda found: found[0] if found[0].startswith(GIVEN_TRACE) else "<drawn>", text)


def told(answer: Answer | None, raw: bytes) -> list[str]:
    """An answer that came as ``raw``, line by line, each as it is spelled."""
    if answer is None:
        return ["no answer"]
    heads = raw.decode("latin-1").split("\r\n\r\n", len(answer.interim) + 1)[: len(answer.interim) + 1]
    lines = [_field(line) for head in heads for line in head.split("\r\n")]
    lines += [f"interim {answer.interim}", f"{answer.framing} {'whole' if answer.complete else 'broken off'}"]
    return [*lines, drawn(answer.body.decode("latin-1"))]


def _field(line: str) -> str:
    name, _, value = line.partition(": ")
    lowered = name.lower()
    if lowered == "server-timing":
        match = _TIMING.fullmatch(value)
        own, queue, upstream = map(float, match.groups()) if match else (-1.0, 0.0, 0.0)
        if not match or own > 20_000 or upstream > 20_000:
            return line
        return f"{name}: <own>, {'<queue>' if queue else '0.000'}, {'<upstream>' if upstream else '0.000'}"
    if lowered == "date" and _NOW.fullmatch(value):
        return f"{name}: <date>"
    return drawn(line)


def arrived(request: Recorded) -> list[str]:
    """A request at an origin, line by line, its connection's number aside."""
    lines = []
    for line in request.head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        shown = "Host: <host>" if name == "Host" else line
        if name == "traceparent" and _TRACE.fullmatch(value) and GIVEN_TRACE not in value:
            shown = "traceparent: <drawn>"
        lines.append(drawn(shown))
    return [*lines, request.malformed, "whole" if request.complete else "half", request.payload.decode("latin-1")]


def timeless(record: dict[str, Any]) -> dict[str, Any]:
    """A line of the access log or a record of an exchange without times and durations; these are looked at."""
    assert _TIME.fullmatch(record["time"]), record["time"]
    assert record["ms"] >= record.get("upstream_ms", 0) - 0.01, record
    assert record["ms"] >= record.get("own_ms", 0) - 0.01, record
    shown = {name: value for name, value in record.items() if name != "time"}
    for name in _DURATIONS:
        if name in shown:
            # Whether a duration of nothing is nothing or a microsecond is a matter of luck, but for the upstream's.
            shown[name] = "<duration>" if shown[name] or name != "upstream_ms" else 0
    shown.pop("own_ms", None)
    trace = shown.get("trace_id", "")
    if trace and not trace.startswith(GIVEN_TRACE):
        assert _DRAWN.fullmatch(trace)
        shown["trace_id"] = "<drawn>"
    return dict(json.loads(drawn(json.dumps(shown))))


def exchanges(side: Side, count: int) -> list[dict[str, Any]]:
    """The records of the last ``count`` calls, the newest first."""
    if not count:
        return []
    answer = side.operator("GET", f"/admin/v1/exchanges?limit={count}")
    assert answer.status == 200, answer.body
    return [timeless(record) for record in answer.json()["items"]]


def logged(lines: list[str]) -> list[dict[str, Any]]:
    """The lines of an access log."""
    return [timeless(json.loads(line)) for line in lines]


def metrics(side: Side) -> dict[str, float]:
    """Every counter, count and gauge of the calls, by its series."""
    text = side.operator("GET", "/metrics").body.decode()
    found = {}
    for name, labels, value in re.findall(r"^(gateway_[a-z_]+)(\{.*\})? (\S+)$", text, re.MULTILINE):
        if name.endswith(("_total", "_count")) or name in _GAUGES:
            found[f"{name}{labels}"] = float(value)
    return found


_GAUGES = ("gateway_in_flight_requests", "gateway_cache_entries", "gateway_cache_bytes", "gateway_breaker_state", "gateway_instances")


def since(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """What grew, and the gauges as they stand."""
    return {
        name: value if name.partition("{")[0] in _GAUGES else value - before.get(name, 0.0)
        for name, value in now.items()
        if name.partition("{")[0] in _GAUGES or value != before.get(name, 0.0)
    }


def limits(side: Side) -> list[dict[str, Any]]:
    """The live budgets, their times aside."""
    rows = side.operator("GET", "/admin/v1/limits?limit=1000").json()["items"]
    return [{name: value for name, value in row.items() if name not in ("resets", "reset", "window_ends")} for row in rows]


def cached(side: Side) -> dict[str, Any]:
    """What the cache says of itself."""
    return dict(side.operator("GET", "/admin/v1/cache").json())


def loose(text: str) -> tuple[str, list[int]]:
    """``text`` without the numbers that count seconds, and these."""
    return _SECONDS.sub(r"\1<s>", text), [int(found[2]) for found in _SECONDS.finditer(text)]


def same(what: str, both: Iterable[Any], slack: int = 1) -> None:
    """Fail unless ``both``, what the fast side said and what the slow one did, are the same, but for ``slack`` seconds."""
    one, other = both
    first, seconds = loose(_text(one))
    second, others = loose(_text(other))
    if first != second:
        lines = zip(first.splitlines() + [""] * 200, second.splitlines() + [""] * 200, strict=False)
        differ = [f"  fast: {a}\n  slow: {b}" for a, b in lines if a != b][:6]
        raise AssertionError(f"{what} differ:\n" + "\n".join(differ))
    late = [(a, b) for a, b in zip(seconds, others, strict=True) if abs(a - b) > slack]
    assert not late, f"{what} differ by seconds: {late}"


def _text(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    return json.dumps(value, indent=1, sort_keys=True)
