"""What a review of the fast paths found, once more: a caller who is known by a certificate is never known by a head."""

from __future__ import annotations

import http.client
from pathlib import Path

from cryptography import x509

from tests.fastpath.asking import SCRIPTS
from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.tls.authority import HERE, Authority
from tests.tls.conftest import TLS
from tests.tls.served import Template, ask_on, serving


def test_who_shows_no_certificate_is_nobody_whoever_sent_the_same_head_before(tmp_path: Path) -> None:
    """The head says nothing of who calls: the same octets are one caller's, another's who may not, and nobody's."""
    template = Template.make(tmp_path / "template", usual=(), other=("--customer", "nobody"))
    folder = tmp_path / "gateway"
    folder.mkdir()
    authority, clients = Authority(), Authority("clients")
    authority.certificate(HERE).store(folder, "server")
    (folder / "clients.pem").write_bytes(clients.pem)
    names = [f'"{who}.shop.test" = "{template.keys[key][0]}"' for who, key in (("orders", "usual"), ("poor", "other"))]
    with Origin() as origin:
        origin.behaviours.update(SCRIPTS)
        template.copy(folder, f"http://{origin.authority}", "listen.fast_path = true", *TLS, "[callers.certificates]", *names)
        with serving(folder) as served:

            def statuses(who: str, name: str, times: int) -> list[int]:
                shown = clients.certificate(x509.DNSName(f"{who}.shop.test")).store(tmp_path, who) if who else ()
                connection = http.client.HTTPSConnection(*served.listeners["data"], timeout=20, context=authority.trusting(*shown))
                try:
                    asked = [
                        ask_on(connection, "GET", f"{BASE}/contacts/{name}", f"Gateway-Instance: {template.handle}") for _ in range(times)
                    ]
                finally:
                    connection.close()
                return [reply.status for reply in asked]

            for name in ("fresh", "plain"):
                assert statuses("orders", name, 6) == [200] * 6
                assert statuses("", name, 3) == [401] * 3
                refused = statuses("poor", name, 3)
                assert refused == [refused[0]] * 3
                assert refused[0] in (403, 404)
                assert statuses("orders", name, 2) == [200] * 2
