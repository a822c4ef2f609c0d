"""Contract 2, 2.3, 2.4: methods, bodies of every framing, and what is sent on of a request and an answer."""

from __future__ import annotations

import hashlib
import random

import pytest

from tests.acceptance.recorded import answered, arrived, raw_call
from tests.acceptance.world import BASE, Mapped, World, check_problem
from tests.support.origin import Recorded, chunked, head, ok, script
from tests.support.raw import Caller

OCTETS = random.Random(7).randbytes(70_001)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"])
def test_every_method(at_origin: Mapped, method: str) -> None:
    assert at_origin.call(method, "/contacts").status == 200
    assert (arrived(at_origin).method, arrived(at_origin).target) == (method, f"{BASE}/contacts")


def test_trace_is_refused(at_origin: Mapped) -> None:
    check_problem(at_origin.call("TRACE", "/contacts"), 405, "method-not-allowed", "caller")
    assert at_origin.world.raw.requests == []


TARGETS = [
    "/folders/%252Freports/contents", "//vdrs/x", "/contacts/", "/contacts//", "/contacts?where=a%20%3D%20'b'",
    "/contacts?tags%5B%5D=x&tags[]=y",
    "/contacts?nextPage=", "/contacts?", "/contacts?a=1&a=2&&b", "/contacts?q=a+b%2Bc", "/files?path=%2Fa%2fb", "/a%20b/%c3%BC/%E2%82%AC",
    "/a;b=c/d,e!$&'()*+:@", "/contacts?where=name='O''Brien' AND x>1".replace(" ", "%20"), "/~user/-._", "/contacts?x=%00%0d%0a%ff",
    "/contacts?a=b?c/d", "/x%2e", "/...", "/.hidden", "/a..b", "", "/", "/contacts?x=" + "y" * 4000,
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:40])
def test_path_and_query_byte_for_byte(at_origin: Mapped, target: str) -> None:
    assert at_origin.get(target).status == 200
    assert arrived(at_origin).target == BASE + target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:40])
def test_path_and_query_byte_for_byte_behind_a_prefix(at_origin: Mapped, target: str) -> None:
    base = f"/e/raw/c/{at_origin.customer}/plain{BASE}"
    assert at_origin.world.call("GET", target, base=base).status == 200
    assert arrived(at_origin).target == BASE + target


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/../x",
        "/a/../b",
        "/%2e%2e/x",
        "/%2E%2e/x",
        "/.%2e/x",
        "/..%2fx",
        "/..%2Fx",
        "/a/..%5cx",
        "/..;/x",
        "/..;a=b/x",
        "/..%00/x",
        "/..%3b/x",
        "/x/..",
    ],
)
def test_a_path_that_would_leave_the_prefix(at_origin: Mapped, path: str) -> None:
    check_problem(at_origin.get(path), 400, "bad-request", "caller")
    check_problem(at_origin.world.call("GET", path, base=f"/e/raw/c/{at_origin.customer}{BASE}"), 400, "bad-request", "caller")
    assert at_origin.world.raw.requests == []


@pytest.mark.parametrize("size", [0, 1, 70_001])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_a_body_with_its_length(at_origin: Mapped, method: str, size: int) -> None:
    answer = at_origin.call(method, "/contacts", "Content-Type: application/octet-stream", body=OCTETS[:size])
    assert answer.status == 200
    assert bytes(arrived(at_origin).payload) == OCTETS[:size]
    assert arrived(at_origin).values("content-type") == ["application/octet-stream"]
    if method != "GET":
        assert arrived(at_origin).values("content-length") == [str(size)]


@pytest.mark.parametrize("method", ["POST", "DELETE", "GET"])
def test_no_body(at_origin: Mapped, method: str) -> None:
    assert at_origin.call(method, "/contacts").status == 200
    assert arrived(at_origin).payload == b""
    assert not arrived(at_origin).values("content-type")


@pytest.mark.parametrize("sizes", [(0,), (1,), (5, 7, 11), (70_001,), (1,) * 50], ids=str)
def test_a_chunked_body(at_origin: Mapped, sizes: tuple[int, ...]) -> None:
    pieces = [OCTETS[: size or 0] for size in sizes]
    answer, _ = raw_call(at_origin, f"POST {BASE}/contacts HTTP/1.1", "Transfer-Encoding: chunked", parts=(chunked(*filter(None, pieces)),))
    assert answer is not None
    assert answer.status == 200
    assert bytes(arrived(at_origin).payload) == b"".join(pieces)


def test_a_multipart_upload(at_origin: Mapped) -> None:
    """Not one octet changes, boundary and preamble included."""
    form = (
        b'preamble\r\n--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a\xc3\xa4.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + OCTETS + b"\r\n--XyZ--\r\nepilogue"
    )
    kind = 'Content-Type: multipart/form-data; boundary="XyZ"'
    assert at_origin.call("POST", "/files?path=%2Fa.bin", kind, body=form).status == 200
    assert bytes(arrived(at_origin).payload) == form
    at_origin.world.raw.forget()
    answer, _ = raw_call(
        at_origin, f"POST {BASE}/files HTTP/1.1", kind, "Transfer-Encoding: chunked", parts=(chunked(form[:999], form[999:]),)
    )
    assert answer is not None
    assert bytes(arrived(at_origin).payload) == form
    assert arrived(at_origin).values("content-type") == ['multipart/form-data; boundary="XyZ"']


def test_a_slow_upload_streams(at_origin: Mapped) -> None:
    """The upstream gets the first half before the second is sent."""
    standard = (f"POST {BASE}/slow HTTP/1.1", "Host: gateway", f"X-Api-Key: {at_origin.world.key}", f"Gateway-Instance: {at_origin.handle}")
    with Caller(at_origin.world.served.listeners["data"]) as caller:
        caller.send("\r\n".join((*standard, "Content-Length: 10", "", "")).encode(), b"first")
        raw = at_origin.world.raw
        assert raw.wait(lambda: bool(raw.requests) and bytes(raw.requests[0].payload) == b"first")
        caller.send(b"later")
        answer = caller.answer("POST")
    assert answer is not None
    assert bytes(arrived(at_origin).payload) == b"firstlater"


def test_expect_100_continue(at_origin: Mapped) -> None:
    standard = (
        f"POST {BASE}/contacts HTTP/1.1",
        "Host: gateway",
        f"X-Api-Key: {at_origin.world.key}",
        f"Gateway-Instance: {at_origin.handle}",
    )
    with Caller(at_origin.world.served.listeners["data"]) as caller:
        caller.send("\r\n".join((*standard, "Content-Length: 5", "Expect: 100-continue", "", "")).encode())
        caller.wait_for(b"HTTP/1.1 100 Continue\r\n\r\n")
        caller.send(b"hello")
        answer = caller.answer("POST")
    assert answer is not None
    assert (answer.status, answer.interim) == (200, (100,))
    assert bytes(arrived(at_origin).payload) == b"hello"


def test_expect_100_continue_of_somebody_unknown(at_origin: Mapped) -> None:
    """Refused before the body is asked for."""
    with Caller(at_origin.world.served.listeners["data"]) as caller:
        caller.send(f"POST {BASE}/contacts HTTP/1.1\r\nHost: gateway\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = caller.answer("POST")
    assert answer is not None
    assert (answer.status, answer.interim) == (401, ())


def test_megabytes_both_ways(at_origin: Mapped) -> None:
    octets = random.Random(8).randbytes(6_000_000)

    def back(request: Recorded) -> bytes:
        payload = bytes(request.payload)
        return head("200 OK", "Content-Type: application/octet-stream", f"Content-Length: {len(payload)}") + payload

    answer = answered(at_origin, script(back), "POST", body=octets)
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(octets).digest()


@pytest.mark.parametrize(
    ("status", "octets"),
    [
        ("200 OK", b'{"ok":true}'), ("200 OK", b""), ("201 Created", b'{"id":1}'), ("202 Accepted", b"{}"),
        ("206 Partial Content", b"ab"), ("207 Multi-Status", b"x"),
        ("302 Found", b"moved"), ("400 Bad Request", b'{"requestId":"r","message":"m"}'),
        ("401 Unauthorized", b'{"message":"Invalid Organization or User secret"}'),
        ("402 Payment Required", b"x"), ("403 Forbidden", b"{}"), ("404 Not Found", b""), ("405 Method Not Allowed", b"x"),
        ("406 Not Acceptable", b"x"), ("409 Conflict", b'{"a":1}'),
        ("415 Unsupported Media Type", b"x"), ("422 Unprocessable Entity", b"x"), ("429 Too Many Requests", b'{"message":"slow down"}'),
        ("500 Internal Server Error", b"<html>broken</html>"), ("502 Bad Gateway", b"x"), ("503 Service Unavailable", b""),
        ("504 Gateway Timeout", b"x"), ("599 Odd", b"x"),
    ],
    ids=lambda value: str(value)[:3],
)  # fmt: skip
@pytest.mark.parametrize("coded", [False, True], ids=["length", "chunked"])
def test_status_headers_and_body_are_untouched(at_origin: Mapped, status: str, octets: bytes, coded: bool) -> None:
    given = [
        "Content-Type: application/json;charset=UTF-8",
        "Elements-Request-Id: 5b1f",
        "X-Odd: a,  b",
        "Retry-After: 7",
        "Location: https://x.test/a?b",
    ]
    given += ["Link: <a>", "Link: <b>", "Content-Disposition: attachment; filename=a.txt", "Date: Tue, 15 Nov 1994 08:12:31 GMT"]
    framing = "Transfer-Encoding: chunked" if coded else f"Content-Length: {len(octets)}"
    body = chunked(*filter(None, [octets])) if coded else octets
    answer = answered(at_origin, script(head(status, *given, framing) + body))
    assert f"{answer.status} {answer.reason}" == status
    assert answer.body == octets
    for field in given:
        name, _, value = field.partition(": ")
        assert value in answer.values(name), field
    assert len(answer.values("content-type")) == 1
    assert answer.values("link") == ["<a>", "<b>"]


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body(at_origin: Mapped, status: str) -> None:
    behaviour = script(head(status, 'ETag: "a"', "Elements-Request-Id: 5b1f"))
    answer = answered(at_origin, behaviour, "GET", 'If-None-Match: "a"')
    assert (answer.status, answer.body, answer.value("etag")) == (int(status[:3]), b"", '"a"')
    assert answered(at_origin, behaviour, "DELETE").status == int(status[:3])


def test_head_is_the_get_without_its_body(at_origin: Mapped) -> None:
    answer = answered(at_origin, script(head("200 OK", "Content-Type: application/json", "Content-Length: 4711")), "HEAD")
    assert (answer.status, answer.body, answer.value("content-length")) == (200, b"", "4711")
    assert arrived(at_origin).method == "HEAD"


def test_head_at_the_sandbox(world: World) -> None:
    hubspot = world.customer("plain", like="hubspot")
    whole, bare = hubspot.get("/contacts?pageSize=2"), hubspot.call("HEAD", "/contacts?pageSize=2")
    assert (bare.status, bare.body) == (200, b"")
    assert bare.value("content-length") == whole.value("content-length")
    assert bare.value("elements-returned-count") == "2"


def test_the_sandbox_answers_as_without_a_gateway(world: World) -> None:
    """Reads and writes through the gateway and past it agree, errors included."""
    acme = world.customer("plain", like="sfdc")
    created = acme.call("POST", "/contacts", "Content-Type: application/json", body=b'{"FirstName":"Zo\xc3\xab"}').json()
    assert created["FirstName"] == "Zoë"
    path = f"/contacts/{created['id']}"
    assert acme.call("PATCH", path, "Content-Type: application/json", body=b'{"FirstName":"Ann"}').status == 200
    assert acme.get(path).json()["FirstName"] == "Ann"
    deleted = acme.call("DELETE", path)
    assert (deleted.status, deleted.body, deleted.value("content-length")) == (200, b"", "0")
    missing = acme.get(path)
    assert missing.status == 404
    assert missing.json().keys() == {"requestId", "message", "providerMessage"}
    assert missing.json()["requestId"] == missing.value("elements-request-id")
    assert acme.call("POST", "/contacts", body=b"{").status == 400


def test_a_coded_body_passes_as_it_is(at_origin: Mapped) -> None:
    answer = answered(at_origin, script(ok(b"\x1f\x8b\x08notgzip", "Content-Encoding: gzip")), "GET", "Accept-Encoding: gzip")
    assert (answer.body, answer.value("content-encoding")) == (b"\x1f\x8b\x08notgzip", "gzip")


def test_a_body_that_is_too_large(at_origin: Mapped) -> None:
    """6 GiB are taken; what announces more is refused before it is sent."""
    answer, _ = raw_call(at_origin, f"POST {BASE}/contacts HTTP/1.1", "Content-Length: 99999999999")
    assert answer is not None
    check_problem(answer, 413, "body-too-large", "caller")
    assert at_origin.world.raw.requests == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_explain_sends_nothing(at_origin: Mapped, method: str) -> None:
    """2.3: `nothing is sent; answers what would happen`. Whoever asks what a DELETE would do must not have it done."""
    at_origin.call(method, "/contacts/1", "Gateway-Explain: 1")
    assert at_origin.world.raw.requests == []
