"""The list of what leaves the gateway with a trace: the page about tracing has all of it, and nothing else."""

from __future__ import annotations

import re

from gateway.telemetry.spans import spans_of
from tests.support.processes import ROOT
from tests.tracing.test_spans import BASE_URLS, PHASES, traced

PAGE = (ROOT / "docs" / "tracing.md").read_text("utf-8")


def listed() -> set[tuple[str, str]]:
    """(attribute, kind of span) of each row of the table; ``all`` stands for the three kinds."""
    rows = re.findall(r"^\| (`[a-z].*`) \| ([a-z, ]+) \| .* \|$", PAGE.partition("| attribute |")[2], re.MULTILINE)
    kinds = {names: ("server", "client", "internal") if on == "all" else tuple(on.split(", ")) for names, on in rows}
    return {(name, kind) for names, on in kinds.items() for name in re.findall(r"`([a-z_.]+)`", names) for kind in on}


def test_every_attribute_is_listed_and_each_of_them_is_used() -> None:
    failed = traced()
    for phase in PHASES[:-1]:
        failed.phase = phase
        failed.note(phase, "decided", "why")
    failed.phase = "resolve"
    failed.status, failed.problem, failed.outcome = 500, "internal", "caller-left"
    for name in ("resource", "caller", "customer", "element", "handle", "limited", "elements_request_id"):
        setattr(failed, name, "x")
    failed.upstream_calls = failed.bytes_up = failed.bytes_down = 1
    answered = traced()
    answered.phase = "upstream"
    answered.phase = "answer"
    spans = [span for exchange in (failed, answered) for span in spans_of(exchange, "http", BASE_URLS)]
    used = {(name, span.kind) for span in spans for name in span.attributes}

    assert used | {("error.type", span.kind) for span in spans if span.error} == listed()
    assert {(name, "event") for span in spans for event in span.events for name in event.attributes} == {
        ("gateway.decision", "event"),
        ("gateway.reason", "event"),
    }


def test_every_step_is_listed() -> None:
    table = PAGE.partition("| span | kind |")[2].partition("\n\n")[0]
    walked = traced()
    for phase in PHASES:
        walked.phase = phase
    walked.answering = 100.0
    names = {span.name for span in spans_of(walked, "http", BASE_URLS) if span.kind == "internal"}

    assert names == set(re.findall(r"^\| `([a-z]+)` \| internal", table, re.MULTILINE))
