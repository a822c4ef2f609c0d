"""The log on standard error: one JSON line an event, from structlog; what libraries log is cut down to what cannot hold a secret.

A library's message arguments may quote a request, its exceptions too (reference/robustness.md): of theirs only the template, the
logger and the type of the exception are written.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog


class _Bare(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.msg if isinstance(record.msg, str) and record.args else _harmless(record.msg),
        }
        if record.exc_info and record.exc_info[0]:
            entry["error"] = record.exc_info[0].__name__
        return json.dumps(entry)


def _harmless(message: object) -> str:
    # Without arguments the text may have been formatted beforehand: its first words say enough.
    return str(message).partition(":")[0].partition("\n")[0][:80]


def configure(level: str, output: TextIO | None = None) -> None:
    """Send structlog's events and the standard library's records to ``output`` (standard error) as JSON lines."""
    number = getattr(logging, level.upper())
    handler = logging.StreamHandler(output or sys.stderr)
    handler.setFormatter(_Bare())
    logging.basicConfig(level=number, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(output or sys.stderr),
        cache_logger_on_first_use=True,
    )
