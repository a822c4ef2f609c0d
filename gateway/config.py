"""The configuration: ``gateway.toml`` and ``GATEWAY__SECTION__NAME`` (contract 3). The only reader of the environment.

Every mistake is found in one pass and reported with its path, what was found and what was expected; values that might be
secret are never shown. Paths and SQLite files are relative to the folder of the configuration file.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from ipaddress import IPv6Address
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from gateway.elements.preset import presets
from gateway.exchange import Environment
from gateway.limits.quota import parse_quota
from gateway.secret import Secret

_UNITS_S = {"": 1, "ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_UNITS_B = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


class Problem(str):
    """One mistake, as a line: ``path: found …, expected …``."""


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` holds every mistake, one line each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def parse_duration(value: object) -> float:
    """Seconds from ``"60s"``, ``"500ms"``, ``"10m"``, ``"1h"``, ``"90d"`` or a number of seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0 and isfinite(value):
        return float(value)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|)", value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError('a duration such as "500ms", "60s", "10m", "1h" or "90d"')
    return float(match[1]) * _UNITS_S[match[2]]


def parse_size(value: object) -> int:
    """Octets from ``"256MiB"``, ``"64KiB"``, ``"1GB"`` or a number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"(\d+)\s*([KMG]i?B|B|)", value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError('a size such as "64KiB", "256MiB" or a number of octets')
    return int(match[1]) * _UNITS_B[match[2]]


def parse_address(value: object) -> tuple[str, int]:
    """(host, port) from ``"127.0.0.1:8080"`` or ``"[::1]:8080"``; port 0 lets the system choose."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]\s]+)):(\d{1,5})", value) if isinstance(value, str) else None
    if not match or int(match[3]) > 65535:
        raise ValueError('an address such as "127.0.0.1:8080" or "[::1]:8080"')
    return match[1] or match[2], int(match[3])


def _base_url(value: object) -> str:
    problem = 'a URL such as "https://api.cloud-elements.com/elements/api-v2", no user, query or fragment'
    match = _BASE_URL.fullmatch(value) if isinstance(value, str) else None
    if not match or not isinstance(value, str) or int(match["port"] or 1) not in range(1, 65536) or ".." in match["host"]:
        raise ValueError(problem)
    if match["host"].startswith("["):
        try:
            IPv6Address(match["host"][1:-1])
        except ValueError:
            raise ValueError(problem) from None
    return value.rstrip("/")


_BASE_URL = re.compile(
    r"https?://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?(?:/[!\"$-+\--/0-9:;<=>A-Z\[-~]*)?"
)


def _quota(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError('a limit such as "100/10s", "250000/day" or "10/s burst 20"')
    parse_quota(value)
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Address = Annotated[tuple[str, int], BeforeValidator(parse_address)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
QuotaText = Annotated[str, BeforeValidator(_quota)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listen(_Section):
    """Where the gateway listens, and what it puts up with there. Defaults that a public listener could live with."""

    data: Address = Field(default=("127.0.0.1", 8080), description="Where services call")
    admin: Address = Field(default=("127.0.0.1", 8081), description="Where operators and Prometheus call")
    header_timeout: Duration = Field(default=10.0, gt=0, description="How long a request head may take to arrive")
    body_timeout: Duration = Field(default=30.0, gt=0, description="How long a request body may pause")
    keep_alive_timeout: Duration = Field(default=75.0, gt=0, description="How long a connection may be idle between calls")
    write_timeout: Duration = Field(default=30.0, gt=0, description="How long a caller may take nothing of an answer")
    drain_timeout: Duration = Field(default=30.0, ge=0, description="How long open calls may take to finish after SIGTERM")
    max_connections: int = Field(default=10_000, gt=0, description="Open connections a listener; more are answered 503")
    max_line_bytes: Size = Field(default=8192, gt=0, description="Longest request line or header field")
    max_head_bytes: Size = Field(default=65536, gt=0, description="Largest request head")
    max_fields: int = Field(default=100, gt=0, description="Most header fields in a request")
    max_body_bytes: Size = Field(default=6 * 1024**3, gt=0, description="Largest request body (Cloud Elements takes 6 GB)")


class Database(_Section):
    """Where mappings and keys are kept."""

    url: str = Field(default="sqlite:///gateway.db", description="`sqlite:///FILE`, relative to the configuration file")

    @field_validator("url")
    @classmethod
    def _known(cls, value: str) -> str:
        if not re.fullmatch(r"sqlite:///.+", value):
            raise ValueError('"sqlite:///FILE" (this version keeps its rows in SQLite)')
        return value


class Vault(_Section):
    """Where the master keys are."""

    keys: str = Field(default="file:master.keys", description="`file:PATH` or `env:NAME`: a line a key, `id:base64 of 32 bytes`")

    @field_validator("keys")
    @classmethod
    def _known(cls, value: str) -> str:
        if not re.fullmatch(r"(file|env):.+", value):
            raise ValueError('"file:PATH" or "env:NAME"')
        return value


class Shared(_Section):
    """Stores that replicas share: none in this version, limits and cache live in the process."""


class EnvironmentConfig(_Section):
    """One Cloud Elements account."""

    base_url: BaseUrl = Field(description="Up to and with `/elements/api-v2`")
    user_secret: str = Field(repr=False, description="`env:NAME` or `file:PATH`")
    organization_secret: str = Field(repr=False, description="`env:NAME` or `file:PATH`")
    allow_plain_secrets: bool = Field(default=False, description="Let the two secrets stand here literally")


class CacheRule(_Section):
    """What holds for the paths that match; first match wins."""

    path: str = Field(pattern=r"^/", description="Glob on the path without `/elements/api-v2` and `/hubs/{hub}`; `**` crosses slashes")
    enabled: bool | None = None
    ttl: Duration | None = None
    stale_while_revalidate: Duration | None = None
    stale_if_error: Duration | None = None


class ElementCache(_Section):
    """How long answers of an element stay fresh where they do not say so themselves."""

    enabled: bool = Field(default=True, description="Whether GETs are cached at all")
    ttl: Duration = Field(default=0.0, description="Freshness where the answer states none; `0s`: only what the answer itself allows")
    stale_while_revalidate: Duration = Field(default=0.0, description="Not in effect in this version")
    stale_if_error: Duration = Field(default=0.0, description="Not in effect in this version")
    rules: tuple[CacheRule, ...] = Field(default=(), description="By path, first match wins")


class ElementConfig(_Section):
    """Limits and cache of one element: its shipped preset, overridden by what the configuration says."""

    limits: tuple[QuotaText, ...] = Field(default=(), description='`"N/period"` or `"N/period burst B"`; all hold at once')
    concurrency: int | None = Field(default=None, gt=0, description="Not in effect in this version")
    scope: Literal["instance", "customer", "element", "group"] = Field(default="instance", description="What shares one budget")
    wait: Duration = Field(default=0.0, description="Not in effect in this version")
    timezone: str = Field(default="UTC", description="Whose midnight ends a `day` or `month`")
    cache: ElementCache = ElementCache()

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError('a time zone such as "UTC" or "America/Chicago"') from error
        return value


class CacheConfig(_Section):
    """How much memory the cache may take."""

    max_bytes: Size = Field(default=256 * 1024**2, description="In all")
    max_object_bytes: Size = Field(default=1024**2, description="Largest answer that is kept")


class Cors(_Section):
    """Cross-origin callers: none in this version."""

    allowed_origins: tuple[str, ...] = Field(default=(), max_length=0, description="Empty: cross-origin pages are not let in")


class Upstream(_Section):
    """How the gateway behaves towards Cloud Elements."""

    connect_timeout: Duration = Field(default=5.0, gt=0, description="Name, TCP and TLS together")
    response_timeout: Duration = Field(default=120.0, gt=0, description="Until the head of the answer")
    body_timeout: Duration = Field(default=60.0, gt=0, description="How long an answer may pause")
    keep_alive: Duration = Field(default=20.0, ge=0, description="How long an idle connection is kept for the next call")
    max_connections: int = Field(default=512, gt=0, description="Open connections an environment")
    ca_file: str | None = Field(default=None, description="PEM file of authorities trusted instead of the system's")


class Config(_Section):
    """The whole of ``gateway.toml``."""

    default_environment: str | None = Field(default=None, description="Where a call goes that names no environment")
    allow_plain_secrets: bool = Field(default=False, description="Let secrets stand here literally (not for production)")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Of the log on standard error")
    access_log: bool = Field(default=True, description="One JSON line a call on standard output")
    listen: Listen = Listen()
    database: Database = Database()
    vault: Vault = Vault()
    shared: Shared = Shared()
    environments: dict[Annotated[str, Field(pattern=NAME)], EnvironmentConfig] = Field(default_factory=dict)
    elements: dict[Annotated[str, Field(pattern=NAME)], ElementConfig] = Field(default_factory=dict)
    cache: CacheConfig = CacheConfig()
    cors: Cors = Cors()
    upstream: Upstream = Upstream()
    folder: Path = Field(default=Path(), exclude=True, repr=False, init=False)

    def element(self, key: str) -> ElementConfig:
        """What holds for the element ``key``; no limits and no cache lifetimes where neither preset nor configuration knows it."""
        return self.elements.get(key) or ElementConfig()

    def database_path(self) -> Path:
        """The SQLite file."""
        return self.folder / self.database.url.removeprefix("sqlite:///")


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration at ``path`` with the environment's overrides; ``ConfigError`` with every mistake."""
    config, problems = _load(path, os.environ if environ is None else environ)
    if problems or config is None:
        raise ConfigError(problems)
    return config


def load_for_serving(
    path: Path, environ: Mapping[str, str] | None = None
) -> tuple[Config, dict[str, Environment], list[tuple[str, bytes]]]:
    """The configuration, its environments with their secrets, and the master keys; ``ConfigError`` with every mistake."""
    environ = os.environ if environ is None else environ
    config, problems = _load(path, environ)
    if config is None:
        raise ConfigError(problems)
    environments, found = _environments(config, environ)
    keys, missing = _master_keys(config, environ)
    known = {problem.partition(":")[0] for problem in problems}
    problems += [problem for problem in found + missing if problem.partition(":")[0] not in known]
    if not config.environments and not any(path.startswith("environments") for path in known):
        problems.append(Problem("environments: found none, expected at least one [environments.NAME]"))
    if problems:
        raise ConfigError(problems)
    return config, environments, keys


def master_keys(config: Config, environ: Mapping[str, str] | None = None) -> list[tuple[str, bytes]]:
    """(id, 32 bytes) of each master key, the encrypting one first; ``ConfigError`` if there is none."""
    keys, problems = _master_keys(config, os.environ if environ is None else environ)
    if problems:
        raise ConfigError(problems)
    return keys


def without_effect(config: Config) -> list[str]:
    """Settings that are given, understood and not acted upon by this version: said at start, so that nobody relies on them."""
    lines = []
    for key, element in config.elements.items():
        if element.concurrency is not None:
            lines.append(f"elements.{key}.concurrency")
        if element.wait:
            lines.append(f"elements.{key}.wait")
        rules = [("", element.cache), *((f"rules.{n}.", rule) for n, rule in enumerate(element.cache.rules))]
        for where, rule in rules:
            lines += [f"elements.{key}.cache.{where}{name}" for name in ("stale_while_revalidate", "stale_if_error") if getattr(rule, name)]
    return lines


def _load(path: Path, environ: Mapping[str, str]) -> tuple[Config | None, list[Problem]]:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None, [Problem(f"{path}: found nothing, expected a configuration file (`gateway init` writes one)")]
    except (OSError, UnicodeDecodeError) as error:
        return None, [Problem(f"{path}: cannot be read ({type(error).__name__})")]
    except tomllib.TOMLDecodeError as error:
        # The message tells line and column; it quotes at most one character of the file.
        return None, [Problem(f"{path}: found text that is not TOML ({error}), expected TOML")]
    problems = _override(raw, environ)
    _merge_presets(raw)
    config, mistakes = _validated(raw)
    problems += mistakes
    object.__setattr__(config, "folder", path.resolve().parent)
    default = config.default_environment
    if default is not None and default not in raw.get("environments", {}):
        known = ", ".join(sorted(config.environments)) or "none is configured"
        problems.append(Problem(f"default_environment: found {default!r}, expected a configured environment ({known})"))
    return config, problems


def _validated(raw: dict[str, Any]) -> tuple[Config, list[Problem]]:
    """The configuration, and its mistakes: where there are any, what is wrong is left out, so that the rest can be looked at too."""
    try:
        return Config.model_validate(raw), []
    except ValidationError as error:
        items = error.errors(include_url=False)
    problems = [_mistake(item) for item in items]
    rest = deepcopy(raw)
    for first, *more in ([str(part) for part in item["loc"]] for item in items):
        inner = rest.get(first)
        if first == "environments" and len(more) == 2 and isinstance(inner, dict) and more[1] != "[key]":
            _mend(inner[more[0]], more[1])
        elif first in ("environments", "elements") and more and isinstance(inner, dict):
            inner.pop(more[0], None)
        else:
            rest.pop(first, None)
    return Config.model_validate(rest), problems


def _mend(environment: dict[str, Any], key: str) -> None:
    """Take a mistake out of an environment, so that what else it says can be checked; nobody will call it."""
    environment.pop(key, None)
    if key in EnvironmentConfig.model_fields:
        environment[key] = {"base_url": "http://unusable.invalid", "allow_plain_secrets": False}.get(key, "env:")


def _override(raw: dict[str, Any], environ: Mapping[str, str]) -> list[Problem]:
    """Lay ``GATEWAY__SECTION__NAME`` over the file. A list or table is given as JSON."""
    problems = []
    for variable in sorted(name for name in environ if name.startswith("GATEWAY__")):
        *folders, leaf = [part.lower() for part in variable.split("__")[1:]]
        place: Any = raw
        for part in folders:
            place = place.setdefault(_spelled(place, part), {}) if isinstance(place, dict) else None
        if not isinstance(place, dict) or not leaf or not all(folders):
            problems.append(Problem(f"{variable}: found a name that leads nowhere, expected GATEWAY__SECTION__NAME"))
            continue
        text = environ[variable]
        place[_spelled(place, leaf)] = _value(text)
    return problems


def _spelled(place: Mapping[str, Any], name: str) -> str:
    """``name`` as the file spells it: environment variables are upper-case, names in the file need not be."""
    return next((key for key in place if key.lower().replace("-", "_") == name), name)


def _value(text: str) -> Any:
    """Lists and tables are given as JSON; all else is text, from which the field makes what it wants."""
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _merge_presets(raw: dict[str, Any]) -> None:
    """Lay each ``[elements.KEY]`` over the shipped preset of that element; elements that are not named keep theirs whole."""
    said = raw.get("elements", {})
    if not isinstance(said, dict):
        return
    merged: dict[str, Any] = {key: dict(preset) for key, preset in presets().items()}
    for key, section in said.items():
        preset = merged.get(key, {})
        if isinstance(section, dict):
            cache = section.get("cache", {})
            if isinstance(cache, dict) and "cache" in preset:
                section = {**section, "cache": {**preset["cache"], **cache}}
            section = {**preset, **section}
        merged[key] = section
    raw["elements"] = merged


def _mistake(item: Any) -> Problem:
    where = ".".join(str(part) for part in item["loc"] if part != "[key]")
    kind = item["type"]
    if kind == "extra_forbidden":
        return Problem(f"{where}: found an unknown key, expected one that the documentation names")
    if kind == "missing":
        return Problem(f"{where}: found nothing, expected a value")
    expected = str(item.get("ctx", {}).get("error") or item["msg"])
    return Problem(f"{where}: found {_shown(where, item.get('input'))}, expected {expected}")


def _shown(where: str, value: object) -> str:
    """A value in an error, where no secret can have been written by mistake; elsewhere its kind."""
    if where.partition(".")[0] not in _HARMLESS:
        return "a value of another form" if isinstance(value, str) else f"a {type(value).__name__}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


_HARMLESS = frozenset({"listen", "elements", "cache", "upstream", "log_level", "access_log", "cors", "default_environment"})


def _secret(reference: str, where: str, plain: bool, config: Config, environ: Mapping[str, str]) -> Secret | Problem:
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = environ.get(rest, "")
        if not value:
            return Problem(f"{where}: found no environment variable {rest}, expected it to hold the secret")
    elif kind == "file":
        try:
            value = (config.folder / rest).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            return Problem(f"{where}: found no readable file {rest} ({type(error).__name__}), expected it to hold the secret")
    elif plain:
        value = reference
    else:
        return Problem(f'{where}: found a literal, expected "env:NAME" or "file:PATH" (or allow_plain_secrets = true)')
    if not re.fullmatch(r"[!-+\--~]+", value):
        return Problem(f"{where}: found a secret with blanks, commas or control characters, expected visible ASCII")
    return Secret(value)


def _environments(config: Config, environ: Mapping[str, str]) -> tuple[dict[str, Environment], list[Problem]]:
    environments, problems = {}, []
    for name, section in config.environments.items():
        plain = config.allow_plain_secrets or section.allow_plain_secrets
        user, organization = (
            _secret(getattr(section, key), f"environments.{name}.{key}", plain, config, environ)
            for key in ("user_secret", "organization_secret")
        )
        problems += [found for found in (user, organization) if isinstance(found, Problem)]
        if isinstance(user, Secret) and isinstance(organization, Secret):
            environments[name] = Environment(name, section.base_url, user, organization)
    return environments, problems


def _master_keys(config: Config, environ: Mapping[str, str]) -> tuple[list[tuple[str, bytes]], list[Problem]]:
    kind, _, rest = config.vault.keys.partition(":")
    if kind == "env":
        text = environ.get(rest, "")
    else:
        try:
            text = (config.folder / rest).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problem = f"vault.keys: found no readable file {rest} ({type(error).__name__}), expected master keys (`gateway init` makes one)"
            return [], [Problem(problem)]
    keys: list[tuple[str, bytes]] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, _, encoded = line.partition(":")
        try:
            key = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != 32 or not re.fullmatch(NAME, name) or name in dict(keys):
            problems.append(Problem(f'vault.keys line {number}: expected "id:base64 of 32 bytes", each id once'))
        else:
            keys.append((name, key))
    if not keys and not problems:
        problems.append(Problem(f"vault.keys: found no master key in {kind}:{rest}, expected at least one line `id:base64 of 32 bytes`"))
    return keys, problems
