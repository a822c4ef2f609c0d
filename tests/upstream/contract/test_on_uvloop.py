"""The same on uvloop, on which the gateway runs: its transports differ where a connection ends, pauses or is TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

import pytest
import uvloop

from tests.upstream.contract import test_bodies as bodies
from tests.upstream.contract import test_leaving as leaving
from tests.upstream.contract import test_pooling as pooling
from tests.upstream.contract import test_surplus as surplus
from tests.upstream.contract import test_times as times
from tests.upstream.contract import test_tls as tls
from tests.upstream.contract import test_uploads as uploads
from tests.upstream.contract.conftest import Clients

EARLY = b"Content-Length: 4\r\n\r\nhalt"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"
STORIES = {
    "used again": pooling.test_a_connection_is_used_again,
    "in line": pooling.test_beyond_max_connections_calls_wait_in_line,
    "stale": partial(pooling.test_a_kept_connection_that_dies_on_the_next_request_is_stale, reset=True),
    "until close": bodies.test_a_body_may_last_until_the_connection_closes,
    "reset": partial(bodies.test_a_reset_is_no_end_of_a_body_that_lasts_until_the_end, late=False),
    "reset, late": partial(bodies.test_a_reset_is_no_end_of_a_body_that_lasts_until_the_end, late=True),
    "cut": partial(bodies.test_an_early_end_never_looks_complete, octets=HALF, reset=False, late=True),
    "unread": bodies.test_a_body_that_nobody_reads_waits_at_its_upstream,
    "broken chunks": partial(bodies.test_broken_chunks_are_no_body, line=b"-5"),
    "surplus": partial(surplus.test_whatever_comes_behind_an_answer_nobody_gets_it, surplus=surplus.EVIL),
    "no answer": times.test_no_answer_in_time,
    "pauses": partial(times.test_a_body_that_pauses_for_too_long, octets=HALF),
    "not read": times.test_an_upstream_that_reads_no_upload_times_out,
    "early answer": partial(uploads.test_an_early_answer_comes_through_and_ends_the_upload, framing=EARLY, streamed=True),
    "failing upload": uploads.test_an_upload_that_fails_after_the_answer_began_breaks_the_answer_off,
    "slow upload": uploads.test_a_body_goes_no_faster_than_it_is_read,
    "leaving": leaving.test_calls_cancelled_at_any_step_leave_every_place_free,
    "closing": leaving.test_closing_the_client_does_not_wait_for_an_upstream_that_reads_nothing,
}
SECURE = {
    "trusted": partial(tls.test_a_trusted_certificate, host="localhost"),
    "untrusted": partial(tls.test_what_cannot_be_trusted_is_refused_and_no_octet_is_sent, wrong="untrusted"),
    "cut by TCP": partial(tls.test_an_end_by_tcp_alone_is_no_end_of_a_body, size=4, late=False),
    "large, cut by TCP": partial(tls.test_an_end_by_tcp_alone_is_no_end_of_a_body, size=3_000_000, late=True),
    "farewell": partial(tls.test_a_body_that_ends_with_a_farewell_is_whole, size=3_000_000, stated=b""),
}


def told(clients: Clients, story: Awaitable[None]) -> None:
    async def whole() -> None:
        await story
        await clients.balanced()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


@pytest.mark.parametrize("name", [*STORIES])
def test_plain(clients: Clients, name: str) -> None:
    told(clients, STORIES[name](clients))  # type: ignore[operator]


@pytest.mark.parametrize("name", [*SECURE])
def test_secure(clients: Clients, name: str, tmp_path: Path) -> None:
    told(clients, SECURE[name](clients, tmp_path))
