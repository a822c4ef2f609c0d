"""Requests as callers write them, and how origins answer."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from itertools import count

from tests.support.cases import BASE
from tests.support.origin import BODY, CLOSE, RESET, Behaviour, Recorded, Step, chunked, head, ok, script

_serial = count(1)
JSON = "Content-Type: application/json"
AGENT = "User-Agent: client/{}"


def fresh() -> int:
    """A number that nobody had."""
    return next(_serial)


def get(path: str, *fields: str, key: str = "usual", element: str = "plain", customer: str = "acme", method: str = "GET") -> bytes:
    """A request without a body to ``path`` below the base, ``?query`` and all."""
    named = (f"X-Api-Key: @KEY:{key}@", f"Gateway-Customer: {customer}", f"Gateway-Element: {element}")
    return "\r\n".join((f"{method} {BASE}{path} HTTP/1.1", "Host: gateway", *named, *fields, "", "")).encode("latin-1")


def post(path: str, body: bytes, *fields: str, method: str = "POST", element: str = "plain", key: str = "usual") -> bytes:
    """A request with a body of stated length."""
    return get(path, JSON, f"Content-Length: {len(body)}", *fields, method=method, element=element, key=key) + body


def dated(status: str, *fields: str, body: bytes = BODY, length: int | None = None, date: bool = True) -> Callable[[Recorded], bytes]:
    """An answer with the current date, and an id of the upstream that counts its calls."""

    def made(request: Recorded) -> bytes:
        number = len(request.wire._origin.requests)  # since a comparison began
        first = (f"Date: {formatdate(usegmt=True)}",) * date
        size = len(body) if length is None else length
        return head(status, *first, f"Elements-Request-Id: up-{number:03d}", JSON, f"Content-Length: {size}", *fields) + body

    return made


def by_octet(step: Step) -> Behaviour:
    """``step`` octet by octet, each in a packet of its own."""

    def behave(wire: object, request: Recorded) -> None:
        request.wire.read_body(request)
        data = step(request) if callable(step) else step
        assert isinstance(data, bytes)
        for octet in data:
            request.wire.send(bytes([octet]))

    return behave


def echoed(request: Recorded) -> bytes:
    """An answer that gives back our credential, in a field and in its body."""
    seen = ", ".join(request.values("authorization"))
    body = f'{{"seen": "{seen}"}}'.encode()
    return head("200 OK", f"Date: {formatdate(usegmt=True)}", JSON, f"X-Seen: {seen}", f"Content-Length: {len(body)}") + body


NO_STORE = dated("200 OK", "Cache-Control: no-store")
TYPED = head("200 OK", JSON, "Cache-Control: no-store", "Transfer-Encoding: chunked")

SCRIPTS: dict[str, Behaviour] = {
    "plain": script(NO_STORE),
    "silent": script(dated("200 OK")),
    "private": script(dated("200 OK", "Cache-Control: private")),
    "fresh": script(dated("200 OK", "Cache-Control: max-age=86400")),
    "brief": script(dated("200 OK", "Cache-Control: max-age=1")),
    "again": script(dated("200 OK", "Cache-Control: max-age=0, stale-while-revalidate=86400")),
    "tagged": script(dated("200 OK", "Cache-Control: max-age=86400", 'ETag: "one"')),
    "vary": script(dated("200 OK", "Cache-Control: max-age=86400", "Vary: Accept-Language")),
    "star": script(dated("200 OK", "Cache-Control: max-age=86400", "Vary: *")),
    "cookie": script(dated("200 OK", "Cache-Control: no-store", "Set-Cookie: a=1")),
    "empty": script(dated("200 OK", "Cache-Control: no-store", body=b"")),
    "large": script(dated("200 OK", "Cache-Control: no-store", body=b"x" * 200_000)),
    "created": script(dated("201 Created")),
    "located": script(dated("201 Created", "Location: /elements/api-v2/contacts/7")),
    "accepted": script(dated("202 Accepted")),
    "204": script(head("204 No Content", f"Date: {formatdate(0, usegmt=True)}")),
    "206": script(dated("206 Partial Content", "Content-Range: bytes 0-10/100")),
    "301": script(dated("301 Moved", "Location: /elsewhere", body=b"")),
    "304": script(head("304 Not Modified", 'ETag: "one"')),
    "400": script(dated("400 Bad Request", body=b'{"message":"no"}')),
    "404": script(dated("404 Not Found", body=b'{"requestId":"r","message":"Not found","providerMessage":"no such contact"}')),
    "429": script(dated("429 Too Many", "Retry-After: 1", body=b"{}")),
    "500": script(dated("500 Error", body=b"{}")),
    "503": script(dated("503 Busy", body=b"{}")),
    "chunked": script(TYPED + chunked(b"hello", b"world")),
    "trailers": script(TYPED + chunked(b"hello", end=b"0\r\nX-End: 1\r\n\r\n")),
    "until-close": script(head("200 OK", JSON, "Cache-Control: no-store") + b"hello", CLOSE),
    "closing": script(dated("200 OK", "Cache-Control: no-store", "Connection: close"), CLOSE),
    "interim": script(head("103 Early Hints", "Link: </a>"), NO_STORE),
    "continue": script(head("100 Continue"), NO_STORE),
    "octets": by_octet(NO_STORE),
    "late": script(0.03, NO_STORE),
    "late-body": script(dated("200 OK", "Cache-Control: no-store", body=b"hel", length=5), 0.03, b"lo"),
    "reset": script(RESET),
    "closed": script(CLOSE),
    "half-head": script(b"HTTP/1.1 200 OK\r\nDate: x", CLOSE),
    "half-body": script(dated("200 OK", "Cache-Control: no-store", body=b"hel", length=5), CLOSE),
    "surplus": script(dated("200 OK", "Cache-Control: no-store", body=b"hello there", length=5)),
    "surplus-answer": script(dated("200 OK", "Cache-Control: no-store", body=BODY + ok(b"evil"), length=len(BODY))),
    "echo": script(echoed),
    "huge": script(dated("200 OK", "Cache-Control: no-store", *(f"X-{n}: {'a' * 200}" for n in range(100)))),
    "undated": script(dated("200 OK", "Cache-Control: no-store", date=False)),
    "two-dates": script(dated("200 OK", "Cache-Control: no-store", f"Date: {formatdate(usegmt=True)}")),
    "old-date": script(dated("200 OK", "Cache-Control: max-age=86400", "Date: Sun, 06 Nov 1994 08:49:37 GMT", date=False)),
    "odd-date": script(dated("200 OK", "Cache-Control: no-store", "Date:  Sun, 06 Nov 1994 08:49:37 GMT ", date=False)),
    "two-lengths": script(dated("200 OK", "Cache-Control: no-store", "Content-Length: 11")),
    "zero-length": script(dated("200 OK", "Cache-Control: no-store", "X-Zero: 1", body=b"", length=0)),
    "timing": script(dated("200 OK", "Cache-Control: no-store", "Server-Timing: gateway;dur=0.000", "Via: 1.0 other", "Age: 7")),
    "hops": script(dated("200 OK", "Cache-Control: no-store", "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=5")),
    "upgrade": script(dated("200 OK", "Cache-Control: no-store", "Upgrade: h2c")),
    "old-version": script(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", CLOSE),
    "folded": script(dated("200 OK", "Cache-Control: no-store", "X-Fold: a\r\n b")),
    "lower": script(b"HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncache-control:no-store\r\ncontent-length:2\r\n\r\n{}"),
    "8-bit": script(dated("200 OK", "Cache-Control: no-store", "X-Name: M\xfcller")),
    "reason": script(dated("200 All Is Well", "Cache-Control: no-store")),
    "no-reason": script(dated("200 ", "Cache-Control: no-store")),
    "nonsense": script(b"SSH-2.0-x\r\n\r\n", CLOSE),
}
