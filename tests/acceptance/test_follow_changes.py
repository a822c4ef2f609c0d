"""Contract 5: `Commands that change state work on the database directly …; a running server notices within 2 s.`"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tests.acceptance.commands import command, until
from tests.acceptance.world import Mapped, World


def within_two_seconds(started: float, condition: Callable[[], bool]) -> None:
    """``started``: when the command had ended."""
    until(condition, max(0.1, 2.0 - (time.monotonic() - started)))


def test_a_key_created_and_revoked_elsewhere(world: World) -> None:
    acme = world.customer()
    made = command(world.folder, "keys", "create", "--name", "cli", "--customer", acme.customer)
    assert sorted(made["environments"]) == ["dead", "dev", "raw", "staging"]
    within_two_seconds(time.monotonic(), lambda: acme.call("GET", "/ping", key=made["key"]).status == 200)
    command(world.folder, "keys", "revoke", made["id"])
    within_two_seconds(time.monotonic(), lambda: acme.call("GET", "/ping", key=made["key"]).status == 401)


def test_a_key_rotated_elsewhere(world: World) -> None:
    acme, made = world.customer(), world.new_key()
    assert acme.call("GET", "/ping", key=made["key"]).status == 200
    new = command(world.folder, "keys", "rotate", made["id"], "--overlap", "0s")
    now = time.monotonic()
    within_two_seconds(now, lambda: acme.call("GET", "/ping", key=new["key"]).status == 200)
    within_two_seconds(now, lambda: acme.call("GET", "/ping", key=made["key"]).status == 401)


def add(world: World, like: str, customer: str) -> dict[str, object]:
    """An instance mapped by the command line."""
    made = world.dev.create(like, f"{customer}-1")
    world.secrets.add(made["token"])
    where = ("--environment", "dev", "--customer", customer, "--element", like)
    return dict(command(world.folder, "instances", "add", *where, "--token-file", "-", given=made["token"] + "\n"))


def test_an_instance_added_and_removed_elsewhere(world: World) -> None:
    """Also when its absence was noticed just before."""

    def status() -> int:
        return world.call("GET", "/contacts", "Gateway-Customer: cli-customer").status

    assert status() == 404
    added = add(world, "sfdc", "cli-customer")
    within_two_seconds(time.monotonic(), lambda: status() == 200)
    assert world.call("GET", "/ping", f"Gateway-Instance: {added['handle']}").status == 200
    again = add(world, "hubspot", "cli-customer")
    within_two_seconds(time.monotonic(), lambda: status() == 409)
    command(world.folder, "instances", "remove", str(again["handle"]))
    within_two_seconds(time.monotonic(), lambda: status() == 200)
    command(world.folder, "instances", "remove", str(added["handle"]))
    within_two_seconds(time.monotonic(), lambda: status() == 404)


def test_instances_imported_elsewhere(world: World) -> None:
    made = world.dev.create("sfdc", "bulk-1")
    world.secrets.add(made["token"])
    row = {"environment": "dev", "customer": "bulk", "element": "sfdc", "token": made["token"]}
    assert command(world.folder, "instances", "import", "-", given=json.dumps(row))["imported"] == 1
    within_two_seconds(time.monotonic(), lambda: world.call("GET", "/ping", "Gateway-Customer: bulk").status == 200)


def replaced_elsewhere(world: World, acme: Mapped) -> tuple[int, str]:
    """Remove and add the mapping anew with another token: (new instance's number, new handle)."""
    made = world.dev.create("sfdc", f"{acme.customer}-new")
    world.secrets.add(made["token"])
    command(world.folder, "instances", "remove", acme.handle)
    where = ("--environment", "dev", "--customer", acme.customer, "--element", acme.element)
    added = command(world.folder, "instances", "add", *where, "--token-file", "-", given=made["token"])
    return made["id"], added["handle"]


def test_another_token_brings_no_old_answers(world: World) -> None:
    acme = world.customer("cached", like="sfdc")
    named = f"Gateway-Customer: {acme.customer}"
    old = world.call("GET", "/contacts?pageSize=2", named)
    assert world.call("GET", "/contacts?pageSize=2", named).value("cache-status").startswith("gateway; hit")
    id_, _ = replaced_elsewhere(world, acme)
    now = time.monotonic()
    within_two_seconds(now, lambda: world.call("GET", "/contacts?pageSize=2", named).body not in (old.body, b""))
    world.dev.forget()
    assert world.call("GET", "/contacts?pageSize=1", named).status == 200
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [id_]


def test_what_the_admin_api_disables_is_shown_elsewhere(world: World) -> None:
    acme = world.customer()
    world.admin("PATCH", f"/instances/{acme.handle}", {"disabled": True})
    until(lambda: acme.get("/ping").status == 404)
    assert command(world.folder, "instances", "show", acme.handle)["disabled"] is True
