"""Header fields: grammar, Host, size caps, and what passes as it is (RFC 9110 5, 7.2; RFC 9112 5; threats 14, 46)."""

from __future__ import annotations

import pytest

from tests.support.cases import BASE, Case, Seen, ask
from tests.support.lane import Lane

X = f"GET {BASE}/x"


def field(name: str, *lines: str) -> Case:
    """Lines that spoil the head; a good field stands behind them."""
    return Case(name, ask("GET ~/x", *lines, "X-Good: 1"), ("bad-request",), (), closes=True)


def host(name: str, *values: str) -> Case:
    return Case(name, ask("GET ~/x", *(f"Host: {value}" for value in values), host=False), ("bad-request",), ())


def passes(name: str, *lines: str, has: tuple[str, ...] = (), lacks: tuple[str, ...] = ()) -> Case:
    return Case(name, ask("GET ~/x", *lines), (200,), (Seen(X, has=has or lines, lacks=lacks),))


HOSTS = [
    host("host-missing"),
    host("host-twice", "gateway", "gateway"),
    host("host-two-differ", "gateway", "evil.example"),
    host("host-empty", ""),
    host("host-blank-inside", "gate way"),
    host("host-list", "gateway, evil.example"),
    host("host-user", "user@gateway"),
    host("host-path", "gateway/x"),
    host("host-query", "gateway?x"),
    host("host-fragment", "gateway#x"),
    host("host-backslash", "gateway\\x"),
    host("host-url", "http://gateway"),
    host("host-port-word", "gateway:http"),
    host("host-port-minus", "gateway:-1"),
    host("host-port-too-large", "gateway:99999"),
    host("host-two-ports", "gateway:80:80"),
    host("host-ip6-open", "[::1"),
    host("host-ip6-no-brackets", "::1"),
    host("host-8-bit", "g\xe4teway"),
    host("host-angle", "<script>"),
    host("host-fold", "gateway\r\n evil.example"),
    host("host-blank-before-colon", "gateway\r\nHost : evil.example"),
    Case("host-port", ask("GET ~/x", "Host: gateway:8080", host=False), (200,)),
    Case("host-ip", ask("GET ~/x", "Host: 127.0.0.1:8080", host=False), (200,)),
    Case("host-ip6", ask("GET ~/x", "Host: [::1]:8080", host=False), (200,)),
    Case("host-upper-case", ask("GET ~/x", "HOST: GATEWAY.Example", host=False), (200,)),
    Case("host-other", ask("GET ~/x", "Host: evil.example", host=False), (200,)),
    Case("host-missing-1.0", ask("GET ~/x HTTP/1.0", host=False), (200,), closes=True),
    Case("host-twice-1.0", ask("GET ~/x HTTP/1.0", "Host: a"), ("bad-request",), ()),
]

GRAMMAR = [
    field("name-empty", ": 1"),
    field("name-blank-inside", "X Y: 1"),
    field("name-blank-before-colon", "X-A : 1"),
    field("name-tab-before-colon", "X-A\t: 1"),
    field("name-no-colon", "X-A"),
    field("name-nul", "X\0A: 1"),
    field("name-control", "X\x01A: 1"),
    field("name-delete", "X\x7fA: 1"),
    field("name-8-bit", "X\xe4A: 1"),
    field("name-bracket", "X(A): 1"),
    field("name-at", "X@A: 1"),
    field("name-slash", "X/A: 1"),
    field("name-comma", "X,A: 1"),
    field("name-quote", 'X"A: 1'),
    field("name-brace", "X{A}: 1"),
    field("name-return", "X\rA: 1"),
    field("name-line-feed", "X\nA: 1"),
    field("value-nul", "X-A: a\0b"),
    field("value-nul-at-end", "X-A: a\0"),
    field("value-return", "X-A: a\rb"),
    field("value-return-at-end", "X-A: a\r"),
    field("value-line-feed", "X-A: a\nb"),
    field("value-line-feed-field", "X-A: a\nGateway-Customer: evil"),
    field("value-return-field", "X-A: a\rGateway-Customer: evil"),
    field("fold-blank", "X-A: a\r\n b"),
    field("fold-tab", "X-A: a\r\n\tb"),
    field("fold-empty", "X-A: a\r\n "),
    field("fold-of-key", "X-A: a\r\n X-Api-Key: evil"),
    Case("fold-first", ask("GET ~/x").replace(b"\r\nHost", b"\r\n X: 1\r\nHost", 1), ("bad-request",), (), closes=True),
    Case("blank-before-first", ask("GET ~/x").replace(b"\r\nHost", b"\r\n Host", 1), ("bad-request",), (), closes=True),
    # RFC 9110 5.5 lets a recipient keep these or refuse them; what it may not do is lose step or send something else.
    Case("value-control", ask("GET ~/x", "X-A: a\x01b"), ("bad-request",), ()),
    Case("value-escape", ask("GET ~/x", "X-A: a\x1b[2Jb"), ("bad-request",), ()),
    Case("value-delete", ask("GET ~/x", "X-A: a\x7fb"), ("bad-request",), ()),
]

SIZES = [
    Case("line-8000", ask("GET ~/x", "X-A: " + "a" * 8000), (200,), (Seen(X, has=("X-A: " + "a" * 8000,)),)),
    Case("fields-95", ask("GET ~/x", *(f"X-{n}: {n}" for n in range(95))), (200,), (Seen(X, has=("X-0: 0", "X-94: 94")),)),
    Case("fields-150", ask("GET ~/x", *(f"X-{n}: {n}" for n in range(150))), ("bad-request",), (), closes=True),
    Case("fields-10000", ask("GET ~/x", *["X: 1"] * 10_000), ("bad-request",), (), closes=True, or_close=True),
    Case("line-9000", ask("GET ~/x", "X-A: " + "a" * 9000), ("bad-request",), (), closes=True),
    Case("line-100-kb", ask("GET ~/x", "X-A: " + "a" * 100_000), ("bad-request",), (), closes=True, or_close=True),
    Case("name-100-kb", ask("GET ~/x", "X" * 100_000 + ": a"), ("bad-request",), (), closes=True, or_close=True),
    Case("head-60-kb", ask("GET ~/x", *(f"X-{n}: {'a' * 6000}" for n in range(9))), (200,)),
    Case("head-80-kb", ask("GET ~/x", *(f"X-{n}: {'a' * 4000}" for n in range(20))), ("bad-request",), (), closes=True, or_close=True),
    Case("head-2-mb", ask("GET ~/x", *(f"X-{n}: {'a' * 7000}" for n in range(290))), ("bad-request",), (), closes=True, or_close=True),
    Case("blanks-100-kb", ask("GET ~/x", "X-A:" + " " * 100_000 + "a"), ("bad-request",), (), closes=True, or_close=True),
]

PASSES = [
    passes("custom", "X-A: 1"),
    passes("empty-value", "X-A: "),
    passes("blanks-inside", "X-A: a  b\tc"),
    passes("punctuation-name", "!#$%&'*+.^`|~: 1"),
    passes("colons-in-value", "X-A: a:b: c"),
    passes("quotes", 'X-A: "a, b"; c="d\\"e"'),
    passes("latin-1", "X-A: \xe4\xf6\xfc"),
    passes("utf-8", "X-A: \xe2\x82\xac"),
    passes("twice", "X-A: 1", "X-B: 2", "X-A: 3"),
    passes("repeated-accept", "Accept: a/b", "Accept: c/d;q=0.1"),
    passes("user-agent", "User-Agent: us/1.0"),
    passes("conditional", 'If-None-Match: "a"', "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
    passes("range", "Range: bytes=0-4"),
    passes("accept-encoding", "Accept-Encoding: br;q=1.0, gzip"),
    passes("elements", "Elements-Version: hydra", "Elements-Async-Callback-Url: https://x.example/"),
    passes("origin", "Origin: https://evil.example"),
    passes("request-id", "X-Request-Id: one-two-three"),
    passes("content-type-without-body", "Content-Type: application/json"),
    passes("blanks-around", "X-A:\t  a b \t", has=("X-A: a b",)),
    passes("no-blank", "X-A:a", has=("X-A: a",)),
]


@pytest.mark.parametrize("case", [*HOSTS, *GRAMMAR, *SIZES, *PASSES], ids=lambda case: case.id)
def test_fields(lane: Lane, case: Case) -> None:
    lane.check(case)


def test_nothing_is_invented(lane: Lane) -> None:
    lane.ask(ask("GET ~/x"))
    (found,) = lane.own()
    names = {name.lower() for name, _ in found.fields}
    assert names - {"connection"} == {"host", "authorization", "via", "x-request-id", "traceparent"}


def test_a_caller_s_trace_is_taken_over(lane: Lane) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = lane.ask(ask("GET ~/x", f"traceparent: 00-{trace}-00f067aa0ba902b7-01", "X-Request-Id: mine-1"))
    assert answer.value("x-request-id") == "mine-1"
    (found,) = lane.own()
    assert found.values("traceparent")[0].startswith(f"00-{trace}-")
    assert found.values("x-request-id") == ["mine-1"]


@pytest.mark.parametrize("given", ["a b", "a" * 2000, "<script>", "a, b", 'a"b'])
def test_an_odd_request_id_does_no_harm(lane: Lane, given: str) -> None:
    """Taken over or replaced, it is one value, the same above and below."""
    answer = lane.ask(ask("GET ~/x", f"X-Request-Id: {given}"))
    (found,) = lane.own()
    assert answer.status == 200
    assert found.values("x-request-id") == [answer.value("x-request-id")]


def test_order_of_repeated_fields_stays(lane: Lane) -> None:
    lane.ask(ask("GET ~/x", "X-A: 1", "X-B: 2", "x-a: 3"))
    assert lane.own()[0].values("x-a") == ["1", "3"]
