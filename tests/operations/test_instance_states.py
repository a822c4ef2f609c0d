"""In which state a mapping is, where it is listed and counted."""

from __future__ import annotations

import pytest

from gateway.database.engine import Database
from gateway.fields import State
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.models import InstancePatch, InstanceQuery, NewInstance
from gateway.operations import Operations

STATES: tuple[State, ...] = ("disabled", "needs_authorization", "active", "needs_authorization", "disabled", "active", "active")


@pytest.fixture
async def handles(operations: Operations, database: Database, vault: Vault) -> list[str]:
    """A mapping of each of ``STATES``, the disabled ones without authorization too."""
    handles = []
    for number, state in enumerate(STATES):
        new = NewInstance.model_validate({"environment": "dev", "customer": f"c{number}", "element": "hubspot", "token": "canary"})
        handles.append((await operations.add_instance(new, actor="test")).handle)
        await Instances(database, vault).withdraw(handles[-1], unauthorized=state != "active")
        if state == "disabled":
            await operations.patch_instance(handles[-1], InstancePatch(disabled=True), actor="test")
    return handles


@pytest.mark.parametrize("state", sorted(set(STATES)))
async def test_lists_are_filtered_by_state_page_by_page(operations: Operations, handles: list[str], state: State) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = await operations.list_instances(InstanceQuery(state=state, limit=1, cursor=cursor))
        assert [one.state for one in page.items] == [state]
        seen += [one.handle for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == [handle for handle, one in zip(handles, STATES, strict=True) if one == state]


async def test_a_state_goes_with_the_other_filters(operations: Operations, handles: list[str]) -> None:
    async def found(customer: str, state: State) -> list[str]:
        return [one.handle for one in (await operations.list_instances(InstanceQuery(customer=customer, state=state))).items]

    assert await found("c0", "disabled") == handles[:1]
    assert await found("c0", "needs_authorization") == await found("c0", "active") == []


async def test_each_mapping_is_counted_once(database: Database, vault: Vault, handles: list[str]) -> None:
    counts = await Instances(database, vault).counts()

    assert sum(counts.values()) == len(handles)
    assert counts == {("dev", "hubspot", state): STATES.count(state) for state in STATES}
