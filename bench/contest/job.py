"""The job that every rival is set up for, and what is known of one that runs."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bench.contest.processes import Running

PREFIX = "/elements/api-v2"
ELEMENT = "hubspot"
CUSTOMERS = ("acme", "hooli")
NEVER = 5_000_000
"""Calls a second that no load reaches."""

_BODY_OCTETS = 1024


@dataclass(frozen=True, slots=True)
class Job:
    """Who may call, whose calls get which token, where they go, and how many calls a second the element takes.

    ``origin`` is ``host:port``. A caller says ``Authorization: Bearer KEY``, ``Gateway-Customer``, ``Gateway-Element``.
    """

    origin: str
    key: str
    user: str
    organization: str
    tokens: Mapping[str, str]
    calls_per_second: int = NEVER

    @classmethod
    def new(cls, origin: str = "") -> Job:
        key, user, organization, *tokens = (secrets.token_hex(24) for _ in range(3 + len(CUSTOMERS)))
        return cls(origin, key, user, organization, dict(zip(CUSTOMERS, tokens, strict=True)))

    def at(self, origin: str) -> Job:
        """The same job before the origin at ``host:port``."""
        return replace(self, origin=origin)

    def limited(self, calls_per_second: int) -> Job:
        """The same job, with an element that takes so few calls."""
        return replace(self, calls_per_second=calls_per_second)

    def crowded(self, mappings: int) -> Job:
        """The same job, with so many customers."""
        more = {f"customer-{number}": secrets.token_hex(24) for number in range(mappings - len(self.tokens))}
        return replace(self, tokens={**self.tokens, **more})

    def authorization(self, customer: str) -> str:
        """What Cloud Elements must see of a call for ``customer``."""
        return f"User {self.user}, Organization {self.organization}, Element {self.tokens[customer]}"

    @property
    def authorizations(self) -> dict[str, str]:
        """``authorization`` of every customer."""
        return {customer: self.authorization(customer) for customer in self.tokens}


@dataclass(frozen=True, slots=True)
class Standing:
    """A rival that serves: the key that its callers show, and how many calls it has counted itself so far (None: it counts none)."""

    running: Running
    key: str
    counted: Callable[[], float] | None = None

    def fields(self, customer: str, key: str | None = None) -> dict[str, str]:
        """What a call for ``customer`` carries; ``key`` in place of the right one."""
        return {
            "Authorization": f"Bearer {key or self.key}",
            "Gateway-Customer": customer,
            "Gateway-Element": ELEMENT,
            "Accept": "application/json",
            "User-Agent": "bench/1",
        }

    def head(self, line: str, customer: str, more: Mapping[str, str] | None = None) -> bytes:
        """The head of a request of ``line`` (method and target), with the fields of a call for ``customer`` and ``more``."""
        fields = {"Host": self.running.at} | self.fields(customer) | dict(more or {})
        return "\r\n".join([f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]).encode()


def document(customer: str) -> bytes:
    """The 1 KB of JSON that ``customer`` gets, and nobody else."""
    rows = [{"id": str(7000 + n), "firstName": "Grace", "lastName": "Hopper", "company": customer, "rank": n} for n in range(9)]
    return json.dumps(rows).encode().ljust(_BODY_OCTETS)
