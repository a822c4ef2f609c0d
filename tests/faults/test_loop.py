"""Nothing that is done on the event loop blocks it, and no task outlives its call (fault 52).

A gateway in this process, under blockbuster, which raises where code on the loop calls what may block. Callers are in threads.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import blockbuster.blockbuster as busting
import pytest
from blockbuster import blockbuster_ctx

from gateway import app
from gateway.config import load_for_serving
from tests.acceptance.commands import exchange
from tests.faults.conftest import QUICK, Template, copied
from tests.support.cases import BASE, ask
from tests.support.origin import CLOSE, STALL, Origin, chunked, head, ok, script
from tests.support.raw import Caller

SETTINGS = QUICK + '[elements.limited]\nlimits = ["2/h"]\n'


class Callers:
    """Callers of a gateway in this process, in threads of their own."""

    def __init__(self, gateway: app.Gateway, template: Template, origin: Origin) -> None:
        self.gateway, self.origin = gateway, origin
        self._template = template

    def octets(self, line: str, *fields: str, body: bytes = b"", customer: str = "acme", key: str = "") -> bytes:
        octets = ask(line, *fields, body=body).replace(b"@KEY@", (key or self._template.key).encode())
        return octets.replace(b"Gateway-Customer: acme", b"Gateway-Customer: " + customer.encode())

    def call(self, line: str, *fields: str, body: bytes = b"", customer: str = "acme", key: str = "") -> int:
        """The status."""
        with Caller(self.gateway.data) as caller:
            caller.send(self.octets(line, *fields, body=body, customer=customer, key=key))
            answer = caller.answer(line.split(" ", maxsplit=1)[0])
        return answer.status if answer else 0

    def manage(self, method: str, path: str, document: object = None, *fields: str) -> int:
        """The status of a call to the admin listener."""
        body = document if document is None or isinstance(document, bytes) else json.dumps(document).encode()
        who = (f"Authorization: Bearer {self._template.admin_key}", *(fields or ("Content-Type: application/json",)))
        return exchange(self.gateway.admin, method, path, *who, body=body).status

    def leave(self, segment: str) -> None:
        """Call and go before the answer."""
        with Caller(self.gateway.data) as caller:
            caller.send(self.octets(f"GET ~/{segment}"))
            assert self.origin.wait(lambda: any(item.target.endswith(segment) for item in self.origin.requests))
            caller.reset()


@asynccontextmanager
async def inside(template: Template, folder: Path) -> AsyncIterator[tuple[Callers, ThreadPoolExecutor]]:
    with Origin() as origin, ThreadPoolExecutor(8) as threads:
        url = f"http://{origin.authority}{BASE}"
        await asyncio.to_thread(copied, template, folder, {"dev": url}, SETTINGS)
        config = await asyncio.to_thread(load_for_serving, folder / "gateway.toml", template.environ)
        async with app.running(*config) as gateway:
            origin.behaviours.update(
                silent=script(STALL),
                empty=script(CLOSE),
                cut=script(ok(b"hel", length=5), CLOSE),
                large=script(ok(b"a" * 3_000_000)),
                coded=script(head("200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked") + chunked(b"[", b"]")),
                nonsense=script(b"SSH-2.0\r\n\r\n", CLOSE),
                instances=script(ok(json.dumps([{"id": n, "token": f"t{n}"} for n in range(2000)]).encode())),
            )
            yield Callers(gateway, template, origin), threads


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every blocking call that was met on a loop, also those whose error somebody caught."""
    met: list[str] = []

    class Met(busting.BlockingError):
        def __init__(self, func: str) -> None:
            super().__init__(func)
            met.append(func)

    monkeypatch.setattr(busting, "BlockingError", Met)
    with blockbuster_ctx("gateway") as watch:
        # Only at the very end, when nobody is served any more: what waits of the log is written for a second at most.
        watch.functions["threading.Lock.acquire"].can_block_in("telemetry/lines.py", {"close"})
        yield met


async def test_no_call_of_any_kind_blocks(template: Template, tmp_path: Path, blocked: list[str]) -> None:
    octets = b"a" * 2_000_000
    calls: list[tuple[tuple[str, ...], dict[str, object], set[int]]] = [
        *[((f"{method} ~/x",), {}, {200}) for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")],
        (("POST ~/x", f"Content-Length: {len(octets)}"), {"body": octets}, {200}),
        (("POST ~/x", "Transfer-Encoding: chunked"), {"body": chunked(octets)}, {200}),
        (("GET ~/coded",), {"customer": "kept"}, {200}),
        (("GET ~/coded",), {"customer": "kept"}, {200}),
        (("GET ~/large",), {"customer": "kept"}, {200}),
        (("GET ~/x",), {"customer": "other"}, {200}),
        (("GET ~/x",), {"customer": "nobody"}, {404}),
        (("GET ~/x",), {"key": template.spare}, {200}),
        (("GET ~/x",), {"key": "gwk_wrong"}, {401}),
        (("TRACE ~/x",), {}, {405}),
        (("GET ~/../x",), {}, {400}),
        (("GET ~/x", "X Y: 1"), {}, {400}),
        (("GET ~/instances",), {"customer": ""}, {400, 403, 404}),
        (("GET ~/silent",), {}, {504}),
        (("POST ~/empty",), {}, {502}),
        (("GET ~/nonsense",), {}, {502}),
        (("GET ~/cut",), {}, {200}),
        (("POST ~/x", "Content-Length: 9"), {"body": b"half"}, {408}),
    ]
    row = b'{"environment":"dev","customer":"imported","element":"plain","token":"CANARY-token-i"}\n'
    managed: list[tuple[str, str, object, tuple[str, ...], int]] = [
        ("POST", "/admin/v1/keys", {"name": "made", "scopes": ["platform:read", "hub"]}, (), 201),
        ("GET", "/admin/v1/keys", None, (), 200),
        ("POST", "/admin/v1/instances", {"environment": "dev", "customer": "made", "element": "limited", "token": "CANARY-t"}, (), 201),
        ("POST", "/admin/v1/instances:import", row, ("Content-Type: application/x-ndjson",), 200),
        ("GET", "/admin/v1/instances", None, (), 200),
        ("GET", "/admin/v1/instances:export", None, (), 200),
        ("GET", "/admin/v1/limits", None, (), 200),
        ("GET", "/admin/v1/exchanges", None, (), 200),
        ("POST", "/admin/v1/cache:purge", {}, (), 200),
        ("POST", "/admin/v1/keys", b"{", (), 400),
        ("GET", "/metrics", None, (), 200),
        ("GET", "/readyz", None, (), 200),
    ]
    loop = asyncio.get_running_loop()
    async with inside(template, tmp_path) as (callers, threads):
        pending = [
            (line, expected, loop.run_in_executor(threads, lambda line=line, more=more: callers.call(*line, **more)))  # type: ignore[misc]
            for line, more, expected in calls
        ]
        for line, expected, status in pending:
            assert await status in expected, line
        for method, path, document, fields, wanted in managed:
            assert await loop.run_in_executor(threads, callers.manage, method, path, document, *fields) == wanted, path
        assert sorted([await loop.run_in_executor(threads, lambda: callers.call("GET ~/x", customer="made")) for _ in range(3)]) == [
            200,
            200,
            429,
        ]
        await loop.run_in_executor(threads, callers.leave, "silent")
        await asyncio.sleep(1.1)  # whatever is done every second
    assert blocked == []


def test_the_watch_sees_what_blocks(blocked: list[str]) -> None:
    """Else the test before could not fail: reading a configuration is not for the loop."""

    async def on_the_loop() -> None:
        with pytest.raises(busting.BlockingError):
            load_for_serving(Path(__file__), {})

    asyncio.run(on_the_loop())
    assert blocked


async def test_no_task_outlives_its_call(template: Template, tmp_path: Path) -> None:
    """After those who leave, stall, are cut and refused, and a database that was gone: as many as before, and after the end none."""
    loop = asyncio.get_running_loop()
    before_all = asyncio.all_tasks()
    async with inside(template, tmp_path) as (callers, threads):

        async def tasks() -> int:
            for _ in range(200):
                callers.origin.drop_idle()
                found = len(asyncio.all_tasks())
                if found <= before:
                    break
                await asyncio.sleep(0.02)
            return found

        before = 0
        await loop.run_in_executor(threads, callers.call, "GET ~/x")
        await asyncio.sleep(0.1)
        before = len(asyncio.all_tasks())
        works: list[asyncio.Future[object]] = [loop.run_in_executor(threads, callers.leave, "silent") for _ in range(20)]
        for line in ("GET ~/x", "GET ~/cut", "POST ~/empty", "GET ~/nonsense", "GET ~/silent", "GET ~/../x", "TRACE ~/x", "GET ~/large"):
            works += [loop.run_in_executor(threads, lambda line=line: callers.call(line)) for _ in range(5)]  # type: ignore[misc]
        half = [loop.run_in_executor(threads, lambda: callers.call("POST ~/x", "Content-Length: 9", body=b"half")) for _ in range(5)]
        await asyncio.gather(*works, *half)
        await asyncio.to_thread(hide, tmp_path / "gateway.db")
        gone = [loop.run_in_executor(threads, lambda n=n: callers.call("GET ~/x", customer=f"c{n}")) for n in range(8)]  # type: ignore[misc]
        assert set(await asyncio.gather(*gone)) == {503}
        assert await tasks() <= before
    assert asyncio.all_tasks() == before_all


def hide(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("ALTER TABLE instances RENAME TO elsewhere")
        connection.commit()
