"""That the fast paths are taken where they should be, and only on the fast side: else no comparison proves anything."""

from __future__ import annotations

import pytest

from tests.fastpath.asking import AGENT, fresh, get, post
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import Pair


def taken(pair: Pair, word: str) -> int:
    assert not pair.slow.taken, pair.slow.taken
    return pair.fast.taken[word]


def test_a_hit_is_given_from_memory_from_the_third_time_on(stage: Stage) -> None:
    number, before = fresh(), taken(stage.pair, "repeated")
    stage.compare([Play((get(f"/c{number}/fresh", AGENT.format(number)),))] * 6)
    assert taken(stage.pair, "repeated") - before >= 2  # a miss, two hits that are looked at, and the others from memory


def test_calls_are_forwarded_without_the_corridor_once_their_like_was_seen(stage: Stage) -> None:
    number, begun, answered = fresh(), taken(stage.pair, "begun"), taken(stage.pair, "answered")
    stage.compare([Play((get(f"/c{number}/{n}/plain", AGENT.format(number)),)) for n in range(8)])
    assert taken(stage.pair, "begun") - begun >= 5
    assert taken(stage.pair, "answered") - answered >= 4


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writes_are_forwarded_so_too(stage: Stage, method: str) -> None:
    number, answered = fresh(), taken(stage.pair, "answered")
    stage.compare([Play((post(f"/c{number}/plain", b'{"n":%d}' % n, AGENT.format(number), method=method),), (method,)) for n in range(8)])
    assert taken(stage.pair, "answered") - answered >= 4
