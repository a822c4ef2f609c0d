"""Issue 2: a write invalidates that instance's item and its resource's lists and nothing else."""

from __future__ import annotations

import pytest

from tests.acceptance.caching import JSON, is_hit
from tests.acceptance.world import Mapped, World


def contact(acme: Mapped) -> str:
    return str(acme.call("POST", "/contacts", JSON, body=b'{"LastName":"Abara"}').json()["id"])


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("hub", ["", "/hubs/crm"])
def test_a_write_drops_the_item_and_its_lists_and_nothing_else(world: World, acme: Mapped, method: str, hub: str) -> None:
    one, two = contact(acme), contact(acme)
    twin = world.customer("cached", like="sfdc")
    dropped = [f"/contacts/{one}", f"/hubs/crm/contacts/{one}?fields=id", "/contacts", "/contacts?pageSize=2", "/contacts/"]
    kept = [f"/contacts/{two}", "/accounts", "/accounts?pageSize=2", "/objects", "/incidents"]
    for path in dropped + kept:
        acme.get(path)
    twin.get("/contacts")
    body = None if method == "DELETE" else b'{"LastName":"Berg"}'
    assert acme.call(method, f"{hub}/contacts/{one}", JSON, body=body).status == 200
    for path in kept:
        assert is_hit(acme.get(path)), path
    assert is_hit(twin.get("/contacts"))
    for path in dropped:
        assert not is_hit(acme.get(path)), path


def test_a_post_drops_the_lists_and_no_item(acme: Mapped) -> None:
    one = contact(acme)
    for path in (f"/contacts/{one}", "/contacts", "/hubs/crm/contacts?where=x%3D1", "/accounts"):
        acme.get(path)
    two = contact(acme)
    listed = acme.get("/contacts")
    assert not is_hit(listed)
    assert two in [row["id"] for row in listed.json()]
    assert is_hit(acme.get(f"/contacts/{one}"))
    assert is_hit(acme.get("/accounts"))


def test_a_refused_write_drops_nothing(acme: Mapped) -> None:
    acme.get("/contacts")
    assert acme.call("PATCH", "/contacts/none", JSON, body=b"{}").status == 404
    assert acme.call("POST", "/contacts", JSON, body=b"{").status == 400
    assert is_hit(acme.get("/contacts"))


def test_a_failed_write_may_have_happened(world: World) -> None:
    acme = world.customer("cached", like="servicenowoauth")
    acme.get("/incidents")
    with world.dev.dials(servicenowoauth={"error": {"next": 1, "status": 502}}):
        assert acme.call("POST", "/incidents", JSON, body=b"{}").status == 502
    assert not is_hit(acme.get("/incidents"))
