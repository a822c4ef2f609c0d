"""Sealed answers are read whole, decoded, sealed and handed on; what cannot be read is not."""

from __future__ import annotations

import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator

import pytest

from gateway.errors import UpstreamProtocolError, UpstreamTimeout
from gateway.exchange import Body, Headers, Instance, Pair, Response
from gateway.instances import sealing
from gateway.instances.provisioning import Sealer

TOKEN = "real-token-of-acme="
JSON = ("Content-Type", "application/json")
DOCUMENT = json.dumps({"id": 7, "token": TOKEN, "name": "é", "configuration": {"password": "hunter2-canary"}}).encode()
SEALED = {"id": 7, "token": "gwi_abcdefgh", "name": "é", "configuration": {"password": "***"}}


class Table:
    """An ``InstanceStore`` that knows one mapping."""

    generation = 0

    async def by_handle(self, handle: str) -> Instance | None:
        return None

    async def of_customer(self, environment: str, customer: str) -> tuple[Instance, ...]:
        return ()

    async def handle_of(self, environment: str, token: str) -> str | None:
        return "gwi_abcdefgh" if (environment, token) == ("dev", TOKEN) else None


class Arriving:
    """A streaming body that may end in an error."""

    length = None

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks = chunks
        self.error = error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
        if self.error:
            raise self.error

    async def aclose(self) -> None:
        self.closed = True


async def sealed(body: Body, *pairs: Pair, environment: str = "dev", status: int = 200) -> Response:
    return await Sealer(Table()).seal(Response(status, Headers(pairs), body, "Fine"), environment)


def raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data)


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (DOCUMENT, [JSON]),
        (DOCUMENT, []),
        (DOCUMENT, [("Content-Type", "text/plain")]),
        (Arriving(DOCUMENT[:9], DOCUMENT[9:]), [JSON]),
        (gzip.compress(DOCUMENT), [JSON, ("Content-Encoding", "gzip")]),
        (gzip.compress(DOCUMENT), [JSON, ("Content-Encoding", " X-GZIP ")]),
        (raw_deflate(DOCUMENT), [JSON, ("Content-Encoding", "deflate")]),
        (DOCUMENT, [JSON, ("Content-Encoding", "identity")]),
        (b"\xef\xbb\xbf" + DOCUMENT, [JSON]),
        (DOCUMENT.decode().encode("utf-16"), [JSON]),
        (gzip.compress(DOCUMENT[:20]) + gzip.compress(DOCUMENT[20:]), [JSON, ("Content-Encoding", "gzip")]),
    ],
    ids=["json", "no type", "text", "stream", "gzip", "x-gzip", "deflate", "identity", "BOM", "UTF-16", "gzip in two members"],
)
async def test_a_document_is_sealed_however_it_comes(body: Body, pairs: list[Pair]) -> None:
    response = await sealed(body, *pairs, ("ETag", '"x"'), ("Content-MD5", "x"), ("X-Kept", "1"), status=201)

    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == SEALED
    assert (response.status, response.reason) == (201, "Fine")
    assert not {"etag", "content-md5", "content-encoding", "content-length"} & {name.lower() for name, _ in response.headers.pairs}
    assert response.headers.get("x-kept") == "1"


async def test_a_token_of_another_environment_is_not_mapped_here() -> None:
    response = await sealed(DOCUMENT, JSON, environment="prod")

    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["token"] == "***"


@pytest.mark.parametrize("body", [b"", Arriving()])
async def test_no_body_is_none(body: Body) -> None:
    assert (await sealed(body, JSON, status=204)).body == b""


async def test_without_secrets_the_octets_stay() -> None:
    body = b'{ "id" : 1.0,\n "name":"\\u00e9" }'

    assert (await sealed(body, JSON)).body == body


async def test_a_body_that_streamed_is_closed() -> None:
    body = Arriving(b"{}")
    await sealed(body, JSON)

    assert body.closed


async def test_a_body_that_breaks_off_is_not_handed_on() -> None:
    body = Arriving(DOCUMENT, error=UpstreamTimeout("stopped"))
    with pytest.raises(UpstreamTimeout):
        await sealed(body, JSON)

    assert body.closed


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b"<html>", [JSON]),
        (DOCUMENT + b"x", [JSON]),
        (DOCUMENT + b"\n" + DOCUMENT, [("Content-Type", "application/x-ndjson")]),
        (b'{"token":"\xff"}', [JSON]),
        (b"[" * 100_000, [JSON]),
        (b"x", [JSON, ("Content-Encoding", "br")]),
        (DOCUMENT, [JSON, ("Content-Encoding", "gzip")]),
        (gzip.compress(DOCUMENT)[:-9], [JSON, ("Content-Encoding", "gzip")]),
        (gzip.compress(gzip.compress(DOCUMENT)), [JSON, ("Content-Encoding", "gzip, gzip")]),
        (gzip.compress(bytes(sealing.MAX_BYTES + 1)), [JSON, ("Content-Encoding", "gzip")]),
        (Arriving(*[bytes(1 << 20)] * 17), [JSON]),
    ],
    ids=["html", "surplus", "ndjson", "no UTF-8", "open brackets", "br", "not gzip", "half a gzip", "gzip twice", "bomb", "large"],
)
async def test_what_cannot_be_read_is_not_handed_on(body: Body, pairs: list[Pair]) -> None:
    with pytest.raises(UpstreamProtocolError) as raised:
        await sealed(body, *pairs)

    assert TOKEN not in raised.value.detail


@pytest.mark.parametrize("depth", [100, 330, 480, 700, 970, 2000])
async def test_a_deep_document_is_sealed_or_refused(depth: int) -> None:
    """Never a ``RecursionError``."""
    body = b'{"a":' * depth + DOCUMENT + b"}" * depth
    with contextlib.suppress(UpstreamProtocolError):
        response = await sealed(body, JSON)
        assert TOKEN.encode() not in bytes(response.body)  # type: ignore[arg-type]
