"""A call and its repeats, one after the other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.errors import BadRequest, Conflict, IdempotencyKeyReused, RateLimited, UpstreamTimeout, UpstreamUnreachable
from gateway.exchange import Exchange, Headers, Request, Response
from gateway.idempotency import names_key
from tests.idempotency.conftest import MOST, Clock
from tests.idempotency.scene import DAY_S, Chunks, Room, created, exchange, request, target, whole


def is_replay(answer: Response) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


async def test_a_repeat_gets_the_first_answer_and_nothing_is_sent(room: Room) -> None:
    record, again = exchange(), exchange()
    first = await room.call(record=record)
    second = await room.call(request(key='"k-1"'), record=again)

    assert first == created(1)
    assert (second.status, second.reason, second.body) == (201, "Created", b'{"id":1}')
    assert second.headers.pairs == (("Content-Type", "a/json"), ("X-Number", "1"), ("Date", "then"), ("Idempotency-Replayed", "true"))
    assert room.upstream.bodies == [b'{"a":1}']
    assert (record.cache_status, again.cache_status) == ("", "gateway; fwd=bypass; detail=idempotency-replayed")
    assert [note[:2] for note in (*record.decisions, *again.decisions)] == [("idempotency", "kept"), ("idempotency", "replayed")]


async def test_streams_up_and_down_are_kept_and_compared_as_well(room: Room) -> None:
    room.upstream.acts = [created(1, Chunks(b'{"id', b'":1}'))]
    first = await room.call(request(body=Chunks(b'{"a"', b":1}")))
    second = await room.call(request(body=Chunks(b'{"a":', b"1}")))
    third = await room.call()

    assert first.body == second.body == third.body == b'{"id":1}'
    assert (is_replay(first), is_replay(second), is_replay(third)) == (False, True, True)
    with pytest.raises(IdempotencyKeyReused):
        await room.call(request(body=Chunks(b"{}")))
    assert len(room.upstream.bodies) == 1


@pytest.mark.parametrize(
    "other", [{"body": b"{}"}, {"path": "/contacts?x=1"}, {"path": "/accounts"}, {"method": "PATCH"}, {"media": "b/json"}]
)
async def test_the_same_key_for_something_else_is_refused(room: Room, other: dict[str, str]) -> None:
    await room.call()
    with pytest.raises(IdempotencyKeyReused):
        await room.call(request(**other))  # type: ignore[arg-type]
    assert len(room.upstream.bodies) == 1
    assert is_replay(await room.call())


async def test_other_callers_customers_and_keys_have_answers_of_their_own(room: Room) -> None:
    answers = [
        await room.call(),
        await room.call(request(key="k-2")),
        await room.call(customer="globex"),
        await room.call(record=exchange("caller000002")),
        await room.idempotency.once(request(), replace(target(), instance=None), exchange(), room.upstream),
    ]
    assert [answer.body for answer in answers] == [b'{"id":%d}' % number for number in range(1, 6)]


@pytest.mark.parametrize("status", [401, 408, 425, 429, 502, 503, 504])
async def test_an_answer_that_says_try_again_is_not_kept(room: Room, status: int) -> None:
    stream = Chunks(b"later")
    room.upstream.acts = [Response(status, Headers(), stream)]
    first, second, third = await room.call(), await room.call(), await room.call()

    assert (first.status, first.body) == (status, stream)
    assert (second.status, is_replay(second), is_replay(third)) == (201, False, True)


@pytest.mark.parametrize("status", [200, 204, 400, 403, 404, 409, 500])
async def test_every_other_answer_is(room: Room, status: int) -> None:
    room.upstream.acts = [Response(status, Headers(), b"")]
    assert [(await room.call()).status for _ in range(3)] == [status] * 3
    assert len(room.upstream.bodies) == 1


async def test_a_limit_in_disguise_is_not_kept(room: Room) -> None:
    record = exchange()
    record.limit_signal = True
    await room.call(record=record)
    assert record.decisions == [("idempotency", "not kept", "a limit of the provider")]
    assert not is_replay(await room.call())


@pytest.mark.parametrize("error", [RateLimited("r"), UpstreamUnreachable("u"), UpstreamTimeout("t"), ZeroDivisionError()])
async def test_an_error_passes_and_the_next_one_sends(room: Room, error: Exception) -> None:
    room.upstream.acts = [error]
    with pytest.raises(type(error)):
        await room.call()
    assert (await room.call()).status == 201
    assert is_replay(await room.call())


async def test_a_stream_that_breaks_is_not_kept(room: Room) -> None:
    stream = Chunks(b"{", UpstreamUnreachable("broke"))
    room.upstream.acts = [created(1, stream)]
    with pytest.raises(UpstreamUnreachable):
        await room.call()
    assert stream.closed
    assert not is_replay(await room.call())


@pytest.mark.parametrize("body", [b"x" * (MOST + 1), Chunks(b"x" * MOST, b"x"), Chunks(b"x", b"x" * MOST, length=MOST + 1)])
async def test_of_a_large_answer_only_that_it_was_given_is_kept(room: Room, body: bytes | Chunks) -> None:
    room.upstream.acts = [created(1, body)]
    first = await room.call()

    assert await whole(first.body) == b"x" * (MOST + 1)
    with pytest.raises(Conflict, match="too large to be kept"):
        await room.call()
    with pytest.raises(IdempotencyKeyReused):
        await room.call(request(body=b"{}"))
    assert len(room.upstream.bodies) == 1


async def test_the_largest_answer_that_is_kept(room: Room) -> None:
    room.upstream.acts = [created(1, Chunks(b"x" * MOST))]
    await room.call()
    assert (await room.call()).body == b"x" * MOST


async def test_an_answer_to_half_a_request_is_not_kept(room: Room) -> None:
    async def early(_: Request, __: Exchange) -> Response:
        return Response(400, Headers(), b"no")

    asked = request(body=Chunks(b"{", b"}"))
    record = exchange()
    answer = await room.idempotency.once(asked, target(), record, early)
    assert answer.body == b"no"
    assert record.decisions == [("idempotency", "not kept", "it came before the request was read")]
    assert not is_replay(await room.call())


async def test_a_day_later_it_is_another_call(room: Room, clock: Clock) -> None:
    await room.call()
    clock.now += DAY_S - 0.001
    assert is_replay(await room.call())
    clock.now += 0.001
    assert (await room.call()).body == b'{"id":2}'
    assert is_replay(await room.call())
    assert is_replay(await room.call())


async def test_no_key_no_matter_and_a_bad_one_is_refused(room: Room) -> None:
    assert [(await room.call(request(key=None))).body for _ in range(2)] == [b'{"id":1}', b'{"id":2}']
    with pytest.raises(BadRequest):
        await room.call(request(key='"'))
    assert len(room.upstream.bodies) == 2


@pytest.mark.parametrize(
    ("method", "key", "expected"),
    [("POST", "k", True), ("PUT", "k", True), ("PATCH", "k", True), ("DELETE", "k", True), ("GET", "k", False), ("POST", None, False)],
)
def test_for_which_calls(method: str, key: str | None, expected: bool) -> None:
    assert names_key(request(key=key, method=method)) is expected


async def test_the_key_goes_up_as_it_came(room: Room) -> None:
    sent: list[Request] = []

    async def look(asked: Request) -> Response:
        sent.append(asked)
        return created(1)

    room.upstream.acts = [look]
    await room.call(request(key='"k-1"', body=Chunks(b"a", length=1)))
    assert sent[0].headers.get("idempotency-key") == '"k-1"'
    assert not isinstance(sent[0].body, bytes)
    assert sent[0].body.length == 1
