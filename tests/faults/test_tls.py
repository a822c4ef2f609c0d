"""TLS towards the upstream (fault 23): nothing is sent before the certificate is found good, and a handshake has its time.

The authority is made here; each environment is one fault. What arrives inside of TLS goes to the origin.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.faults.conftest import QUICK, SLACK, Stage, Template, copied, problem, serving
from tests.support.cases import BASE
from tests.support.origin import BODY, Origin, head, ok

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
LARGE = bytes(range(256)) * 12_000


class Authority:
    """Signs certificates; ``pem`` is its own."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key, NOW + DAY)
        builder = builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def certificate(self, file: Path, name: x509.GeneralName, ends: datetime.datetime = NOW + DAY) -> Path:
        """A server's key and certificate for ``name``, in ``file``."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([]), key, ends).add_extension(x509.SubjectAlternativeName([name]), critical=True)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(key.private_bytes(*form) + signed.public_bytes(serialization.Encoding.PEM))
        return file

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, ends: datetime.datetime) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        return builder.not_valid_before(NOW - 3 * DAY).not_valid_after(ends)


class Front:
    """A listener on 127.0.0.1 that hands each connection to ``serve``, in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self._taken: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._socket.getsockname()[1]}{BASE}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        for sock in (self._socket, *self._taken):
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                self._taken.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()


class Heard:
    """What came inside of TLS."""

    def __init__(self) -> None:
        self.octets = bytearray()

    def behind(self, certificate: Path) -> Callable[[socket.socket], None]:
        """A server with that certificate that answers each request with a 200."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

        def serve(plain: socket.socket) -> None:
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as sock:
                while data := sock.recv(65536):
                    self.octets += data
                    if not data.endswith(b"\r\n\r\n"):
                        continue
                    if b"/unframed-" in data:
                        self.unframed(sock, data)
                        return
                    sock.sendall(ok(BODY, "Cache-Control: no-store"))

        return serve

    def unframed(self, sock: ssl.SSLSocket, request: bytes) -> None:
        """A body that lasts until the connection ends: with TLS's own farewell, or by TCP alone; or one whose length is stated."""
        large, farewell = b"/unframed-large" in request, b"?farewell" in request
        body = LARGE if large else BODY
        stated = (f"Content-Length: {len(body)}",) if b"?stated" in request else ()
        sock.sendall(head("200 OK", "Connection: close", *stated) + body)
        if farewell:
            sock.unwrap().close()

    def plainly(self, plain: socket.socket) -> None:
        """A server that speaks no TLS, and answers whatever comes."""
        with contextlib.suppress(OSError), plain:
            while data := plain.recv(65536):
                self.octets += data
                plain.sendall(ok())


def self_signed(file: Path, name: x509.GeneralName) -> Path:
    """A certificate that nobody but itself vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = (
        builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).add_extension(x509.SubjectAlternativeName([name]), critical=False)
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(*form) + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def secured(template: Template, heard: Heard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("tls")
    ours, theirs = Authority("ours"), Authority("theirs")
    here, elsewhere = x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("elsewhere.test")
    files = {
        "trusted": ours.certificate(folder / "trusted.pem", here),
        "untrusted": theirs.certificate(folder / "untrusted.pem", here),
        "misnamed": ours.certificate(folder / "misnamed.pem", elsewhere),
        "expired": ours.certificate(folder / "expired.pem", here, NOW - DAY),
        "selfsigned": self_signed(folder / "selfsigned.pem", here),
    }
    (folder / "authority.pem").write_bytes(ours.pem)
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        urls = {"dev": f"http://{origin.authority}{BASE}"}
        urls |= {name: stack.enter_context(Front(heard.behind(file))).url for name, file in files.items()}
        urls["stalling"] = stack.enter_context(Front(lambda _: None)).url
        urls["plain"] = stack.enter_context(Front(heard.plainly)).url
        settings = 'upstream.ca_file = "authority.pem"\n' + QUICK
        yield Stage(stack.enter_context(serving(template, copied(template, folder, urls, settings))), origin, template)


def test_a_trusted_upstream(secured: Stage, heard: Heard) -> None:
    with secured.steady():
        heard.octets.clear()
        for _ in range(3):
            answer = secured.call("GET ~/x", "Gateway-Environment: trusted")
            assert (answer.status, answer.body) == (200, BODY)
        assert heard.octets.count(secured.authorization().encode()) == 3


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", ["untrusted", "misnamed", "expired", "selfsigned"])
def test_a_certificate_that_is_not_good(secured: Stage, heard: Heard, fault: str, method: str) -> None:
    with secured.steady():
        heard.octets.clear()
        started = time.monotonic()
        for _ in range(4):
            problem(secured.call(f"{method} ~/x", f"Gateway-Environment: {fault}"), "upstream-unreachable")
        assert time.monotonic() - started < SLACK
        assert heard.octets == b"", "octets were sent to whoever it was"
    assert secured.outcomes() == ["upstream-unreachable"] * 4


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_body_that_lasts_until_the_end(secured: Stage, size: str) -> None:
    """It is whole if TLS says that this is the end; an end of TCP alone may be anybody's doing (RFC 9112 §9.8)."""
    with secured.steady():
        for query in ("farewell", "stated"):
            whole = secured.call(f"GET ~/unframed-{size}?{query}", "Gateway-Environment: trusted")
            assert (whole.status, whole.complete) == (200, True)
            assert whole.body == (BODY if size == "small" else LARGE)
        with secured.open(f"GET ~/unframed-{size}", fields=("Gateway-Environment: trusted",)) as caller:
            cut = caller.answer()
        assert cut is None or cut.status == 502 or not cut.complete, "half an answer looks whole"
    assert secured.outcomes()[:2] == ["ok", "ok"]
    assert secured.outcomes()[2] in ("upstream-unreachable", "broken-off:upstream-unreachable")


def test_an_upstream_without_tls(secured: Stage, heard: Heard) -> None:
    """No request is sent in plain, whatever it answers."""
    with secured.steady():
        heard.octets.clear()
        problem(secured.call("GET ~/x", "Gateway-Environment: plain"), "upstream-unreachable")
        assert heard.octets[:1] == b"\x16", "what came is no TLS handshake"
        assert b"HTTP/1.1" not in heard.octets
        assert secured.gateway.canaries.user.encode() not in heard.octets


def test_a_handshake_that_stalls(secured: Stage) -> None:
    """It is within the time for a connection, and who waits in it stops nobody."""
    with secured.steady():
        started = time.monotonic()
        callers = [secured.open("GET ~/x", fields=("Gateway-Environment: stalling",)) for _ in range(10)]
        assert secured.call("GET ~/x").status == 200
        for caller in callers:
            problem(caller.answer(), "upstream-timeout")
            caller.close()
        assert 0.7 < time.monotonic() - started < SLACK
    assert sorted(secured.outcomes()) == ["ok"] + ["upstream-timeout"] * 10
