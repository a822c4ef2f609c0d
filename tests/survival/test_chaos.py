"""A storm of everything at once: drawn faults, callers who leave at drawn moments; and afterwards it is as if nothing had been."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from tests.support.answers import MalformedError
from tests.support.origin import BODY, CLOSE, RESET, STALL, Step, chunked, head, ok, script
from tests.survival.scene import Scene

CHUNKED = head("200 OK", "Transfer-Encoding: chunked")
FAULTS: dict[str, tuple[Step, ...]] = {
    "fine": (ok(BODY, "Cache-Control: no-store"),),
    "slow": (0.05, ok(BODY, "Cache-Control: no-store")),
    "long": (CHUNKED, *[step for _ in range(20) for step in (b"1\r\na\r\n", 0.005)], b"0\r\n\r\n"),
    "empty": (CLOSE,),
    "reset": (RESET,),
    "silent": (STALL,),
    "unwell": (head("503 Service Unavailable", "Content-Length: 0"),),
    "cut": (CHUNKED + chunked(b"a" * 40_000, end=b""), 0.01, CLOSE),
    "stall": (ok(b"a" * 40_000, length=50_000), STALL),
    "garbage": (b"\x00\x01garbage\xff\r\n\r\n",),
}


def one(scene: Scene, seed: int) -> None:
    """A drawn call, and what its caller does with it."""
    drawn = random.Random(seed)
    method = drawn.choice(("GET", "POST", "PUT"))
    body = drawn.choice((b"", b"{}", b"a" * 100_000)) if method != "GET" else b""
    fields = [f"Content-Length: {len(body)}"] if body else []
    fields += drawn.choice(((), ("Prefer: wait=0",), ("Gateway-Timeout: 0.2",), (f"Idempotency-Key: chaos-{seed}",)))
    with scene.begin(f"{method} ~/{seed}/{drawn.choice(list(FAULTS))}", *fields, body=body, customer="chaos") as caller:
        leaves = drawn.random() < 0.25
        if leaves:
            caller.patience = drawn.random() * 0.1
        try:
            answer = caller.answer(method)
        except MalformedError:
            assert leaves, bytes(caller.received)[:300]
            answer = None
        if leaves:
            caller.reset()
        else:
            assert answer is not None, "neither an answer nor an end"
            assert answer.complete or answer.status == 200


def test_a_storm_leaves_nothing_behind(scene: Scene) -> None:
    scene.origin.behaviours |= {name: script(*steps) for name, steps in FAULTS.items()}
    with scene.surviving("chaos") as counted:
        with ThreadPoolExecutor(24) as pool:
            for call in [pool.submit(one, scene, seed) for seed in range(200)]:
                call.result()
        outcomes = scene.outcomes(10.0)
        assert {"ok", "caller-left", "upstream-timeout", "upstream-unreachable", "broken-off:upstream-unreachable"} <= set(outcomes)
        assert outcomes.count("ok") > 40
        scene.settled()
        answers = [scene.call("GET ~/fine", "Prefer: wait=3", customer="chaos").status for _ in range(20)]
        assert answers == [200] * 20
    assert counted["upstream 200"] > 60
    assert counted["retries"] > 3
