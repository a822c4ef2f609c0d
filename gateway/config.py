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
import time
import tomllib
from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.elements.overlay import over_presets
from gateway.exchange import Environment
from gateway.listeners import tls_mistakes
from gateway.secret import Secret
from gateway.settings import IDLE, NAME, Config, EnvironmentConfig, Unquoted

_SUPERVISION = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


class Problem(str):
    """One mistake, as a line: ``path: found …, expected …``."""


class ConfigError(Exception):
    """The configuration cannot be used; ``problems`` holds every mistake, one line each."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


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
    missing += [Problem(line) for line in tls_mistakes(config, time.time())] + _tracing(config, environ)[1]
    known = {problem.partition(":")[0] for problem in problems}
    problems += [problem for problem in found + missing if problem.partition(":")[0] not in known]
    if not config.environments and not any(path.startswith("environments") for path in known):
        problems.append(Problem("environments: found none, expected at least one [environments.NAME]"))
    if problems:
        raise ConfigError(problems)
    return config, environments, keys


def admin_key(environ: Mapping[str, str] | None = None) -> Secret | None:
    """The caller key with which commands ask a running gateway, from ``GATEWAY_ADMIN_KEY``; None where it is not set."""
    text = (os.environ if environ is None else environ).get("GATEWAY_ADMIN_KEY", "").strip()
    return Secret(text) if text else None


def master_keys(config: Config, environ: Mapping[str, str] | None = None) -> list[tuple[str, bytes]]:
    """(id, 32 bytes) of each master key, the encrypting one first; ``ConfigError`` if there is none."""
    keys, problems = _master_keys(config, os.environ if environ is None else environ)
    if problems:
        raise ConfigError(problems)
    return keys


def tracing_headers(config: Config, environ: Mapping[str, str] | None = None) -> dict[str, Secret]:
    """What is sent to the collector of traces with each delivery, by field name; ``ConfigError`` if a secret is missing."""
    headers, problems = _tracing(config, os.environ if environ is None else environ)
    if problems:
        raise ConfigError(problems)
    return headers


def supervision(environ: MutableMapping[str, str] | None = None) -> dict[str, str]:
    """What systemd says to this process, taken out of its environment, so that no child takes it for its own."""
    place = os.environ if environ is None else environ
    return {name: place.pop(name) for name in _SUPERVISION if name in place}


def without_effect(config: Config) -> list[str]:
    """Settings that are given, understood and not acted upon by this version: said at start, so that nobody relies on them."""
    lines = []
    if config.callers.certificates and not any(tls and tls.client_ca for tls in (config.listen.data_tls, config.listen.admin_tls)):
        lines.append("callers.certificates")
    for key, element in config.elements.items():
        said = element.model_fields_set  # a preset may know more than this version acts upon
        lines += [f"elements.{key}.{name}" for name in IDLE if name in said and getattr(element, name) not in (None, 0.0)]
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
    config, mistakes = _validated(raw)
    problems += mistakes
    config = config.model_copy(update={"elements": over_presets(config.elements)})
    object.__setattr__(config, "folder", path.resolve().parent)
    default = config.default_environment
    said = raw.get("environments")
    if default is not None and not (isinstance(said, dict) and default in said):
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
            pass
    return Unquoted(text)


def _mistake(item: Any) -> Problem:
    where = ".".join(str(part) for part in item["loc"] if part != "[key]")
    kind = item["type"]
    if kind == "extra_forbidden":
        return Problem(f"{where}: found an unknown key, expected one that the documentation names")
    if kind == "missing":
        return Problem(f"{where}: found nothing, expected a value")
    expected = str(item.get("ctx", {}).get("error") or item["msg"])
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


_SECRET = (r"[!-+\--~]+", "blanks, commas or control characters")
_FIELD_VALUE = (r"[!-~]+(?: [!-~]+)*", "control characters or several blanks together")


def _secret(
    reference: str, where: str, plain: bool, config: Config, environ: Mapping[str, str], form: tuple[str, str] = _SECRET
) -> Secret | Problem:
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
    if not re.fullmatch(form[0], value):
        return Problem(f"{where}: found a secret with {form[1]}, expected visible ASCII")
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


def _tracing(config: Config, environ: Mapping[str, str]) -> tuple[dict[str, Secret], list[Problem]]:
    """What the collector is sent, and what stands in the way of tracing; nothing of either where it is off."""
    if not config.tracing.enabled:
        return {}, []
    problems = []
    if not _installed("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        expected = 'the packages of the extra "tracing" (`pip install "cloud-elements-gateway[tracing]"`)'
        problems.append(Problem(f"tracing.enabled: found True, expected {expected}"))
    headers: dict[str, Secret] = {}
    for name, reference in config.tracing.headers.items():
        value = _secret(reference, f"tracing.headers.{name}", config.allow_plain_secrets, config, environ, _FIELD_VALUE)
        if isinstance(value, Secret):
            headers[name] = value
        else:
            problems.append(value)
    return headers, problems


def _installed(*modules: str) -> bool:
    try:
        return all(find_spec(module) for module in modules)
    except ModuleNotFoundError:  # of a package above
        return False


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
