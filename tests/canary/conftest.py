"""The gateway of the canary test: at debug level, in Python's development mode, with secrets of its own."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canary import upstream
from tests.canary.planted import Planted
from tests.canary.scene import Scene
from tests.support.origin import Origin
from tests.support.processes import running_gateway

_SETTINGS = """
listen.header_timeout = "1s"
listen.body_timeout = "1s"
listen.max_body_bytes = "1MiB"
listen.drain_timeout = "1s"
upstream.connect_timeout = "1s"
upstream.response_timeout = "1s"
upstream.body_timeout = "1s"
[elements.limited]
limits = ["1/h"]
"""
_ENVIRONMENT = """
[environments.{name}]
base_url = "{url}"
user_secret = "env:CANARY_USER"
organization_secret = "env:CANARY_ORGANIZATION"
"""


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A gateway with the environments ``dev``, ``refused`` (nobody listens) and ``untrusted`` (what answers speaks no TLS)."""
    planted = Planted()
    monkeypatch.setenv("CANARY_USER", planted.plant("user secret"))
    monkeypatch.setenv("CANARY_ORGANIZATION", planted.plant("organization secret"))
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    with socket.socket() as nobody, Origin() as origin:
        nobody.bind(("127.0.0.1", 0))  # held and not listened on: connections are refused
        urls = {
            "dev": f"http://{origin.authority}/elements/api-v2",
            "refused": f"http://127.0.0.1:{nobody.getsockname()[1]}/elements/api-v2",
            "untrusted": f"https://{origin.authority}/elements/api-v2",
        }
        settings = _SETTINGS + "".join(_ENVIRONMENT.format(name=name, url=url) for name, url in urls.items())
        upstream.behave(origin, planted)
        with running_gateway(tmp_path / "gateway", {"spare": urls["dev"]}, settings=settings) as gateway:
            for line in (gateway.folder / "master.keys").read_text().splitlines():
                encoded = line.partition(":")[2]
                planted.plant("master key", encoded)
                planted.plant("master key, its octets", base64.b64decode(encoded))
            planted.plant("caller key of the harness", gateway.key)
            planted.plant("token of the harness", gateway.canaries.of("acme"))
            yield Scene(gateway, origin, planted)
