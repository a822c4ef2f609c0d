"""What a policy says of all paths below one first part, it says of each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.policy import CachePolicy, Lifetimes, Rule, uniform

parts = st.sampled_from(["contacts", "Contacts", "deals", "7", "objects", "objectsx", "hubs", "a_b-c"])
globs = st.lists(st.sampled_from(["contacts", "deals", "*", "**", "d*", "objects", "7", "?"]), min_size=1, max_size=3).map(
    lambda one: "/" + "/".join(one)
)
policies = st.builds(
    CachePolicy,
    st.booleans(),
    st.builds(Lifetimes, st.sampled_from([0.0, 60.0])),
    st.lists(st.builds(Rule, globs, st.sampled_from([None, True, False]), st.sampled_from([None, 5.0])), max_size=3).map(tuple),
    st.booleans(),
)


@given(policies, parts, st.lists(parts, max_size=3))
def test_it_holds_for_every_path_below(policy: CachePolicy, first: str, more: list[str]) -> None:
    said = uniform(policy, first)
    assert said is None or said == policy.decide("/" + "/".join([first, *more]))


def test_a_rule_for_another_first_part_is_in_nobodys_way() -> None:
    policy = CachePolicy(True, Lifetimes(60.0), (Rule("/ping", False), Rule("/deals/**", None, 5.0)))
    assert uniform(policy, "contacts") == policy.decide("/contacts/7")
    assert uniform(policy, "deals") is None
    assert uniform(CachePolicy(True, Lifetimes(60.0), (Rule("/*/notes", False),)), "contacts") is None
    assert uniform(policy, "objects") is None
