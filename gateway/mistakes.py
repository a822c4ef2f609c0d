"""What is wrong with a configuration, in lines that say where, what was found and what was expected; never what might be secret."""

from __future__ import annotations

from typing import Any


class Problem(str):
    """One mistake, as a line: ``path: found …, expected …``."""


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` holds every mistake, one line each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def mistake(item: Any) -> Problem:
    """One of pydantic's errors as a line."""
    where = ".".join(str(part) for part in item["loc"] if part != "[key]")
    kind = item["type"]
    if kind == "extra_forbidden":
        return Problem(f"{where}: found an unknown key, expected one that the documentation names")
    if kind == "missing":
        return Problem(f"{where}: found nothing, expected a value")
    context = item.get("ctx", {})
    plain = _EXPECTED.get(kind)
    expected = plain.format(**context) if plain else str(context.get("error") or item["msg"])
    if item["loc"][-1] == "[key]":  # the name itself is wrong, and stands in the path already
        return Problem(f"{where}: found {item['input']!r}, expected {expected}")
    return Problem(f"{where}: found {_shown(where, item.get('input'))}, expected {expected}")


def _shown(where: str, value: object) -> str:
    """A value in an error, where no secret can have been written by mistake; elsewhere its kind."""
    if where.partition(".")[0] not in _HARMLESS and where not in _HARMLESS:
        return "a value of another form" if isinstance(value, str) else f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


_HARMLESS = frozenset({"listen", "elements", "cache", "upstream", "log_level", "access_log", "cors", "default_environment"}) | {
    "tracing.enabled",
    "tracing.sample_ratio",
    "tracing.service_name",
}

# As people say it; what pydantic says of the other kinds reads well.
_EXPECTED = {
    "tuple_type": 'a list, such as ["…", "…"]',
    "list_type": 'a list, such as ["…", "…"]',
    "dict_type": "a table",
    "model_type": "a table",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} at most",
}
