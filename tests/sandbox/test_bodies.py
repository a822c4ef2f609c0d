"""What may come in a request: JSON up to 8 MB, and the answers to all else."""

from __future__ import annotations

import asyncio
import gzip
from io import BytesIO

import pytest
from aiohttp import FormData

from .conftest import Api

JSON = {"Content-Type": "application/json"}
MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"[" * 200_000,
    ],
)
async def test_invalid_json_is_400_and_stores_nothing(api: Api, body: bytes) -> None:
    reply = await api("POST", "/contacts", as_="acme-sfdc", data=body, headers=JSON)

    assert (reply.status, "JSON" in reply.json["message"]) == (400, True)
    assert len((await api("GET", "/contacts", as_="acme-sfdc")).json) == 60


async def test_text_beyond_ascii_comes_back(api: Api) -> None:
    made = await api("POST", "/contacts", as_="acme-sfdc", json={"LastName": "Ærø ✓ 𝄞"})

    assert made.json["LastName"] == "Ærø ✓ 𝄞"
    assert "Ærø ✓ 𝄞".encode() in made.raw


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/csv"])
async def test_another_content_type_is_415(api: Api, kind: str) -> None:
    assert (await api("POST", "/contacts", as_="acme-sfdc", data=b"{}", headers={"Content-Type": kind})).status == 415


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"])
async def test_json_by_any_name(api: Api, kind: str) -> None:
    assert (await api("POST", "/contacts", as_="acme-sfdc", data=b"{}", headers={"Content-Type": kind})).status == 200


async def test_over_8_mb_is_a_429_that_speaks_of_the_payload(api: Api) -> None:
    largest = b'{"x":"' + b"a" * (8 * MEGABYTE - 8) + b'"}'
    path = (await api("GET", "/contacts?pageSize=1", as_="acme-sfdc")).json[0]["id"]
    fits = await api("PUT", f"/contacts/{path}?fields=id", as_="acme-sfdc", data=BytesIO(largest), headers=JSON)
    over = await api("PUT", f"/contacts/{path}?fields=id", as_="acme-sfdc", data=BytesIO(largest + b" "), headers=JSON)

    assert (fits.status, over.status) == (200, 429)
    assert "payload" in over.json["message"]
    assert "Retry-After" not in over.headers


async def test_an_answer_over_8_mb_is_a_429_too(api: Api) -> None:
    large = b'{"LastName": "Large", "text": "' + b"a" * 3 * MEGABYTE + b'"}'
    for _ in range(3):
        await api("POST", "/contacts", as_="acme-sfdc", data=BytesIO(large), headers=JSON)

    two = await api("GET", "/contacts?where=LastName='Large'&pageSize=2", as_="acme-sfdc")
    three = await api("GET", "/contacts?where=LastName='Large'", as_="acme-sfdc")
    assert (two.status, three.status, three.headers["Elements-Request-Id"]) == (200, 429, three.json["requestId"])
    assert "payload" in three.json["message"]


async def test_a_file_may_be_larger(api: Api) -> None:
    form = FormData()
    form.add_field("file", BytesIO(b"a" * (9 * MEGABYTE)), filename="a.bin")

    assert (await api("POST", "/files", as_="acme-sfdc", data=form)).status == 404


async def test_the_connection_goes_on_after_a_refused_body(api: Api) -> None:
    assert (await api("POST", "/instances", as_=None, data=b"x" * 300_000, headers=JSON)).status == 401
    assert (await api("GET", "/instances")).status == 200


@pytest.mark.parametrize("body", [b"null", b"{not json", b""])
async def test_a_delete_s_body_means_nothing(api: Api, body: bytes) -> None:
    id_ = (await api("GET", "/contacts?pageSize=1", as_="acme-sfdc")).json[0]["id"]

    assert (await api("DELETE", f"/contacts/{id_}", as_="acme-sfdc", data=body, headers=JSON)).status == 200


async def test_a_body_in_chunks_and_one_that_waits_for_100(api: Api) -> None:
    async def chunks():
        yield b'{"LastName":'
        await asyncio.sleep(0)
        yield b'"Chunk"}'

    chunked = await api("POST", "/contacts", as_="acme-sfdc", data=chunks(), headers=JSON)
    waited = await api("POST", "/contacts", as_="acme-sfdc", data=b'{"LastName":"Wait"}', headers=JSON, expect100=True)

    assert (chunked.json["LastName"], waited.json["LastName"]) == ("Chunk", "Wait")


async def test_a_compressed_body_is_not_unpacked(api: Api) -> None:
    body = gzip.compress(b"{}")
    fields = JSON | {"Content-Encoding": "gzip"}

    assert (await api("POST", "/contacts", as_="acme-sfdc", data=body, headers=fields)).status == 400
