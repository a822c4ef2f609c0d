"""What one process finds out about a token, the gateway beside it notices (contract 5: within 2 s) and shows (contract 4 and 6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from gateway.config import load, master_keys
from gateway.database.engine import open_database
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.secret import Secret
from tests.acceptance.commands import command, until
from tests.acceptance.test_metrics_live import families, value
from tests.acceptance.world import Mapped, World


def elsewhere(world: World, do: Callable[[Instances], Awaitable[None]]) -> float:
    """``do`` in this process, with the gateway's database and master keys; when it was done, on the monotonic clock."""
    config = load(world.folder / "gateway.toml")

    async def work() -> None:
        async with open_database(config.database_path()) as database:
            await do(Instances(database, Vault(master_keys(config))))

    asyncio.run(work())
    return time.monotonic()


def noticed(started: float, condition: Callable[[], bool]) -> None:
    until(condition, max(0.1, 2.0 - (time.monotonic() - started)))


def counted(world: World, mapped: Mapped, state: str) -> float:
    where = {"environment": mapped.environment, "element": mapped.element, "state": state}
    return value(families(world), "gateway_instances", **where)


def test_a_mapping_withdrawn_elsewhere(world: World) -> None:
    acme = world.customer("withdrawn", like="sfdc")
    other = world.customer("withdrawn", like="sfdc")
    path = f"/instances/{acme.handle}"
    before = world.admin("GET", path)
    now = elsewhere(world, lambda instances: instances.withdraw(acme.handle, unauthorized=True))
    after = world.admin("GET", path)

    assert after.json() == before.json() | {"state": "needs_authorization"}
    assert after.value("etag") != before.value("etag")
    noticed(now, lambda: counted(world, acme, "needs_authorization") == 1)
    assert counted(world, acme, "active") == 1
    listed = world.admin("GET", "/instances?element=withdrawn&state=needs_authorization").json()["items"]
    assert [item["handle"] for item in listed] == [acme.handle]
    shown = command(world.folder, "instances", "list", "--element", "withdrawn", "--state", "active")["items"]
    assert [item["handle"] for item in shown] == [other.handle]
    assert world.admin("GET", "/instances?state=off").status == 400
    refused = world.admin("PATCH", path, {"tags": ["late"]}, f"If-Match: {before.value('etag')}")
    assert refused.status == 412

    assert world.admin("PATCH", path, {"disabled": False}).json()["state"] == "needs_authorization"
    assert world.admin("PATCH", path, {"token": acme.token}).json()["state"] == "active"
    noticed(time.monotonic(), lambda: counted(world, acme, "active") == 2)


def test_a_token_found_elsewhere_is_the_one_that_is_sent(world: World) -> None:
    acme = world.customer("retokened", like="sfdc")
    assert acme.get("/contacts?pageSize=2").status == 200
    made = world.dev.create("sfdc", f"{acme.customer}-new")
    world.secrets.add(made["token"])
    now = elsewhere(world, lambda instances: instances.replace_token(acme.handle, Secret(made["token"])))
    world.dev.forget()

    def sent() -> bool:
        """Whether the new instance was asked, past what was cached of the old one."""
        assert acme.get("/contacts?pageSize=2").status == 200
        return made["id"] in [arrival["instance"] for arrival in world.dev.arrivals()]

    noticed(now, sent)
