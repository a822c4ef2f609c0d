"""What the acceptance tests stand on: stand-ins for Cloud Elements, a gateway process in front of them, and a caller's way to it.

Only what the contract names is used: the command line, the two listeners, and the sandbox's ``/sandbox/**``. Every answer that passes
through ``World`` is read strictly and searched for the secrets that the gateway holds.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from gateway.sandbox import Sandbox
from gateway.sandbox.server import running
from tests.acceptance.commands import ORGANIZATION, USER, Process, exchange
from tests.support.answers import Answer
from tests.support.origin import Origin
from tests.support.raw import Address

BASE = "/elements/api-v2"
_serial = count(1)


class CloudElements:
    """The sandbox on a thread of its own, with secrets that cannot be mistaken."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        self.sandbox.user_secret, self.sandbox.organization_secret = USER, ORGANIZATION
        self.base_url = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def address(self) -> Address:
        return "127.0.0.1", int(self.base_url.split(":")[2].split("/")[0])

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def ask(self, method: str, target: str, document: object = None) -> Any:
        """A call to the sandbox itself, past the gateway, with all secrets."""
        body = None if document is None else json.dumps(document).encode()
        who = f"Authorization: User {USER}, Organization {ORGANIZATION}"
        answer = exchange(self.address, method, target, who, "Content-Type: application/json", body=body)
        assert answer.status == 200, answer.body
        return json.loads(answer.body or b"null")

    def create(self, element: str, name: str) -> dict[str, Any]:
        """A new instance: its object, with ``id`` and ``token``."""
        keys = ("oauth.api.key", "oauth.api.secret", "oauth.callback.url", "servicenow.subdomain", "username", "password", "base.url")
        configuration = dict.fromkeys(keys, f"https://{name}.test")
        document = {"name": name, "element": {"key": element}, "configuration": configuration, "tags": [name.rpartition("-")[0]]}
        return dict(self.ask("POST", f"{BASE}/instances", document))

    def forget(self) -> None:
        """Start the request log anew."""
        self.ask("DELETE", "/sandbox/requests")

    def arrivals(self) -> list[dict[str, Any]]:
        """What arrived since ``forget``."""
        return list(self.ask("GET", "/sandbox/requests")["calls"])

    @contextmanager
    def dials(self, **lanes: object) -> Iterator[None]:
        """Misbehave while inside."""
        self.ask("PUT", "/sandbox/dials", lanes)
        try:
            yield
        finally:
            self.ask("DELETE", "/sandbox/dials")

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        async with running(self.sandbox) as self.base_url:
            self._ready.set()
            await self._stopping.wait()


@dataclass(frozen=True)
class Mapped:
    """A customer's instance behind the gateway."""

    world: World
    environment: str
    customer: str
    element: str
    handle: str
    token: str
    instance_id: int | None

    def call(self, method: str, path: str, *fields: str, body: bytes | None = None, key: str | None = None) -> Answer:
        """A call for this instance, named by its handle."""
        return self.world.call(method, path, f"Gateway-Instance: {self.handle}", *fields, body=body, key=key)

    def get(self, path: str, *fields: str) -> Answer:
        return self.call("GET", path, *fields)


class World:
    """A gateway with the environments ``dev`` and ``staging`` (sandboxes), ``raw`` (an origin that records octets) and ``dead``."""

    def __init__(self, folder: Path, served: Process, admin_key: str, dev: CloudElements, staging: CloudElements, raw: Origin) -> None:
        self.folder, self.served, self.admin_key = folder, served, admin_key
        self.dev, self.staging, self.raw = dev, staging, raw
        self.secrets = {USER, ORGANIZATION}
        self.key = self.new_key(scopes=["hub", "platform:read", "platform:write"])["key"]

    def call(self, method: str, path: str, *fields: str, body: bytes | None = None, key: str | None = None, base: str = BASE) -> Answer:
        """A call to the data listener with ``X-Api-Key: key`` (None: one that may do all; ``""``: without)."""
        key = self.key if key is None else key
        return self.ask(self.served.listeners["data"], method, base + path, *((f"X-Api-Key: {key}",) if key else ()), *fields, body=body)

    def admin(self, method: str, path: str, document: object = None, *fields: str, key: str | None = None) -> Answer:
        """A call to ``/admin/v1`` with ``Authorization: Bearer key``."""
        body = None if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        who = (f"Authorization: Bearer {self.admin_key if key is None else key}",) if key != "" else ()
        typed = () if any(one.lower().startswith("content-type") for one in fields) else ("Content-Type: application/json",)
        return self.ask(self.served.listeners["admin"], method, f"/admin/v1{path}", *who, *typed, *fields, body=body)

    def operations(self, path: str, *fields: str) -> Answer:
        """GET on the admin listener, without a key."""
        return self.ask(self.served.listeners["admin"], "GET", path, *fields)

    def ask(self, address: Address, method: str, target: str, *fields: str, body: bytes | None = None) -> Answer:
        answer = exchange(address, method, target, *fields, body=body)
        self.search(answer)
        return answer

    def search(self, answer: Answer) -> None:
        """No answer holds a secret that the gateway keeps."""
        text = answer.body.decode("latin-1") + repr(answer.fields)
        assert not [secret for secret in self.secrets if secret in text], "a secret reached the caller"

    def new_key(self, **fields: object) -> dict[str, Any]:
        """A caller key for every environment unless said otherwise: what ``POST /keys`` answers."""
        fields = {"name": f"key-{next(_serial)}", "environments": ["dev", "staging", "raw", "dead"], **fields}
        answer = self.admin("POST", "/keys", fields)
        assert answer.status == 201, answer.body
        return dict(answer.json())

    def customer(
        self, element: str = "hubspot", environment: str = "dev", customer: str | None = None, like: str | None = None, **fields: object
    ) -> Mapped:
        """A customer of its own with an instance: at a sandbox a living one of ``like`` (default: ``element``), else a made-up token."""
        customer = customer or f"customer-{next(_serial)}"
        stand_in = {"dev": self.dev, "staging": self.staging}.get(environment)
        number = next(_serial)
        made: dict[str, Any] = {"token": f"CANARYtoken{number:04d}abcdef+/=="}
        if stand_in:
            made = stand_in.create(like or element, f"{customer}-{number}")
        self.secrets.add(made["token"])
        mapping = {"environment": environment, "customer": customer, "element": element, "token": made["token"], **fields}
        answer = self.admin("POST", "/instances", mapping | ({"instance_id": made["id"]} if "id" in made else {}))
        assert answer.status == 201, answer.body
        return Mapped(self, environment, customer, element, answer.json()["handle"], made["token"], made.get("id"))


def check_problem(answer: Answer, status: int, slug: str, source: str) -> dict[str, Any]:
    """An error made by the gateway (contract 2.4): all members of the example and no secret machinery; the document."""
    assert answer.status == status, answer.body
    assert answer.value("content-type").partition(";")[0] == "application/problem+json"
    problem = dict(answer.json())
    assert problem["type"] == f"urn:gateway:problem:{slug}"
    assert problem["status"] == status
    assert problem["source"] == source
    assert problem["message"] == problem["title"]
    assert problem["requestId"] == answer.value("x-request-id")
    assert problem["detail"]
    waits = answer.values("retry-after")
    assert ("retryAfter" in problem) == bool(waits)
    if waits:
        assert re.fullmatch(r"[1-9]\d*", waits[0])
        assert problem["retryAfter"] == int(waits[0])
    return problem


def refused(answer: Answer, status: int = 400) -> dict[str, Any]:
    """A problem of the admin API."""
    assert answer.status == status, answer.body
    assert answer.value("content-type").startswith("application/problem+json")
    problem = dict(answer.json())
    assert {"type", "title", "status", "detail", "source", "requestId", "message"} <= problem.keys()
    assert problem["status"] == status
    return problem
