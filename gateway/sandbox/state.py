"""All that the sandbox remembers: instances with their data, dials, limits, the journal of what arrived and the log of usage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

from gateway.sandbox.call import Row
from gateway.sandbox.catalog import ELEMENTS, Element
from gateway.sandbox.dials import Dials
from gateway.sandbox.draw import START, Draw, timestamp
from gateway.sandbox.instances import Instances
from gateway.sandbox.journal import Journal
from gateway.sandbox.limits import Limits
from gateway.sandbox.provider import Provider
from gateway.sandbox.secrets import Secrets
from gateway.sandbox.seed import customers
from gateway.sandbox.usage.log import UsageLog


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """The state of one stand-in. Two of the same ``seed`` start with the same instances, tokens and rows, and the same calls in the same
    order get the same ids from both. ``limits``: whether the providers' rate limits hold from the start. ``everything``: seed one more
    customer, with an instance of every element."""

    def __init__(self, seed: int = 7, *, now: Callable[[], datetime] = _utc_now, limits: bool = False, everything: bool = False) -> None:
        self.seed = seed
        self.now = now
        self.secrets = Secrets("sandbox-user", "sandbox-org")  # known to everybody (contract 5)
        self.dials = Dials()
        self.journal = Journal()
        self.usage = UsageLog()
        self.limits = Limits(limits)
        self._everything = everything
        self._calls = 0
        self.instances = self._seeded()

    def reset(self) -> None:
        """Back to the seed: what was created is gone with its tokens, what was deleted is back; dials off, limits and secrets as they
        were at the start, journal and usage empty."""
        self.secrets.reset()
        self.dials.clear()
        self.journal.clear()
        self.usage.clear()
        self.limits.reset()
        self.instances = self._seeded()

    @property
    def user_secret(self) -> str:
        """The one that answers show, ``""`` where none is taken; to set it is to start with it."""
        return next(iter(self.secrets.users), "")

    @user_secret.setter
    def user_secret(self, secret: str) -> None:
        self.secrets = Secrets(secret, self.secrets.organization)

    @property
    def organization_secret(self) -> str:
        """The same for the organization."""
        return next(iter(self.secrets.organizations), "")

    @organization_secret.setter
    def organization_secret(self, secret: str) -> None:
        self.secrets = Secrets(self.secrets.user, secret)

    def customers(self) -> dict[str, dict[str, str]]:
        """The seeded customers: ``{"acme": {"hubspot": "acme-hubspot", …}, …}``, instance names by element key."""
        return {customer: {key: f"{customer}-{key}" for key in keys} for customer, keys in customers(self._everything).items()}

    def next_request_id(self) -> str:
        """24 hex digits (API page 2.1). A reset does not start them anew: one id means one call as long as the sandbox lives."""
        self._calls += 1
        return sha256(f"{self.seed}/request/{self._calls}".encode()).hexdigest()[:24]

    def login_token(self) -> str:
        """What POST /authentication answers; the same for every login."""
        return Draw(self.seed, "login").token()

    def _provider(self, element: Element, name: str) -> Provider:
        return Provider(self.seed, element, name, self.now)

    def _mint(self, name: str, id_: int) -> str:
        return Draw(self.seed, name, id_).token()

    def _seeded(self) -> Instances:
        instances = Instances(self.now, self._provider, self._mint)
        for customer, names in self.customers().items():
            for key, name in names.items():
                element = ELEMENTS[key]
                body: Row = {
                    "name": name,
                    "tags": [customer],
                    "configuration": element.defaults() | {key: f"{customer}-{key}" for key in element.required if key != "base.url"},
                }
                instances.create(body, element, Draw(self.seed, name).token()).created = timestamp(START)
        return instances

    def __repr__(self) -> str:
        return f"<Sandbox seed={self.seed}, {len(list(self.instances))} instances, {self.journal.count} calls>"
