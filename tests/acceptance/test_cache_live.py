"""Contract 2.4, 3 and issue 2: what is kept, for whom, and what operators do to it."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.acceptance.caching import JSON, MISS, calls, is_hit
from tests.acceptance.commands import until
from tests.acceptance.world import Mapped, World, check_problem


def test_a_miss_then_hits(world: World, acme: Mapped) -> None:
    first = acme.get("/contacts?pageSize=3")
    assert first.value("cache-status") == MISS
    second = acme.get("/contacts?pageSize=3")
    found = re.fullmatch(r"gateway; hit; ttl=(\d+)", second.value("cache-status"))
    assert found
    assert 1100 <= int(found[1]) <= 1200
    assert 0 <= int(second.value("age")) <= 5
    assert second.body == first.body
    for name in ("content-type", "elements-returned-count", "elements-request-id"):
        assert second.value(name) == first.value(name)
    assert second.value("x-request-id") != first.value("x-request-id")
    assert calls(world) == 1


def test_age_grows_and_ends(world: World) -> None:
    quick = world.customer("quick", like="sfdc")
    quick.get("/contacts")
    assert is_hit(quick.get("/contacts"))
    time.sleep(2.1)
    assert not is_hit(quick.get("/contacts"))


def test_hub_and_hubless_share_one_entry(world: World, acme: Mapped) -> None:
    assert not is_hit(acme.get("/hubs/crm/accounts?pageSize=2"))
    assert is_hit(acme.get("/accounts?pageSize=2"))
    assert is_hit(acme.get("/hubs/anything/accounts?pageSize=2"))
    assert calls(world) == 1


def test_every_way_to_name_the_instance_shares_one_entry(world: World, acme: Mapped) -> None:
    acme.get("/accounts")
    other = world.new_key()["key"]
    assert is_hit(acme.call("GET", "/accounts", key=other))
    assert is_hit(world.call("GET", "/accounts", base=f"/c/{acme.customer}/cached/elements/api-v2"))
    assert calls(world) == 1


def test_another_customer_never_gets_it(world: World, acme: Mapped) -> None:
    others = [world.customer("cached", like="sfdc"), world.customer("cached", like="sfdc", customer=acme.customer, name="second")]
    others.append(world.customer("cached", environment="staging", like="sfdc", customer=acme.customer))
    mine = acme.get("/contacts?pageSize=2")
    for other in others:
        answer = other.get("/contacts?pageSize=2")
        assert not is_hit(answer)
        assert answer.body != mine.body
    assert is_hit(acme.get("/contacts?pageSize=2"))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/contacts?pageSize=3&x", ()),
        ("/contacts?pageSize=03", ()),
        ("/Contacts?pageSize=3", ()),
        ("/contacts?pageSize=3", ("Accept: application/xml",)),
        ("/contacts?pageSize=3", ("Elements-Version: Helium",)),
        ("/contacts?pageSize=3", ("Elements-As-Team-Member: 4",)),
    ],
)
def test_what_tells_entries_apart(acme: Mapped, path: str, fields: tuple[str, ...]) -> None:
    acme.get("/contacts?pageSize=3")
    assert not is_hit(acme.get(path, *fields))


@pytest.mark.parametrize("fields", [("X-Whatever: 1",), ("User-Agent: other",), ("Cookie: a=b",), ("X-Request-Id: 1",)])
def test_what_does_not_tell_entries_apart(acme: Mapped, fields: tuple[str, ...]) -> None:
    acme.get("/contacts?pageSize=3")
    assert is_hit(acme.get("/contacts?pageSize=3", *fields))


@pytest.mark.parametrize("path", ["/ping", "/hubs/crm/ping", "//ping", "/Ping", "/ping?x=1", "/lists"])
def test_never_cached(world: World, acme: Mapped, path: str) -> None:
    """/ping; and what a rule of the configuration excludes (/lists)."""
    for _ in range(2):
        assert acme.get(path).value("cache-status").startswith("gateway; fwd=bypass; detail=")
    assert calls(world) == 2


@pytest.mark.parametrize(
    "fields",
    [
        ("Elements-Async-Request: true",), ("Elements-Async-Callback-Url: https://x.test",),
        ("Elements-Schedule-Request: 0 0 * * *",),
        ("Elements-Formula-Instance-Id: 1",),
    ],
)  # fmt: skip
def test_requests_that_go_past_the_cache(world: World, acme: Mapped, fields: tuple[str, ...]) -> None:
    acme.get("/contacts")
    assert not is_hit(acme.get("/contacts", *fields))
    assert calls(world) == 2


def test_a_stored_whole_serves_a_part(world: World, acme: Mapped) -> None:
    whole = acme.get("/contacts").body
    part = acme.get("/contacts", "Range: bytes=0-3")

    assert (part.status, part.body) == (206, whole[:4])
    assert part.value("content-range") == f"bytes 0-3/{len(whole)}"
    assert calls(world) == 1


def test_a_part_that_is_not_stored_is_the_origins_to_give(world: World, acme: Mapped) -> None:
    for _ in range(2):
        assert not is_hit(acme.get("/contacts", "Range: bytes=0-3"))
    assert calls(world) == 2


def test_a_get_with_a_body_goes_past_the_cache(world: World, acme: Mapped) -> None:
    for _ in range(2):
        assert not is_hit(acme.call("GET", "/contacts", JSON, body=b"{}"))
    assert not is_hit(acme.get("/contacts"))
    assert calls(world) == 3


def test_errors_and_other_methods_are_not_cached(world: World, acme: Mapped) -> None:
    for _ in range(2):
        assert acme.get("/contacts/none").status == 404
        assert acme.call("OPTIONS", "/contacts").value("cache-status").startswith("gateway; fwd=method")
    assert calls(world) == 4


def test_rule_with_a_longer_life(acme: Mapped) -> None:
    acme.get("/objects")
    status = acme.get("/hubs/crm/objects").value("cache-status")
    assert int(status.removeprefix("gateway; hit; ttl=")) > 3500


def test_an_element_without_a_lifetime_is_not_cached(world: World) -> None:
    plain = world.customer("plain", like="sfdc")
    for _ in range(2):
        answer = plain.get("/contacts")
        assert not is_hit(answer)
        assert "stored" not in answer.value("cache-status")


def test_the_shipped_preset_caches_for_a_minute(world: World) -> None:
    acme = world.customer("hubspot")
    acme.get("/contacts")
    assert is_hit(acme.get("/contacts"))


def test_purge(world: World) -> None:
    one, two = world.customer("cached", like="sfdc"), world.customer("cached", like="sfdc")
    three = world.customer("hubspot", customer=one.customer)
    for mapped in (one, two, three):
        mapped.get("/contacts")
        mapped.get("/hubs/crm/contacts?pageSize=2")
    one.get("/accounts")
    purged = world.admin("POST", "/cache:purge", {"customer": one.customer, "element": "cached", "path": "/contacts"})
    assert (purged.status, purged.json()) == (200, {"purged": 2})
    assert is_hit(one.get("/accounts"))
    assert is_hit(two.get("/contacts"))
    assert is_hit(three.get("/contacts"))
    assert not is_hit(one.get("/contacts"))
    assert world.admin("POST", "/cache:purge", {"customer": one.customer, "environment": "staging"}).json() == {"purged": 0}
    assert world.admin("POST", "/cache:purge", {"customer": one.customer, "environment": "dev"}).json() == {"purged": 4}
    assert not is_hit(three.get("/contacts"))
    assert world.admin("POST", "/cache:purge", {}).json()["purged"] >= 3
    assert not is_hit(two.get("/contacts"))


def test_a_new_token_serves_nothing_of_the_old_one(world: World, acme: Mapped) -> None:
    """Another token may be another account: its answers are not those of before."""
    old = acme.get("/contacts?pageSize=2")
    made = world.dev.create("sfdc", f"{acme.customer}-again")
    world.secrets.add(made["token"])
    assert world.admin("PATCH", f"/instances/{acme.handle}", {"token": made["token"]}).status == 200

    def is_new() -> bool:
        return acme.get("/contacts?pageSize=2").body != old.body

    until(is_new)
    world.dev.forget()
    acme.get("/contacts?pageSize=1")
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [made["id"]]


def test_a_handle_that_was_removed_serves_nothing(world: World, acme: Mapped) -> None:
    acme.get("/contacts")
    assert world.admin("DELETE", f"/instances/{acme.handle}").status == 204
    until(lambda: acme.get("/contacts").status == 404)
    check_problem(acme.get("/contacts"), 404, "no-instance", "caller")


def test_a_mapping_made_anew_does_not_find_the_old_ones_answers(world: World, acme: Mapped) -> None:
    old = acme.get("/contacts?pageSize=2")
    assert world.admin("DELETE", f"/instances/{acme.handle}").status == 204
    again = world.customer("cached", like="servicenowoauth", customer=acme.customer)
    until(lambda: world.call("GET", "/contacts?pageSize=2", f"Gateway-Customer: {acme.customer}").status == 200)
    answer = world.call("GET", "/contacts?pageSize=2", f"Gateway-Customer: {acme.customer}")
    assert answer.body != old.body
    assert again.handle != acme.handle


def test_no_authorization_is_left_out_on_a_hit(world: World, acme: Mapped) -> None:
    """A hit asks for a key and its permissions as any call does."""
    acme.get("/contacts")
    assert is_hit(acme.get("/contacts"))
    assert acme.call("GET", "/contacts", key="gwk_wrong_wrong").status == 401
    assert acme.call("GET", "/contacts", key=world.new_key(customers=["nobody"])["key"]).status == 403
    assert acme.call("GET", "/contacts", key=world.new_key(methods=["POST"])["key"]).status == 403
    assert json.loads(acme.get("/contacts").body)
