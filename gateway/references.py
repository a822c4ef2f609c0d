"""What ``env:NAME`` and ``file:PATH`` in the configuration stand for: secrets, master keys. The environment is an argument."""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Mapping
from importlib.util import find_spec

from gateway.exchange import Environment, SecretPair
from gateway.mistakes import Problem
from gateway.secret import Secret
from gateway.settings import NAME, Config, EnvironmentConfig

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


def environments_of(config: Config, environ: Mapping[str, str]) -> tuple[dict[str, Environment], list[Problem]]:
    """The environments with their two secrets, and what stands in the way."""
    environments, problems = {}, []
    for name, section in config.environments.items():
        plain = config.allow_plain_secrets or section.allow_plain_secrets
        user, organization = (
            _secret(getattr(section, key), f"environments.{name}.{key}", plain, config, environ)
            for key in ("user_secret", "organization_secret")
        )
        problems += [found for found in (user, organization) if isinstance(found, Problem)]
        if isinstance(user, Secret) and isinstance(organization, Secret):
            pair, found = _next_pair(SecretPair(user, organization), section, f"environments.{name}", plain, config, environ)
            problems += found
            environments[name] = Environment(name, section.base_url, user, organization, pair)
    return environments, problems


def _next_pair(
    now: SecretPair, section: EnvironmentConfig, where: str, plain: bool, config: Config, environ: Mapping[str, str]
) -> tuple[SecretPair | None, list[Problem]]:
    """What is to take over from the pair ``now``: of what is not given again, the secret of now."""
    found = {
        key: _secret(reference, f"{where}.{key}", plain, config, environ)
        for key in ("user_secret_next", "organization_secret_next")
        if (reference := getattr(section, key)) is not None
    }
    problems = [one for one in found.values() if isinstance(one, Problem)]
    if problems or not found:
        return None, problems
    secrets = {key: one for key, one in found.items() if isinstance(one, Secret)}
    user = secrets.get("user_secret_next", now.user)
    return SecretPair(user, secrets.get("organization_secret_next", now.organization)), []


def tracing_of(config: Config, environ: Mapping[str, str]) -> tuple[dict[str, Secret], list[Problem]]:
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


def master_keys_of(config: Config, environ: Mapping[str, str]) -> tuple[list[tuple[str, bytes]], list[Problem]]:
    """(id, 32 bytes) of each master key, and what is wrong with them."""
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


def authority_mistakes(config: Config) -> list[Problem]:
    """What is wrong with the file of authorities for upstreams, if there is one."""
    file = config.upstream.ca_file
    if file is None:
        return []
    try:
        ssl.create_default_context(cafile=str(config.folder / file))
    except OSError as error:  # among them ssl.SSLError
        found = f"no readable file {file}" if not isinstance(error, ssl.SSLError) else f"no certificates in {file}"
        return [Problem(f"upstream.ca_file: found {found} ({type(error).__name__}), expected certificates of authorities in PEM")]
    return []
