"""Values drawn from one number: one seed, one world, on every machine and in every run.

Values come from SHA-256 of what they are for, so adding a row or a field never moves the others.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, TypeVar

from gateway.sandbox.catalog.fields import Field

START = datetime(2018, 6, 5, 9, 0, tzinfo=UTC)

FIRST = ("Ada", "Bea", "Carlos", "Dana", "Emil", "Femi", "Grace", "Hana", "Ivo", "Jun", "Kemal", "Łukasz", "Mira", "Noor", "Óscar", "Zoë")
LAST = (
    "Abara",
    "Berg",
    "Costa",
    "Dvořák",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kovács",
    "Lindt",
    "Moreau",
    "Novak",
)
TITLES = ("Buyer", "Engineer", "Head of Sales", "Accountant", None)
COMPANIES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper")
KINDS = ("Foods", "Logistics", "Labs", "& Sons")
INDUSTRIES = ("Retail", "Transport", "Research", "Manufacturing", None)
_SUBJECTS = ("Spring", "Harbour", "Welcome", "Quarter", "Basic", "Partner", "Night", "Winter", "Renewal", "Field")
_THINGS = ("plan", "offer", "review", "order", "visit", "set", "group", "note")
_SENTENCES = ("As agreed on the telephone.", "Please look at it before Friday.", "Nobody has answered yet.", "Says it worked last week.")
_NULL_ONE_IN = 5

T = TypeVar("T")


def timestamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Draw:
    """Values for keys, from one seed."""

    def __init__(self, seed: int, *scope: object) -> None:
        self._scope = (seed, *scope)

    def digest(self, *key: object) -> bytes:
        return sha256("/".join(map(str, (*self._scope, *key))).encode()).digest()

    def number(self, below: int, *key: object) -> int:
        return int.from_bytes(self.digest(*key)[:8], "big") % below

    def pick(self, options: Sequence[T], *key: object) -> T:
        return options[self.number(len(options), *key)]

    def date(self, *key: object) -> str:
        """A minute of the two years before ``START``."""
        return timestamp(START - timedelta(minutes=self.number(2 * 365 * 24 * 60, *key)))

    def token(self) -> str:
        """A token of the form that Cloud Elements mints: base64 of 32 octets."""
        return base64.b64encode(self.digest("token")).decode()

    def value(self, field: Field, resource: str, n: int, refer: Callable[[str, int], str]) -> Any:
        """What the ``n``-th row of a resource has in a field; ``refer`` gives the id of a row, by resource and a number of any size."""
        key = (resource, n, field.name)
        if field.nullable and not self.number(_NULL_ONE_IN, *key, "null"):
            return None
        if field.kind == "ref":
            return refer(field.details[0], self.number(2**32, *key))
        return _KINDS_OF_VALUES[field.kind](self, field, n, key)


def _company(draw: Draw, field: Field, n: int, key: tuple[object, ...]) -> str:
    return f"{draw.pick(COMPANIES, *key)} {draw.pick(KINDS, *key, 'kind')}"


def _between(draw: Draw, field: Field, n: int, key: tuple[object, ...]) -> int:
    low, high = map(int, field.details)
    return low + draw.number(high - low + 1, *key)


_KINDS_OF_VALUES: Mapping[str, Callable[[Draw, Field, int, tuple[object, ...]], Any]] = {
    "one": lambda draw, field, n, key: draw.pick(field.details, *key),
    "number": _between,
    "serial": lambda draw, field, n, key: f"{''.join(field.details)}{1000 + n}",
    "money": lambda draw, field, n, key: draw.number(1_000_000, *key) / 100,
    "flag": lambda draw, field, n, key: not draw.number(2, *key),
    "date": lambda draw, field, n, key: draw.date(*key),
    "text": lambda draw, field, n, key: draw.pick(_SENTENCES, *key),
    "title": lambda draw, field, n, key: f"{draw.pick(_SUBJECTS, *key)} {draw.pick(_THINGS, *key, 'thing')} {n + 1}",
    "person": lambda draw, field, n, key: draw.pick(LAST if field.name == "lastName" else FIRST, *key),
    "email": lambda draw, field, n, key: f"{field.name}{n}@customer.test",
    "phone": lambda draw, field, n, key: f"+1 555 01{draw.number(100, *key):02d}",
    "company": _company,
    "url": lambda draw, field, n, key: f"https://{draw.pick(COMPANIES, *key).lower()}{n}.test",
    "code": lambda draw, field, n, key: draw.digest(*key).hex()[:8].upper(),
}
