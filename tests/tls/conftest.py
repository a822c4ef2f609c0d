"""A gateway that speaks TLS on both listeners, before an origin that keeps what arrives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.tls.authority import HERE, Authority
from tests.tls.served import Reply, Served, Template, ask, serving

TLS = (
    "[listen.data_tls]",
    'certificate = "server.pem"',
    'key = "server.key"',
    'client_ca = "clients.pem"',
    "[listen.admin_tls]",
    'certificate = "server.pem"',
    'key = "server.key"',
    'client_ca = "clients.pem"',
)


@dataclass
class Scene:
    """``authority`` signed the server's certificate, ``clients`` signs those of callers."""

    folder: Path
    template: Template
    authority: Authority
    clients: Authority
    origin: Origin
    served: Served

    def ask(self, method: str, path: str, *fields: str, key: str = "usual", body: bytes | None = None) -> Reply:
        """A call to the data listener for ``acme``; ``key`` by name, ``""``: none."""
        shown = (f"X-Api-Key: {self.template.keys[key][1]}",) if key else ()
        who = (f"Gateway-Instance: {self.template.handle}", *shown)
        return ask(self.served.listeners["data"], self.authority.trusting(), method, f"{BASE}{path}", *who, *fields, body=body)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    folder = tmp_path_factory.mktemp("tls") / "template"
    return Template.make(folder, usual=(), other=(), admin=("--scope", "admin"))


@pytest.fixture(scope="module")
def scene(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    authority, clients = Authority(), Authority("clients")
    authority.certificate(HERE).store(folder, "server")
    (folder / "clients.pem").write_bytes(clients.pem)
    mapped = {
        "spiffe://shop/orders": "usual",
        "orders@shop.test": "other",
        "orders.shop.test": "usual",
        "admin.shop.test": "admin",
        "spiffe://shop/unknown": "",
    }
    names = [f'"{name}" = "{template.keys[key][0] if key else "nosuchkey123"}"' for name, key in mapped.items()]
    with Origin() as origin:
        lines = ('listen.header_timeout = "1s"', *TLS, "[callers.certificates]", *names)
        template.copy(folder, f"http://{origin.authority}", *lines)
        with serving(folder) as served:
            yield Scene(folder, template, authority, clients, origin, served)
