"""New certificates are taken up by a running gateway, whoever is connected."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.tls.authority import HERE, Authority
from tests.tls.served import Served, Template, ask, ask_on, serial_of, serving, until

_SPOKEN = '[listen.data_tls]\ncertificate = "now/server.pem"\nkey = "now/server.key"\nclient_ca = "now/clients.pem"'


@dataclass
class Renewal:
    folder: Path
    template: Template
    authority: Authority
    served: Served

    @property
    def now(self) -> Path:
        """Where the gateway reads: a symlink to a folder, as Kubernetes mounts secrets."""
        return self.folder / "now"

    def switch(self, name: str, octets: dict[str, bytes]) -> None:
        """Another folder behind the symlink, at once."""
        (fresh := self.folder / name).mkdir()
        for file, content in octets.items():
            (fresh / file).write_bytes(content)
        (link := self.folder / f".{name}").symlink_to(fresh)
        link.replace(self.now)

    def shown(self) -> int:
        return serial_of(self.served.listeners["data"], self.authority.trusting())

    def works(self, context: ssl.SSLContext) -> bool:
        """Whether a call with what ``context`` shows gets through the handshake; the key is valid."""
        key = f"X-Api-Key: {self.template.keys['usual'][1]}"
        try:
            answer = ask(self.served.listeners["data"], context, "GET", f"{BASE}/x", f"Gateway-Instance: {self.template.handle}", key)
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == 200


@pytest.fixture
def renewal(template: Template, tmp_path: Path) -> Iterator[Renewal]:
    authority = Authority()
    with Origin() as origin:
        folder = template.copy(tmp_path / "g", f"http://{origin.authority}", _SPOKEN)
        (folder / "first").mkdir()
        authority.certificate(HERE).store(folder / "first", "server")
        (folder / "first" / "clients.pem").write_bytes(authority.pem)
        (folder / "now").symlink_to(folder / "first")
        with serving(folder) as served:
            assert served.schemes == {"data": "https", "admin": "http"}
            yield Renewal(folder, template, authority, served)


def test_renewed_in_place_and_by_signal(renewal: Renewal) -> None:
    """A connection that stands goes on with what it began; SIGHUP does not wait for the next look."""
    target, fields = f"{BASE}/x", (f"Gateway-Instance: {renewal.template.handle}", f"X-Api-Key: {renewal.template.keys['usual'][1]}")
    kept = http.client.HTTPSConnection(*renewal.served.listeners["data"], timeout=10, context=renewal.authority.trusting())
    try:
        assert ask_on(kept, "GET", target, *fields).status == 200
        sock = kept.sock
        fresh = renewal.authority.certificate(HERE)
        fresh.store(renewal.now, "server")
        until(lambda: renewal.shown() == fresh.serial)
        signalled = renewal.authority.certificate(HERE)
        signalled.store(renewal.now, "server")
        renewal.served.hang_up()
        until(lambda: renewal.shown() == signalled.serial)
        assert ask_on(kept, "GET", target, *fields).status == 200
        assert kept.sock is sock, "the connection was dropped"
    finally:
        kept.close()
    assert not renewal.served.events("error")


def test_another_folder_behind_a_symlink(renewal: Renewal, tmp_path: Path) -> None:
    """All three files change at once; who signs callers may be another one: the one before is not trusted any more."""
    before = renewal.authority.trusting(*renewal.authority.certificate(x509.DNSName("a")).store(tmp_path, "before"))
    assert renewal.works(before)
    others, fresh = Authority("others"), renewal.authority.certificate(HERE)
    after = renewal.authority.trusting(*others.certificate(x509.DNSName("a")).store(tmp_path, "after"))
    assert not renewal.works(after)
    renewal.switch("second", {"server.pem": fresh.certificate, "server.key": fresh.key, "clients.pem": others.pem})
    until(lambda: renewal.shown() == fresh.serial)
    assert renewal.works(after)
    assert not renewal.works(before)


def test_what_cannot_be_used_is_not_taken(renewal: Renewal) -> None:
    """The log says so, without the key; what was there before goes on to serve."""
    good, stranger = renewal.shown(), renewal.authority.certificate(HERE)
    (renewal.now / "server.key").write_bytes(stranger.key)
    renewal.served.hang_up()
    until(lambda: len(renewal.served.events("error")) == 1)
    (error,) = renewal.served.events("error")
    assert (error["event"], error["listener"]) == ("certificate not reloaded, the one before stays", "data")
    assert "key: found one in server.key that does not fit" in error["problems"][0]
    assert renewal.shown() == good
    assert renewal.served.process.poll() is None
    assert "PRIVATE KEY" not in renewal.served.text
