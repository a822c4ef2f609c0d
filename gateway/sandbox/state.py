"""All that the sandbox remembers: instances with their data, dials, and the journal of what arrived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.sandbox.call import Row
from gateway.sandbox.catalog import ELEMENTS, Element
from gateway.sandbox.dials import Dials
from gateway.sandbox.instances import Instances
from gateway.sandbox.journal import Journal
from gateway.sandbox.records import Records
from gateway.sandbox.seed import CUSTOMERS, START, Draw, seeded_records


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """The state of one stand-in. Two of the same ``seed`` start with the same instances, tokens and rows."""

    user_secret = "sandbox-user"  # noqa: S105  known to everybody (contract 5)
    organization_secret = "sandbox-org"  # noqa: S105

    def __init__(self, seed: int = 7, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.seed = seed
        self.now = now
        self.dials = Dials()
        self.journal = Journal()
        self.instances = self._seeded()

    def reset(self) -> None:
        """Back to the seed: what was created is gone with its tokens, what was deleted is back; dials off, journal empty."""
        self.dials.clear()
        self.journal.clear()
        self.instances = self._seeded()

    def customers(self) -> dict[str, dict[str, str]]:
        """The seeded customers: ``{"acme": {"hubspot": "acme-hubspot", …}, …}``, instance names by element key."""
        return {customer: {key: f"{customer}-{key}" for key in keys} for customer, keys in CUSTOMERS.items()}

    def _data(self, element: Element, name: str) -> Records:
        return seeded_records(self.seed, element, name, self.now)

    def _seeded(self) -> Instances:
        instances = Instances(self.now, self._data)
        for customer, names in self.customers().items():
            for key, name in names.items():
                element = ELEMENTS[key]
                body: Row = {
                    "name": name,
                    "tags": [customer],
                    "configuration": element.defaults() | {key: f"{customer}-{key}" for key in element.required if key != "base.url"},
                }
                instances.create(body, element, Draw(self.seed, name).token()).created = START.strftime("%Y-%m-%dT%H:%M:%SZ")
        return instances

    def __repr__(self) -> str:
        return f"<Sandbox seed={self.seed}, {len(list(self.instances))} instances, {self.journal.count} calls>"
