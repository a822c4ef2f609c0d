"""The configuration: ``gateway.toml`` and ``GATEWAY__SECTION__NAME`` (contract 3). The only reader of the environment.

Every mistake is found in one pass and reported with its path, what was found and what was expected; values that might be
secret are never shown. Paths and SQLite files are relative to the folder of the configuration file.
"""

from __future__ import annotations

import json
import os
import time
import tomllib
from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.elements.overlay import over_presets
from gateway.exchange import Environment
from gateway.listeners import tls_mistakes
from gateway.mistakes import ConfigError, Problem, mistake
from gateway.references import authority_mistakes, environments_of, master_keys_of, tracing_of
from gateway.secret import Secret
from gateway.settings import Config, EnvironmentConfig, Unquoted

__all__ = [
    "ConfigError",
    "Problem",
    "admin_key",
    "load",
    "load_for_serving",
    "master_keys",
    "supervision",
    "tracing_headers",
    "without_effect",
]

_SUPERVISION = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


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
    environments, found = environments_of(config, environ)
    keys, missing = master_keys_of(config, environ)
    missing += [Problem(line) for line in tls_mistakes(config, time.time())] + tracing_of(config, environ)[1] + authority_mistakes(config)
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
    keys, problems = master_keys_of(config, os.environ if environ is None else environ)
    if problems:
        raise ConfigError(problems)
    return keys


def tracing_headers(config: Config, environ: Mapping[str, str] | None = None) -> dict[str, Secret]:
    """What is sent to the collector of traces with each delivery, by field name; ``ConfigError`` if a secret is missing."""
    headers, problems = tracing_of(config, os.environ if environ is None else environ)
    if problems:
        raise ConfigError(problems)
    return headers


def supervision(environ: MutableMapping[str, str] | None = None) -> dict[str, str]:
    """What systemd says to this process, taken out of its environment, so that no child takes it for its own."""
    place = os.environ if environ is None else environ
    return {name: place.pop(name) for name in _SUPERVISION if name in place}


def without_effect(config: Config) -> list[str]:
    """Settings that are given and cannot be acted upon: said at start, so that nobody relies on them."""
    asked = any(tls and tls.client_ca for tls in (config.listen.data_tls, config.listen.admin_tls))
    return ["callers.certificates"] if config.callers.certificates and not asked else []


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
    problems = [mistake(item) for item in items]
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
