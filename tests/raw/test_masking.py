"""Secrets that an upstream echoes are masked by asterisks of the same length, wherever they stand (contract 2.5; threats 6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.cases import ask
from tests.support.lane import Lane
from tests.support.origin import BODY, CLOSE, Recorded, Step, chunked, head, ok, script


def authorization(request: Recorded) -> bytes:
    return request.values("authorization")[0].encode("latin-1")


def told(kind: str, make: Callable[[bytes], bytes]) -> Callable[[Recorded], bytes]:
    """An answer with Content-Length whose body ``make`` builds from the Authorization that came."""

    def build(request: Recorded) -> bytes:
        body = make(authorization(request))
        return head("200 OK", f"Content-Type: {kind}", f"Content-Length: {len(body)}") + body

    return build


def in_chunks(size: int) -> Callable[[Recorded], bytes]:
    def build(request: Recorded) -> bytes:
        body = b'{"authorization":"' + authorization(request) + b'"}'
        return head("200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked") + chunked(
            *(body[at : at + size] for at in range(0, len(body), size))
        )

    return build


def slowly(request: Recorded) -> bytes:
    return head("401 Unauthorized", "Content-Type: application/json", "Connection: close") + b'{"message":"' + authorization(request)[:-7]


BODIES: dict[str, tuple[Step, ...]] = {
    "json": (told("application/json", lambda secret: b'{"a":"' + secret + b'"}'),),
    "json-charset": (told("application/json;charset=UTF-8", lambda secret: b'{"a":"' + secret + b'"}'),),
    "problem-json": (told("application/problem+json", lambda secret: b'{"a":"' + secret + b'"}'),),
    "text": (told("text/plain", lambda secret: b"you sent " + secret),),
    "html": (told("text/html; charset=utf-8", lambda secret: b"<pre>" + secret + b"</pre>"),),
    "upper-case-type": (told("Application/JSON", lambda secret: b'"' + secret + b'"'),),
    "ndjson": (told("application/x-ndjson", lambda secret: b'"' + secret + b'"\n'),),
    "twice": (told("text/plain", lambda secret: secret + b"\n" + secret),),
    "alone": (told("text/plain", lambda secret: secret),),
    "behind-a-megabyte": (told("text/plain", lambda secret: b"a" * 1_000_000 + secret),),
    "chunks-of-1": (in_chunks(1),),
    "chunks-of-7": (in_chunks(7),),
    "chunks-of-50": (in_chunks(50),),
    "split-by-a-pause": (slowly, 0.1, lambda request: authorization(request)[-7:] + b'"}', CLOSE),
}
HEADS: dict[str, Step] = {
    "field": lambda request: ok(BODY, f"X-Echo: {authorization(request).decode()}"),
    "fields-in-part": lambda request: ok(BODY, *(f"X-Echo: {part}" for part in authorization(request).decode().split())),
    "location": lambda request: head(
        "302 Found", f"Location: /?t={authorization(request).decode().rpartition(' ')[2]}", "Content-Length: 0"
    ),
    "www-authenticate": lambda request: head(
        "401 No", f'WWW-Authenticate: Basic realm="{authorization(request).decode()}"', "Content-Length: 0"
    ),
    "content-type": lambda request: head("200 OK", f"Content-Type: text/plain; a={authorization(request).decode()}", "Content-Length: 0"),
    "reason": lambda request: head(f"403 {authorization(request).decode()}", "Content-Length: 0"),
    "set-cookie": lambda request: ok(BODY, f"Set-Cookie: a={authorization(request).decode()}"),
    "trailer": lambda request: (
        head("200 OK", "Transfer-Encoding: chunked") + b"0\r\nAuthorization: " + authorization(request) + b"\r\n\r\n"
    ),
    "nonsense": lambda request: b"HTTP/1.1 " + authorization(request) + b"\r\n\r\n",
    "bad-field": lambda request: ok(BODY, f"X Y: {authorization(request).decode()}"),
    "bad-line": lambda request: authorization(request) + b"\r\n\r\n",
    "bad-length": lambda request: head("200 OK", f"Content-Length: {authorization(request).decode()}"),
    "bad-chunk": lambda request: head("200 OK", "Transfer-Encoding: chunked") + authorization(request) + b"\r\n",
}


@pytest.mark.parametrize("name", BODIES)
def test_in_a_body(lane: Lane, name: str) -> None:
    lane.origin.behaviours["echo"] = script(*BODIES[name])
    answer = lane.ask(ask("GET ~/echo", "Gateway-Element: rawelement"))
    assert answer.complete
    expected = lane.authorization()
    for secret in (lane.gateway.canaries.user, lane.gateway.canaries.organization, lane.gateway.canaries.of("acme")):
        expected = expected.replace(secret, "*" * len(secret))
    assert expected.encode() in answer.body


@pytest.mark.parametrize("name", HEADS)
def test_in_a_head(lane: Lane, name: str) -> None:
    """``lane.caller`` looks for the secrets in every octet that the caller got, and in what the gateway wrote."""
    lane.origin.behaviours["echo"] = script(HEADS[name], CLOSE)
    with lane.caller() as caller:
        lane.send(caller, ask("GET ~/echo"))
        answer = caller.answer()
    assert answer is not None
    assert len(lane.own()) >= 1
    if name == "field":
        assert answer.value("x-echo").count("*") == sum(
            map(len, (lane.gateway.canaries.user, lane.gateway.canaries.organization, lane.gateway.canaries.of("acme")))
        )


def test_what_only_begins_like_a_secret_stays(lane: Lane) -> None:
    part = lane.gateway.canaries.user[:-1].encode()
    body = b"a " + part + b" b " + part
    lane.origin.behaviours["echo"] = script(
        head("200 OK", "Content-Type: text/plain", "Transfer-Encoding: chunked"),
        chunked(*(body[at : at + 5] for at in range(0, len(body), 5))),
    )
    assert lane.ask(ask("GET ~/echo")).body == body


def test_a_body_that_is_neither_text_nor_json_is_untouched(lane: Lane) -> None:
    octets = bytes(range(256)) * 64
    lane.origin.behaviours["echo"] = script(
        head("200 OK", "Content-Type: application/octet-stream", f"Content-Length: {len(octets)}") + octets
    )
    assert lane.ask(ask("GET ~/echo")).body == octets
