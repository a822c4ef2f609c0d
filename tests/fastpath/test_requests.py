"""Whatever callers send, known or nearly known, both ways make the same of it: generated requests, warm and cold."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fastpath.asking import AGENT, JSON, fresh, get, post
from tests.fastpath.playing import Play, Stage
from tests.fastpath.telling import GIVEN_TRACE
from tests.support.cases import BASE
from tests.support.origin import chunked

# The gateways draw ids in their thread while Hypothesis draws requests in this one; neither is disturbed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

SCRIPTED = (
    "plain",
    "silent",
    "fresh",
    "tagged",
    "vary",
    "again",
    "204",
    "301",
    "404",
    "500",
    "chunked",
    "echo",
    "cookie",
    "late",
    "created",
)
FIRST = (
    "contacts",
    "Contacts",
    "hubs/crm/contacts",
    "hubs/Crm/accounts",
    "closed",
    "objects",
    "bulk",
    "Instances",
    "users",
    "files",
    "events",
)
ODD = (
    "/x%41/plain", "/../plain", "//double//plain", "/x/./plain", "/%2e%2e/plain", "/x;a=b/plain", "/x.json/plain", "/x/gwk_abc/plain",
    "/x/plain/", "/hubs/crm", "/hubs//crm/contacts/plain", "/elements/plain/objects", "/hubs/crm/instances/1/plain", "/plain#x",
    "/~x/plain",
    "", "/", "?q", "/ping", "/instances/7/configuration", "/x" + "y" * 1100 + "/plain",
)  # fmt: skip
QUERIES = ("", "", "", "?a=1", "?a=1&a=2&b", "?", "??", "?q=%20'\"", "?where=a>b", "?#", "?gwk_abc", "?\x7f")
TRACE = f"{GIVEN_TRACE}7b34da6a3ce929d0e0e47360"
TWISTS = (
    "Cache-Control: no-cache", "Cache-Control: no-store", "Cache-Control: only-if-cached", "Cache-Control: max-age=0", "Pragma: no-cache",
    'If-None-Match: "one"', "If-None-Match: *", 'If-Match: "one"', "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT", "Range: bytes=0-3",
    "Prefer: wait=0", "Prefer: return=minimal", "Gateway-Timeout: 5", "Gateway-Timeout: 0.000001", "Gateway-Timeout: x",
    "Gateway-Explain: 1", "Gateway-Explain: 0", "Idempotency-Key: one", "Expect: 100-continue", "Expect: other", "Upgrade: websocket",
    "Origin: https://a.example", "Connection: close", "Connection: keep-alive", "Connection: Keep-Alive", "Connection: X-Odd, keep-alive",
    "Keep-Alive: 5", "X-Request-Id: given-1", "X-Request-Id: ", "X-Request-Id: two words", "X-Request-Id:  blanks ",
    "X-Request-Id: gwk_secret", f"X-Request-Id: {'i' * 128}", f"X-Request-Id: {'i' * 129}", "x-request-id: lower",
    "X-Request-Id:unspaced", "X-Request-Id:\ttab", f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01",
    f"traceparent: 00-{TRACE}-00f067aa0ba902b7-00", f"Traceparent: 00-{TRACE}-00f067aa0ba902b7-03", "traceparent: 00-malformed-01",
    f"traceparent: 00-{'0' * 32}-00f067aa0ba902b7-01", f"traceparent: 01-{TRACE}-00f067aa0ba902b7-01", "tracestate: a=b", "baggage: a=b",
    "Accept: application/json", "Accept: */*", "Accept-Language: de", "Accept-Language: DE,en", "Accept-Encoding: gzip",
    "Elements-Version: hydra", "Elements-Async-Request: true", "Elements-As-Team-Member: 7", "Gateway-Environment: dev",
    "Gateway-Environment: none", "Gateway-Instance: dev/acme/plain", "gateway_customer: acme", "X_Api_Key: x", "X-Forwarded-For: 1.2.3.4",
    "Cookie: a=b", "Via: 1.0 other", "Host: other", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Content-Length: 0",
    "Content-Length: 00", "Content-Length: +0", "Content-Length: x", "Authorization: Basic eDp5",
    "Authorization: User @KEY:usual@, Organization dev", "X-Api-Key: @KEY:usual@", "X-Custom: 1", "X-Empty:", "X-Long: " + "v" * 3000,
    "X-Fold: a\r\n b", "X-Eight: M\xfcller", "X-Nul: a\0b", "Bad Name: 1", "NoColon", "X-HTTP-Method-Override: DELETE", "TE: trailers",
    "Trailer: X", "Proxy-Authorization: Basic x", "Sec-Fetch-Mode: cors", "DNT: 1", "Priority: u=1", "Content-Type: application/json",
    "Content-Encoding: gzip", "Accept-Charset: utf-8", "If-Range: x", "Max-Forwards: 0", "Forwarded: for=x",
)  # fmt: skip

_PAUSE_S = 0.03
"""What is refused without its body must be answered before the body comes, each time: whether the connection is kept hangs on that."""

paths = st.one_of(
    st.builds(lambda first, item, name: f"/{first}/{item}/{name}", st.sampled_from(FIRST), st.integers(1, 3), st.sampled_from(SCRIPTED)),
    st.builds(lambda first, name: f"/{first}/{name}", st.sampled_from(FIRST[:4]), st.sampled_from(SCRIPTED)),
    st.sampled_from(ODD),
)
whom = st.sampled_from(
    [
        *(("usual", "plain", "acme"), ("usual", "kept", "acme"), ("usual", "budgeted", "acme"), ("narrow", "plain", "globex")),
        *(("quota", "plain", "acme"), ("batch", "kept", "globex"), ("usual", "none", "acme"), ("narrow", "budgeted", "acme")),
    ]
)
# What fits a packet of the loopback device: of a longer one a part may or may not be there when it is refused.
bodies = st.sampled_from((None, b"", b'{"n":1}', b"x" * 5000, b"y" * 60_000))
shapes = st.sampled_from(("whole", "whole", "head then body", "three parts", "chunked", "long", "with the next"))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, tuple[str, ...], tuple[str, str, str], bytes | None, str]:
    method = draw(st.sampled_from(("GET", "GET", "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "get", "ODD")))
    twists = tuple(draw(st.lists(st.sampled_from(TWISTS), max_size=2)))
    body = None if method == "GET" and draw(st.integers(0, 9)) else draw(bodies)
    return method, draw(paths) + draw(st.sampled_from(QUERIES)), twists, draw(whom), body, draw(shapes)


def octets_of(request: tuple[str, str, tuple[str, ...], tuple[str, str, str], bytes | None, str], number: int) -> Play:
    """``request`` by a client of its own."""
    method, path, twists, (key, element, customer), body, shape = request
    fields = (AGENT.format(number), *twists)
    path = path.replace("contacts", f"contacts{number}", 1)
    if body is None:
        octets = get(path, *fields, key=key, element=element, customer=customer, method=method)
        if shape == "with the next":
            return Play((octets + octets,), (method, method))
        return Play((octets[:30], _PAUSE_S, octets[30:]) if shape == "three parts" else (octets,), (method,))
    framing = "Transfer-Encoding: chunked" if shape == "chunked" else f"Content-Length: {len(body) + (shape == 'long')}"
    head = get(path, JSON, framing, *fields, key=key, element=element, customer=customer, method=method)
    framed = chunked(body) if shape == "chunked" and body else b"0\r\n\r\n" if shape == "chunked" else body
    if shape == "head then body":
        return Play((head, _PAUSE_S, framed), (method,))
    if shape == "three parts":
        middle = len(framed) // 2
        return Play((head + framed[:middle], _PAUSE_S, framed[middle:-1] or b"", _PAUSE_S, framed[-1:]), (method,))
    return Play((head + framed + (b"Z" if shape == "long" else b""),), (method,))


@settings(deadline=None, max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(requests(), min_size=1, max_size=4), st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=2, max_size=10))
def test_both_ways_come_to_the_same(stage: Stage, drawn: list[object], order: list[tuple[int, int]]) -> None:
    number = fresh()
    plays = [octets_of(one, number) for one in drawn]  # type: ignore[arg-type]
    warm = [Play((get(f"/contacts{number}/{n}/plain", AGENT.format(number)),)) for n in range(4)]
    rest = [plays[which % len(plays)] for which, _ in order]
    again = [Play(play.parts, play.methods, on=on) for play, (_, on) in zip(rest, order, strict=True)]
    stage.compare([*warm, *[play for play in plays for _ in range(3)], *again, *warm[:2]])


@settings(deadline=None, max_examples=len(TWISTS), derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(TWISTS), st.sampled_from(("plain", "fresh", "tagged")), st.sampled_from(("GET", "POST", "HEAD")))
def test_one_field_more_is_another_request(stage: Stage, field: str, name: str, method: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    usual = Play((get(f"/contacts{number}/1/{name}", agent),))
    twisted = Play((get(f"/contacts{number}/1/{name}", agent, field, method=method),), (method,))
    stage.compare([*[usual] * 4, twisted, usual, *[twisted] * 3, usual, twisted])


def test_every_first_part_of_a_path_goes_its_way_by_each_method(stage: Stage) -> None:
    for first in (*FIRST, "accounts", "organizations", "elements", "formulas", "jobs", "ping", "usage", "storage", "metrics"):
        number = fresh()
        agent = AGENT.format(number)
        warm = [Play((get(f"/c{number}/{n}/plain", agent),)) for n in range(4)]
        calls = [(method, f"/{first}/7/{name}") for name in ("plain", "fresh") for method in ("GET", "POST", "GET", "DELETE", "GET")]
        stage.compare([*warm, *[Play((get(path, agent, method=method),), (method,)) for method, path in calls * 2]])


def test_a_body_at_the_limit(stage: Stage) -> None:
    number = fresh()
    agent = AGENT.format(number)
    warm = [Play((post(f"/c{number}/{n}/plain", b"{}", agent),), ("POST",)) for n in range(4)]
    stage.compare([*warm, *[Play((post(f"/c{number}/plain", b"y" * 65_536, agent),), ("POST",))] * 3, *warm])
    for side in stage.pair:
        caller = stage.pair.caller(side)
        caller.send(side.filled(post(f"/c{number}/plain", b"z" * 65_537, agent)))
        answer = caller.answer("POST")
        assert answer is not None
        assert answer.status == 413


def test_a_version_or_a_base_of_another_kind(stage: Stage) -> None:
    number = fresh()
    agent = AGENT.format(number)
    octets = get(f"/c{number}/plain", agent)
    lines = (b" HTTP/1.0\r\n", b" HTTP/1.1\n", b"  HTTP/1.1\r\n", b" HTTP/2.0\r\n", b" http/1.1\r\n", b" HTTP/1.1 \r\n", b"\r\n")
    odd = [octets.replace(b" HTTP/1.1\r\n", line) for line in lines]
    odd += [
        octets.replace(BASE.encode(), base)
        for base in (b"/e/dev/elements/api-v2", b"/c/acme/kept" + BASE.encode(), b"http://x" + BASE.encode(), b"/other")
    ]
    odd += [b"\r\n" + octets, octets.replace(b"\r\n", b"\n"), octets[:-2] + b"\n", octets + b"\r\n", octets + b"x"]
    for one in odd:
        stage.compare([*[Play((octets,))] * 4, Play((one,)), Play((octets,)), Play((one,), on=1), Play((octets,), on=1)])
