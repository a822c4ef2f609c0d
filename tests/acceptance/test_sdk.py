"""Issue 2: an unmodified Cloud Elements client works by changing its base URL and its secrets only."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.world import BASE, World

cloudelements = pytest.importorskip(
    "cloudelements",
    reason="THE UNMODIFIED CLIENT IS NOT TESTED: cloudelements==0.2.1 is not installed (it brings requests and validictory)",
)


@pytest.fixture
def client_of(world: World) -> Any:
    """A client for a handle: its three secrets are the caller key, the environment and the handle."""

    def make(element_token: str | None = None) -> Any:
        host, port = world.served.listeners["data"]
        client = cloudelements.CloudElements(user_secret=world.key, org_secret="dev", element_token=element_token)
        client.base_url = f"http://{host}:{port}{BASE}"
        return client

    return make


def test_reading(world: World, client_of: Any) -> None:
    acme = world.customer("sfdc")
    client = client_of(acme.handle)
    world.dev.forget()
    answer = client.get_crm_accounts("", page_size=5)
    assert answer.status_code == 200
    assert len(answer.json()) == 5
    assert answer.headers["Elements-Total-Count"] == "20"
    account = answer.json()[0]
    assert client.get_crm_account_by_id(account["id"]).json()["id"] == account["id"]
    assert client.get_crm_contacts("").status_code == 200
    assert {arrival["instance"] for arrival in world.dev.arrivals()} == {acme.instance_id}


def test_deleting(world: World, client_of: Any) -> None:
    acme = world.customer("sfdc")
    client = client_of(acme.handle)
    account = client.get_crm_accounts("").json()[0]
    assert client.delete_crm_account_by_id(account["id"]).status_code == 200
    assert client.get_crm_account_by_id(account["id"]).status_code == 404


def test_writing(world: World, client_of: Any) -> None:
    client = client_of(world.customer("sfdc").handle)
    made = client.create_crm_contact(data={"firstname": "Ada", "lastname": "Abara", "email": "ada@customer.test"})
    assert made.status_code == 200, made.text
    changed = client.update_crm_contact(made.json()["id"], data={"lastname": "Berg"})
    assert changed.status_code == 200, changed.text
    assert client.get_crm_contact(made.json()["id"]).json()["lastname"] == "Berg"


def test_the_platform_and_the_token_it_shows(world: World, client_of: Any) -> None:
    """The client lists instances, takes the token of one and goes on with it."""
    acme = world.customer("sfdc")
    client = client_of()
    assert client.get_hubs().status_code == 200
    assert client.get_all_element_keys().json()
    assert client.get_element_by_key("sfdc").json()["key"] == "sfdc"
    token = client.get_instance(acme.instance_id).json()["token"]
    assert token == acme.handle
    assert client_of(token).get_crm_accounts("").status_code == 200


def test_errors_read_as_before(world: World, client_of: Any) -> None:
    """`message` and `requestId` stand where a Cloud Elements client looks for them, whoever made the error."""
    client = client_of(world.customer("sfdc").handle)
    for answer in (client.get_crm_account_by_id("none"), client_of("gwi_0000000000000000000000").get_crm_accounts("")):
        assert answer.status_code == 404
        assert answer.json()["message"]
        assert answer.json()["requestId"]
