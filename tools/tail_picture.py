"""Draw ``docs/tail.svg``, what ``gateway tail -v`` shows on a terminal: ``python -m tools.tail_picture``.

The lines are made by the command's own code from calls that are made up here, so the picture is the same each time; rich draws it.
"""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI

from gateway.cli.tail_lines import printing

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "tail.svg"
_COLUMNS = 132
_FORM = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # its fonts would be fetched from elsewhere

_MISS = ("cache", "miss", "uri-miss")


def drawn() -> str:
    """The picture's text."""
    console = Console(
        record=True,
        file=io.StringIO(),
        width=_COLUMNS,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    zone = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        printing(verbose=True, console=console)(_calls())
    finally:
        os.environ.pop("TZ") if zone is None else os.environ.__setitem__("TZ", zone)
        time.tzset()
    svg = console.export_svg(title="gateway tail -v", theme=MONOKAI, code_format=_FORM, unique_id="gateway-tail")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def _calls() -> list[dict[str, Any]]:
    contacts, fresh = "/hubs/crm/contacts?", ("limits", "allowed", '"100/10s";r=99;t=10')
    return [
        _call(0.120, contacts, 200, 212.4, 209.9, _MISS, fresh, ("cache", "stored", "fresh for 60 s")),
        _call(0.482, contacts, 200, 0.4, 0.0, ("cache", "hit", "fresh"), cache="hit"),
        _call(0.911, "/hubs/crm/contacts/4711", 404, 96.0, 94.8, _MISS, fresh, ("cache", "not stored", "status")),
        _call(
            1.204, contacts, 200, 61.3, 58.7, ("cache", "miss", "stale"), fresh, ("cache", "revalidated", "confirmed"), cache="revalidated"
        ),
        _call(1.377, "/hubs/crm/contacts", 200, 341.0, 338.2, ("cache", "bypass", "POST"), fresh, method="POST", cache="bypass"),
        _call(
            1.402,
            "/hubs/crm/leads",
            429,
            0.6,
            0.0,
            _MISS,
            ("limits", "refused", "closeio for bravo allows 3 calls in 10 s"),
            customer="bravo",
            element="closeio",
            limited="rejected",
        ),
        _call(
            3.018,
            "/hubs/finance/invoices/2026-0042/pdf",
            504,
            120003.1,
            120002.0,
            _MISS,
            ("limits", "unlimited", "no limit is known"),
            ("upstream", "upstream-timeout", "no answer came in time"),
            element="xero",
        ),
    ]


def _call(
    second: float, path: str, status: int, ms: float, upstream_ms: float, *steps: tuple[str, str, str], **more: str
) -> dict[str, Any]:
    known = {"method": "GET", "customer": "acme", "element": "hubspot", "cache": "miss", **more}
    return {
        "time": f"2026-11-22T07:36:{17 + second:06.3f}+00:00",
        "path": f"/elements/api-v2{path.rstrip('?')}",
        "status": status,
        "ms": ms,
        "upstream_ms": upstream_ms,
        "request_id": f"{int(second * 1000) * 0x9E3779B1:032x}"[-32:][::-1],
        "decisions": [{"room": room, "decision": decision, "reason": reason} for room, decision, reason in steps],
        **known,
    }


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")
