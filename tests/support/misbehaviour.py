"""Ways in which an upstream misbehaves, as tables of scripts by name (faults 1-21; threats 6, 8, 10)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from tests.support.cases import BASE
from tests.support.origin import BODY, CLOSE, RESET, Behaviour, Step, chunked, head, ok, script

CHUNKED = head("200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked")
HELLO = chunked(b"hello")


def field(*lines: str) -> bytes:
    """An answer spoiled by ``lines`` alone."""
    return ok(BODY, *lines)


def lengths(*values: str) -> bytes:
    return head("200 OK", *(f"Content-Length: {value}" for value in values)) + b"hello"


def coding(*values: str, body: bytes = HELLO) -> bytes:
    return head("200 OK", *(f"Transfer-Encoding: {value}" for value in values)) + body


# What follows each is a FIN, so that an answer that waits for more gets an end.
NONSENSE: dict[str, tuple[Step, ...]] = {
    "cl-two-differ": (lengths("5", "6"),),
    "cl-two-same": (lengths("5", "5"),),
    "cl-list-differs": (lengths("5, 6"),),
    "cl-minus": (lengths("-5"),),
    "cl-plus": (lengths("+5"),),
    "cl-hex": (lengths("0x5"),),
    "cl-word": (lengths("five"),),
    "cl-empty": (lengths(""),),
    "cl-underscore": (lengths("0_5"),),
    "cl-beyond-64-bit": (lengths("18446744073709551621"),),
    "cl-and-te": (head("200 OK", "Content-Length: 5", "Transfer-Encoding: chunked") + HELLO,),
    "te-and-cl": (head("200 OK", "Transfer-Encoding: chunked", "Content-Length: 15") + HELLO,),
    "te-gzip-chunked": (coding("gzip, chunked"),),
    "te-gzip": (coding("gzip"),),
    "te-identity": (coding("identity", body=b"hello"),),
    "te-xchunked": (coding("xchunked"),),
    "te-chunked-chunked": (coding("chunked, chunked"),),
    "te-chunked-identity": (coding("chunked, identity"),),
    "te-two-lines": (coding("chunked", "chunked"),),
    "te-empty": (coding(""),),
    "te-http-1.0": (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO,),
    "garbage": (b"\x00\x01garbage\xff\r\n\r\n",),
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",),
    "smtp": (b"220 mail.example ESMTP\r\n",),
    "http-0.9": (b"<html><body>hello</body></html>",),
    "http-2-settings": (b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18,),
    "http-2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",),
    "tls-alert": (b"\x15\x03\x01\x00\x02\x02\x28",),
    "request-as-answer": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",),
    "version-2.0": (b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
    "version-1.x": (b"HTTP/1.x 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
    "version-icy": (b"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
    "version-lower-case": (b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",),
    "status-99": (head("99 OK", "Content-Length: 5") + b"hello",),
    "status-000": (head("000 OK", "Content-Length: 5") + b"hello",),
    "status-600": (head("600 OK", "Content-Length: 5") + b"hello",),
    "status-1000": (head("1000 OK", "Content-Length: 5") + b"hello",),
    "status-word": (head("abc OK", "Content-Length: 5") + b"hello",),
    "status-minus": (head("-200 OK", "Content-Length: 5") + b"hello",),
    "status-missing": (b"HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",),
    "status-no-blank": (b"HTTP/1.1200 OK\r\nContent-Length: 5\r\n\r\nhello",),
    "reason-100-kb": (head("200 " + "a" * 100_000, "Content-Length: 0"),),
    "reason-nul": (head("200 O\0K", "Content-Length: 0"),),
    "head-1-mb": (head("200 OK", *(f"X-{n}: {'a' * 1000}" for n in range(1000)), "Content-Length: 0"),),
    "field-1-mb": (field("X-A: " + "a" * 1_000_000),),
    "fields-20000": (head("200 OK", *["X: 1"] * 20_000, "Content-Length: 0"),),
    "head-without-end": (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200_000,),
    "line-without-end": (b"HTTP/1.1 200 " + b"a" * 1_000_000,),
    "value-nul": (field("X-A: a\0b"),),
    "value-return": (field("X-A: a\rb"),),
    "value-return-field": (field("X-A: a\rX-Evil: b"),),
    "name-blank": (field("X A: 1"),),
    "name-blank-before-colon": (field("X-A : 1"),),
    "name-empty": (field(": 1"),),
    "name-nul": (field("X\0A: 1"),),
    "name-8-bit": (field("X\xe4A: 1"),),
    "no-colon": (field("X-A"),),
    "101": (head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: websocket"), b"\x81\x05hello"),
    "101-h2c": (head("101 Switching Protocols", "Connection: Upgrade", "Upgrade: h2c"),),
    "100-alone": (head("100 Continue"),),
    "1xx-flood": (head("103 Early Hints", "X-A: 1") * 200, ok()),
    "1xx-flood-slow": (*[head("102 Processing")] * 150, ok()),
}

# Accepting these is allowed (RFC 9112 2.2, 4, 5.2, 6.3) as long as what comes out is one well-formed answer.
DOUBTFUL: dict[str, tuple[Step, ...]] = {
    "fold": (field("X-A: 1\r\n 2"),),
    "fold-first": (b"HTTP/1.1 200 OK\r\n X-A: 1\r\nContent-Length: 0\r\n\r\n",),
    "cl-list-same": (lengths("5, 5"),),
    "content-type-twice": (field("Content-Type: text/plain"),),
    "line-feeds-only": (ok().replace(b"\r\n", b"\n"),),
    "value-line-feed": (field("X-A: a\nX-B: b"),),
    "value-control": (field("X-A: a\x01b"),),
    "reason-missing": (head("200", "Content-Length: 0"),),
    "empty-line-first": (b"\r\n" + ok(),),
}

SILENT: dict[str, tuple[Step, ...]] = {"closed": (CLOSE,), "reset": (RESET,), "closed-later": (0.05, CLOSE), "reset-later": (0.05, RESET)}
HALF_HEAD: dict[str, tuple[Step, ...]] = {
    "half-line-closed": (b"HTTP/1.1 2", CLOSE),
    "half-head-closed": (b"HTTP/1.1 200 OK\r\nContent-Le", CLOSE),
    "half-head-reset": (b"HTTP/1.1 200 OK\r\nContent-Le", 0.05, RESET),
    "after-100-closed": (head("100 Continue"), CLOSE),
}

CUT: dict[str, tuple[Step, ...]] = {
    "cl-short": (ok(b"hel", length=5), CLOSE),
    "cl-nothing": (ok(b"", length=5), CLOSE),
    "cl-short-reset": (ok(b"hel", length=5), 0.05, RESET),
    "chunks-no-last": (CHUNKED + chunked(b"hel", end=b""), CLOSE),
    "chunks-none": (CHUNKED, 0.05, CLOSE),
    "chunks-reset": (CHUNKED + chunked(b"hel", end=b""), 0.05, RESET),
    "chunk-half": (CHUNKED + b"5\r\nhel", CLOSE),
    "chunk-size-half": (CHUNKED + chunked(b"hel", end=b"5"), CLOSE),
    "chunk-last-half": (CHUNKED + chunked(b"hel", end=b"0\r\n"), CLOSE),
    "chunk-size-bad": (CHUNKED + chunked(b"hel", end=b""), 0.05, b"xyz\r\nhello\r\n0\r\n\r\n", CLOSE),
    "chunk-size-minus": (CHUNKED + chunked(b"hel", end=b""), 0.05, b"-5\r\nhello\r\n0\r\n\r\n", CLOSE),
    "chunk-size-huge": (CHUNKED + chunked(b"hel", end=b""), 0.05, b"10000000000000005\r\nhello\r\n0\r\n\r\n", CLOSE),
    "chunk-too-long": (CHUNKED + chunked(b"hel", end=b""), 0.05, b"2\r\nhello\r\n0\r\n\r\n", CLOSE),
    "chunk-then-garbage": (CHUNKED + chunked(b"hel", end=b""), 0.05, b"\0\0\0\0\r\n", CLOSE),
    "gzip-short": (ok(gzip.compress(b"hello")[:9], "Content-Encoding: gzip", length=25), CLOSE),
}


@dataclass(frozen=True)
class Passes:
    """What the caller sees of an odd answer. ``body`` is exact; ``has`` and ``lacks`` are answer fields."""

    behaviour: Behaviour
    status: int = 200
    body: bytes = BODY
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    method: str = "GET"


def passes(
    *steps: Step, status: int = 200, body: bytes = BODY, has: tuple[str, ...] = (), lacks: tuple[str, ...] = (), method: str = "GET"
) -> Passes:
    return Passes(script(*steps), status, body, has, lacks, method)


PACKED = gzip.compress(b'{"a":1}')
COOKIES = ("Set-Cookie: a=1", "Set-Cookie: b=2; HttpOnly", "set-cookie: c=3")
HOPS = (
    "Connection: X-Hop, keep-alive",
    "X-Hop: 1",
    "Keep-Alive: timeout=5",
    "Proxy-Authenticate: Basic",
    "Proxy-Connection: close",
    "X-End: 1",
)
GONE = ("X-Hop", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection")
PASSING = {
    "octet-chunks": passes(CHUNKED, *[b"1\r\n%c\r\n" % octet for octet in BODY], b"0\r\n\r\n"),
    "trickle": passes(ok(b"", length=len(BODY)), *[step for octet in BODY for step in (bytes([octet]), 0.01)]),
    "head-trickle": passes(*[step for octet in ok(b"", length=0) for step in (bytes([octet]), 0.002)], body=b""),
    "chunk-extensions": passes(CHUNKED, b'5;a=b\r\nhello\r\n5;c="d;e"\r\nworld\r\n0;f\r\n\r\n', body=b"helloworld"),
    "trailers": passes(
        CHUNKED, chunked(b"hello", end=b"0\r\nSet-Cookie: a=b\r\nAuthorization: x\r\nX-T: 1\r\n\r\n"), body=b"hello", lacks=("X-T",)
    ),
    "extra-octets": passes(ok() + b"surplus"),
    "extra-answer": passes(ok() + head("200 OK", "Content-Length: 4") + b"evil"),
    "extra-after-chunks": passes(CHUNKED + HELLO + head("200 OK", "Content-Length: 4") + b"evil", body=b"hello"),
    "204": passes(head("204 No Content"), status=204, body=b""),
    "204-length": passes(head("204 No Content", "Content-Length: 0"), status=204, body=b""),
    "204-body": passes(head("204 No Content") + b"evil", status=204, body=b""),
    "204-answer": passes(head("204 No Content") + ok(b"evil"), status=204, body=b""),
    "205": passes(head("205 Reset Content", "Content-Length: 0"), status=205, body=b""),
    "304-body": passes(head("304 Not Modified", 'ETag: "a"') + ok(b"evil"), status=304, body=b"", has=('ETag: "a"',)),
    "304-length": passes(head("304 Not Modified", "Content-Length: 5"), status=304, body=b""),
    "head": passes(head("200 OK", "Content-Length: 12345"), body=b"", has=("Content-Length: 12345",), method="HEAD"),
    "head-body": passes(ok(b"evil"), body=b"", method="HEAD"),
    "head-chunked": passes(CHUNKED, body=b"", method="HEAD"),
    "100-first": passes(head("100 Continue"), ok()),
    "102-103-first": passes(head("102 Processing"), head("103 Early Hints", "Link: </a>", "X-Hint: 1"), ok(), lacks=("X-Hint",)),
    "1xx-50": passes(head("103 Early Hints") * 50, ok()),
    "set-cookie": passes(ok(BODY, *COOKIES), lacks=("Set-Cookie",)),
    "hop-by-hop": passes(ok(BODY, *HOPS), has=("X-End: 1",), lacks=GONE),
    "connection-names-type": passes(
        ok(BODY, "Connection: X-Hop", "Connection: x-other", "X-Hop: 1", "X-Other: 2"), lacks=("X-Hop", "X-Other")
    ),
    "upgrade-offered": passes(ok(BODY, "Upgrade: h2c", "Connection: Upgrade"), lacks=("Upgrade",)),
    "closing": passes(ok(BODY, "Connection: close"), CLOSE),
    "close-delimited": passes(head("200 OK", "Content-Type: text/plain") + b"hello", 0.05, b" world", CLOSE, body=b"hello world"),
    "http-1.0": passes(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", CLOSE, body=b"hello"),
    "empty": passes(ok(b""), body=b""),
    "empty-chunked": passes(CHUNKED + b"0\r\n\r\n", body=b""),
    "gzip": passes(ok(PACKED, "Content-Encoding: gzip"), body=PACKED, has=("Content-Encoding: gzip",)),
    "gzip-corrupt": passes(
        ok(b"\x1f\x8b\x08corrupt", "Content-Encoding: gzip"), body=b"\x1f\x8b\x08corrupt", has=("Content-Encoding: gzip",)
    ),
    "encoding-unknown": passes(ok(b"abc", "Content-Encoding: x-odd"), body=b"abc", has=("Content-Encoding: x-odd",)),
    "two-megabytes": passes(ok(b"ab" * 1_000_000), body=b"ab" * 1_000_000),
    "every-octet": passes(
        head("200 OK", "Content-Type: application/octet-stream", "Content-Length: 256") + bytes(range(256)), body=bytes(range(256))
    ),
    "fields-as-they-are": passes(
        ok(BODY, "X-A: \xe4 b", "X-A: c", 'ETag: W/"x"', "Server: origin/1", "elements-request-id: abc", "X-Empty: "),
        has=("X-A: \xe4 b", "X-A: c", 'ETag: W/"x"', "elements-request-id: abc", "X-Empty: "),
    ),
    **{
        f"status-{status}": passes(head(f"{status} Odd Reason", "Content-Length: 5") + b"hello", status=status, body=b"hello")
        for status in (
            201,
            202,
            207,
            299,
            300,
            400,
            401,
            402,
            403,
            404,
            405,
            407,
            408,
            409,
            412,
            418,
            422,
            423,
            429,
            451,
            500,
            501,
            502,
            503,
            504,
            507,
            599,
        )
    },
    **{
        f"redirect-{status}": passes(
            head(f"{status} Moved", "Location: http://127.0.0.1:1/elements/api-v2/trap", "Content-Length: 0"),
            status=status,
            body=b"",
            has=("Location: http://127.0.0.1:1/elements/api-v2/trap",),
        )
        for status in (301, 302, 303, 307, 308)
    },
    "redirect-here": passes(
        head("302 Found", f"Location: {BASE}/trap", "Content-Length: 0"), status=302, body=b"", has=(f"Location: {BASE}/trap",)
    ),
}
