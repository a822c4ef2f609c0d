"""Values that hold secrets, and errors about them, show none: not printed, not formatted, not in a traceback."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.authorization import Credentials, parse
from gateway.callers import Caller
from gateway.callers.keys import CallerKey, digest, mint
from gateway.config import ConfigError, load, load_for_serving
from gateway.errors import BadRequest, GatewayError
from gateway.exchange import Environment, Headers, Instance, Request, Response, Target
from gateway.instances.address import address_of
from gateway.instances.vault import Identity, Sealed, Vault, VaultError
from gateway.models import CreatedKey, InstancePatch, KeyRotation, NewInstance, NewKey
from gateway.models import parse as parse_model
from gateway.secret import Secret
from gateway.settings import Config
from tests.canary.planted import Planted, secret

TEXT = secret("value")
ENVIRONMENT = Environment("dev", "https://api.example", Secret(TEXT), Secret(TEXT))
INSTANCE = Instance("gwi_abcdefgh", "dev", "acme", "hubspot", Secret(TEXT))
IDENTITY = Identity("dev", "acme", "hubspot", "gwi_abcdefgh")
KEY = CallerKey("abcdefghijkl", "name", digest(TEXT))
_CREATED = {
    "id": "a", "name": "n", "environments": [], "customers": [], "elements": [], "methods": [], "scopes": [], "priority": "batch",
    "limits": [], "created_at": 0, "expires_at": None, "last_used_at": None, "previous_expires_at": None, "key": TEXT,
}  # fmt: skip
_NEW = {"environment": "dev", "customer": "acme", "element": "hubspot", "token": TEXT, "event_signature_key": TEXT}

VALUES: dict[str, Callable[[], object]] = {
    "Secret": lambda: Secret(TEXT),
    "Environment": lambda: ENVIRONMENT,
    "Instance": lambda: INSTANCE,
    "Target": lambda: Target(ENVIRONMENT, INSTANCE, "/contacts"),
    "Headers": lambda: Headers([("Authorization", TEXT), ("X-Secret", TEXT)]),
    "Request by its headers": lambda: Request("GET", "/contacts", Headers([("Authorization", TEXT)])),
    "Request by its query": lambda: Request("GET", f"/elements/x/oauth/url?apiSecret={TEXT}", Headers()),
    "Request by its body": lambda: Request("POST", "/instances", Headers(), f'{{"password": "{TEXT}"}}'.encode()),
    "Response by its headers": lambda: Response(200, Headers([("Location", TEXT)])),
    "Response by its body": lambda: Response(200, Headers(), f'{{"token": "{TEXT}"}}'.encode()),
    "Credentials": lambda: Credentials(TEXT, TEXT, TEXT),
    "parsed credentials": lambda: parse(f"User {TEXT}, Organization {TEXT}, Element {TEXT}"),
    "Caller": lambda: Caller(KEY, organization=TEXT, element=TEXT),
    "CallerKey": lambda: KEY,
    "minted key": mint,
    "Address by an organization": lambda: address_of(Request("GET", "/x", Headers()), TEXT, None),
    "Address by an element": lambda: address_of(Request("GET", "/x", Headers()), None, TEXT.replace("/", "_")),
    "Vault": lambda: Vault([("k1", (TEXT + TEXT)[:32].encode())]),
    "Sealed": lambda: Vault([("k1", bytes(32))]).encrypt(Secret(TEXT), IDENTITY),
    "NewInstance": lambda: NewInstance.model_validate(_NEW),
    "InstancePatch": lambda: InstancePatch.model_validate({"token": TEXT, "event_signature_key": TEXT}),
    "CreatedKey": lambda: CreatedKey.model_validate(_CREATED),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_does_not_show_its_secrets(name: str) -> None:
    planted = Planted()
    planted.plant("value", TEXT)
    value = VALUES[name]()
    if isinstance(value, tuple):
        planted.plant("key", value[1].reveal())
    shown = f"{value!r}|{value!s}|{value}|{value:}|{[value]}|{ {'x': value} }"
    assert planted.traces(shown.encode()) == []


ERRORS: dict[str, Callable[[], object]] = {
    "unknown field": lambda: parse_model(NewInstance, {**_NEW, TEXT: TEXT}),
    "wrong types": lambda: parse_model(NewInstance, {name: [TEXT] for name in NewInstance.model_fields}),
    "wrong forms": lambda: parse_model(NewInstance, dict.fromkeys(NewInstance.model_fields, f"{TEXT}\n{TEXT}")),
    "half of a document": lambda: parse_model(NewInstance, f'{{"token": "{TEXT}", '.encode()),
    "no document": lambda: parse_model(NewInstance, TEXT.encode()),
    "patch": lambda: parse_model(InstancePatch, {name: {TEXT: TEXT} for name in InstancePatch.model_fields}),
    "rotation": lambda: parse_model(KeyRotation, {"overlap": TEXT}),
    "quota of a key": lambda: parse_model(NewKey, {"name": "n", "limits": [TEXT, f"100/{TEXT}"]}),
    "credentials given twice": lambda: parse(f"User {TEXT}, User {TEXT}"),
    "another row's secret": lambda: Vault([("k1", bytes(32))]).decrypt(
        Vault([("k1", bytes(32))]).encrypt(Secret(TEXT), IDENTITY), Identity("dev", "other", "hubspot", "gwi_abcdefgh")
    ),
    "damaged secret": lambda: Vault([("k1", bytes(32))]).decrypt(Sealed("k1", TEXT.encode()), IDENTITY),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_does_not_show_the_secret_that_it_is_about(name: str) -> None:
    with pytest.raises(GatewayError) as caught:
        ERRORS[name]()
    assert isinstance(caught.value, (BadRequest, VaultError))
    _require_silent(caught.value, f"{caught.value.detail} {caught.value.extra}")


def _require_silent(error: BaseException, more: str = "") -> None:
    planted = Planted()
    planted.plant("value", TEXT)
    shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=False).format()) + f"{error!r} {error} {more}"
    assert planted.traces(shown.encode()) == []


_GOOD = '[environments.dev]\nbase_url = "https://api.example/elements/api-v2"\nuser_secret = "env:A"\norganization_secret = "env:A"\n'
_MASTER = base64.b64encode(bytes(32)).decode()
CONFIGURATIONS = {
    "literal secret": _GOOD.replace("env:A", TEXT),
    "literal secret of a wrong type": _GOOD.replace('"env:A"', f'["{TEXT}"]'),
    "secret with a wrong scheme": _GOOD.replace("env:", f"vault:{TEXT}:"),
    "secret as a table": _GOOD.replace('user_secret = "env:A"', f'user_secret.{TEXT[:9]} = "{TEXT}"'),
    "unknown key": _GOOD + f'secret_of_user = "{TEXT}"\n',
    "environment that is a text": f'environments.dev = "{TEXT}"\n',
    "environments that are a text": f'environments = "{TEXT}"\n',
    "credentials in the base URL": _GOOD.replace("https://", f"https://user:{TEXT.replace('/', '_')}@"),
    "credentials in the query of the base URL": _GOOD.replace("api-v2", f"api-v2?apiSecret={TEXT}"),
    "database URL with a password": f'database.url = "postgresql://gateway:{TEXT}@localhost/gateway"\n{_GOOD}',
    "Redis URL with a password": f'shared.redis = "redis://:{TEXT}@localhost"\n{_GOOD}',
    "literal master key": f'vault.keys = "{TEXT}"\n{_GOOD}',
    "broken master key in the environment": f'vault.keys = "env:BROKEN"\n{_GOOD}',
    "not TOML at the secret": _GOOD.replace('"env:A"', TEXT),
    "open string": _GOOD.replace('"env:A"', f'"{TEXT}'),
    "escape in the secret": _GOOD.replace("env:A", f"{TEXT}\\q{TEXT}"),
    "control character in the secret": f"{_GOOD.replace('env:A', 'env:SPOILED')}",
    "secret twice": _GOOD + f'user_secret = "{TEXT}"\n',
}
ENVIRON = {"A": "something-else", "K": f"k1:{_MASTER}", "BROKEN": f"k1:{TEXT}\n{TEXT}:x", "SPOILED": f"{TEXT}\n{TEXT}, {TEXT}"}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_refused_configuration_does_not_show_what_is_secret_in_it(name: str, tmp_path: Path) -> None:
    text = CONFIGURATIONS[name]
    path = tmp_path / "gateway.toml"
    path.write_text(text if "vault.keys" in text else f'vault.keys = "env:K"\n{text}')
    with pytest.raises(ConfigError) as caught:
        load_for_serving(path, ENVIRON)
    _require_silent(caught.value, " ".join(caught.value.problems))


def test_an_override_by_the_process_environment_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(_GOOD)
    environ = {"GATEWAY__ENVIRONMENTS__DEV__USER_SECRET": TEXT, "GATEWAY__ENVIRONMENTS__DEV__SECRET": TEXT, "A": "something-else"}
    with pytest.raises(ConfigError) as caught:
        load_for_serving(path, environ)
    _require_silent(caught.value, " ".join(caught.value.problems))


def test_a_configuration_with_plain_secrets_does_not_show_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text("allow_plain_secrets = true\n" + _GOOD.replace("env:A", TEXT))
    config: Config = load(path, {})
    planted = Planted()
    planted.plant("value", TEXT)
    assert planted.traces(f"{config!r} {config} {config.environments!r}".encode()) == []
