"""Looking at what the cache did."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.world import World
from tests.support.answers import Answer
from tests.support.origin import head, script

MISS = "gateway; fwd=uri-miss; stored"
JSON = "Content-Type: application/json"


def is_hit(answer: Answer) -> bool:
    """Whether it came from the cache; checks that ``Cache-Status`` and ``Age`` fit together."""
    status, ages = answer.value("cache-status"), answer.values("age")
    hit = re.fullmatch(r"gateway; hit; ttl=\d+", status)
    assert bool(hit) == bool(ages), (status, ages)
    if not hit:
        assert re.fullmatch(r"gateway; fwd=[a-z-]+(; fwd-status=\d+)?(; stored)?(; ttl=\d+)?(; detail=[\w-]+)?", status), status
    return bool(hit)


def calls(world: World) -> int:
    return len(world.dev.arrivals())


@contextmanager
def saying(world: World, *fields: str, body: bytes = b'{"ok":true}', status: str = "200 OK") -> Iterator[str]:
    """A path at which the origin answers so."""
    name = uuid.uuid4().hex
    world.raw.behaviours[name] = script(head(status, JSON, f"Content-Length: {len(body)}", *fields) + body)
    world.raw.forget()
    yield f"/{name}"
    del world.raw.behaviours[name]
