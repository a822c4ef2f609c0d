"""Paths and queries: byte for byte where they are served, refused where they would leave the prefix (contract 2; threats 9, 12-14)."""

from __future__ import annotations

import pytest

from tests.support.cases import BASE, Case, Seen, ask
from tests.support.lane import Lane

EXACT = {
    "plain": "/hubs/crm/contacts",
    "double-encoded-slash": "/folders/%252Freports/contents",
    "encoded-slash": "/folders/%2Freports",
    "lower-case-escape": "/folders/%2freports",
    "double-slash": "//vdrs/x",
    "triple-slash": "///x",
    "inner-double-slash": "/a//b",
    "trailing-slash": "/a/",
    "trailing-double-slash": "/a//",
    "root": "/",
    "encoded-letters": "/%61%62%63",
    "encoded-tilde": "/%7Ea",
    "tilde": "/~a",
    "encoded-blank": "/a%20b",
    "plus": "/a+b",
    "encoded-utf-8": "/%E2%82%AC",
    "encoded-latin-1": "/%E4",
    "encoded-line-end": "/a%0d%0aX-Evil:%201",
    "encoded-question-mark": "/a%3Fb",
    "encoded-hash": "/a%23b",
    "encoded-percent": "/a%25",
    "semicolon": "/a;b=c/d",
    "comma-and-more": "/a,b:c@d!e$f&g=h(i)*",
    "quote": "/it's",
    "three-dots": "/.../a",
    "dots-inside": "/a..b",
    "dots-behind": "/a..",
    "dots-before": "/..a",
    "dot-file": "/.hidden",
    "dot-behind": "/a.",
    "url-in-path": "/http://evil.example/",
    "at-host": "/@evil.example/",
    "colon-port": "/:80/",
    "prefix-again": "/elements/api-v2/x",
    "encoded-braces": "/%7Bid%7D",
    "query": "/x?pageSize=5",
    "query-where": "/x?where=a%20%3D%20'b'",
    "query-tags": "/x?tags%5B%5D=x",
    "query-brackets": "/x?tags[]=x",
    "query-empty-value": "/x?nextPage=",
    "query-empty": "/x?",
    "query-two-marks": "/x??a",
    "query-ampersands": "/x?&&a&",
    "query-plus": "/x?a=b+c%2Bd",
    "query-encoded-quote": "/x?a=%27b%27",
    "query-encoded-line-end": "/x?a=%0d%0aX-Evil:%201",
    "query-encoded-nul": "/x?a=%00",
    "query-dots": "/x?a=../../b&c=%2e%2e%2f",
    "query-slash": "/x?a=/b//c",
    "query-semicolon": "/x?a=1;b=2",
    "query-order": "/x?b=2&a=1&b=1",
    "query-utf-8": "/x?a=%e2%82%ac",
    "query-bad-escape": "/x?a=%zz&b=%",
    "query-url": "/x?callback=https://evil.example/%3Fa%3Db",
    "query-colon-at": "/x?a=user:pw@host",
    "query-directly": "?a=b",
    "query-7-kb": "/x?a=" + "b" * 7000,
}

# Characters that no URL may hold, yet sloppy clients send them: untouched or refused, never changed.
SLOPPY = {
    "braces": "/{id}",
    "bar": "/a|b",
    "caret": "/a^b",
    "backquote": "/a`b",
    "angles": "/<a>",
    "double-quote": '/"a"',
    "backslash": "/a\\b",
    "bad-escape": "/%zz",
    "half-escape": "/a%2",
    "lone-percent": "/a%",
    "encoded-nul": "/a%00b",
    "query-braces": '/x?where={"a":1}',
    "query-backslash": "/x?a=\\b",
    "query-angles": "/x?a=<b>",
}

DOTS = (
    "..",
    ".",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2e.",
    "%2e",
    "%252e%252e",
    "%252E%252e",
    ".%252e",
    "%25252e%25252e",
    "..;",
    "..;a=b",
    "%2e%2e;",
    ".;a",
    "..%00",
    "..%20",
    "..%09",
    "%2e%2e%00",
    "..%3f",
    "..%23",
    "..%3B",
)
JOINED = (
    "a/..%2fb",
    "a/..%2Fb",
    "a%2f..%2fb",
    "a%2f%2e%2e%2fb",
    "a/..%5cb",
    "a/..%5Cb",
    "a%5c..%5cb",
    "a/..\\b",
    "a\\..\\b",
    "..%252fb",
    "..%255cb",
    "a%252f..%252fb",
    "%252e%252e%252fb",
    "%c0%ae%c0%ae/b",
    "%c0%ae%c0%ae%c0%afb",
    "..%c0%afb",
    "%u002e%u002e/b",
)
LEAVING = {
    **{f"{dots}-inside": f"{BASE}/a/{dots}/b" for dots in DOTS},
    **{f"{dots}-at-end": f"{BASE}/a/{dots}" for dots in DOTS},
    "first": f"{BASE}/../admin/v1/keys",
    "first-only": f"{BASE}/..",
    "many": f"{BASE}/../../../../etc/passwd",
    "double-slash-dots": f"{BASE}//..//x",
    "before-query": f"{BASE}/a/..?b",
    "dots-in-prefix": "/elements/../elements/api-v2/x",
    "dot-in-prefix": "/elements/./api-v2/x",
    "encoded-dots-in-prefix": "/elements/%2e%2e/elements/api-v2/x",
    "dots-before-prefix": "/../elements/api-v2/x",
    "dots-in-customer": "/c/acme/..%2f../elements/api-v2/x",
    **{f"joined-{path}": f"{BASE}/{path}" for path in JOINED},
}

ELSEWHERE = {
    "root": "/",
    "prefix-longer": "/elements/api-v2x",
    "prefix-longer-path": "/elements/api-v2x/y",
    "prefix-shorter": "/elements/api-v",
    "prefix-other-version": "/elements/api-v1/x",
    "prefix-parent": "/elements",
    "prefix-upper-case": "/Elements/api-v2/x",
    "prefix-encoded-letter": "/%65lements/api-v2/x",
    "prefix-encoded-slash": "/elements%2fapi-v2/x",
    "prefix-encoded-slash-behind": "/elements/api-v2%2fx",
    "prefix-double-slash": "/elements//api-v2/x",
    "prefix-slash-before": "//elements/api-v2/x",
    "prefix-semicolon": "/elements;a/api-v2/x",
    "prefix-semicolon-behind": "/elements/api-v2;a/x",
    "prefix-encoded-question-mark": "/elements/api-v2%3fx",
    "prefix-in-query": "/?/elements/api-v2/x",
    "prefix-behind-other": "/x/elements/api-v2/x",
    "admin": "/admin/v1/keys",
    "metrics": "/metrics",
    "openapi": "/openapi.json",
    "docs": "/docs",
    "console": "/console/",
    "debug": "/debug/pprof",
    "readyz-deeper": "/readyz/x",
    "favicon": "/favicon.ico",
    "server-status": "/server-status",
}


def exact(name: str, path: str) -> Case:
    return Case(name, ask(f"GET ~{path}"), (200,), (Seen(f"GET {BASE}{path}"),))


SERVED = [exact(name, path) for name, path in EXACT.items()]
TOLERATED = [
    Case(f"sloppy-{name}", ask(f"GET ~{path}"), ("200|bad-request",), (Seen(f"GET {BASE}{path}"),)) for name, path in SLOPPY.items()
]
REFUSED = [Case(f"leaves-{name}", ask(f"GET {path}"), ("bad-request",), ()) for name, path in LEAVING.items()]
NOT_FOUND = [Case(f"elsewhere-{name}", ask(f"GET {path}"), ("not-found",), ()) for name, path in ELSEWHERE.items()]


@pytest.mark.parametrize("case", [*SERVED, *TOLERATED, *REFUSED, *NOT_FOUND], ids=lambda case: case.id)
def test_paths(lane: Lane, case: Case) -> None:
    lane.check(case)


@pytest.mark.parametrize("prefix", ["/c/acme", "/c/acme/rawelement", "/e/dev/c/acme", "/e/dev/c/acme/rawelement", "/c/%61cme"])
@pytest.mark.parametrize("name", ["double-encoded-slash", "double-slash", "query-where", "query-empty", "trailing-slash"])
def test_what_follows_an_address_prefix_is_exact_too(lane: Lane, prefix: str, name: str) -> None:
    octets = ask(f"GET {prefix}{BASE}{EXACT[name]}", "X-Api-Key: @KEY@", who=False)
    lane.check(Case(name, octets, (200,), (Seen(f"GET {BASE}{EXACT[name]}"),)))


def test_a_caller_without_a_key_learns_nothing_of_paths(lane: Lane) -> None:
    """Liveness is for everyone, and never goes up."""
    with lane.caller() as caller:
        lane.send(caller, ask("GET /healthz", who=False))
        answer = caller.answer()
    assert answer is not None
    assert answer.status == 200
    assert lane.own() == []
