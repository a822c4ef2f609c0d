"""Defects of the way up that a review found, each as what must hold: nothing leaks, nobody's time binds another, a refusal is an answer."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.deadlines import before
from gateway.errors import GatewayError, Unauthenticated
from gateway.exchange import Environment, Exchange, Headers, Request, Response, Target
from gateway.idempotency import Idempotency, KeptAnswers
from gateway.instances.store import Unreadable
from gateway.instances.vault import Vault, VaultError
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Rules
from gateway.limits.store import Policy
from gateway.revalidation import unconditional
from gateway.secret import Secret
from gateway.server.cors import Cors
from gateway.server.data import DataListener
from gateway.server.listen_settings import ListenSettings
from gateway.server.shedding import Shedder
from gateway.telemetry import Telemetry
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent
from gateway.upstream.classifier import Asked
from tests.faults.conftest import QUICK, Stage, copied, serving
from tests.support.cases import BASE
from tests.support.origin import BODY, Origin, Step, head, ok, script
from tests.support.rooms import open_new_database
from tests.survival.scene import Planted, Scene, seconds, slug
from tests.upstream.test_sender import OK, Once, octets, request
from tests.upstream.test_sender import scene as sending

REFUSED = head("401 Unauthorized", "Content-Type: text/html", "Content-Length: 20000") + b"x" * 100  # larger than what is gathered
SPENT = head("429 Too Many Requests", "Retry-After: 30", "Content-Length: 2") + b"{}"


async def test_a_large_401_that_is_not_passed_on_is_closed() -> None:
    """The mapping has a new token, and the call is made once more: the first answer's body is not read, and holds nothing any more."""
    async with sending([REFUSED, OK]) as here:
        assert here.target.instance is not None
        here.target = replace(here.target, instance=replace(here.target.instance, token=Secret("an-old-token-0")))
        assert await octets(await here.send(request())) == b"{}"
        assert here.sender._guards.under_way() == 0


async def test_who_leaves_while_a_large_401_is_looked_into_leaves_nothing_behind() -> None:
    async with sending([REFUSED]) as here:

        async def never(*_: object) -> Asked:
            await asyncio.sleep(30)
            return Asked(0)

        here.sender._credentials._rotation._ask = never
        here.target = replace(here.target, instance=None)
        call = asyncio.create_task(here.send(request()))
        await asyncio.sleep(0.2)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert here.sender._guards.under_way() == 0


async def test_a_token_that_cannot_be_opened_takes_no_place() -> None:
    """Of one mapping with a damaged row every call fails; it must not fill the bulkhead of all who use that element."""
    async with sending([OK]) as here:
        instance = here.target.instance
        assert instance is not None
        good, here.target = here.target, replace(here.target, instance=replace(instance, token=Unreadable(VaultError("damaged"))))
        for _ in range(3):
            with pytest.raises(VaultError):
                await here.send(request())
        assert here.sender._guards.under_way() == 0
        here.target = good
        assert await octets(await here.send(request())) == b"{}"


async def test_nothing_leaves_after_the_callers_deadline() -> None:
    """Its time went by before it came to this room (it waited for another's answer, or was slow). It must not be carried out."""
    async with sending([OK, OK]) as here:
        await octets(await here.send(request()))  # a connection is at hand
        here.exchange = Exchange("id-1", "POST", "/x", time.monotonic() - 5, traceparent="00-1-2-00")
        here.exchange.deadline = here.exchange.started + 1
        with pytest.raises(GatewayError):
            await before(here.exchange.deadline, here.send(request("POST", body=b"x")), time.monotonic)
        await asyncio.sleep(0.05)
        assert len(here.heads) == 1


@pytest.mark.parametrize("kind", ["platform", "shadow"])
async def test_a_spent_limit_whose_gate_holds_nobody_is_not_hammered(kind: str) -> None:
    """The provider asks for 30 s. No gate keeps this call back, so making it again at once would only add to the harm."""
    async with sending([SPENT] * 8) as here:
        if kind == "platform":
            here.target = replace(here.target, instance=None)
        else:
            here.sender._limits._rules = lambda _: Rules(Policy((parse_quota("100/h"),)), shadow=True)
        here.exchange = Exchange("id-1", "GET", "/x", time.monotonic(), traceparent="00-1-2-00")
        assert (await here.send(request("GET", ("Prefer", "wait=60")))).status == 429
        assert len(here.heads) == 1


async def test_a_probe_does_not_outlast_the_callers_deadline() -> None:
    async with sending([head("401 Unauthorized", "Content-Length: 2") + b"{}"]) as here:

        async def slow(*_: object) -> Asked:
            await asyncio.sleep(1.5)
            return Asked(0)

        here.sender._credentials._rotation._ask = slow
        here.target = replace(here.target, instance=None)
        started = time.monotonic()
        here.exchange = Exchange("id-1", "GET", "/x", started, traceparent="00-1-2-00")
        with contextlib.suppress(GatewayError):
            await before(started + 0.3, here.send(request("GET")), time.monotonic)
        assert seconds(started) < 1


class Watched:
    """A body that knows whether it was closed."""

    length = None
    closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1000

    async def aclose(self) -> None:
        self.closed = True


async def test_who_leaves_just_as_the_answer_comes_leaves_no_answer_open() -> None:
    """A call with a key, whose body streamed and so cannot go on without its caller: he leaves when the answer is there, untold."""
    body = Watched()

    async def send(sent: Request, _: Exchange) -> Response:
        assert not isinstance(sent.body, bytes)
        async for _chunk in sent.body:
            pass
        call.cancel()
        return Response(401, Headers(), body)  # a status that is not kept, so that no database is in between

    async with open_new_database() as database:
        room = Idempotency(KeptAnswers(database, Vault([("k", b"0" * 32)]), time.time, 100, 10**6), 1000, lambda *_: False)
        target = Target(Environment("dev", "http://127.0.0.1:9/x", Secret("user"), Secret("organization")), None, "/x")
        asked = Request("POST", "/x", Headers([("Idempotency-Key", "k")]), Once())
        call = asyncio.create_task(room.once(asked, target, Exchange("i", "POST", "/x", time.monotonic()), send))
        await asyncio.gather(call, return_exceptions=True)
        await asyncio.sleep(0.01)
        await room.close()
    assert body.closed


def test_a_callers_deadline_is_not_that_of_the_call_in_the_background() -> None:
    """What was answered stale is asked for again for all, though the one who came had a tenth of a second."""
    assert not unconditional(Request("GET", "/x", Headers([("Gateway-Timeout", "0.1")]))).headers.pairs


async def test_a_page_may_say_how_much_time_it_has() -> None:
    cors = await Cors.of(["https://app.example.com"])
    asked = [("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "GET")]
    assert (await cors.preflight(Headers([*asked, ("Access-Control-Request-Headers", "gateway-timeout")]))).status == 200


async def test_a_call_is_drawn_for_once() -> None:
    """Half of the calls are to be let in: on a connection that is kept, too, where a plain GET is looked at before it is parsed."""

    class Corridor:
        async def handle(self, *_: object) -> Response:
            raise Unauthenticated("nobody")

    listener = DataListener(Corridor(), Telemetry(Metrics(()), None, Recent()), ListenSettings(), lambda: False)  # type: ignore[arg-type]
    listener.shedder = Shedder(0.1, random.Random(1).random)
    listener.shedder.share = 0.5
    server = await asyncio.get_running_loop().create_server(listener.server(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    let_in = 0
    for _ in range(400):
        writer.write(b"GET /elements/api-v2/x HTTP/1.1\r\nHost: gateway\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", answer)
        assert length is not None
        await reader.readexactly(int(length[1]))
        let_in += b" 401 " in answer
    writer.close()
    server.close()
    assert let_in == pytest.approx(200, abs=45)


def test_a_callers_deadline_does_not_cut_the_answer_of_others(scene: Scene) -> None:
    """Two share one call. The first has 0.6 s, and its answer ends early; the other has all the time there is."""
    trickle: list[Step] = [step for _ in range(100) for step in (b"1\r\na\r\n", 0.01)]
    fields = ("Content-Type: text/plain", "Cache-Control: max-age=60", "Transfer-Encoding: chunked")
    scene.origin.behaviours["shared"] = script(head("200 OK", *fields), *trickle, b"0\r\n\r\n")
    with scene.begin("GET ~/shared", "Gateway-Timeout: 0.6", customer="popular") as hasty:
        assert scene.origin.wait(lambda: scene.arrived("shared") == 1)
        time.sleep(0.1)
        with scene.begin("GET ~/shared", customer="popular") as patient:
            answer = patient.answer()
            hasty.answer()
    assert answer is not None
    assert (answer.complete, answer.body) == (True, b"a" * 100)


def test_who_will_not_wait_does_not_wait_for_another_who_does(scene: Scene, fresh: str) -> None:
    """The only place is taken. One caller waits for it; the next wants the same answer, and said that it would not wait."""
    scene.origin.behaviours["slow"] = script(1.5, ok(BODY))
    scene.origin.behaviours["wanted"] = script(ok(BODY, "Cache-Control: max-age=60"))
    with scene.begin("GET ~/slow", customer=fresh) as first:
        assert scene.origin.wait(lambda: scene.arrived("slow") == 1)
        with scene.begin("GET ~/wanted", "Prefer: wait=10", customer=fresh) as leader:
            assert scene.origin.wait(lambda: any(row["waiting"] for row in scene.limits()))
            started = time.monotonic()
            late = scene.call("GET ~/wanted", "Prefer: wait=0", customer=fresh)
            took = seconds(started)
            leader.answer()
        first.answer()
    assert took < 1, slug(late)


def test_a_pause_holds_for_those_who_wait_already(scene: Scene, fresh: str) -> None:
    """It was made while a call stood in line, which must not leave then."""
    scene.origin.behaviours["first"] = script(4, ok(BODY))
    with scene.begin("GET ~/first", customer=fresh) as first:
        assert scene.origin.wait(lambda: scene.arrived("first") == 1)
        with scene.begin("GET ~/later", "Prefer: wait=10", customer=fresh) as waiting:
            assert scene.origin.wait(lambda: any(row["waiting"] for row in scene.limits()))
            pause = {"environment": "dev", "customer": fresh, "reason": "stop", "for": "60s"}
            made = scene.admin("POST", "/admin/v1/pauses", pause)
            assert scene.origin.wait(lambda: slug(scene.call("GET ~/x", "Prefer: wait=0", customer=fresh)) == "paused")
            answer = waiting.answer()
        first.answer()
    scene.admin("DELETE", f"/admin/v1/pauses/{made.json()['id']}")
    assert answer is not None
    assert slug(answer) == "paused"
    assert scene.arrived("later") == 0


def test_who_waits_longer_than_the_gateway_will_be_there_is_told(planted: Planted, tmp_path: Path) -> None:
    """SIGTERM while calls stand in line that cannot leave within ``drain_timeout``: they get an answer, not a closed connection."""
    settings = QUICK.replace("elements.plain.breaker", 'elements.plain.limits = ["1/10s"]\nelements.plain.breaker')
    with Origin() as origin:
        folder = copied(planted, tmp_path, {"dev": f"http://{origin.authority}{BASE}"}, settings)
        with serving(planted, folder, stop=False) as gateway:
            stage = Stage(gateway, origin, planted)
            assert stage.call("GET ~/x").status == 200
            waiting = stage.open("GET ~/x", fields=("Prefer: wait=60",))
            time.sleep(0.3)
            gateway.process.send_signal(signal.SIGTERM)
            answer = waiting.answer()
            waiting.close()
            gateway.process.wait(8)
    assert answer is not None
    assert answer.status in (429, 503)
