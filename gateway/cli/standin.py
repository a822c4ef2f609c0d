"""Where a stand-in for Cloud Elements must listen for a configuration to call it."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import ConfigError, Problem, load
from gateway.sandbox.call import PREFIX
from gateway.settings import Config


def address_in(path: Path) -> tuple[str, int]:
    """(host, port) that the default environment of the configuration at ``path`` calls, or its only one.

    Raises ``ConfigError`` where it is no place of this machine's: then real calls would go elsewhere.
    """
    config = load(path)
    name = _environment(config)
    base_url = config.environments[name].base_url
    parts = urlsplit(base_url)
    if parts.scheme != "http" or parts.port is None or parts.path != PREFIX or not _is_local(parts.hostname or ""):
        expected = f"http://127.0.0.1:PORT{PREFIX}, an address of this machine, to put the sandbox there"
        raise ConfigError([Problem(f"environments.{name}.base_url: found another place, expected {expected}")])
    return parts.hostname or "", parts.port


def _environment(config: Config) -> str:
    if config.default_environment is not None:
        return config.default_environment
    if len(config.environments) == 1:
        return next(iter(config.environments))
    known = ", ".join(sorted(config.environments)) or "no environment"
    raise ConfigError([Problem(f"default_environment: found none and {known}, expected the one that the sandbox stands for")])


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
