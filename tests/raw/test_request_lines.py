"""Request lines: methods, target forms, versions, and what is no HTTP at all (RFC 9112 3; threats 5, 9, 46)."""

from __future__ import annotations

import pytest

from tests.support.cases import BASE, Case, Seen, ask
from tests.support.lane import Lane

X = f"{BASE}/x"


def raw(name: str, octets: bytes, slug: str = "bad-request", *, or_close: bool = False) -> Case:
    return Case(name, octets, (slug,), (), closes=True, or_close=or_close)


def line(name: str, text: str, slug: str = "bad-request") -> Case:
    """A request line that spoils the whole connection, before fields that are right."""
    octets = ask("GET /").replace(b"GET / HTTP/1.1", text.encode("latin-1"))
    return Case(name, octets, (slug,), (), closes=True)


def target(name: str, text: str, slug: str) -> Case:
    """A well-formed line with a target that is not served."""
    return Case(name, ask(f"GET {text}"), (slug,), ())


def served(name: str, text: str, reaches: str = f"GET {X}") -> Case:
    return Case(name, ask(text), (200,), (Seen(reaches),))


ALL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
METHODS = [served(f"method-{method}", f"{method} ~/x", f"{method} {X}") for method in ALL]

REFUSED_METHODS = [
    Case("trace", ask("TRACE ~/x"), ("method-not-allowed",), ()),
    Case("trace-max-forwards", ask("TRACE ~/x", "Max-Forwards: 0"), ("method-not-allowed",), ()),
    Case("trace-root", ask("TRACE /"), ("method-not-allowed|not-found",), ()),
    Case("track", ask("TRACK ~/x"), ("method-not-allowed|bad-request",), ()),
    Case("connect-path", ask("CONNECT ~/x"), ("method-not-allowed|bad-request",), ()),
    Case("connect-authority", ask("CONNECT evil.example:443"), ("method-not-allowed",), (), closes=True),
    Case("lower-case", ask("get ~/x"), ("method-not-allowed|bad-request",), ()),
    Case("mixed-case", ask("Get ~/x"), ("method-not-allowed|bad-request",), ()),
    Case("unknown", ask("FROBNICATE ~/x"), ("method-not-allowed|bad-request",), ()),
]

LINES = [
    line("blank-first", f" GET {X} HTTP/1.1"),
    line("tab-first", f"\tGET {X} HTTP/1.1"),
    line("tabs", f"GET\t{X}\tHTTP/1.1"),
    line("vertical-tab", f"GET\x0b{X}\x0bHTTP/1.1"),
    line("form-feed", f"GET {X}\x0cHTTP/1.1"),
    line("nbsp", f"GET\xa0{X}\xa0HTTP/1.1"),
    line("blank-at-end", f"GET {X} HTTP/1.1 "),
    line("blank-in-target", f"GET {X} y HTTP/1.1"),
    line("tab-in-target", f"GET {X}\ty HTTP/1.1"),
    line("nul-in-target", f"GET {X}\0y HTTP/1.1"),
    line("return-in-target", f"GET {X}\ry HTTP/1.1"),
    line("line-feed-in-target", f"GET {X}\ny HTTP/1.1"),
    line("delete-in-target", f"GET {X}\x7f HTTP/1.1"),
    line("control-in-target", f"GET {X}\x01 HTTP/1.1"),
    line("nul-in-method", f"G\0T {X} HTTP/1.1"),
    line("colon-in-method", f"GET: {X} HTTP/1.1"),
    line("bracket-in-method", f"G(T {X} HTTP/1.1"),
    line("8-bit-in-method", f"G\xcbT {X} HTTP/1.1"),
    line("method-only", "GET"),
    line("no-method", f"{X} HTTP/1.1"),
    line("no-target", "GET HTTP/1.1"),
    line("no-version", f"GET {X}"),
    line("version-empty", f"GET {X} "),
    line("version-0.9", f"GET {X} HTTP/0.9"),
    line("version-2.0", f"GET {X} HTTP/2.0"),
    line("version-2", f"GET {X} HTTP/2"),
    line("version-3.0", f"GET {X} HTTP/3.0"),
    line("version-1", f"GET {X} HTTP/1"),
    line("version-1.10", f"GET {X} HTTP/1.10"),
    line("version-01.1", f"GET {X} HTTP/01.1"),
    line("version-1.1x", f"GET {X} HTTP/1.1x"),
    line("version-1,1", f"GET {X} HTTP/1,1"),
    line("version-minus", f"GET {X} HTTP/1.-1"),
    line("version-lower-case", f"GET {X} http/1.1"),
    line("version-https", f"GET {X} HTTPS/1.1"),
    line("version-blank-inside", f"GET {X} HTTP /1.1"),
    line("line-feed-end", f"GET {X} HTTP/1.1\nX-A: 1"),
    line("return-end", f"GET {X} HTTP/1.1\rX-A: 1"),
    line("target-without-slash", f"GET {X[1:]} HTTP/1.1"),
    line("target-at-host", f"GET @evil.example{X} HTTP/1.1"),
    line("target-port", f"GET :80{X} HTTP/1.1"),
    line("target-host-port", f"GET evil.example:443{X} HTTP/1.1"),
    line("target-backslash", f"GET \\{X} HTTP/1.1"),
    line("target-8-bit", f"GET {X}\xe9 HTTP/1.1"),
    line("target-8-kib", f"GET {X}/{'a' * 9000} HTTP/1.1"),
    line("target-query-8-kib", f"GET {X}?{'a' * 9000} HTTP/1.1"),
]

# RFC 9112 3: a recipient may split the line at any run of blanks, so these are served as they are meant, or refused.
BLANKS = [
    Case("two-blanks-before-version", ask(f"GET {X}  HTTP/1.1"), ("200|bad-request",)),
    Case("two-blanks-before-target", ask(f"GET  {X} HTTP/1.1"), ("200|bad-request",)),
]

NOT_HTTP = [
    raw("line-feeds-only", ask("GET ~/x").replace(b"\r\n", b"\n")),
    raw("returns-only", ask("GET ~/x").replace(b"\r\n", b"\r") + b"\r\n\r\n"),
    raw("http-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    raw("tls-hello", bytes.fromhex("16030100a5010000a10303") + b"\x00" * 64 + b"\r\n\r\n", or_close=True),
    raw("ssh-banner", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", or_close=True),
    raw("socks-5", b"\x05\x01\x00\r\n\r\n", or_close=True),
    raw("proxy-protocol", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + ask("GET ~/x")),
    raw("proxy-protocol-2", b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11\x00\x0c" + b"\0" * 12 + ask("GET ~/x"), or_close=True),
    raw("answer-as-request", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    raw("json", b'{"method":"GET"}\r\n\r\n'),
    raw("blank-line-of-blanks", b"   \r\n\r\n"),
    raw("zeros", b"\0" * 1000 + b"\r\n\r\n", or_close=True),
    raw("line-1-mb", b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", or_close=True),
    raw("line-without-end-1-mb", b"a" * 1_000_000, or_close=True),
    raw("line-feeds-10000", b"\r\n" * 10_000 + b"x\r\n\r\n", or_close=True),
]

TARGETS = [
    served("absolute", f"GET http://gateway{X}"),
    served("absolute-other-authority", f"GET http://evil.example{X}"),
    served("absolute-port", f"GET http://evil.example:99{X}"),
    served("absolute-https", f"GET https://evil.example{X}"),
    served("absolute-upper-case", f"GET HTTP://EVIL.example{X}"),
    served("absolute-query", f"GET http://evil.example{X}?a=b", f"GET {X}?a=b"),
    served("absolute-ip6", f"GET http://[::1]:80{X}"),
    served("absolute-url-in-query", "GET ~/x?u=http://evil.example/", f"GET {X}?u=http://evil.example/"),
    served("long-target", f"GET ~/{'a' * 7000}", f"GET {BASE}/{'a' * 7000}"),
    target("absolute-user", f"http://user:word@evil.example{X}", "bad-request"),
    target("absolute-no-path", "http://evil.example", "not-found"),
    target("absolute-query-only", "http://evil.example?x", "not-found"),
    target("absolute-dots", f"http://evil.example{BASE}/../x", "bad-request"),
    target("absolute-trap-path", "http://evil.example/x", "not-found"),
    target("absolute-empty-authority", f"http://{X}", "bad-request|not-found"),
    target("absolute-ftp", f"ftp://evil.example{X}", "bad-request"),
    target("absolute-file", f"file://{X}", "bad-request"),
    target("absolute-javascript", "javascript:1", "bad-request"),
    target("double-slash-host", f"//evil.example{X}", "not-found"),
    target("fragment", f"{X}#y", "bad-request"),
    target("root", "/", "not-found"),
    target("root-query", "/?x", "not-found"),
    target("question-mark-only", "?x", "bad-request"),
    target("star", "*", "bad-request|not-found"),
    Case("options-star", ask("OPTIONS *"), ("bad-request|not-found",), ()),
    Case("options-absolute-no-path", ask("OPTIONS http://evil.example"), ("bad-request|not-found",), ()),
]


@pytest.mark.parametrize("case", [*METHODS, *REFUSED_METHODS, *LINES, *BLANKS, *NOT_HTTP, *TARGETS], ids=lambda case: case.id)
def test_request_line(lane: Lane, case: Case) -> None:
    lane.check(case)
