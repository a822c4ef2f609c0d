"""What a call carries is worked out once for a mapping, however often the mapping has been read."""

from __future__ import annotations

from dataclasses import replace

from gateway.exchange import Environment, Instance, SecretPair, Target
from gateway.secret import Secret
from gateway.upstream.injection import Injections

PAIR = SecretPair(Secret("user-secret"), Secret("organization-secret"))


class OnePair:
    def pair(self, environment: str) -> SecretPair:
        return PAIR

    def pairs(self, environment: str) -> tuple[SecretPair, ...]:
        return (PAIR,)


def test_two_reads_of_one_mapping_share_what_was_worked_out():
    environment = Environment("dev", "http://127.0.0.1:1", PAIR.user, PAIR.organization)
    read = [Instance("gwi_a", "dev", "acme", "hubspot", Secret("instance-token")) for _ in range(2)]
    injections = Injections(OnePair())

    first, second = (injections.of(Target(environment, instance, "/contacts")) for instance in read)

    assert first.authorization == second.authorization
    assert first is second


def test_a_new_token_is_another_injection():
    environment = Environment("dev", "http://127.0.0.1:1", PAIR.user, PAIR.organization)
    instance = Instance("gwi_a", "dev", "acme", "hubspot", Secret("instance-token"))
    injections = Injections(OnePair())

    before = injections.of(Target(environment, instance, "/contacts"))
    after = injections.of(Target(environment, replace(instance, token=Secret("another-token")), "/contacts"))

    assert "another-token" in after.authorization
    assert "another-token" not in before.authorization
