"""The processes of the scene: a sandbox that refuses what is too much, and in front of it the gateway, or bare pass-throughs."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import peers
from bench.peers import PREFIX
from bench.scene import DAY, RESOURCES, SERVICES

_SANDBOX_AT = re.compile(r"^Sandbox at (http://[^/\s]+)", re.MULTILINE)
_USER, _ORGANIZATION = "sandbox-user", "sandbox-org"
_NETSUITE_S = 0.02  # how long one call takes there; less, and nobody would notice that it takes one at a time
_CUSTOMER = "hooli"


@dataclass(frozen=True, slots=True)
class Figures:
    """HubSpot's and Marketo's limit on either side (the gateway's preset leaves head-room for Marketo)."""

    hubspot: str
    hubspot_ours: str
    marketo: str
    marketo_ours: str


REAL = Figures("100/10s", "100/10s", "100/20s", "75/20s")


@dataclass(frozen=True, slots=True)
class Scenery:
    """Where a proxy for each element is, and the sandbox; and what each service sends."""

    addresses: Mapping[str, str]
    sandbox: str
    fields: Mapping[str, Mapping[str, str]]


@contextmanager
def sandbox(folder: Path, figures: Figures, core: int) -> Iterator[tuple[str, dict[str, str]]]:
    """(The address of a sandbox that enforces ``figures``; the token of an instance by element), while inside."""
    arguments = ["sandbox", "--listen", "127.0.0.1:0", "--limits", "--everything"]
    with peers.running("gateway", arguments, {"PYTHONUNBUFFERED": "1"}, folder, core, _SANDBOX_AT) as peer:
        marketo = {"limits": [figures.marketo, f"{DAY}/day"], "concurrency": 10, "form": "marketo"}
        hubspot = {"limits": [figures.hubspot, "250000/day"], "form": "hubspot"}
        _asked(peer.url, "PUT", "/sandbox/limits", {"elements": {"hubspot": hubspot, "marketo": marketo}})
        _asked(peer.url, "PUT", "/sandbox/dials", {"netsuiteerpv2": {"latency": _NETSUITE_S}})
        tokens: dict[str, str] = {}
        for one in _asked(peer.url, "GET", f"{PREFIX}/instances?pageSize=200"):
            tokens.setdefault(one["element"]["key"], one["token"])
        yield peer.url, {element: tokens[element] for element in RESOURCES}


@contextmanager
def behind_gateway(folder: Path, figures: Figures, core: int, rest: int) -> Iterator[Scenery]:
    """The sandbox, with the gateway in front of it; a key for each service, that of ``reports`` for batch work."""
    with ExitStack() as stack:
        own = folder / "sandbox"
        own.mkdir()
        url, tokens = stack.enter_context(sandbox(own, figures, rest))
        config = folder / "gateway" / "gateway.toml"
        environ = {"SCENE_USER": _USER, "SCENE_ORGANIZATION": _ORGANIZATION}
        peers.command(["init", str(config.parent), "--json"], environ)
        config.write_text(_configuration(url, figures), "utf-8")
        rows = [{"environment": "dev", "customer": _CUSTOMER, "element": element, "token": token} for element, token in tokens.items()]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        peers.command(["instances", "import", "-", "-c", str(config), "--json"], environ, lines)
        keys = {service: _key(config, service, environ) for service in SERVICES}
        peer = stack.enter_context(peers.running("gateway", ["serve", "-c", str(config)], environ, folder, core))
        fields = {service: {"Authorization": f"Bearer {key}", "Gateway-Customer": _CUSTOMER} for service, key in keys.items()}
        yield Scenery(dict.fromkeys(tokens, peer.url), url, fields)


@contextmanager
def behind_bare(folder: Path, figures: Figures, core: int, rest: int) -> Iterator[Scenery]:
    """The sandbox, with a bare pass-through for each instance in front of it."""
    with ExitStack() as stack:
        url, tokens = stack.enter_context(sandbox(folder, figures, rest))
        addresses = {}
        for element, token in tokens.items():
            own = folder / element
            own.mkdir()
            authorization = f"User {_USER}, Organization {_ORGANIZATION}, Element {token}"
            environ = {"BENCH_ORIGIN": url, "BENCH_AUTHORIZATION": authorization}
            addresses[element] = stack.enter_context(peers.running("bench.passthrough", [], environ, own, core)).url
        yield Scenery(addresses, url, {service: {} for service in SERVICES})


def _key(config: Path, service: str, environ: Mapping[str, str]) -> str:
    priority = "batch" if service == "reports" else "interactive"
    made = peers.command(["keys", "create", "-c", str(config), "--name", service, "--priority", priority, "--json"], environ)
    return str(json.loads(made)["key"])


def _configuration(url: str, figures: Figures) -> str:
    """The presets, but for the figures; what they do not say of a day is a small one, and no midnight is near."""
    hour = datetime.now(UTC).hour
    return f"""
default_environment = "dev"
[listen]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"
[environments.dev]
base_url = "{url}{PREFIX}"
user_secret = "env:SCENE_USER"
organization_secret = "env:SCENE_ORGANIZATION"
[elements.hubspot]
limits = ["{figures.hubspot_ours}", "250000/day"]
[elements.marketo]
limits = ["{figures.marketo_ours}", "{DAY}/day"]
timezone = "Etc/GMT{hour - 12:+d}"
"""


def _asked(url: str, method: str, path: str, document: object = None) -> Any:
    """The sandbox's own answer."""
    headers = {"Content-Type": "application/json", "Authorization": f"User {_USER}, Organization {_ORGANIZATION}"}
    body = None if document is None else json.dumps(document).encode()
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers, method=method), timeout=10) as answer:  # noqa: S310
        return json.loads(answer.read())
