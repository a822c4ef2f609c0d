"""When files are read again, look by look; handshakes in memory."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from cryptography import x509

from gateway.server.live_tls import LiveTls
from gateway.server.tls import TlsFiles
from tests.tls.authority import DAY, HERE, NOW, Authority, Pair


@dataclass
class Watched:
    folder: Path
    authority: Authority
    live: LiveTls
    now: float

    def shown(self) -> int:
        """The serial number of the certificate in a handshake."""
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.authority.trusting().wrap_bio(back, there, server_hostname="127.0.0.1")
        server = self.live.wrap_bio(there, back, server_side=True)
        for side in (client, server, client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
        found = client.getpeercert(binary_form=True)
        assert found
        return x509.load_der_x509_certificate(found).serial_number

    def store(self, pair: Pair) -> int:
        pair.store(self.folder, "server")
        return pair.serial


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    authority = Authority()
    authority.certificate(HERE).store(tmp_path, "server")
    now = NOW.timestamp()
    live = LiveTls("data", TlsFiles(tmp_path / "server.pem", tmp_path / "server.key"), lambda: now)
    return Watched(tmp_path, authority, live, now)


async def test_a_change_is_read_when_it_has_settled(watched: Watched) -> None:
    """Not while it goes on: a certificate without its key is no mistake yet."""
    before, fresh = watched.shown(), watched.authority.certificate(HERE)
    with structlog.testing.capture_logs() as logs:
        (watched.folder / "server.pem").write_bytes(fresh.certificate)
        await watched.live.look()
        (watched.folder / "server.key").write_bytes(fresh.key)
        await watched.live.look()
        assert watched.shown() == before
        await watched.live.look()
        assert watched.shown() == fresh.serial
        await watched.live.look()
    assert [line["event"] for line in logs] == ["certificate reloaded"]


async def test_each_broken_state_is_told_once(watched: Watched) -> None:
    good = watched.shown()
    with structlog.testing.capture_logs() as logs:
        (watched.folder / "server.key").unlink()
        for _ in range(5):
            await watched.live.look()
        watched.store(watched.authority.certificate(HERE, begins=NOW - 9 * DAY, ends=NOW - DAY))
        for _ in range(5):
            await watched.live.look()
    assert watched.shown() == good
    assert [line["log_level"] for line in logs] == ["error", "error"]
    assert logs[0]["problems"] == ["key: found no readable file server.key (FileNotFoundError), expected a PEM file"]
    assert logs[1]["problems"][0].startswith("certificate: found one that is valid from")
    fresh = watched.store(watched.authority.certificate(HERE))
    for _ in range(2):
        await watched.live.look()
    assert watched.shown() == fresh


async def test_a_rename_is_a_change_even_to_an_older_file(watched: Watched) -> None:
    fresh = watched.authority.certificate(HERE)
    for file in fresh.store(watched.folder, "server"):
        os.utime(file, (1_500_000_000, 1_500_000_000))
    for _ in range(2):
        await watched.live.look()
    assert watched.shown() == fresh.serial


async def test_the_end_is_told_once_a_day(watched: Watched) -> None:
    days = iter([0.0, 76.5, 76.5, 77.5])
    live = LiveTls("data", TlsFiles(watched.folder / "server.pem", watched.folder / "server.key"), lambda: watched.now)
    with structlog.testing.capture_logs() as logs:
        for day in days:
            live.warn(watched.now + day * 86400)
    assert [(line["log_level"], line["listener"]) for line in logs] == [("warning", "data")] * 2
    assert logs[0]["problem"].startswith("certificate: ends at")
