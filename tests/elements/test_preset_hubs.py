"""``/hubs/{hub}/…`` finds the customer's only instance of that hub (contract 2.2), also where no mapping says its hub."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.app import running
from gateway.callers import Caller
from gateway.callers.keys import CallerKey
from gateway.config import load, load_for_serving
from gateway.database.engine import Database, open_database, upgrade
from gateway.errors import AmbiguousInstance
from gateway.exchange import Environment, Exchange, Headers, Request
from gateway.instances import Resolver
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.models import NewInstance, NewKey
from gateway.operations import Operations
from gateway.secret import Secret
from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.support.raw import Caller as RawCaller

VAULT = Vault([("k1", b"1" * 32)])
KEY = CallerKey("abcdefghijkl", "n", b"", environments=("dev",))
DEV = Environment("dev", "http://h", Secret("u"), Secret("o"))
TOML = """
[environments.dev]
base_url = "http://h"
user_secret = "env:A"
organization_secret = "env:B"
[elements.own]
hubs = ["crm", "my-hub"]
"""
SERVED = """
access_log = false
[listen]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"
[environments.dev]
base_url = "{base_url}"
user_secret = "env:A"
organization_secret = "env:B"
"""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    upgrade(tmp_path / "gateway.db")
    async with open_database(tmp_path / "gateway.db") as database:
        yield database


async def resolve(database: Database, folder: Path, path: str, *mappings: tuple[str, str | None]) -> str:
    """The element that ``path`` reaches for a customer with ``mappings`` of (element, hub as given with the mapping)."""
    (folder / "gateway.toml").write_text(TOML)
    config = load(folder / "gateway.toml", {})
    operations = Operations(database, VAULT, config)
    for element, hub in mappings:
        new = {"environment": "dev", "customer": "acme", "element": element, "token": element, "hub": hub}
        await operations.add_instance(NewInstance.model_validate(new), actor="test")
    resolver = Resolver({"dev": DEV}, "dev", Instances(database, VAULT), lambda element: config.element(element).hubs)
    request = Request("GET", path, Headers([("Gateway-Customer", "acme")]))
    target = await resolver.resolve(request, Caller(KEY, None, None), Exchange("id", "GET", path, 0.0))
    return target.element


@pytest.mark.parametrize(
    ("path", "mappings", "element"),
    [
        ("/hubs/marketing/contacts", [("hubspot", None), ("sfdc", None)], "hubspot"),
        ("/hubs/crm/contacts", [("hubspot", None), ("sfdc", None)], "sfdc"),
        ("/hubs/erp/vouchers", [("fortnox", None), ("sfdc", None)], "fortnox"),
        ("/hubs/finance/invoices", [("fortnox", None), ("sfdc", None)], "fortnox"),
        ("/hubs/my-hub/x", [("own", None), ("sfdc", None)], "own"),
        ("/hubs/marketing/contacts", [("sfdc", "marketing"), ("hubspot", "crm")], "sfdc"),
        ("/hubs/crm/contacts", [("sfdc", "marketing"), ("hubspot", "crm")], "hubspot"),
        ("/hubs/crm/contacts", [("unheardof", None), ("sfdc", None)], "sfdc"),
        ("/hubs/anything/contacts", [("sfdc", None)], "sfdc"),
    ],
)
async def test_the_hub_of_the_path_decides(
    database: Database, tmp_path: Path, path: str, mappings: list[tuple[str, str | None]], element: str
) -> None:
    assert await resolve(database, tmp_path, path, *mappings) == element


@pytest.mark.parametrize(
    ("path", "mappings"),
    [
        ("/hubs/crm/contacts", [("sfdc", None), ("closeio", None)]),
        ("/hubs/crm/contacts", [("sfdc", None), ("own", None)]),
        ("/hubs/helpdesk/incidents", [("sfdc", None), ("hubspot", None)]),
        ("/hubs/crm/contacts", [("hubspot", None), ("unheardof", None)]),
        ("/contacts", [("hubspot", None), ("sfdc", None)]),
    ],
)
async def test_what_stays_ambiguous(database: Database, tmp_path: Path, path: str, mappings: list[tuple[str, str | None]]) -> None:
    with pytest.raises(AmbiguousInstance):
        await resolve(database, tmp_path, path, *mappings)


async def test_a_gateway_knows_the_hubs_of_presets(tmp_path: Path) -> None:
    with Origin() as origin:
        (tmp_path / "gateway.toml").write_text(SERVED.format(base_url=f"http://{origin.authority}{BASE}"))
        (tmp_path / "master.keys").write_text(f"k1:{base64.b64encode(b'1' * 32).decode()}\n")
        upgrade(tmp_path / "gateway.db")
        config, environments, keys = load_for_serving(tmp_path / "gateway.toml", {"A": "user", "B": "organization"})
        async with running(config, environments, keys) as gateway:
            async with open_database(tmp_path / "gateway.db") as database:
                operations = Operations(database, Vault(keys), config)
                for element in ("hubspot", "sfdc"):
                    new = {"environment": "dev", "customer": "acme", "element": element, "token": f"token-of-{element}"}
                    await operations.add_instance(NewInstance.model_validate(new), actor="test")
                key = (await operations.create_key(NewKey(name="n"), actor="test")).key
            statuses = [await asyncio.to_thread(ask, gateway.data, key, hub) for hub in ("marketing", "crm", "helpdesk")]
        fields = [str(request.fields) for request in origin.requests]

    assert statuses == [200, 200, 409]
    assert ["token-of-hubspot" in sent for sent in fields] == [True, False]
    assert ["token-of-sfdc" in sent for sent in fields] == [False, True]


def ask(address: tuple[str, int], key: str, hub: str) -> int:
    """The status of a call to ``hub`` for acme."""
    with RawCaller(address) as caller:
        fields = f"Host: g\r\nAuthorization: Bearer {key}\r\nGateway-Customer: acme\r\n"
        caller.send(f"GET {BASE}/hubs/{hub}/contacts HTTP/1.1\r\n{fields}\r\n".encode())
        answer = caller.answer()
        assert answer is not None
        return answer.status
