"""TLS on both listeners of a real gateway: what it speaks, and what a bad handshake does to others."""

from __future__ import annotations

import json
import socket
import ssl
import time
import warnings

import pytest

from tests.support.cases import BASE
from tests.support.origin import BODY, ok, script
from tests.tls.conftest import Scene
from tests.tls.served import ask, descriptors, until


def test_calls_over_tls(scene: Scene) -> None:
    assert scene.served.schemes == {"data": "https", "admin": "https"}
    assert (scene.ask("GET", "/x").status, scene.ask("GET", "/x").body) == (200, BODY)
    ready = ask(scene.served.listeners["admin"], scene.authority.trusting(), "GET", "/readyz")
    assert (ready.status, json.loads(ready.body)) == (200, {"status": "ready"})


def test_large_bodies_arrive_whole(scene: Scene) -> None:
    """Both ways, through the buffers of TLS and ours."""
    down = bytes(range(256)) * 16_000
    scene.origin.behaviours["large"] = script(ok(down, "Cache-Control: no-store"))
    answer = scene.ask("POST", "/large", body=down[::-1])
    assert answer.status == 200
    assert answer.body == down
    assert scene.origin.requests[-1].payload == down[::-1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_that_are_spoken(scene: Scene, version: ssl.TLSVersion) -> None:
    context = scene.authority.trusting()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(scene.served.listeners["data"], 10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        assert sock.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        assert sock.selected_alpn_protocol() == "http/1.1"
        cipher = sock.cipher()
        assert cipher is not None
        assert cipher[0].startswith(("ECDHE", "TLS_"))


def test_what_is_too_old_is_refused(scene: Scene) -> None:
    old, weak = scene.authority.trusting(), scene.authority.trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA256")  # no authenticated encryption
    for context in (old, weak):
        with (
            socket.create_connection(scene.served.listeners["data"], 10) as plain,
            pytest.raises(
                (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionResetError)
            ),  # by the gateway: a refusal of this side's would be another error
        ):
            context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_plain_http_is_closed_quietly(scene: Scene) -> None:
    scene.ask("GET", "/x")
    before, calls = len(scene.served.events()), len(scene.origin.requests)
    for _ in range(5):
        with socket.create_connection(scene.served.listeners["data"], 10) as plain:
            plain.sendall(f"GET {BASE}/x HTTP/1.1\r\nHost: g\r\nX-Api-Key: {scene.template.keys['usual'][1]}\r\n\r\n".encode())
            plain.settimeout(5)
            received = b""
            try:
                while data := plain.recv(1000):
                    received += data
            except ConnectionResetError:
                pass
            assert b"HTTP" not in received
    assert scene.ask("GET", "/x").status == 200
    time.sleep(0.2)
    assert [event for event in scene.served.events()[before:] if event["level"] != "debug"] == []
    assert len(scene.origin.requests) == calls + 1


def test_stalled_handshakes_hurt_nobody(scene: Scene) -> None:
    """They end after ``header_timeout``, and are not waited for meanwhile."""
    scene.ask("GET", "/x")
    before = descriptors(scene.served.process.pid)
    stalled = [socket.create_connection(scene.served.listeners["data"], 10) for _ in range(100)]
    for number, sock in enumerate(stalled):
        sock.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])
    started = time.monotonic()
    for _ in range(5):
        assert scene.ask("GET", "/x").status == 200
    assert time.monotonic() - started < 3.0
    until(lambda: descriptors(scene.served.process.pid) <= before + 5, 8.0)
    for sock in stalled:
        sock.close()
    assert not [event for event in scene.served.events() if event["level"] in ("warning", "error")]
