"""One real gateway a worker, with a key of every kind that may knock at its admin API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import exchange
from tests.support.answers import Answer
from tests.support.origin import Origin
from tests.support.processes import Gateway, running_gateway

PREFIX = "/admin/v1"
SCOPES = ("hub", "platform:read", "platform:write", "admin")
SETTINGS = 'elements.counted.limits = ["5/h", "100/day"]\nelements.other.limits = ["3/h"]'
TOKEN = "CANARY-token-c93a7715de-admin"
_serial = count(1)


@dataclass
class Api:
    """The admin API of ``gateway``. ``keys`` are by kind; "" is what sends none."""

    gateway: Gateway
    keys: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, *fields: str, body: object = None, key: str = "admin") -> Answer:
        """A call by the key of that kind; ``body`` goes as JSON unless it is ``bytes``. No answer ever holds a secret."""
        octets = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        who = (f"Authorization: Bearer {self.keys[key]}",) if self.keys[key] else ()
        answer = exchange(self.gateway.admin, method, path, *who, *fields, body=octets)
        text = answer.body.decode("latin-1") + repr(answer.fields)
        assert not [secret for secret in self.gateway.canaries.all if secret in text], "a secret reached the caller"
        return answer

    def made(self, path: str, **fields: object) -> Any:
        """What ``POST path`` answers to these fields."""
        answer = self.call("POST", PREFIX + path, body=fields)
        assert answer.status == 201, answer.body
        return answer.json()

    def instance(self, **fields: object) -> Any:
        """A mapping that nobody has yet."""
        new = {"environment": "dev", "customer": f"customer-{next(_serial)}", "element": "counted", "token": TOKEN}
        return self.made("/instances", **new | fields)

    def key(self, **fields: object) -> Any:
        """A caller key, its text included."""
        return self.made("/keys", **{"name": f"key-{next(_serial)}"} | fields)

    def through(self, customer: str, path: str = "/elements/api-v2/ping") -> Answer:
        """A call through the gateway."""
        who = (f"X-Api-Key: {self.gateway.key}", f"Gateway-Customer: {customer}", "Gateway-Environment: dev")
        return exchange(self.gateway.data, "GET", path, *who)


def refused(answer: Answer, status: int, slug: str) -> dict[str, Any]:
    """The problem that ``answer`` is (contract 2.4)."""
    assert answer.status == status, answer.body
    assert answer.value("content-type") == "application/problem+json"
    problem = dict(answer.json())
    assert (problem["type"], problem["status"]) == (f"urn:gateway:problem:{slug}", status)
    assert problem["requestId"] == answer.value("x-request-id")
    assert problem["message"] == problem["title"]
    assert problem["detail"]
    assert problem["source"] == "caller"
    return problem


def behind(origin: Origin, folder: Path) -> AbstractContextManager[Gateway]:
    """A gateway before ``origin``; nobody listens behind its other environment: what the admin API does needs no answer from there."""
    environments = {"dev": f"http://{origin.authority}/elements/api-v2", "prod": "http://127.0.0.1:9/elements/api-v2"}
    return running_gateway(folder, environments, settings=SETTINGS, customers=())


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with Origin() as origin, behind(origin, tmp_path_factory.mktemp("admin")) as gateway:
        api = Api(gateway, {"": "", "admin": gateway.new_key("operator", "--scope", "admin"), "wrong": "gwk_abcdefghijkl_" + "x" * 43})
        api.keys["no key at all"] = "hello"
        for scope in SCOPES[:3]:
            api.keys[scope] = api.key(scopes=[scope])["key"]
        api.keys["all but admin"] = api.key(scopes=list(SCOPES[:3]))["key"]
        api.keys["expired"] = api.key(scopes=["admin"], expires="1ms")["key"]
        revoked = api.key(scopes=["admin"])
        api.keys["revoked"] = revoked["key"]
        assert api.call("DELETE", f"{PREFIX}/keys/{revoked['id']}").status == 204
        yield api
        for kind, key in api.keys.items():
            assert not key.startswith("gwk_") or key.rpartition("_")[2] not in gateway.text, f"the gateway wrote the key {kind}"
