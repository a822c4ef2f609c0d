"""A call as a line for people: when, what, how it ended, for whom, what cache and budget made of it, how long it took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.cli.output import printable
from gateway.paths import PREFIX

_STATUS = {2: "green", 3: "cyan", 4: "yellow", 5: "bold red"}
_CACHE = {"hit": "green", "revalidated": "green", "stale": "yellow", "miss": "blue", "bypass": "dim"}
_LIMITED = {"rejected": "bold red", "queued": "yellow", "shadow": "magenta"}
_ROOM = {"refused": "red", "hit": "green", "retry": "yellow"}
_ID_SIGNS = 8
_REST = 13 + 8 + 1 + 4 + 23 + 12 + 9 + 11 + 9 + _ID_SIGNS  # every column but the path, each with the blank behind it
_PATH = (20, 40)  # so wide at least, and where nobody says how wide a line may be


def printing(*, verbose: bool, console: Console | None = None) -> Callable[[Sequence[Mapping[str, Any]]], None]:
    """What prints calls, as the admin API tells of them, on ``console`` (standard output): in colour where that is a terminal."""
    console = console or Console(highlight=False)

    def show(items: Sequence[Mapping[str, Any]]) -> None:
        width = max(_PATH[0], console.width - _REST) if console.is_terminal else None
        for item in items:
            console.print(line(item, width), soft_wrap=True)
            if verbose:
                console.print(decisions(item), soft_wrap=True)
        console.file.flush()

    return show


def line(item: Mapping[str, Any], path_width: int | None = None) -> Text:
    """One call on one line; its path is cut to ``path_width``, and whole where that is None."""
    status = int(item["status"])
    cache, limited = str(item.get("cache", "-")), str(item.get("limited", "-"))
    text = Text()
    text.append(f"{local_time(str(item['time']))} ", "dim")
    text.append(f"{printable(item.get('method', '-')):<7.7} ", "bold")
    text.append(f"{_path(printable(item.get('path', '-')), path_width)} ")
    text.append(f"{status:3} ", _STATUS.get(status // 100, "bold red"))
    text.append(f"{_who(item, path_width):<22} ", "cyan")
    text.append(f"{cache:<11} ", _CACHE.get(cache, ""))
    text.append(f"{limited:<8} ", _LIMITED.get(limited, "dim"))
    text.append(f"{_ms(item['ms'])} ms ".rjust(11), "yellow" if item["ms"] >= 1000 else "")
    text.append(f"({_ms(item.get('upstream_ms', 0.0))}) ".rjust(9), "dim")
    text.append(printable(item["request_id"])[:_ID_SIGNS], "dim")
    return text


def decisions(item: Mapping[str, Any]) -> Text:
    """What was decided on the way of one call, and why, on one line."""
    text = Text("             ")
    for number, decision in enumerate(item["decisions"]):
        text.append(" · " if number else "", "dim")
        text.append(f"{printable(decision['room'])} ", "dim")
        text.append(printable(decision["decision"]), _ROOM.get(decision["decision"], ""))
        text.append(f" {printable(decision['reason'])}" if decision["reason"] else "", "dim")
    if not item["decisions"]:
        text.append(f"{printable(item.get('outcome', ''))}", "dim")
    return text


def local_time(time: str) -> str:
    """The time of day where the reader is, to the millisecond, of an ISO 8601 time."""
    return datetime.fromisoformat(time).astimezone().isoformat(timespec="milliseconds")[11:23]


def _ms(ms: float) -> str:
    return f"{ms:.1f}" if ms < 10_000 else f"{ms:.0f}"


def _path(path: str, width: int | None) -> str:
    path = path.partition(PREFIX)[2] or path
    if width is None:
        return path.ljust(_PATH[1])
    # What names a thing stands at the end of a path, so a long one loses its middle.
    half = (width - 1) // 2
    return path.ljust(width) if len(path) <= width else path[: width - 1 - half] + "…" + path[-half:]


def _who(item: Mapping[str, Any], width: int | None) -> str:
    names = [printable(item[name]) for name in ("customer", "element") if item.get(name)]
    who = "/".join(names) or "-"
    return who if width is None or len(who) <= 22 else who[:21] + "…"
