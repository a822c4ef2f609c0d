"""Which answers on their way a write overtook."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.invalidation import EVERYTHING, touched
from gateway.cache.key import Key
from gateway.cache.overtaking import _REMEMBERED, Invalidations

CONTACT = Key("dev", "gwi_a", "/contacts/7", "a=1", None, None, None, 0.0)
OWNER = CONTACT.owner
WRITE = touched("PATCH", "/contacts/7", element_call=True)


@pytest.fixture
def invalidations() -> Invalidations:
    return Invalidations()


def test_what_came_before_the_call_left_overtakes_nothing(invalidations: Invalidations) -> None:
    invalidations.add(OWNER, WRITE)
    assert not invalidations.overtook(invalidations.count, CONTACT)


def test_nor_does_it_once_others_came_after(invalidations: Invalidations) -> None:
    invalidations.add(OWNER, WRITE)
    seen = invalidations.count
    invalidations.add(OWNER, touched("PATCH", "/accounts/1", element_call=True))
    assert not invalidations.overtook(seen, CONTACT)


@pytest.mark.parametrize(
    ("key", "overtaken"),
    [
        (CONTACT, True),
        (CONTACT._replace(query="b=2", accept="text/csv", changed_at=9.0), True),
        (CONTACT._replace(path="/Contacts/%37;v=1"), True),
        (CONTACT._replace(path="/contacts/7/notes"), True),
        (CONTACT._replace(path="/contacts"), True),
        (CONTACT._replace(path="/contacts/8"), False),
        (CONTACT._replace(path="/accounts"), False),
        (CONTACT._replace(handle="gwi_b"), False),
        (CONTACT._replace(handle=None), False),
        (CONTACT._replace(environment="prod"), False),
    ],
)
def test_a_write_overtakes_what_it_touches_and_nothing_else(invalidations: Invalidations, key: Key, overtaken: bool) -> None:
    seen = invalidations.count
    invalidations.add(OWNER, WRITE)
    assert invalidations.overtook(seen, key) is overtaken
    assert not invalidations.overtook(invalidations.count, key)


def test_the_end_of_an_instance_overtakes_all_of_it(invalidations: Invalidations) -> None:
    invalidations.add(OWNER, EVERYTHING)
    assert invalidations.overtook(0, CONTACT._replace(path="/"))
    assert not invalidations.overtook(0, CONTACT._replace(handle="gwi_b"))


def test_a_purge_overtakes_everybody(invalidations: Invalidations) -> None:
    invalidations.add_everything()
    assert invalidations.overtook(0, CONTACT._replace(handle="gwi_b", environment="prod"))
    assert not invalidations.overtook(invalidations.count, CONTACT)
    seen = invalidations.count
    invalidations.add(OWNER, WRITE)
    assert not invalidations.overtook(seen, CONTACT._replace(handle="gwi_b"))


def test_what_is_forgotten_counts_as_touched_exactly_from_then_on(invalidations: Invalidations) -> None:
    other = CONTACT._replace(handle="gwi_b").owner
    for _ in range(_REMEMBERED):
        invalidations.add(other, WRITE)
    assert not invalidations.overtook(0, CONTACT)
    invalidations.add(other, WRITE)
    assert invalidations.overtook(0, CONTACT)
    assert not invalidations.overtook(1, CONTACT)


steps = st.lists(st.sampled_from(["/contacts/7", "/contacts", "/accounts", "purge", "other"]), max_size=60)


@given(steps, st.integers(0, 60))
def test_it_agrees_with_a_list_of_all(names: list[str], seen: int) -> None:
    seen, invalidations = min(seen, len(names)), Invalidations()
    happened = []
    for name in names:
        if name == "purge":
            invalidations.add_everything()
            happened.append(True)
        elif name == "other":
            invalidations.add(("dev", "gwi_b"), EVERYTHING)
            happened.append(False)
        else:
            what = touched("PATCH", name, element_call=True)
            invalidations.add(OWNER, what)
            happened.append(what.covers(("contacts", "7")))
    assert invalidations.overtook(seen, CONTACT) == any(happened[seen:])
