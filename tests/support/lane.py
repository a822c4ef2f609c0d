"""A gateway, the origin behind it, and what must hold for each exchange through them, whatever the case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from gateway.upstream.classifier import SAMPLE
from tests.support.answers import Answer, MalformedError
from tests.support.cases import BASE, PARTIAL, Case, Seen, ask
from tests.support.origin import BODY, Origin, Recorded
from tests.support.processes import Gateway
from tests.support.raw import Address, Caller, Part

STATUS = {
    "bad-request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not-found": 404,
    "no-instance": 404,
    "unknown-environment": 404,
    "method-not-allowed": 405,
    "request-timeout": 408,
    "ambiguous-instance": 409,
    "body-too-large": 413,
    "upstream-unreachable": 502,
    "upstream-protocol-error": 502,
    "upstream-timeout": 504,
    "overloaded": 503,
}
NEVER_UP = frozenset(
    {"x-api-key", "cookie", "forwarded", "x-real-ip", "x-http-method-override", "x-original-url", "x-rewrite-url", "te", "trailer"}
    | {"keep-alive", "upgrade", "http2-settings", "expect", "proxy-authorization", "proxy-connection", "proxy-authenticate"}
)
ADDED = frozenset({"host", "authorization", "via", "x-request-id", "traceparent"})
FRAMING = frozenset({"content-length", "transfer-encoding"})
PLAIN_ANSWER = frozenset(
    {"content-type", "content-length", "cache-control", "date", "connection", "via", "x-request-id", "server-timing", "cache-status"}
)
_TRACE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_serial = count()


def check_problem(answer: Answer, slug: str) -> None:
    """An error of the gateway's own (contract 2.4)."""
    assert answer.status == STATUS[slug], (answer.status, answer.body)
    assert answer.complete
    assert answer.value("content-type").startswith("application/problem+json")
    problem = answer.json()
    assert problem["type"] == f"urn:gateway:problem:{slug}", problem
    assert problem["status"] == answer.status
    assert problem["source"] in ("caller", "gateway", "upstream")
    assert all(isinstance(problem[name], str) and problem[name] for name in ("title", "message", "requestId")), problem
    assert re.search(r"127\.0\.0\.1|Traceback|aiohttp|Error\(|\.py", answer.body.decode()) is None, problem


def check_answer(answer: Answer) -> None:
    """What holds for every answer, ours or passed on: nothing that tells of the software, a secret or another hop."""
    told = " ".join(answer.values("server"))
    assert not re.search(r"python|aiohttp", told, re.IGNORECASE), told
    assert not answer.values("set-cookie")
    for name in ("keep-alive", "proxy-connection", "proxy-authenticate", "upgrade", "te", "trailer"):
        assert not answer.values(name), name


class Lane:
    """A gateway, the origin behind it, and a caller's way to both."""

    def __init__(self, gateway: Gateway, origin: Origin) -> None:
        self.gateway = gateway
        self.origin = origin
        self._looked = 0

    @property
    def address(self) -> Address:
        return self.gateway.data

    def fill(self, octets: bytes) -> bytes:
        """``octets`` with the placeholders replaced."""
        return octets.replace(b"@KEY@", self.gateway.key.encode()).replace(b"@HANDLE@", self.gateway.handles["acme"].encode())

    @contextmanager
    def caller(self, *, patience: float = 8.0, receive_buffer: int = 0) -> Iterator[Caller]:
        """A connection to the gateway; whatever came on it is searched for canaries at the end."""
        with Caller(self.address, patience=patience, receive_buffer=receive_buffer) as caller:
            yield caller
        self.assert_no_canary(bytes(caller.received))

    def send(self, caller: Caller, *parts: Part) -> bool:
        """Send octets with their placeholders replaced."""
        return caller.send(*(part if isinstance(part, float) else self.fill(part) for part in parts))

    def ask(self, octets: bytes) -> Answer:
        """The answer to one request on a connection of its own."""
        with self.caller() as caller:
            self.send(caller, octets)
            answer = caller.answer(octets.split(b" ")[0].decode())
        assert answer is not None, "no answer"
        check_answer(answer)
        return answer

    def authorization(self, *, platform: bool = False, customer: str = "acme") -> str:
        """What the gateway must send up."""
        canaries = self.gateway.canaries
        text = f"User {canaries.user}, Organization {canaries.organization}"
        return text if platform else f"{text}, Element {canaries.of(customer)}"

    def assert_no_canary(self, octets: bytes) -> None:
        """Neither in ``octets`` nor in what the gateway has written since the last look."""
        fresh = bytes(self.gateway.output[self._looked :])
        self._looked += max(0, len(fresh) - 512)
        for secret in (*self.gateway.canaries.all, self.gateway.key, self.gateway.key.split("_", 2)[2]):
            assert secret.encode() not in octets, "a secret reached the caller"
            assert secret.encode() not in fresh, "a secret was written by the gateway"

    def sentinel(self, caller: Caller | None = None) -> None:
        """A plain call, on ``caller`` or on a fresh connection, must be served and reach the origin alone and clean."""
        target = f"{BASE}/sentinel-{next(_serial)}"
        request = ask(f"GET {target}")
        if caller is None:
            with self.caller() as fresh:
                self.send(fresh, request)
                answer = fresh.answer()
        else:
            self.send(caller, request)
            answer = caller.answer()
        assert answer is not None, "the call after it is not served"
        assert (answer.status, answer.body) == (200, BODY), f"the call after it got another answer: {answer.status} {answer.body[:500]!r}"
        surplus = {name.lower() for name, _ in answer.fields} - PLAIN_ANSWER
        assert not surplus, f"the call after it got somebody else's fields: {surplus}"
        (found,) = [item for item in self.origin.requests if item.target == target]
        self.check_clean(found, request)

    def own(self) -> list[Recorded]:
        """What reached the origin, but for sentinels, and for what the gateway asks by itself after a 401."""
        return [item for item in self.origin.requests if not item.target.startswith((f"{BASE}/sentinel-", BASE + SAMPLE))]

    def check_clean(self, found: Recorded, sent: bytes, *, platform: bool = False, customer: str = "acme") -> None:
        """What holds for every request that reaches an origin (contract 2.3), given what the caller sent."""
        assert not found.malformed, found.malformed
        assert re.fullmatch(r"[!-~]+ /[!-~\x80-\xff]* HTTP/1\.1", found.line), found.line
        assert found.values("host") == [self.origin.authority]
        assert found.values("authorization") == [self.authorization(platform=platform, customer=customer)]
        assert found.values("via") == ["1.1 gateway"]
        assert len(found.values("x-request-id")) == len(found.values("traceparent")) == 1
        assert _TRACE.fullmatch(found.values("traceparent")[0])
        names = {name.lower() for name, _ in found.fields}
        assert not names & NEVER_UP, names & NEVER_UP
        assert not [name for name in names if name.replace("_", "-").startswith(("gateway-", "x-forwarded-", "x-api-key"))], names
        given = {match.decode("latin-1").lower() for match in re.findall(rb"^([^:\s]+):", sent, re.MULTILINE)}
        assert names - given <= ADDED | FRAMING, f"invented: {names - given}"
        assert found.framing in ("none", "length", "chunked"), found.framing
        assert self.gateway.key.encode() not in found.head

    def check(self, case: Case) -> None:
        """Play a case and check everything about it."""
        self.origin.forget()
        with self.caller() as caller:
            if case.octetwise:
                caller.send(*(bytes([octet]) for octet in self.fill(case.octets)))
            else:
                self.send(caller, *case.parts)
            passed = self._answers(case, caller)
            if passed is not None:
                self._afterwards(case, caller)
        self.sentinel()
        if case.reaches == PARTIAL:
            for found in self.own():
                assert self.origin.wait(found.wire.closed.is_set), "half a request is kept open upstream"
                assert not found.complete, f"a refused request reached the origin whole: {found.line}"
            return
        assert isinstance(case.reaches, tuple)
        expected = case.reaches if passed else ()
        own = self.own()
        assert [" ".join(item.line.split(" ")[:-1]) for item in own] == [seen.line for seen in expected]
        for found, seen in zip(own, expected, strict=True):
            self._check_seen(found, seen, case)

    def _answers(self, case: Case, caller: Caller) -> int | None:
        """How many answers were the origin's; None where the connection just ended, as the case allows."""
        passed, closing = 0, False
        method = case.octets.split(b" ")[0].decode("latin-1")
        for expected in case.answers:
            try:
                answer = caller.answer(method)
            except MalformedError:
                if case.or_close and caller.ending == "reset":
                    return None
                raise
            if answer is None:
                assert case.or_close, f"no answer ({caller.ending}), expected {expected}"
                assert caller.ending != "open", "neither an answer nor an end"
                return None
            passed += self._check_one(answer, str(expected).split("|"), method)
            assert answer.interim == case.interim
            closing = answer.closing
        if case.closes:
            assert closing, "the answer does not say that the connection ends"
        if closing:
            assert caller.ended(5.0) != "open", "announced to close, did not"
        return passed

    def _check_one(self, answer: Answer, allowed: list[str], method: str) -> bool:
        check_answer(answer)
        assert answer.complete
        slug = answer.json()["type"].rpartition(":")[2] if "problem+json" in " ".join(answer.values("content-type")) else ""
        if slug:
            assert slug in allowed, f"{answer.status} {answer.body!r}, expected {allowed}"
            check_problem(answer, slug)
            return False
        assert str(answer.status) in allowed, f"{answer.status} {answer.body!r}, expected {allowed}"
        assert answer.body == (b"" if method == "HEAD" else BODY)
        assert answer.value("via") == "1.1 gateway"
        assert answer.value("x-request-id")
        return True

    def _afterwards(self, case: Case, caller: Caller) -> None:
        """A connection that stays open must be in step: what comes next is the answer to what is asked next."""
        if caller.ending == "open" and caller.ended(0.0) == "open":
            self.sentinel(caller)

    def _check_seen(self, found: Recorded, seen: Seen, case: Case) -> None:
        self.check_clean(found, case.octets, platform=seen.platform)
        assert found.complete
        assert bytes(found.payload) == seen.payload
        assert found.framing == seen.framing
        lines = [f"{name.lower()}: {value}" for name, value in found.fields]
        for wanted in seen.has:
            name, _, value = wanted.partition(": ")
            assert f"{name.lower()}: {value}" in lines, f"{wanted} is missing from {lines}"
        for name in seen.lacks:
            assert not found.values(name), f"{name} was sent up"
