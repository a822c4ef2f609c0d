"""What the provider said of an error is remembered, and no secret with it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange import Exchange, Headers, Request, Response
from gateway.upstream.masking import needles
from gateway.upstream.provider_message import MOST_OCTETS, MOST_SIGNS, overheard, said

JSON = ("Content-Type", "application/json;charset=UTF-8")


class Pieces:
    """A body that arrives in pieces and may end early."""

    def __init__(self, pieces: Sequence[bytes], *, fails: bool = False) -> None:
        self._pieces, self._fails, self.length, self.closed = pieces, fails, None, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._fails:
            raise ConnectionResetError

    async def aclose(self) -> None:
        self.closed = True


def body(text: object, **more: object) -> bytes:
    return json.dumps({"requestId": "1", "message": "m", "providerMessage": text, **more}).encode()


def told(text: str, query: str = "", secrets: Sequence[str] = ()) -> str:
    return said(body(text), query, needles(secrets))


async def heard(octets: bytes | Pieces, *fields: tuple[str, str], status: int = 404) -> tuple[str, bytes]:
    """What the record knows after the answer was read, and what was read of it."""
    exchange = Exchange("id", "GET", "/x", 0.0)
    answer = overheard(Response(status, Headers(fields or [JSON]), octets), Request("GET", "/x?a=b", Headers()), (), exchange)
    if isinstance(answer.body, bytes):
        return exchange.provider_message, answer.body
    read = b"".join([piece async for piece in answer.body])
    await answer.body.aclose()
    return exchange.provider_message, read


async def test_a_whole_body_is_read_at_once() -> None:
    assert await heard(body("no such row")) == ("no such row", body("no such row"))


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_streaming_body_is_listened_to_and_passes_untouched(size: int) -> None:
    octets = body("no such row")
    stream = Pieces([octets[start : start + size] for start in range(0, len(octets), size)])
    assert await heard(stream) == ("no such row", octets)
    assert stream.closed


async def test_a_body_that_ends_early_said_nothing() -> None:
    exchange = Exchange("id", "GET", "/x", 0.0)
    stream = Pieces([body("no such row")], fails=True)
    answer = overheard(Response(404, Headers([JSON]), stream), Request("GET", "/x", Headers()), (), exchange)
    assert not isinstance(answer.body, bytes)
    with pytest.raises(ConnectionResetError):
        [piece async for piece in answer.body]
    assert exchange.provider_message == ""


@pytest.mark.parametrize("more", [-1, 0, 1, 100_000])
@pytest.mark.parametrize("streams", [False, True])
async def test_a_large_body_is_given_up(more: int, streams: bool) -> None:
    small = body("no such row", pad="")
    octets = body("no such row", pad="x" * (MOST_OCTETS - len(small) + more))
    pieces = Pieces([octets[start : start + 5000] for start in range(0, len(octets), 5000)])
    message, read = await heard(pieces if streams else octets)
    assert message == ("no such row" if more <= 0 else "")
    assert read == octets


@pytest.mark.parametrize("fields", [[("Content-Type", "text/html")], [], [JSON, ("Content-Encoding", "gzip")]])
async def test_what_is_no_plain_json_is_not_looked_into(fields: list[tuple[str, str]]) -> None:
    message, _ = await heard(body("no such row"), *(fields or [("X-Other", "1")]))
    assert message == ""


@pytest.mark.parametrize(
    "octets",
    [b"", b"{}", b"[]", b'"providerMessage"', b'{"providerMessage": ', b'{"providerMessage": 7}', b'{"providerMessage": null}',
     b"\xffproviderMessage", b'{"providerMessage": {"a": 1}}', b'{"a": {"providerMessage": "inner"}}',
     b'{"providerMessage":' + b"[" * 9000],
)  # fmt: skip
def test_what_says_nothing(octets: bytes) -> None:
    assert said(octets, "", ()) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no row with token 7", "no row with token 7"),
        ("password=hunter2-x, next", "password=***, next"),
        ('{"access_token": "abc.def", "x": 1}', '{"access_token": "***", "x": 1}'),
        ("api-key : abc;", "api-key : ***;"),
        ("client_secret=abc&x=1", "client_secret=***&x=1"),
        ("Authorization: Bearer abcdef.123", "Authorization: *** ***"),
        ("used Bearer abcdef.123 in vain", "used Bearer *** in vain"),
        ("key gwk_abc_def is unknown", "key *** is unknown"),
        ("a\x00b\nc\x1b[31m\u202ed", "a b c [31m d"),
        ("grüße", "grüße"),
        ("\ud800 half", "? half"),
    ],
)
def test_what_reads_as_a_secret_is_masked_and_what_steers_a_terminal_dropped(text: str, shown: str) -> None:
    assert told(text) == shown


@pytest.mark.parametrize("spelled", ["CANARY-7f", "\\u0043ANARY-7f", "C\\u0041NARY\\u002d7f"])
def test_an_injected_secret_is_masked_however_json_spells_it(spelled: str) -> None:
    octets = f'{{"providerMessage": "seen {spelled}!"}}'.encode()
    assert said(octets, "", needles(["CANARY-7f"])) == "seen *********!"


def test_a_secret_of_the_query_is_masked() -> None:
    query = "where=acme&apiSecret=CAN%2BARY&token=xyz1&code=abcd&q=plain"
    assert told("CAN+ARY and xyz1, abcd, acme, plain", query) == "*** and ***, ***, acme, plain"


@given(st.text(max_size=6000), st.text("abcdefgh-+/=<>&\"'\\", min_size=6, max_size=40))
def test_it_is_short_printable_and_without_the_secret(text: str, secret: str) -> None:
    shown = told(text[:3000] + secret + text[3000:], "", [secret])
    assert len(shown) <= MOST_SIGNS
    assert shown.isprintable()
    assert secret not in shown


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["a.", "token", "token:", "password ", 'api_key"', "Bearer "])
def test_no_text_makes_it_slow(piece: str) -> None:
    assert len(told(piece * (16_000 // len(piece)))) <= MOST_SIGNS
