"""The log on standard error: JSON lines, and of what libraries say only what cannot hold a secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.telemetry.logs import configure

CANARY = "canary-1f2e"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("alembic").level
    yield
    root.handlers[:], level, alembic = before
    root.setLevel(level)
    logging.getLogger("alembic").setLevel(alembic)
    structlog.reset_defaults()


def entries(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_our_events_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    structlog.get_logger("test").info("ready", port=8080)
    (entry,) = entries(capsys)

    assert (entry["event"], entry["port"], entry["level"]) == ("ready", 8080, "info")
    assert entry["time"].endswith("Z")


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_the_level_holds_for_both(capsys: pytest.CaptureFixture[str], level: str, seen: int) -> None:
    configure(level)
    for logger in (structlog.get_logger("test"), logging.getLogger("library")):
        for name in ("debug", "info", "warning", "error"):
            getattr(logger, name)("event")

    assert len(entries(capsys)) == 2 * seen


def test_a_librarys_arguments_and_exceptions_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure("debug")
    library = logging.getLogger("library")
    try:
        raise ValueError(CANARY)
    except ValueError:
        library.exception("failed for %s", CANARY)
    library.error("failed: %s", CANARY, exc_info=sys.exc_info())
    library.error(f"failed: {CANARY}")
    library.error(f"failed\n{CANARY}")
    library.error(ValueError(f"failed: {CANARY}"))
    library.error("stack", stack_info=True, extra={"more": CANARY})
    found = entries(capsys)

    assert CANARY not in json.dumps(found)
    assert (found[0]["event"], found[0]["error"], found[0]["logger"], found[0]["level"]) == (
        "failed for %s",
        "ValueError",
        "library",
        "error",
    )
    assert [entry["event"] for entry in found[1:]] == ["failed: %s", "failed", "failed", "failed", "stack"]


@pytest.mark.parametrize("message", [None, 7, b"bytes", ["list"], object()])
def test_any_message_is_a_json_line(capsys: pytest.CaptureFixture[str], message: object) -> None:
    configure("info")
    logging.getLogger("library").warning(message)

    assert len(entries(capsys)) == 1
