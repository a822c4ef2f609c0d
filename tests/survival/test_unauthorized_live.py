"""401s of a real upstream: whose secret is bad is found out by a probe, and only what is bad is taken out of service."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from gateway.config import load, master_keys
from gateway.database.engine import open_database
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from tests.faults.conftest import serving
from tests.support.cases import BASE
from tests.support.origin import Origin
from tests.support.processes import configuration
from tests.survival.doorman import REFUSAL, Doorman
from tests.survival.scene import Planted, Scene, plant, seconds, slug

ENVIRONMENTS = ("dev", "solo", "pairs", "both")
CUSTOMERS = ("acme", "bad", "moved", "healed", "stuck", "provider", "bulky", *(f"many-{number}" for number in range(6)))
SETTINGS = """
listen.drain_timeout = "1s"
[elements.guarded]
limits = ["10000/h"]
concurrency = 1
wait = "5s"
breaker.enabled = false
"""


@dataclass(frozen=True)
class Doors:
    """The scene and what stands behind its environments; ``user`` and ``spare`` are the user secrets of the two pairs."""

    scene: Scene
    solo: Doorman
    pairs: Doorman
    both: Doorman
    user: str
    spare: str

    def state(self, name: str) -> str:
        """That of a mapping, ``environment/customer``."""
        return str(self.scene.admin("GET", f"/admin/v1/instances/{self.scene.planted.handles[name]}").json()["state"])

    def of(self, environment: str) -> str:
        return f"Gateway-Environment: {environment}"


async def withdraw(planted: Planted, *names: str) -> None:
    """As a gateway that was stopped then had left them: each may be tried at once."""
    config = load(planted.folder / "gateway.toml")
    async with open_database(config.database_path()) as database:
        for name in names:
            await Instances(database, Vault(master_keys(config))).withdraw(planted.handles[name], unauthorized=True)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    elements = {**dict.fromkeys(CUSTOMERS, "guarded"), "acme": "plain"}
    planted = plant(tmp_path_factory.mktemp("doors") / "template", elements, SETTINGS, ENVIRONMENTS)
    user, spare = planted.canaries.user, f"{planted.canaries.user}-next"
    planted.environ["RAW_USER_SECRET_NEXT"] = spare
    asyncio.run(withdraw(planted, "solo/healed", "solo/stuck"))
    with ExitStack() as stack:
        origin = stack.enter_context(Origin())
        solo, pairs, both = (stack.enter_context(Doorman(user)) for _ in range(3))
        urls = dict(zip(ENVIRONMENTS, (f"http://{one.authority}{BASE}" for one in (origin, solo, pairs, both)), strict=True))
        folder = tmp_path_factory.mktemp("door")
        shutil.copytree(planted.folder, folder, dirs_exist_ok=True)
        text = configuration(urls, SETTINGS)
        for name in ("pairs", "both"):
            text = text.replace(f"[environments.{name}]", f'[environments.{name}]\nuser_secret_next = "env:RAW_USER_SECRET_NEXT"')
        (folder / "gateway.toml").write_text(text, "utf-8")
        gateway = stack.enter_context(serving(planted, folder))
        yield Doors(Scene(gateway, origin, planted, (solo, pairs, both)), solo, pairs, both, user, spare)


def test_a_bad_token(doors: Doors) -> None:
    """The caller whose call it was gets the 401; later ones 409, and nothing leaves; a new token heals it. Others notice nothing."""
    scene, solo = doors.scene, doors.of("solo")
    doors.solo.dead.add(scene.gateway.canaries.of("bad"))
    handle = scene.planted.handles["solo/bad"]
    with scene.surviving("guarded") as counted:
        answer = scene.call("GET ~/x", solo, customer="bad")
        assert (answer.status, answer.json()) == (401, REFUSAL)
        assert doors.state("solo/bad") == "needs_authorization"
        left = len(doors.solo.calls)
        refused = [scene.call("POST ~/x", solo, customer="bad") for _ in range(3)]
        assert {slug(one) for one in refused} == {"instance-needs-authorization"}
        assert len(doors.solo.calls) == left
        assert scene.call("GET ~/x", solo, customer="many-0").status == 200
        patched = scene.admin("PATCH", f"/admin/v1/instances/{handle}", {"token": scene.gateway.canaries.of("bad") + "-renewed"})
        assert patched.json()["state"] == "active"
        assert scene.call("GET ~/x", solo, customer="bad").status == 200
    assert counted["upstream 401"] == counted["requests 401"] == 1
    assert counted["requests 409"] == counted["problem instance-needs-authorization"] == 3
    assert [probe[0] for probe in doors.solo.probes][-1].endswith(f"/instances/{1000 + CUSTOMERS.index('bad')}")
    assert any("needs authorization" in line and handle in line for line in scene.gateway.text.splitlines())


def test_one_probe_for_all_who_are_refused(doors: Doors) -> None:
    """Twelve calls at once find out about one token together."""
    scene, solo = doors.scene, doors.of("solo")
    doors.solo.dead.add(scene.gateway.canaries.of("many-1"))
    with scene.surviving("guarded"):
        doors.solo.probes.clear()
        with ThreadPoolExecutor(12) as pool:
            calls = [pool.submit(scene.call, f"GET ~/{number}", solo, customer="many-1") for number in range(12)]
            found = [slug(call.result()) for call in calls]
        assert set(found) <= {"401", "instance-needs-authorization"}
        assert "401" in found
        assert len(doors.solo.probes) <= 2
        assert doors.state("solo/many-2") == "active"


def test_a_token_that_was_replaced_at_cloud_elements(doors: Doors) -> None:
    """The probe brings the new one: it is stored, and the call is made once more. A POST, too: it was not carried out."""
    scene, solo = doors.scene, doors.of("solo")
    old, new = scene.gateway.canaries.of("moved"), scene.gateway.canaries.of("moved") + "-new"
    doors.solo.dead.add(old)
    doors.solo.tokens[1000 + CUSTOMERS.index("moved")] = new
    with scene.surviving("guarded") as counted:
        doors.solo.calls.clear()
        body = b'{"a":1}'
        answer = scene.call("POST ~/x", solo, f"Content-Length: {len(body)}", body=body, customer="moved")
        assert answer.status == 200
        assert [(call[2], call[3]) for call in doors.solo.calls] == [(old, 401), (new, 200)]
        assert scene.call("GET ~/x", solo, customer="moved").status == 200
        assert doors.solo.calls[-1][2] == new
        assert doors.state("solo/moved") == "active"
    assert counted == {"requests 200": 2, "upstream 401": 1, "upstream 200": 2, "retries": 1}


def test_the_trial_of_a_minute(doors: Doors) -> None:
    """Both mappings were withdrawn before this gateway began, so that their trial is due: one succeeds and restores, one does not.

    The minute itself is a rule with the time as an argument (tests/upstream/test_credentials.py).
    """
    scene, solo = doors.scene, doors.of("solo")
    doors.solo.dead.add(scene.gateway.canaries.of("stuck"))
    with scene.surviving("guarded") as counted:
        assert doors.state("solo/healed") == doors.state("solo/stuck") == "needs_authorization"
        assert scene.call("GET ~/x", solo, customer="healed").status == 200
        assert scene.origin.wait(lambda: doors.state("solo/healed") == "active")
        assert [scene.call("GET ~/x", solo, customer="healed").status for _ in range(3)] == [200] * 3
        assert scene.call("GET ~/x", solo, customer="stuck").status == 401
        assert slug(scene.call("GET ~/x", solo, customer="stuck")) == "instance-needs-authorization"
        assert doors.state("solo/stuck") == "needs_authorization"
    assert counted["upstream 401"] == 1


def test_a_401_of_the_provider(doors: Doors) -> None:
    """Cloud Elements took the token, the provider refused the call: that may pass, so a few of them withdraw nothing."""
    scene, solo = doors.scene, doors.of("solo")
    doors.solo.dead.add(scene.gateway.canaries.of("provider"))
    doors.solo.document = {**REFUSAL, "providerMessage": "expired access/refresh token"}
    try:
        with scene.surviving("guarded"):
            probes = len(doors.solo.probes)
            assert [scene.call("GET ~/x", solo, customer="provider").status for _ in range(2)] == [401, 401]
            assert doors.state("solo/provider") == "active"
            assert len(doors.solo.probes) == probes
            assert scene.call("GET ~/x", solo, customer="provider").status == 401
            assert doors.state("solo/provider") == "needs_authorization"
    finally:
        doors.solo.document = REFUSAL


def test_a_refusal_that_is_not_passed_on_holds_no_place(doors: Doors) -> None:
    """A 401 with a body of 400 KB streams; where the call is made again, nobody reads it. There is one place."""
    scene, solo = doors.scene, doors.of("solo")
    doors.solo.dead.add(scene.gateway.canaries.of("bulky"))
    doors.solo.tokens[1000 + CUSTOMERS.index("bulky")] = scene.gateway.canaries.of("bulky") + "-new"
    doors.solo.document = {**REFUSAL, "detail": "a" * 400_000}
    try:
        with scene.surviving("guarded"):
            started = time.monotonic()
            statuses = [scene.call("GET ~/x", solo, customer="bulky").status for _ in range(4)]
            assert statuses[-1] == 200
            assert seconds(started) < 2.5, "a call waits for the place that it has itself"
    finally:
        doors.solo.document = REFUSAL


def load_of(doors: Doors, environment: str, until: float) -> list[int]:
    """The statuses of calls that four callers make one after another, GETs and POSTs."""

    def some(number: int) -> list[int]:
        found, call = [], 0
        while time.monotonic() < until:
            method = ("GET", "POST")[call % 2]
            found.append(doors.scene.call(f"{method} ~/{number}/{call}", doors.of(environment), customer=f"many-{number}").status)
            call += 1
        return found

    with ThreadPoolExecutor(4) as pool:
        return [status for found in pool.map(some, range(2, 6)) for status in found]


def test_the_next_pair_takes_over_under_load(doors: Doors) -> None:
    """And falls back. The old secret dies between two calls: not one of them fails, and no mapping is to blame."""
    scene = doors.scene
    with scene.surviving("guarded") as counted:
        for good in (doors.spare, doors.user):
            with ThreadPoolExecutor(1) as pool:
                loaded = pool.submit(load_of, doors, "pairs", time.monotonic() + 0.6)
                time.sleep(0.3)
                doors.pairs.users = {good}
                statuses = loaded.result()
            assert set(statuses) == {200}, good
            assert doors.pairs.calls[-1][1] == good
        assert {doors.state(f"pairs/many-{number}") for number in range(6)} == {"active"}
        assert scene.metric("gateway_environment_unauthorized") == 0
    assert counted["upstream 401"] >= 2
    assert counted["requests 401"] == 0
    assert "secrets taken over" in scene.gateway.text
    assert "secrets fell back" in scene.gateway.text


def test_both_pairs_are_bad(doors: Doors) -> None:
    """An alarm for the environment, and no instance is quarantined; a storm of 401s makes no storm of probes; it ends by itself."""
    scene = doors.scene
    with scene.surviving("guarded"):
        doors.both.users = set()
        doors.both.probes.clear()
        answers = [scene.call(f"GET ~/{number}", doors.of("both"), customer=f"many-{number % 6}") for number in range(30)]
        assert {answer.status for answer in answers} == {401}
        assert len(doors.both.probes) <= 6
        assert scene.metric("gateway_environment_unauthorized") == 1
        status, document = scene.ready()
        assert (status, document["status"]) == (200, "degraded")
        assert any("both" in reason for reason in document["reasons"])
        assert {doors.state(f"both/many-{number}") for number in range(6)} == {"active"}
        assert scene.call("GET ~/x", doors.of("solo"), customer="many-0").status == 200, "another environment is not to blame"
        doors.both.users = {doors.user}
        started = time.monotonic()
        assert scene.origin.wait(lambda: scene.metric("gateway_environment_unauthorized") == 0, 12.0)
        assert seconds(started) < 8
        assert scene.call("GET ~/x", doors.of("both"), customer="many-0").status == 200
        assert scene.ready() == (200, {"status": "ready"})
