"""Three ways to show a key, one way to fail (contract 2.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.callers import Callers
from gateway.callers.keys import CallerKey, digest, mint
from gateway.errors import BadRequest, Unauthenticated
from gateway.exchange import Headers, Pair

NOW = 1_700_000_000.0
KEY_ID, TEXT = mint()
OTHER_ID, OTHER = mint()


class Table:
    generation = 0

    """A ``KeyStore`` of given keys."""

    def __init__(self, *keys: CallerKey) -> None:
        self.keys = {key.id: key for key in keys}
        self.uses: list[tuple[str, float]] = []

    async def by_id(self, key_id: str) -> CallerKey | None:
        return self.keys.get(key_id)

    def used(self, key_id: str, now: float) -> None:
        self.uses.append((key_id, now))


def key(**more: object) -> CallerKey:
    return CallerKey(KEY_ID, "n", digest(TEXT.reveal()), **more)  # type: ignore[arg-type]


def callers(*keys: CallerKey) -> tuple[Callers, Table]:
    table = Table(*keys)
    return Callers(table, lambda: NOW), table


ME = TEXT.reveal()
SHOWN: list[tuple[list[Pair], tuple[str | None, str | None]]] = [
    ([("Authorization", f"Bearer {ME}")], (None, None)),
    ([("authorization", f"bearer  {ME}  ")], (None, None)),
    ([("X-Api-Key", ME)], (None, None)),
    ([("Authorization", f"User {ME}")], (None, None)),
    ([("Authorization", f"User {ME}, Organization dev, Element gwi_x")], ("dev", "gwi_x")),
    ([("Authorization", f"element: gwi_x,user {ME}")], (None, "gwi_x")),
    ([("Authorization", "Organization dev, Element gwi_x"), ("X-Api-Key", ME)], ("dev", "gwi_x")),
    ([("Authorization", f"User {OTHER.reveal()}"), ("X-Api-Key", ME)], (None, None)),
    ([("Authorization", f"Bearer {ME}"), ("X-Api-Key", OTHER.reveal())], (None, None)),
]


@pytest.mark.parametrize(("headers", "named"), SHOWN)
async def test_a_key_is_known_however_it_is_shown(headers: list[Pair], named: tuple[str | None, str | None]) -> None:
    room, table = callers(key())
    caller = await room.identify(Headers(headers))

    assert (caller.key.id, caller.organization, caller.element) == (KEY_ID, *named)
    assert table.uses == [(KEY_ID, NOW)]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", f"Basic {ME}")],
        [("Authorization", ME)],
        [("Authorization", f"Bearer {OTHER.reveal()}")],
        [("Authorization", f"Bearer {ME[:-1]}")],
        [("Authorization", f"Bearer {ME}x")],
        [("Authorization", f"Bearer {OTHER.reveal()}"), ("X-Api-Key", ME)],
        [("Authorization", "Organization dev, Element gwi_x")],
        [("Authorization", f"Bearer {ME}, Bearer {ME}")],
        [("X-Api-Key", "")],
        [("X-Api-Key", f"Bearer {ME}")],
        [("X-Api-Key", ME), ("X-Api-Key", ME)],
        [("X-Api-Key", "\xe9")],
        [("Authorization", "User a b")],
    ],
)
async def test_every_failure_reads_alike(headers: list[Pair]) -> None:
    room, table = callers(key())
    with pytest.raises(Unauthenticated) as raised:
        await room.identify(Headers(headers))
    with pytest.raises(Unauthenticated) as unknown:
        await room.identify(Headers())

    assert raised.value.detail == unknown.value.detail
    assert ME not in raised.value.detail
    assert table.uses == []


@pytest.mark.parametrize("expires_at", [NOW, NOW - 1])
async def test_an_expired_key_is_none(expires_at: float) -> None:
    room, table = callers(key(expires_at=expires_at))
    with pytest.raises(Unauthenticated):
        await room.identify(Headers([("X-Api-Key", ME)]))

    assert table.uses == []


async def test_the_secret_before_a_rotation_lives_for_its_overlap() -> None:
    rotated = replace(key(), digest=digest(OTHER.reveal()), previous_digest=digest(ME), previous_expires_at=NOW + 1)
    assert (await callers(rotated)[0].identify(Headers([("X-Api-Key", ME)]))).key.id == KEY_ID
    with pytest.raises(Unauthenticated):
        await callers(replace(rotated, previous_expires_at=NOW))[0].identify(Headers([("X-Api-Key", ME)]))


async def test_a_part_twice_is_a_bad_request() -> None:
    with pytest.raises(BadRequest):
        await callers(key())[0].identify(Headers([("Authorization", f"User {ME}, User {ME}")]))
