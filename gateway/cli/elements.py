"""``gateway elements``: what is known of each element, and what the configuration makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import AsJson, print_json, print_record, print_table
from gateway.config import load
from gateway.elements.overlay import over_presets
from gateway.elements.preset import shipped
from gateway.elements.report import ElementDetail, FigureDetail, detail, rows
from gateway.settings import CacheRule, ElementConfig, LimitSignal

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Presets: list, show.")

MaybeConfig = Annotated[Path | None, typer.Option("-c", "--config", help="Also show what this configuration makes of it.")]


@app.command("list")
def list_(config: MaybeConfig = None, as_json: AsJson = False) -> None:
    """Show every element that has a preset. With -c: with the configuration's values, and which those are."""
    found = rows(_effective(config), shipped())
    if as_json:
        print_json(found)
        return
    columns = ["key", "name", "hubs", "limits", "scope", "concurrency", "cache"]
    table = [[row.key, row.name, row.hubs, row.limits, row.scope, row.concurrency, _seconds(row.cache_ttl_s)] for row in found.items]
    if config is not None:
        columns.append("from the configuration")
        table = [[*cells, row.configured] for cells, row in zip(table, found.items, strict=True)]
    print_table(columns, table)


@app.command()
def show(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The element key, such as hubspot.")],
    config: MaybeConfig = None,
    as_json: AsJson = False,
) -> None:
    """Show one preset, each figure with its source and head-room. With -c: also what holds, and what of it the configuration says."""
    found = detail(key, _effective(config), shipped())
    if as_json:
        print_json(found)
        return
    _print_preset(found)
    if config is not None:
        typer.echo(f"\nWith {config}:\n")
        print_table(("setting", "value", "from", "preset"), _settings(found))


def _effective(config: Path | None) -> Mapping[str, ElementConfig]:
    return over_presets({}) if config is None else load(config).elements


def _print_preset(found: ElementDetail) -> None:
    if found.preset is None:
        print_record({"key": found.key, "preset": None})
        return
    about = {name: getattr(found, name) for name in ("key", "name", "counted_by", "midnight", "beyond", "uncertain")}
    print_record({name: value for name, value in about.items() if value is not None})
    for figure in found.figures:
        typer.echo()
        print_record(_figure(figure))
    typer.echo("\nAs under [elements.KEY]:\n")
    print_record({name: value for name, value in _values(found.preset).items() if value not in (None, "0s")})


def _figure(figure: FigureDetail) -> dict[str, object]:
    fields: dict[str, object] = {
        "figure": f"{figure.figure} (the configuration says something else)" if figure.replaced else figure.figure,
        "provider": figure.provider,
        "left free": None if figure.left_free is None else f"{figure.left_free:.0%}",
        "head-room": figure.head_room,
        "source": figure.source,
    }
    return fields | ({"uncertain": figure.uncertain} if figure.uncertain else {})


def _settings(found: ElementDetail) -> list[tuple[object, ...]]:
    now, before = _values(found.effective), _values(found.preset) if found.preset else {}
    lines: list[tuple[object, ...]] = []
    for name, value in now.items():
        said = name in found.configured
        origin = "configuration" if said else "preset" if found.preset and name in _said(found.preset) else "default"
        lines.append((name, value, origin, before.get(name) if said else None))
    return lines


def _said(element: ElementConfig) -> set[str]:
    return element.model_fields_set | {f"cache.{name}" for name in element.cache.model_fields_set}


def _values(element: ElementConfig) -> dict[str, object]:
    """Each setting as people read it, by its name in the section."""
    return {
        "limits": list(element.limits),
        "concurrency": element.concurrency,
        "scope": element.scope,
        "wait": _seconds(element.wait),
        "timezone": element.timezone,
        "hubs": list(element.hubs),
        "limit_signals": [_signal(signal) for signal in element.limit_signals],
        "cache.enabled": element.cache.enabled,
        "cache.ttl": _seconds(element.cache.ttl),
        "cache.stale_while_revalidate": _seconds(element.cache.stale_while_revalidate),
        "cache.stale_if_error": _seconds(element.cache.stale_if_error),
        "cache.rules": [_rule(rule) for rule in element.cache.rules],
    }


def _signal(signal: LimitSignal) -> str:
    return str(signal.status) if signal.contains is None else f"{signal.status} with {signal.contains}"


def _rule(rule: CacheRule) -> str:
    said = [] if rule.enabled is None else ["cached" if rule.enabled else "never"]
    return f"{rule.path} {' '.join([*said, *([] if rule.ttl is None else [_seconds(rule.ttl)])])}".rstrip()


def _seconds(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0 and seconds > 60:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"
