"""Hostile platform answers: sealing takes no longer than their size asks for, and what cannot be sealed is a 502 (contract 2.5)."""

from __future__ import annotations

import gzip
from time import process_time

import pytest

from gateway.errors import UpstreamProtocolError
from gateway.exchange import Headers, Instance, Response
from gateway.instances.provisioning import Sealer

JSON = ("Content-Type", "application/json")


class Nothing:
    """An ``InstanceStore`` without mappings."""

    generation = 0

    async def by_handle(self, handle: str) -> Instance | None:
        return None

    async def of_customer(self, environment: str, customer: str) -> tuple[Instance, ...]:
        return ()

    async def handle_of(self, environment: str, token: str) -> str | None:
        return None


async def _seconds(members: int) -> float:
    """CPU seconds to read an answer of that many empty gzip members."""
    body = gzip.compress(b"[") + gzip.compress(b"") * members + gzip.compress(b"]")
    began = process_time()
    sealed = await Sealer(Nothing()).seal(Response(200, Headers([JSON, ("Content-Encoding", "gzip")]), body), "dev")
    used = process_time() - began
    assert sealed.body == b"[]"
    return used


async def test_many_gzip_members_take_time_in_proportion() -> None:
    small = min([await _seconds(15_000) for _ in range(3)])
    large = await _seconds(60_000)
    assert large < 9 * small, f"four times the members took {large / small:.0f} times as long"


@pytest.mark.parametrize("body", [b"[" * 900 + b"1" + b"]" * 900, b'{"a":[' * 450 + b"1" + b"]}" * 450])
async def test_an_answer_too_deep_to_be_sealed_is_a_protocol_error(body: bytes) -> None:
    try:
        sealed = await Sealer(Nothing()).seal(Response(200, Headers([JSON]), body), "dev")
    except UpstreamProtocolError:
        return
    assert sealed.body == body


async def test_of_two_members_of_one_name_no_secret_stays() -> None:
    """A JSON reader that takes the first of them would find it."""
    sealed = await Sealer(Nothing()).seal(Response(200, Headers([JSON]), b'{"token": "canary-4b7d", "token": null}'), "dev")
    assert isinstance(sealed.body, bytes)
    assert b"canary" not in sealed.body
