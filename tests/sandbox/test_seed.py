"""One seed, one world."""

from __future__ import annotations

from typing import Any

from gateway.sandbox import Sandbox
from gateway.sandbox.seed import size_of


def world(sandbox: Sandbox) -> list[Any]:
    return [
        (instance.document(), [instance.records.rows(resource) for resource in instance.element.resources])
        for instance in sandbox.instances
    ]


def tokens(sandbox: Sandbox) -> set[str]:
    return {instance.token for instance in sandbox.instances}


def test_the_same_seed_is_the_same_world() -> None:
    assert world(Sandbox()) == world(Sandbox(seed=7))


def test_the_same_calls_get_the_same_ids_and_tokens() -> None:
    body = {"name": "new", "element": {"key": "closeio"}, "configuration": {"username": "key"}}
    made = [[sandbox.instances.create(body).token for _ in range(2)] for sandbox in (Sandbox(), Sandbox())]
    ids = [[sandbox.next_request_id() for _ in range(2)] for sandbox in (Sandbox(), Sandbox())]

    assert made[0] == made[1]
    assert len(set(made[0])) == 2
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_what_is_read_first_makes_no_difference() -> None:
    forwards, backwards = (next(iter(Sandbox().instances)).records for _ in range(2))
    names = list(forwards.element.resources)
    first = {name: forwards.rows(name) for name in names}
    made = backwards.create("contacts", {})

    assert {name: backwards.rows(name) for name in reversed(names) if name != "contacts"} == {
        name: rows for name, rows in first.items() if name != "contacts"
    }
    assert backwards.rows("contacts") == [*first["contacts"], made]


def test_another_seed_shares_no_token() -> None:
    assert len(tokens(Sandbox(8)) | tokens(Sandbox(9))) == 12


def test_every_customer_has_its_elements_tagged_and_filled() -> None:
    sandbox = Sandbox()

    assert {customer: list(names) for customer, names in sandbox.customers().items()} == {
        "acme": ["hubspot", "sfdc"],
        "globex": ["hubspot", "servicenowoauth"],
        "initech": ["sapc4chd", "closeio"],
    }
    for instance in sandbox.instances:
        assert instance.tags == [instance.name.partition("-")[0]]
        for resource in instance.element.resources:
            rows = instance.records.rows(resource)
            assert len({row["id"] for row in rows}) == len(rows) == size_of(resource)


def test_each_element_spells_its_fields_as_its_provider_does() -> None:
    spelled = {instance.element.key: set(instance.records.rows("contacts")[0]) for instance in Sandbox().instances}

    assert {"Id", "LastName", "AccountId", "CreatedDate", "LastModifiedDate"} <= spelled["sfdc"]
    assert {"last_name", "sys_created_on"} <= spelled["servicenowoauth"]
    assert {"lastName", "createdDate"} <= spelled["hubspot"]


def test_a_repr_tells_the_story_without_secrets() -> None:
    assert repr(Sandbox()) == "<Sandbox seed=7, 6 instances, 0 calls>"
