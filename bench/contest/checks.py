"""What is proved of a rival before it is measured: right key, wrong key, credentials, tenants apart, bodies, limit, counters."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import peers
from bench.contest import bulk
from bench.contest.job import CUSTOMERS, PREFIX, Job, Standing, document
from bench.contest.rivals import Rival, Tools
from bench.peers import BenchError, Peer

_LOW = 5  # calls a second, of the second start
_BURST = 40
_MIB = 1024**2
_REFUSALS = {429, 503}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what the origin had seen meanwhile: how many calls, how many strange ones, the last one's fields."""

    status: int
    body: bytes
    calls: int
    strange: int
    last: list[list[str]]


class Witness:
    """Asks a rival, then asks the origin what it saw of it."""

    def __init__(self, standing: Standing, origin: Peer) -> None:
        self._standing = standing
        self._origin = urlsplit(origin.url).netloc
        self.asked = 0

    def ask(self, customer: str, path: str, key: str | None = None, body: bytes | None = None) -> Answer:
        """A GET, or a POST of ``body``, below the API's prefix."""
        self.seen()
        fields = self._standing.fields(customer, key)
        if body is not None:
            fields["Content-Type"] = "application/json"
        status, answer = _exchange(self._standing.running.at, "GET" if body is None else "POST", PREFIX + path, fields, body)
        self.asked += 1
        seen = self.seen()
        return Answer(status, answer, seen["calls"], seen["strange"], seen["last"])

    def seen(self) -> dict[str, Any]:
        """What the origin was asked since the last time."""
        said: dict[str, Any] = json.loads(_exchange(self._origin, "GET", "/seen", {}, None)[1])
        return said


def _exchange(netloc: str, method: str, target: str, fields: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(netloc, timeout=20)
    try:
        connection.request(method, target, body, fields)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def check(rival: Rival, tools: Tools, job: Job, origin: Peer, folder: Path, core: int) -> list[str]:
    """What was proved, in words. Raises ``BenchError`` with the first thing that does not hold."""
    (folder / "check").mkdir()
    with rival.start(tools, job, folder / "check", core) as standing, _named(rival):
        proved = _serves(rival, standing, job, Witness(standing, origin))
    if "limit" in rival.does:
        (folder / "low").mkdir()
        with rival.start(tools, job.limited(_LOW), folder / "low", core) as standing, _named(rival):
            proved.append(_limits(standing, Witness(standing, origin)))
    return proved


@contextmanager
def _named(rival: Rival) -> Iterator[None]:
    try:
        yield
    except BenchError as error:
        raise BenchError(f"{rival.title} does not do the job: {error}") from None


def _serves(rival: Rival, standing: Standing, job: Job, witness: Witness) -> list[str]:
    before = standing.counted() if standing.counted else 0.0
    customers = CUSTOMERS if "mapping" in rival.does else CUSTOMERS[:1]
    for customer in customers:
        _injects(witness.ask(customer, "/hubs/crm/contacts/1"), customer, job, standing)
    proved = [f"{len(customers)} customers, each with exactly his credential"]
    proved += _refuses(rival, witness)
    proved.append(_separates(rival, witness, customers))
    if "bodies" in rival.does:
        echo = witness.ask("acme", "/hubs/crm/contacts", body=document("acme") * 10)
        _require(echo.body == document("acme") * 10, f"a POST came back changed: {echo.status} {echo.body[:200]!r}")
        bulk.down(standing, "acme", 3 * _MIB)
        bulk.up(standing, "acme", 3 * _MIB)
        proved.append("bodies unchanged both ways")
    if standing.counted:
        _counts(standing, before + witness.asked)
        proved.append("counts")
    return proved


def _injects(answer: Answer, customer: str, job: Job, standing: Standing) -> None:
    _require(answer.status == 200, f"a right call was answered {answer.status}: {answer.body[:200]!r}")
    _require(answer.body == document(customer), f"{customer} got another body: {answer.body[:200]!r}")
    _require((answer.calls, answer.strange) == (1, 0), f"the origin saw {answer.calls} calls, {answer.strange} of them strange")
    sent = [value for name, value in answer.last if name.lower() == "authorization"]
    _require(sent == [job.authorization(customer)], "the origin saw another Authorization")
    head = json.dumps(answer.last).lower()
    _require(standing.key.lower() not in head and "gateway-customer" not in head, "the caller's fields went up")


def _refuses(rival: Rival, witness: Witness) -> list[str]:
    proved = []
    if "key" in rival.does:
        for path in ("/hubs/crm/contacts/2", "/hubs/crm/contacts/fresh-2"):
            wrong = witness.ask("acme", path, key="wrong")
            _require(wrong.status in {401, 403} and not wrong.calls, f"a wrong key: {wrong.status}, {wrong.calls} calls went up")
        proved.append("wrong keys refused")
    if "mapping" in rival.does:
        unknown = witness.ask("nobody", "/hubs/crm/contacts/2")
        _require(unknown.status >= 400 and not unknown.calls, f"an unknown customer: {unknown.status}, {unknown.calls} calls went up")
        proved.append("unknown customers refused")
    return proved


def _separates(rival: Rival, witness: Witness, customers: tuple[str, ...]) -> str:
    """The same target for all customers, twice: kept where there is a cache, never mixed up."""
    for again in (False, True):
        for customer in customers:
            answer = witness.ask(customer, "/hubs/crm/contacts/fresh-1")
            _require(answer.body == document(customer), f"{customer} got another customer's body: {answer.body[:200]!r}")
            expected = 0 if again and "cache" in rival.does else 1
            _require(answer.calls == expected, f"{answer.calls} calls went up where {expected} was due")
    if "cache" not in rival.does:
        return "no cache"
    wrong = witness.ask(customers[0], "/hubs/crm/contacts/fresh-1", key="wrong")
    _require(wrong.status in {401, 403}, f"a wrong key got a kept answer: {wrong.status}")
    return "cache keeps customers apart"


def _limits(standing: Standing, witness: Witness) -> str:
    statuses = [witness.ask("acme", f"/hubs/crm/contacts/{number}") for number in range(_BURST)]
    refused = [answer for answer in statuses if answer.status in _REFUSALS]
    _require(any(answer.status == 200 for answer in statuses), f"nothing passed a limit of {_LOW} a second: {statuses[0].status}")
    _require(bool(refused), f"{_BURST} calls at once passed a limit of {_LOW} a second")
    _require(not any(answer.calls for answer in refused), "refused calls went up")
    return f"limit refuses ({len(refused)} of {_BURST})"


def _counts(standing: Standing, expected: float) -> None:
    """Some write their counters now and then."""
    ends = time.monotonic() + 5
    counted = 0.0
    while standing.counted and time.monotonic() < ends:
        counted = standing.counted()
        if counted >= expected:
            return
        time.sleep(0.1)
    raise BenchError(f"its counters say {counted:.0f}, of at least {expected:.0f} calls")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BenchError(otherwise)


@contextmanager
def origin(job: Job, folder: Path, core: int) -> Iterator[Peer]:
    """The contest's upstream for ``job``."""
    environ = {"BENCH_AUTHORIZATIONS": json.dumps(job.authorizations)}
    with peers.running("bench.contest.origin", [], environ, folder, core) as peer:
        yield peer
