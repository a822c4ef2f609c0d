"""Two gateways of this process, one with the fast paths and one without, each before an origin of its own; all else is the same.

Keys, mappings and handles come from one database of which each has a copy. Both serve on one loop in a thread, so that tests may look
into them (``at``) while they send real octets through real sockets. What the fast paths do is counted by wrapping their methods.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import shutil
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO, TypeVar

import pytest
import structlog

from gateway import app
from gateway.config import load_for_serving
from gateway.database.engine import open_database, upgrade
from gateway.instances.vault import Vault
from gateway.models import NewInstance, NewKey
from gateway.operations import Operations
from gateway.server.data import DataListener
from gateway.server.data_connection import DataConnection
from tests.acceptance.commands import exchange
from tests.canary.planted import secret
from tests.support.answers import Answer
from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.support.raw import Address, Caller

USER, ORGANIZATION = secret("fast user"), secret("fast organization")
NEXT_USER, NEXT_ORGANIZATION = secret("fast next user"), secret("fast next organization")
MASTER = f"one:{b64encode(bytes(range(32))).decode()}"
_CONFIG = """
log_level = "warning"
default_environment = "dev"
vault.keys = "env:MASTER"
environments.dev.base_url = "%(base)s"
environments.dev.user_secret = "env:USER"
environments.dev.organization_secret = "env:ORGANIZATION"
environments.other.base_url = "%(base)s"
environments.other.user_secret = "env:NEXT_USER"
environments.other.organization_secret = "env:NEXT_ORGANIZATION"
listen.data = "127.0.0.1:0"
listen.admin = "127.0.0.1:0"
listen.fast_path = %(fast)s
listen.overload_lag = "0s"
listen.body_timeout = "1s"
listen.write_timeout = "1s"
listen.drain_timeout = "2s"
listen.max_body_bytes = "64KiB"
%(first)s
upstream.response_timeout = "%(patience)s"
upstream.body_timeout = "1s"
[elements.plain]
breaker.enabled = false
limit_signals = []
[elements.kept]
breaker.enabled = false
limit_signals = []
cache.ttl = "1d"
[[elements.kept.cache.rules]]
path = "/closed/**"
enabled = false
[elements.budgeted]
limits = ["50000/2h", "40000/3h"]
limit_signals = []
breaker.enabled = false
%(more)s
"""
ELEMENTS = ("plain", "kept", "budgeted", "tight", "guarded", "narrowed")
KEYS: dict[str, dict[str, Any]] = {
    "usual": {},
    "narrow": {"methods": ["GET"], "elements": ["plain", "kept"]},
    "quota": {"limits": ["80000/h"]},
    "batch": {"priority": "batch"},
    "admin": {"scopes": ["admin"]},
}
_T = TypeVar("_T")


def token_of(customer: str, element: str) -> str:
    """The instance token of a mapping."""
    return secret(f"fast token of {customer} for {element}")


@dataclass
class Ground:
    """What both gateways begin with: a folder with a database, the texts of the keys and the handles of the mappings."""

    folder: Path
    keys: dict[str, str]
    handles: dict[tuple[str, str], str]


@dataclass
class Side:
    """One of the two. ``written`` is its access log, ``taken`` counts what its fast paths saw to."""

    fast: bool
    origin: Origin
    keys: dict[str, str]
    handles: dict[tuple[str, str], str]
    loop: asyncio.AbstractEventLoop
    written: io.StringIO = field(default_factory=io.StringIO)
    taken: Counter[str] = field(default_factory=Counter)
    listeners: list[DataListener] = field(default_factory=list)
    gateway: app.Gateway = field(init=False)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def address(self) -> Address:
        return self.gateway.data

    @property
    def listener(self) -> DataListener:
        return self.listeners[0]

    def at(self, look: Callable[[], _T]) -> _T:
        """What ``look`` finds, in the loop of the gateway."""

        async def looked() -> _T:
            return look()

        return asyncio.run_coroutine_threadsafe(looked(), self.loop).result(10)

    def operator(self, method: str, path: str, document: object = None, *fields: str) -> Answer:
        """A call to the admin listener."""
        body = None if document is None else json.dumps(document).encode()
        typed = ("Content-Type: application/json",) if body is not None else ()
        return exchange(self.gateway.admin, method, path, f"Authorization: Bearer {self.keys['admin']}", *typed, *fields, body=body)

    def filled(self, octets: bytes) -> bytes:
        """``octets`` with ``@KEY:name@`` replaced."""
        for name, text in self.keys.items():
            octets = octets.replace(f"@KEY:{name}@".encode(), text.encode())
        return octets


@dataclass
class Pair:
    """Both."""

    fast: Side
    slow: Side
    callers: list[Caller] = field(default_factory=list)

    def __iter__(self) -> Iterator[Side]:
        return iter((self.fast, self.slow))

    def caller(self, side: Side, *, patience: float = 8.0, receive_buffer: int = 0) -> Caller:
        """A connection to ``side``, closed at the end at the latest."""
        self.callers.append(Caller(side.address, patience=patience, receive_buffer=receive_buffer))
        return self.callers[-1]

    def behave(self, **behaviours: Any) -> None:
        """Teach both origins."""
        for side in self:
            side.origin.behaviours.update(behaviours)


def ground(folder: Path) -> Ground:
    """Make rows that both copy."""
    folder.mkdir()
    _configure(folder, f"http://127.0.0.1:9{BASE}", fast=True)
    config, _, masters = load_for_serving(folder / "gateway.toml", ENVIRON)
    path = config.database_path()
    upgrade(path)

    async def rows() -> Ground:
        async with open_database(path) as database:
            verbs = Operations(database, Vault(masters), config)
            handles = {}
            for customer in ("acme", "globex"):
                for element in ELEMENTS:
                    told = {"environment": "dev", "customer": customer, "element": element, "token": token_of(customer, element)}
                    handles[customer, element] = (await verbs.add_instance(NewInstance.model_validate(told), actor="test")).handle
            keys = {}
            for name, more in KEYS.items():
                keys[name] = (await verbs.create_key(NewKey.model_validate({"name": name, **more}), actor="test")).key
            return Ground(folder, keys, handles)

    with _logging(io.StringIO()):
        return asyncio.run(rows())


ENVIRON = {
    "USER": USER,
    "ORGANIZATION": ORGANIZATION,
    "NEXT_USER": NEXT_USER,
    "NEXT_ORGANIZATION": NEXT_ORGANIZATION,
    "MASTER": MASTER,
}


def _configure(folder: Path, base: str, *, fast: bool, first: str = "", more: str = "", patience: str = "2s") -> None:
    if "retry_ratio" not in first:
        first += "\nupstream.retry_ratio = 1.0"  # which of two sides has a retry left must not hang on the second
    words = {"base": base, "fast": str(fast).lower(), "first": first, "more": more, "patience": patience}
    (folder / "gateway.toml").write_text(_CONFIG % words, "utf-8")


@contextmanager
def _logging(output: TextIO) -> Iterator[None]:
    """Warnings go to ``output`` while inside. Unlike the gateway's own set-up, which is for a whole process, no logger keeps it."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.reset_defaults()


@contextmanager
def running(ground: Ground, folder: Path, *, first: str = "", more: str = "", patience: str = "2s") -> Iterator[Pair]:
    """Both gateways, while inside. ``first``, ``more``: further TOML, among the dotted keys and at the end of the file. ``patience``: how
    long they wait for an upstream's answer."""
    with contextlib.ExitStack() as stack:
        log = io.StringIO()
        stack.enter_context(_logging(log))
        origins = [stack.enter_context(Origin()) for _ in range(2)]
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        loop = stack.enter_context(_loop())
        sides = [Side(fast, origin, dict(ground.keys), ground.handles, loop) for fast, origin in zip((True, False), origins, strict=True)]
        for side in sides:
            _watch(patch, side)
            place = folder / ("fast" if side.fast else "slow")
            shutil.copytree(ground.folder, place)
            _configure(place, f"http://{side.origin.authority}{BASE}", fast=side.fast, first=first, more=more, patience=patience)
            opening = side.stack.enter_async_context(_serving(side, place, patch))
            stack.callback(_run, loop, side.stack.aclose)
            asyncio.run_coroutine_threadsafe(opening, loop).result(20)
        pair = Pair(sides[0], sides[1])
        yield pair
        for caller in pair.callers:
            caller.close()
        assert "call failed" not in log.getvalue(), log.getvalue()
        assert "connection failed" not in log.getvalue(), log.getvalue()


def _run(loop: asyncio.AbstractEventLoop, make: Callable[[], Any]) -> None:
    asyncio.run_coroutine_threadsafe(make(), loop).result(20)


@asynccontextmanager
async def _serving(side: Side, folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    config = load_for_serving(folder / "gateway.toml", ENVIRON)  # blocks for a moment; nobody is served yet

    class Seen(DataListener):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            side.listeners.append(self)

    patch.setattr(app, "DataListener", Seen)
    async with AsyncExitStack() as stack:
        with contextlib.redirect_stdout(side.written):  # the access log keeps what is standard output now
            side.gateway = await stack.enter_async_context(app.running(*config))
        yield


def _watch(patch: pytest.MonkeyPatch, side: Side) -> None:
    """Have ``side.taken`` count what the fast paths see to, by what they tell a caller's connection, whose class is never compiled.
    Compiled ones call each other where no test can listen."""
    for name, word in (("give", "repeated"), ("depart", "begun"), ("arrive", "answered"), ("take_over", "taken over")):
        patch.setattr(DataConnection, name, _counted(getattr(DataConnection, name), side, word))


def _counted(method: Callable[..., Any], side: Side, word: str) -> Callable[..., Any]:
    def counted(self: DataConnection, *given: Any, **named: Any) -> Any:
        if side.listeners and getattr(self._manager, "shedder", None) is side.listener.shedder:
            side.taken[word] += 1
        return method(self, *given, **named)

    return counted


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    factory = app._loop_factory() or asyncio.new_event_loop
    loop = factory()
    thread = threading.Thread(target=loop.run_forever, name="gateways", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
