"""The processes of the overload benchmark: a gateway in front of an upstream that is narrow, and of one that answers at once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import peers
from bench.peers import PREFIX, Credentials, Peer

PLACES, SERVICE_S = 16, 0.010
BULKHEAD = 20

_TOML = f"""
default_environment = "narrow"
listen.overload_lag = "10ms"
[environments.narrow]
base_url = "{{narrow}}"
user_secret = "env:BENCH_USER_SECRET"
organization_secret = "env:BENCH_ORGANIZATION_SECRET"
[environments.fast]
base_url = "{{fast}}"
user_secret = "env:BENCH_USER_SECRET"
organization_secret = "env:BENCH_ORGANIZATION_SECRET"
[elements.fixed]
bulkhead = {BULKHEAD}
[elements.adaptive]
adaptive = true
[elements.held]
bulkhead = 1
"""
_DOCUMENTS = 500
_NO_TIME = {"GATEWAY__LISTEN__OVERLOAD_LAG": "0.001ms"}
_ELEMENTS = ("wide", "fixed", "adaptive", "held")


@dataclass(frozen=True, slots=True)
class Stage:
    """The gateway, a second one (``late``) that always finds its own work late, and the keys of two callers, one ``interactive``, one
    ``batch``."""

    gateway: Peer
    late: Peer
    keys: tuple[str, str]

    def requests(self, environment: str, element: str) -> list[list[bytes]]:
        """GETs of different documents, by caller."""
        return [[self._request(key, environment, element, f"7{number}") for number in range(_DOCUMENTS)] for key in self.keys]

    def holding(self, environment: str, element: str) -> bytes:
        """A GET that the upstream never answers."""
        return self._request(self.keys[0], environment, element, "hold")

    def _request(self, key: str, environment: str, element: str, last: str) -> bytes:
        fields = {
            "Host": self.gateway.url.removeprefix("http://"),
            "Authorization": f"Bearer {key}",
            "Gateway-Environment": environment,
            "Gateway-Customer": "acme",
            "Gateway-Element": element,
            "Accept": "application/json",
            "User-Agent": "bench/1",
        }
        head = [f"GET {PREFIX}/hubs/crm/contacts/{last} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
        return "\r\n".join(head).encode()


@contextmanager
def playing(folder: Path) -> Iterator[Stage]:
    """The stage, while inside."""
    proxy, rest = peers.cores()
    given = Credentials.new()
    with ExitStack() as stack:
        upstreams = {}
        for name, places, service_s in (("narrow", PLACES, SERVICE_S), ("fast", 0, 0.0)):
            own = folder / name
            own.mkdir()
            environ = {"BENCH_PLACES": str(places), "BENCH_SERVICE_S": str(service_s)}
            upstreams[name] = stack.enter_context(peers.running("bench.narrow", [], environ, own, rest)).url + PREFIX
        yield stack.enter_context(_gateway(folder, upstreams, given, proxy))


@contextmanager
def _gateway(folder: Path, upstreams: Mapping[str, str], given: Credentials, core: int) -> Iterator[Stage]:
    config = folder / "gateway" / "gateway.toml"
    environ = {
        "BENCH_USER_SECRET": given.user,
        "BENCH_ORGANIZATION_SECRET": given.organization,
        "GATEWAY__LISTEN__DATA": "127.0.0.1:0",
        "GATEWAY__LISTEN__ADMIN": "127.0.0.1:0",
    }
    peers.command(["init", str(config.parent), "--json"], environ)
    config.write_text(_TOML.format(**upstreams), "utf-8")
    rows = [
        {"environment": environment, "customer": "acme", "element": element, "token": given.token}
        for environment in upstreams
        for element in _ELEMENTS
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    peers.command(["instances", "import", "-", "-c", str(config), "--json"], environ, lines)
    keys = []
    for priority in ("interactive", "batch"):
        created = peers.command(["keys", "create", "-c", str(config), "--name", priority, "--priority", priority, "--json"], environ)
        keys.append(str(json.loads(created)["key"]))
    serve = ["serve", "-c", str(config)]
    with (
        peers.running("gateway", serve, environ, folder, core) as peer,
        peers.running("gateway", serve, environ | _NO_TIME, config.parent, core) as late,
    ):
        yield Stage(peer, late, (keys[0], keys[1]))
