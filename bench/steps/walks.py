"""Whole walks: a whole gateway, as ``gateway/app.py`` puts it together, with real rows in a real database and everything on; only its
connections are of this process (``inprocess.py``), so that what is measured is its own work and no kernel's. It sheds no call for being
late (``overload_lag``): on a busy machine that would be somebody else's fault.

One caller asks on one connection, again as soon as it is answered. Origin and caller are part of the figure; they do as little as can be.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import secrets
import socket
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bench.origin import Origin
from bench.steps.inprocess import Factory, Loop, connected
from bench.steps.walk import WALKS, Caller, Walk
from gateway.app import running
from gateway.callers.keys import mint
from gateway.config import load_for_serving
from gateway.database.engine import open_database, upgrade
from gateway.exchange import Exchange
from gateway.instances.vault import Vault
from gateway.models import NewInstance, NewKey
from gateway.operations import Operations
from gateway.paths import PREFIX
from gateway.server.listener import GuardedServer
from gateway.telemetry import Telemetry

_CONFIG = """
[environments.dev]
base_url = "%(base)s"
user_secret = "env:USER"
organization_secret = "env:ORGANIZATION"
[listen]
data = "127.0.0.1:0"
admin = "127.0.0.1:0"
overload_lag = "0s"
fast_path = %(fast_path)s
[vault]
keys = "env:MASTER"
[elements.hubspot]
limits = ["5000000/10s", "40000000/min burst 5000000", "900000000/day"]
[elements.tight]
limits = ["1/day"]
%(more)s
"""


class Corridor:
    """Counts the calls that walked it: what a fast path ends is noted with others of its kind, never recorded by itself."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._record = telemetry.record
        self.calls = 0
        telemetry.record = self.record  # type: ignore[method-assign]

    def record(self, exchange: Exchange) -> None:
        """As ``Telemetry.record``."""
        self.calls += 1
        self._record(exchange)


@dataclass(frozen=True, slots=True)
class Scene:
    """A running gateway: how one connects to its data listener, the key that it knows, and where it says what happened."""

    loop: Loop
    data: Factory
    key: str
    telemetry: Telemetry
    corridor: Corridor

    def ready(self, walk: Walk) -> Callable[[int], None]:
        """Walks, so many a call of what is returned; the first were asked already, and are not what is looked at.

        Raises ``RuntimeError`` where an answer is not what it must be, or came another way than it must.
        """
        ask = self.loop.run_until_complete(self.warm(walk))
        return lambda calls: self.loop.run_until_complete(ask(calls))

    async def warm(self, walk: Walk) -> Callable[[int], Coroutine[Any, Any, None]]:
        """The same for somebody who is inside the loop."""
        caller = Caller(walk, self.key if walk.known else mint()[1].reveal())
        connected(self.loop, caller, self.data())
        caller.strict = False
        await caller.ask(walk.unmeasured)
        caller.strict = True

        async def ask(calls: int) -> None:
            before = self.corridor.calls
            await caller.ask(calls)
            walked, expected = self.corridor.calls - before, 0 if walk.short else calls
            if walked != expected:
                raise RuntimeError(f"{walk.name}: {walked} of {calls} calls walked the corridor, expected {expected}")

        return ask


@contextmanager
def playing(*, fast_path: bool = True, more: str = "") -> Iterator[Scene]:
    """The gateway, while inside, with ``more`` of a configuration. What it writes to standard output, the access log, goes to
    ``/dev/null``."""
    # Letters and digits alone: up to the first other sign a secret is looked for in each answer, and by chance there may be none.
    given = [secrets.token_hex(32) for _ in range(3)]
    expected = "User {}, Organization {}, Element {}".format(*given).encode()
    # Not the gateway's own set-up: that is for a whole process, and each logger keeps it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR), cache_logger_on_first_use=False)
    loop = Loop(lambda: Origin(expected))
    before = gc.get_threshold()
    with tempfile.TemporaryDirectory(prefix="gateway-walks-") as name, Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null):
        asyncio.set_event_loop(loop)
        stack = AsyncExitStack()
        try:
            scene = loop.run_until_complete(
                stack.enter_async_context(_running(loop, Path(name), given, {"fast_path": str(fast_path).lower(), "more": more}))
            )
            gc.set_threshold(100_000, 50, 100)  # as gateway/app.py does for its process
            gc.freeze()
            yield scene
        finally:
            structlog.reset_defaults()
            gc.set_threshold(*before)
            gc.unfreeze()
            loop.run_until_complete(stack.aclose())
            asyncio.set_event_loop(None)
            loop.close()


@asynccontextmanager
async def _running(loop: Loop, folder: Path, given: list[str], asked: Mapping[str, str]) -> AsyncIterator[Scene]:
    # The client makes sure that somebody listens there before it makes a protocol of the connection.
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as upstream:
        base = f"http://127.0.0.1:{upstream.getsockname()[1]}{PREFIX}"
        user, organization, token = given
        environ = {"USER": user, "ORGANIZATION": organization, "MASTER": f"one:{b64encode(secrets.token_bytes(32)).decode()}"}
        (folder / "gateway.toml").write_text(_CONFIG % {"base": base, **asked})
        key = await _rows(folder, environ, token)
        async with running(*load_for_serving(folder / "gateway.toml", environ)) as gateway:
            factory = next(one for one in loop.listening if isinstance(one, GuardedServer) and one.app is None)
            yield Scene(loop, factory, key, gateway.telemetry, Corridor(gateway.telemetry))


async def _rows(folder: Path, environ: Mapping[str, str], token: str) -> str:
    """Write the database; the text of the caller's key."""
    config, _, masters = load_for_serving(folder / "gateway.toml", environ)
    path = config.database_path()
    upgrade(path)
    async with open_database(path) as database:
        verbs = Operations(database, Vault(masters), config)
        for element in ("hubspot", "tight"):
            mapping = NewInstance.model_validate({"environment": "dev", "customer": "acme", "element": element, "token": token})
            await verbs.add_instance(mapping, actor="bench")
        return (await verbs.create_key(NewKey(name="bench"), actor="bench")).key


def measured(calls: int) -> dict[str, float]:
    """Seconds of this process's CPU for a call, by the name of the walk."""
    found = {}
    for fast_path in (True, False):
        with playing(fast_path=fast_path) as scene:
            for walk in WALKS:
                if walk.fast_path is fast_path:
                    act = scene.ready(walk)
                    before = time.process_time()
                    act(calls)
                    found[walk.name] = (time.process_time() - before) / calls
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(int(sys.argv[1]))) + "\n")
