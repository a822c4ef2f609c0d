"""Where a request ends: Content-Length, Transfer-Encoding, pipelining, Expect (RFC 9112 6; threats 7)."""

from __future__ import annotations

import pytest

from tests.support.cases import BASE, Case, Seen, ask, post
from tests.support.lane import Lane
from tests.support.origin import BODY, chunked, head, script

X = f"{BASE}/x"
HELLO = Seen(f"POST {X}", b"hello", "length")
SMUGGLED = ask("GET ~/smuggled")
PLAIN = ask("GET ~/smuggled", who=False)


def lengths(*values: str, body: bytes = b"hello") -> bytes:
    return ask("POST ~/x", *(f"Content-Length: {value}" for value in values), body=body)


def codings(*fields: str, body: bytes = b"5\r\nhello\r\n0\r\n\r\n") -> bytes:
    return ask("POST ~/x", *fields, body=body)


def refused(name: str, sent: bytes, *, slug: str = "bad-request") -> Case:
    return Case(name, sent, (slug,), (), closes=True)


EVERY_OCTET = bytes(range(256)) * 4
PARTS = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.bin"\r\n\r\n\x00\xff\r\n--b--\r\n'

GOOD = [
    Case("cl", lengths("5"), (200,), (HELLO,)),
    Case("cl-zero", lengths("0", body=b""), (200,), (Seen(f"POST {X}", b"", "length"),)),
    Case("cl-leading-zeros", lengths("0005"), (200,), (HELLO,)),
    Case("cl-tabs-around", lengths("\t5\t"), (200,), (HELLO,)),
    Case("cl-every-octet", post("~/x", EVERY_OCTET), (200,), (Seen(f"POST {X}", EVERY_OCTET, "length"),)),
    Case("cl-looks-like-request", post("~/x", PLAIN), (200,), (Seen(f"POST {X}", PLAIN, "length"),)),
    Case(
        "multipart",
        post("~/x", PARTS, "Content-Type: multipart/form-data; boundary=b"),
        (200,),
        (Seen(f"POST {X}", PARTS, "length", has=("Content-Type: multipart/form-data; boundary=b",)),),
    ),
    Case("post-none", ask("POST ~/x"), (200,), (Seen(f"POST {X}", b"", "none"),)),
    Case("delete-none", ask("DELETE ~/x"), (200,), (Seen(f"DELETE {X}", b"", "none"),)),
    Case("get-none", ask("GET ~/x"), (200,)),
    Case("get-cl", ask("GET ~/x", "Content-Length: 5", body=b"hello"), (200,), (Seen(payload=b"hello", framing="length"),)),
    Case(
        "get-chunked", ask("GET ~/x", "Transfer-Encoding: chunked", body=chunked(b"he")), (200,), (Seen(payload=b"he", framing="chunked"),)
    ),
    Case("delete-cl", ask("DELETE ~/x", "Content-Length: 2", body=b"{}"), (200,), (Seen(f"DELETE {X}", b"{}", "length"),)),
    Case("patch-cl", ask("PATCH ~/x", "Content-Length: 2", body=b"{}"), (200,), (Seen(f"PATCH {X}", b"{}", "length"),)),
    Case("put-chunked", ask("PUT ~/x", "Transfer-Encoding: chunked", body=chunked(b"{}")), (200,), (Seen(f"PUT {X}", b"{}", "chunked"),)),
    Case("options-none", ask("OPTIONS ~/x"), (200,), (Seen(f"OPTIONS {X}"),)),
    Case("head-none", ask("HEAD ~/x"), (200,), (Seen(f"HEAD {X}"),)),
    Case("te-upper-case", codings("Transfer-Encoding: CHUNKED"), (200,), (Seen(f"POST {X}", b"hello", "chunked"),)),
    Case(
        "gzip-body-as-it-is",
        post("~/x", b"\x1f\x8bnot gzip", "Content-Encoding: gzip"),
        (200,),
        (Seen(f"POST {X}", b"\x1f\x8bnot gzip", "length"),),
    ),
]

BAD = [
    refused("cl-same-twice", lengths("5", "5")),
    refused("cl-two-differ", lengths("5", "6")),
    refused("cl-list-same", lengths("5, 5")),
    refused("cl-list-differs", lengths("5, 6")),
    refused("cl-comma", lengths("5,")),
    refused("cl-plus", lengths("+5")),
    refused("cl-minus", lengths("-5")),
    refused("cl-minus-zero", lengths("-0")),
    refused("cl-hex", lengths("0x5")),
    refused("cl-blank-inside", lengths("5 5")),
    refused("cl-empty", lengths("")),
    refused("cl-decimal", lengths("5.0")),
    refused("cl-exponent", lengths("5e0")),
    refused("cl-underscore", lengths("1_0")),
    refused("cl-other-digits", lengths("\xb2")),
    refused("cl-arabic-digits", lengths("\xd9\xa5")),
    refused("cl-quoted", lengths('"5"')),
    refused("cl-word", lengths("five")),
    refused("cl-nul", lengths("5\0")),
    refused("cl-vertical-tab", lengths("\x0b5")),
    refused("cl-blank-before-colon", ask("POST ~/x", "Content-Length : 5", body=b"hello")),
    refused("cl-fold", ask("POST ~/x", "Content-Length:\r\n 5", body=b"hello")),
    refused("cl-beyond-64-bit", lengths("18446744073709551621"), slug="bad-request|body-too-large"),
    refused("cl-1000-digits", lengths("9" * 1000), slug="bad-request|body-too-large"),
    refused("cl-10-gb", lengths("10000000000"), slug="body-too-large"),
    refused("te-and-cl", codings("Transfer-Encoding: chunked", "Content-Length: 5")),
    refused("cl-and-te", codings("Content-Length: 5", "Transfer-Encoding: chunked")),
    refused("cl-0-and-te", codings("Content-Length: 0", "Transfer-Encoding: chunked")),
    refused("smuggle-cl-te", codings("Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    refused("smuggle-te-cl", codings("Transfer-Encoding: chunked", "Content-Length: 4", body=b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n")),
    refused("smuggle-te-te", codings("Transfer-Encoding: chunked", "Transfer-Encoding: x", body=b"0\r\n\r\n" + SMUGGLED)),
    refused("smuggle-te-empty", codings("Transfer-Encoding: ", body=SMUGGLED)),
    refused("smuggle-te-comma-first", codings("Transfer-Encoding: , chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    refused("smuggle-expect", codings("Expect: 200-ok", "Content-Length: 10", body=SMUGGLED)),
    refused("te-identity", codings("Transfer-Encoding: identity", body=b"hello")),
    refused("te-identity-cl", codings("Transfer-Encoding: identity", "Content-Length: 5", body=b"hello")),
    refused("te-gzip", codings("Transfer-Encoding: gzip")),
    refused("te-gzip-chunked", codings("Transfer-Encoding: gzip, chunked")),
    refused("te-chunked-gzip", codings("Transfer-Encoding: chunked, gzip")),
    refused("te-xchunked", codings("Transfer-Encoding: xchunked")),
    refused("te-chunkedx", codings("Transfer-Encoding: chunkedx")),
    refused("te-chunked-chunked", codings("Transfer-Encoding: chunked, chunked")),
    refused("te-two-lines", codings("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")),
    refused("te-two-lines-identity", codings("Transfer-Encoding: identity", "Transfer-Encoding: chunked")),
    refused("te-empty", codings("Transfer-Encoding: ")),
    refused("te-comma", codings("Transfer-Encoding: chunked,")),
    refused("te-comma-first", codings("Transfer-Encoding: , chunked")),
    refused("te-parameter", codings("Transfer-Encoding: chunked;q=1")),
    refused("te-quoted", codings('Transfer-Encoding: "chunked"')),
    refused("te-vertical-tab", codings("Transfer-Encoding: \x0bchunked")),
    refused("te-form-feed", codings("Transfer-Encoding: chunked\x0c")),
    refused("te-nbsp", codings("Transfer-Encoding: chunked\xa0")),
    refused("te-nul", codings("Transfer-Encoding: chunked\0")),
    refused("te-blank-before-colon", codings("Transfer-Encoding : chunked")),
    refused("te-fold", codings("Transfer-Encoding:\r\n chunked")),
    refused("te-fold-second", codings("Transfer-Encoding: chunked\r\n , x")),
    refused("te-http-1.0", ask("POST ~/x HTTP/1.0", "Transfer-Encoding: chunked", body=chunked(b"hello"))),
    refused("expect-other", ask("POST ~/x", "Expect: 200-ok", "Content-Length: 5", body=b"hello")),
]

TWO = (Seen(), Seen(f"POST {X}", b"hello", "length"))
PIPELINED = [
    Case("pipelined-50", ask("GET ~/x") * 50, (200,) * 50, (Seen(),) * 50),
    Case("pipelined-50-garbage", ask("GET ~/x") * 50 + b"garbage\r\n\r\n", (*[200] * 50, "bad-request"), (Seen(),) * 50, closes=True),
    Case("pipelined-three", ask("GET ~/x") * 3, (200, 200, 200), (Seen(), Seen(), Seen())),
    Case("pipelined-get-post", ask("GET ~/x") + lengths("5"), (200, 200), TWO),
    Case("pipelined-after-cl-0", lengths("0", body=b"") + ask("GET ~/x"), (200, 200), (Seen(f"POST {X}", b"", "length"), Seen())),
    Case(
        "pipelined-after-chunked",
        codings("Transfer-Encoding: chunked") + ask("GET ~/x"),
        (200, 200),
        (Seen(f"POST {X}", b"hello", "chunked"), Seen()),
    ),
    Case("pipelined-garbage", ask("GET ~/x") + b"garbage\r\n\r\n", (200, "bad-request"), closes=True),
    Case("pipelined-bad-framing", ask("GET ~/x") + lengths("5", "6"), (200, "bad-request"), closes=True),
    Case("pipelined-bad-after-post", lengths("5") + b"\x00\x01\x02\r\n\r\n", (200, "bad-request"), (HELLO,), closes=True),
    Case(
        "body-longer-than-cl",
        lengths("3", body=b"hello\r\n\r\n"),
        (200, "bad-request"),
        (Seen(f"POST {X}", b"hel", "length"),),
        closes=True,
    ),
    Case("nothing-after-close", ask("GET ~/x", "Connection: close") + SMUGGLED, (200,), closes=True),
    Case("after-refusal-in-step", post("/c/nobody/elements/api-v2/x", b"hello") + ask("GET ~/x"), ("no-instance", 200)),
]

SLICED = [
    Case("octet-by-octet", lengths("5"), (200,), (HELLO,), octetwise=True),
    Case("cut-in-line-end", (lengths("5")[:-9], 0.02, b"\r\n\r\nhello"), (200,), (HELLO,)),
    Case("cut-in-body", (lengths("5")[:-3], 0.05, b"llo"), (200,), (HELLO,)),
    Case("cut-in-second-head", (ask("GET ~/x") + lengths("5")[:20], 0.05, lengths("5")[20:]), (200, 200), TWO),
    Case("empty-line-first", b"\r\n" + ask("GET ~/x"), (200,)),
]

EXPECT = [
    Case(
        "expect-100",
        (lengths("5", body=b"").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"), 0.1, b"hello"),
        (200,),
        (HELLO,),
        interim=(100,),
    ),
    Case(
        "expect-100-chunked",
        (ask("POST ~/x", "Expect: 100-Continue", "Transfer-Encoding: chunked"), 0.1, chunked(b"hello")),
        (200,),
        (Seen(f"POST {X}", b"hello", "chunked"),),
        interim=(100,),
    ),
    Case(
        "expect-100-http-1.0",
        ask("POST ~/x HTTP/1.0", "Expect: 100-continue", "Content-Length: 5", body=b"hello"),
        (200,),
        (HELLO,),
        closes=True,
    ),
    Case("expect-100-refused", ask("POST ~/../x", "Expect: 100-continue", "Content-Length: 5"), ("bad-request",), (), closes=True),
    Case(
        "expect-100-unknown-caller",
        ask("POST ~/x", "Expect: 100-continue", "Content-Length: 5", who=False),
        ("unauthenticated",),
        (),
        closes=True,
    ),
]

VERSIONS = [
    Case("http-1.0", ask("GET ~/x HTTP/1.0"), (200,), closes=True),
    Case("http-1.0-without-host", ask("GET ~/x HTTP/1.0", host=False), (200,), closes=True),
    Case("http-1.0-post", ask("POST ~/x HTTP/1.0", "Content-Length: 5", body=b"hello"), (200,), (HELLO,), closes=True),
    Case(
        "http-1.0-keep-alive",
        ask("GET ~/x HTTP/1.0", "Connection: keep-alive") + ask("GET ~/x HTTP/1.0"),
        (200, 200),
        (Seen(), Seen()),
        closes=True,
    ),
    Case("http-1.1-close", ask("GET ~/x", "Connection: close"), (200,), closes=True),
    Case("http-1.1-close-upper-case", ask("GET ~/x", "Connection: CLOSE"), (200,), closes=True),
]


@pytest.mark.parametrize("case", [*GOOD, *BAD, *PIPELINED, *SLICED, *EXPECT, *VERSIONS], ids=lambda case: case.id)
def test_framing(lane: Lane, case: Case) -> None:
    lane.check(case)


def test_http_1_0_gets_no_chunks(lane: Lane) -> None:
    lane.origin.behaviours["c"] = script(head("200 OK", "Transfer-Encoding: chunked"), chunked(b"hel", b"lo"))
    answer = lane.ask(ask("GET ~/c HTTP/1.0"))
    assert answer.framing in ("close", "length")
    assert (answer.body, answer.complete) == (b"hello", True)


def test_half_a_body_never_looks_whole(lane: Lane) -> None:
    for octets in (lengths("10"), codings("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")):
        lane.origin.forget()
        with lane.caller() as caller:
            lane.send(caller, octets)
            caller.finish()
            answer = caller.answer("POST")
            assert answer is None or answer.status == 400
            assert caller.ended() != "open"
        for found in lane.own():
            assert lane.origin.wait(found.wire.closed.is_set)
            assert not found.complete
        lane.sentinel()


def test_answers_of_two_callers_do_not_mix(lane: Lane) -> None:
    lane.origin.behaviours["late"] = script(0.2, head("200 OK", "Content-Length: 4"), b"late")
    with lane.caller() as first, lane.caller() as second:
        lane.send(first, ask("GET ~/late"))
        lane.send(second, ask("GET ~/x"))
        quick, slow = second.answer(), first.answer()
    assert quick is not None
    assert slow is not None
    assert (quick.body, slow.body) == (BODY, b"late")
