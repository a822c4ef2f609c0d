"""Interim answers as they are passed on: end-to-end fields alone, secrets masked (RFC 9110 §15.2). What a client makes of them:
``contract/test_interim.py``."""

from __future__ import annotations

import pytest

from gateway.exchange import Headers, Request
from tests.upstream.contract.test_interim import HINTS, interim
from tests.upstream.test_sender import ORGANIZATION, TOKEN, USER, scene


async def passed(*lines: str) -> Headers:
    """What is passed on of an interim answer with these fields."""
    told: list[Headers] = []
    async with scene([interim(103, *lines) + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]) as here:
        await here.send(Request("GET", "/x", Headers(), interim=lambda _, headers: told.append(headers)))
    (headers,) = told
    return headers


@pytest.mark.parametrize("secret", [USER, ORGANIZATION, TOKEN])
async def test_an_echoed_secret_is_masked(secret: str) -> None:
    headers = await passed(f"Link: </{secret}>", "X-A: 1", f"X-B: {secret}{secret}")
    assert headers.pairs == (("Link", f"</{'*' * len(secret)}>"), ("X-A", "1"), ("X-B", "*" * 2 * len(secret)))


@pytest.mark.parametrize(
    "name",
    ["Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "TE", "Trailer", "Upgrade", "Content-Length", "HTTP2-Settings"],
)
async def test_fields_of_one_hop_are_not_passed_on(name: str) -> None:
    headers = await passed("X-A: 1", f"{name}: 5" if name == "Content-Length" else f"{name}: x", "X-B: \xe4")
    assert headers.pairs == (("X-A", "1"), ("X-B", "\xe4"))


async def test_nor_those_that_connection_names() -> None:
    headers = await passed("Connection: keep-alive, X-Hop", "x-hop: 1", "X-End: 1")
    assert headers.pairs == (("X-End", "1"),)


async def test_a_repeated_call_tells_of_each() -> None:
    """A kept connection that died without a word: the second attempt's interim answers are told of."""
    told: list[int] = []
    ok = HINTS + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with scene([ok, None, ok]) as here:
        for _ in range(2):
            await here.send(Request("GET", "/x", Headers(), interim=lambda status, _: told.append(status)))
    assert told == [103, 103]
