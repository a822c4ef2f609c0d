"""Bodies that are larger than memory should be: how far the gateway's resident memory grows while they stream through it."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench import peers, report
from bench.bulk import BLOCK, blocks, digest
from bench.peers import PREFIX, BenchError, Peer

BAR_MIB = 64
_MIB = 1024**2
_SAMPLE_S = 0.05
_WARM_OCTETS = _MIB
_SLOW_OCTETS_S = 256 * 1024
_TARGET = PREFIX + "/hubs/crm/contacts/export"

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Amount:
    """How large the bodies are, in octets, and how many seconds a slow side stays slow."""

    octets: int
    slow_s: float


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of transfer; its work returns how many octets went through, and raises ``BenchError`` where they are not the same."""

    name: str
    work: Callable[[], int]


class Watch:
    """Looks at a process every 50 ms: ``most`` is the most resident memory seen, in octets."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._over = threading.Event()
        self.most = peer.resident()

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            self.most = max(self.most, self._peer.resident())


class Caller:
    """Moves bodies through the gateway at ``url`` and compares what arrived."""

    def __init__(self, url: str, key: str) -> None:
        self._netloc = urlsplit(url).netloc
        self._fields = {"Authorization": f"Bearer {key}", "Gateway-Customer": "acme", "Gateway-Element": "hubspot"}

    def up(self, octets: int, *, chunked: bool) -> int:
        """Send ``octets``; the origin says what came."""
        fields = self._fields | {"Content-Type": "text/csv"}
        if not chunked:
            fields["Content-Length"] = str(octets)
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        connection.request("POST", _TARGET, blocks(octets), fields, encode_chunked=chunked)
        answer = connection.getresponse()
        said = answer.read().decode()
        connection.close()
        if answer.status != 200 or digest(octets) not in said:
            raise BenchError(f"the origin answered {answer.status} to an upload of {octets} octets: {said[:500]}")
        return octets

    def down(self, octets: int, *, chunked: bool) -> int:
        """Fetch ``octets`` and compare them."""
        hashed, received = hashlib.sha256(), 0
        with self._answer(octets, chunked=chunked) as answer:
            while part := answer.read(BLOCK):
                hashed.update(part)
                received += len(part)
        if hashed.hexdigest() != digest(octets):
            raise BenchError(f"{received} octets came of {octets}, and not the same")
        return received

    def down_slowly(self, octets: int, seconds: float) -> int:
        """Read 256 KB a second of ``octets`` that the origin would give at once, then leave."""
        received, ends = 0, time.monotonic() + seconds
        with self._answer(octets, chunked=False) as answer:
            while time.monotonic() < ends:
                received += len(answer.read(BLOCK))
                time.sleep(BLOCK / _SLOW_OCTETS_S)
        return received

    def up_slowly(self, octets: int, seconds: float) -> int:
        """Offer ``octets`` at once to an origin that takes 256 KB a second, then leave; how many went out meanwhile."""
        sent, ends = 0, time.monotonic() + seconds

        def offered() -> Iterator[bytes]:
            nonlocal sent
            for block in blocks(octets):
                if time.monotonic() > ends:
                    return
                yield block
                sent += len(block)

        fields = self._fields | {"Content-Type": "text/csv", "Content-Length": str(octets)}
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        connection.request("POST", f"{_TARGET}?octets-per-second={_SLOW_OCTETS_S}", offered(), fields)
        connection.close()
        return sent

    @contextmanager
    def _answer(self, octets: int, *, chunked: bool) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self._netloc, timeout=60)
        framing = "chunked" if chunked else "length"
        connection.request("GET", f"{_TARGET}?octets={octets}&framing={framing}", headers=self._fields)
        answer = connection.getresponse()
        if answer.status != 200:
            raise BenchError(f"a download was answered {answer.status}: {answer.read(500).decode('utf-8', 'replace')}")
        try:
            yield answer
        finally:
            connection.close()


def memory(amount: Amount, folder: Path, step: Step) -> report.Section:
    """Large bodies up and down, in both framings, and a slow side each way; the bar is 64 MiB of growth."""
    proxy, rest = peers.cores()
    given = peers.Credentials.new()
    rows, missed = [], []
    with (
        peers.running("bench.bulk", [], {}, folder, rest) as origin,
        peers.gateway(origin, given, folder, proxy) as (ours, key),
        peers.pinned(rest),
    ):
        step("memory: warming up")
        caller = Caller(ours.url, key)
        for chunked in (False, True):
            caller.up(_WARM_OCTETS, chunked=chunked)
            caller.down(_WARM_OCTETS, chunked=chunked)
        baseline = ours.resident()
        for way in _ways(caller, amount):
            step(f"memory: {way.name}")
            started = time.monotonic()
            watch = Watch(ours)
            with watch.watching():
                octets = way.work()
            seconds = time.monotonic() - started
            growth = max(0, watch.most - baseline) / _MIB
            met = growth < BAR_MIB
            rows.append((way.name, f"{octets / _MIB:,.1f}", f"{seconds:.1f}", f"{growth:.1f}", f"below {BAR_MIB}", report.verdict(met)))
            missed += [] if met else [f"memory, {way.name}"]
    columns = ("way", "MiB", "seconds", "growth, MiB", "bar", "result")
    remark = f"Over {baseline / _MIB:.0f} MiB resident when warm, looked at every {_SAMPLE_S * 1000:.0f} ms. Every body arrived unchanged."
    return report.Section("memory: large bodies through the gateway", columns, tuple(rows), tuple(missed), remark)


def _ways(caller: Caller, amount: Amount) -> tuple[Way, ...]:
    octets = amount.octets
    return (
        Way("up, Content-Length", lambda: caller.up(octets, chunked=False)),
        Way("up, chunked", lambda: caller.up(octets, chunked=True)),
        Way("down, Content-Length", lambda: caller.down(octets, chunked=False)),
        Way("down, chunked", lambda: caller.down(octets, chunked=True)),
        Way("down, slow reader", lambda: caller.down_slowly(octets, amount.slow_s)),
        Way("up, slow origin", lambda: caller.up_slowly(octets, amount.slow_s)),
    )
