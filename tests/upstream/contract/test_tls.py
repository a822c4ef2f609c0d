"""TLS: nothing is sent before the certificate is found good, and an end of TCP alone is no end of a body (RFC 9112 §9.8)."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.errors import UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.protocol import Origin
from tests.upstream.contract.conftest import Clients
from tests.upstream.contract.origins import OK, SOON, Wire, always, get, mute, once, serving, whole


@dataclass(frozen=True)
class Authority:
    """A certificate authority of ours: its file, and a server's context with a certificate from it."""

    ca_file: str
    server: ssl.SSLContext


def authority(folder: Path, names: tuple[str, ...] = ("localhost",), ends: float = 1.0) -> Authority:
    """``names`` are the server's, 127.0.0.1 beside localhost; ``ends`` is in hours from now."""
    key, ca = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our authority")])
    now = datetime.datetime.now(datetime.UTC)

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey, hours: float) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=9))
        return builder.not_valid_after(now + datetime.timedelta(hours=hours))

    basic = x509.BasicConstraints(ca=True, path_length=0)
    ours = begun(issuer, ca.public_key(), 1.0).add_extension(basic, critical=True).sign(ca, hashes.SHA256())
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    if "localhost" in names:
        alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = begun(subject, key.public_key(), ends).add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    certificate = builder.sign(ca, hashes.SHA256())
    pem = serialization.Encoding.PEM
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ours.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(private + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return Authority(str(ca_file), server)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_trusted_certificate(clients: Clients, tmp_path: Path, host: str) -> None:
    ours = authority(tmp_path)
    async with serving(always(OK), ours.server, host) as served, clients(ca_file=ours.ca_file) as client:
        for _ in range(2):
            assert await whole(await get(client, served.origin)) == b"ok"
        assert len(served.wires) == 1


@pytest.mark.parametrize("wrong", ["untrusted", "other name", "expired"])
async def test_what_cannot_be_trusted_is_refused_and_no_octet_is_sent(clients: Clients, tmp_path: Path, wrong: str) -> None:
    names = ("elsewhere.test",) if wrong == "other name" else ("localhost",)
    ours = authority(tmp_path, names, -1.0 if wrong == "expired" else 1.0)
    heard: list[bytes] = []

    async def handler(wire: Wire) -> None:
        heard.append(await wire.head())

    async with serving(handler, ours.server, "localhost") as served:
        async with clients(ca_file=None if wrong == "untrusted" else ours.ca_file) as client:
            with pytest.raises(UpstreamUnreachable, match="no trusted TLS") as raised:
                await get(client, served.origin)
            await served.settled()
        assert "localhost" not in raised.value.detail  # an upstream's address is nobody's business
        assert raised.value.never_left
        assert not heard


async def test_plain_http_on_a_tls_port_is_unreachable(clients: Clients) -> None:
    async def handler(wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(handler) as served, clients() as client:
        with pytest.raises(UpstreamUnreachable):
            await get(client, Origin.of(f"https://127.0.0.1:{served.origin.port}"))
        await served.settled()


async def test_a_handshake_that_hangs_times_out(clients: Clients) -> None:
    async with serving(mute) as served, clients(connect_timeout=SOON) as client:
        with pytest.raises(UpstreamTimeout) as raised:
            await get(client, Origin.of(f"https://127.0.0.1:{served.origin.port}"))
        assert raised.value.never_left
        await served.settled()


@pytest.mark.parametrize("size", [4, 3_000_000])
@pytest.mark.parametrize("late", [False, True])
async def test_an_end_by_tcp_alone_is_no_end_of_a_body(clients: Clients, tmp_path: Path, size: int, late: bool) -> None:
    """With TLS's own farewell it is; where the length is stated, neither matters."""
    ours = authority(tmp_path)
    body = bytes(range(256)) * (size // 256) or b"half"

    async def cut(wire: Wire) -> None:
        await wire.head()
        await wire.send(b"HTTP/1.1 200 OK\r\n\r\n", body)
        await asyncio.sleep(0.1)
        with socket.socket(fileno=os.dup(wire.writer.get_extra_info("socket").fileno())) as sock:
            sock.shutdown(socket.SHUT_WR)
        await wire.gone()

    async with serving(cut, ours.server, "localhost") as served, clients(ca_file=ours.ca_file) as client:
        response = await get(client, served.origin)
        if late:
            await asyncio.sleep(0.2)
        with pytest.raises(UpstreamUnreachable):
            await whole(response)


@pytest.mark.parametrize("size", [4, 3_000_000])
@pytest.mark.parametrize("stated", [b"", b"Content-Length: %d\r\n"])
async def test_a_body_that_ends_with_a_farewell_is_whole(clients: Clients, tmp_path: Path, size: int, stated: bytes) -> None:
    ours = authority(tmp_path)
    body = bytes(range(256)) * (size // 256) or b"full"
    octets = b"HTTP/1.1 200 OK\r\n" + (stated % len(body) if stated else b"") + b"\r\n" + body
    async with serving(once(octets), ours.server, "localhost") as served, clients(ca_file=ours.ca_file) as client:
        got = await whole(await get(client, served.origin))
    assert (len(got), hashlib.sha256(got).digest()) == (len(body), hashlib.sha256(body).digest())
