"""Write the reference tables into the documentation from the code itself: ``python tools/docs.py [--check]``.

A table stands between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->`` in README.md, CONTRIBUTING.md or docs/. With ``--check``
nothing is written: what differs is shown, and the exit status is 1.
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

import typer
from pydantic import BaseModel, BeforeValidator, PlainValidator
from pydantic.fields import FieldInfo

from gateway import errors
from gateway.cli import app
from gateway.elements.preset import presets
from gateway.fields import duration
from gateway.models import KeyRotation, NewInstance, NewKey, NewPause
from gateway.server.admin import Purge
from gateway.settings import Config, parse_address, parse_duration, parse_size
from gateway.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
_SECTION = re.compile(r"<!-- begin: ([a-z-]+) -->\n.*?<!-- end: \1 -->", re.DOTALL)


def configuration() -> str:
    """Each key of ``gateway.toml``, by section, with its default."""
    parts = []
    for name, model in _sections("", Config):
        rows = [_setting(key, field, model) for key, field in model.model_fields.items() if not _is_section(field) and not field.exclude]
        if rows:
            about = (model.__doc__ or "").strip().replace("``", "`")
            parts += [f"### {_title(name)}", about, table(("key", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def commands() -> str:
    """Each command in a line."""
    return table(("command", "does"), [(f"`gateway {name}`", _first_sentence(_summary(command))) for name, command in every_command()])


def options() -> str:
    """Each command with its arguments and options."""
    parts = []
    for name, command in every_command():
        rows = [(_spelling(parameter), _about(parameter)) for parameter in command.params if parameter.name != "help"]
        parts += [f"### `gateway {name}`", _summary(command), table(("option", "meaning"), rows)]
    return "\n\n".join(parts)


def problems() -> str:
    """Each way in which the gateway itself ends a call."""
    kinds = {kind.slug: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)}
    kinds_by_status = sorted(kinds.values(), key=lambda kind: (kind.status, kind.slug))
    rows = [(f"`{kind.slug}`", str(kind.status), kind.source, kind("").title) for kind in kinds_by_status]
    return table(("slug", "status", "source", "title"), rows)


def metrics() -> str:
    """Each metric with its labels."""
    rows = []
    for collector in list(Metrics().registry._collector_to_names):
        (family,) = collector.collect()
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = getattr(collector, "_labelnames", ()) or (("version",) if family.type == "info" else ())
        rows.append((f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels) or "–", family.documentation))
    return table(("metric", "type", "labels", "counts"), rows)


def bodies() -> str:
    """The fields of each body that the admin API takes."""
    parts = []
    described = (("A mapping", NewInstance), ("A key", NewKey), ("A rotation", KeyRotation), ("A pause", NewPause), ("A purge", Purge))
    for title, model in described:
        rows = [_setting(field.alias or name, field, model) for name, field in model.model_fields.items()]
        parts += [f"### {title}", table(("field", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def elements() -> str:
    """Each shipped preset."""
    rows = []
    for key, preset in presets().items():
        limits = [f"`{text}`" for text in preset["limits"]]
        if preset.get("concurrency"):
            limits.append(f"{preset['concurrency']} at once")
        rows.append((f"`{key}`", ", ".join(limits) or "–", preset["scope"], preset["cache"]["ttl"], ", ".join(preset["hubs"])))
    return table(("element", "limits", "scope", "answers stay fresh", "hubs"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "configuration": configuration,
    "commands": commands,
    "options": options,
    "problems": problems,
    "metrics": metrics,
    "bodies": bodies,
    "elements": elements,
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def rendered(text: str) -> str:
    """``text`` with its tables as the code has them; ``KeyError`` for a name that no table has."""
    return _SECTION.sub(lambda found: f"<!-- begin: {found[1]} -->\n\n{TABLES[found[1]]()}\n\n<!-- end: {found[1]} -->", text)


def every_command() -> Iterator[tuple[str, Any]]:
    """``keys create`` and the like with typer's object for it, in the order of the help."""
    group: Any = typer.main.get_command(app)
    context = group.make_context("gateway", ["check"], resilient_parsing=True)
    for name in group.list_commands(context):
        _, command, _ = group.resolve_command(context, [name])
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {verb}", found) for verb, found in inner.items()) if inner else [(name, command)]


def _sections(name: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield name, model
    for key, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            repeated = {"environments": "environments.NAME", "elements": "elements.KEY"}.get(key, key)
            yield from _sections(f"{name}.{repeated}".strip("."), inner)


def _title(name: str) -> str:
    if not name:
        return "Before the first section"
    return f"`[[{name}]]`" if name.endswith((".rules", ".limit_signals", ".costs")) else f"`[{name}]`"


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _models_in(part)]


def _is_section(field: FieldInfo) -> bool:
    return bool(_models_in(field.annotation))


def _setting(key: str, field: FieldInfo, model: type[BaseModel]) -> tuple[str, str, str]:
    meaning = field.description
    if meaning is None:  # a rule says by path what the section above it says for all paths
        meaning = f"As in the section above ({_kind(field)})" if model.__name__ == "CacheRule" else ""
    choices = ", ".join(f"`{choice}`" for choice in _choices(field.annotation))
    meaning = ": ".join(part for part in (meaning, choices) if part)
    return f"`{key}`", _default(field), meaning


def _kind(field: FieldInfo) -> str:
    return "true or false" if bool in typing.get_args(field.annotation) else "a duration"


def _choices(annotation: Any) -> tuple[str, ...]:
    if typing.get_origin(annotation) is list:
        annotation = typing.get_args(annotation)[0]
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "–"
    readers = {entry.func for entry in field.metadata if isinstance(entry, BeforeValidator | PlainValidator)}
    if not readers.isdisjoint((parse_duration, duration)):
        return f"`{_duration(value)}`"
    if parse_size in readers:
        return f"`{_size(value)}`"
    if parse_address in readers:
        return f"`{value[0]}:{value[1]}`"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g}h" if seconds and seconds % 3600 == 0 else f"{seconds:g}s"


def _size(octets: int) -> str:
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if octets and octets % size == 0:
            return f"{octets // size}{unit}"
    return str(octets)


def _first_sentence(text: str) -> str:
    return text.split(". ", maxsplit=1)[0].rstrip(".")


def _summary(command: Any) -> str:
    return " ".join((command.help or "").split())


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{(parameter.metavar or parameter.name.upper()).strip('[]')}`"
    return ", ".join(f"`{spelling}`" for spelling in sorted(parameter.opts, key=len))


def _about(parameter: Any) -> str:
    text = (getattr(parameter, "help", None) or "").rstrip(".")
    default = parameter.default
    if parameter.required:
        return f"{text}; required"
    if default is None or isinstance(default, (bool, types.FunctionType)) or "[default:" in text or parameter.param_type_name == "argument":
        return text
    return f"{text} [default: {default}]"


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    check = "--check" in arguments
    differing: list[str] = []
    for page in pages():
        text = page.read_text("utf-8")
        fresh = rendered(text)
        if fresh != text:
            differing += unified_diff(text.splitlines(), fresh.splitlines(), str(page.relative_to(ROOT)), "as the code has it", lineterm="")
            if not check:
                page.write_text(fresh, "utf-8")
    if not check or not differing:
        return 0
    sys.stderr.write("\n".join([*differing, "", "`make docs` writes these tables anew.", ""]))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
