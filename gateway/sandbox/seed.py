"""The customers that the sandbox starts with, drawn from a number: one seed, one world, on every machine and in every run.

Values come from SHA-256 of what they are for, so adding a row never moves the others.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TypeVar

from gateway.sandbox.call import Row
from gateway.sandbox.catalog import Element
from gateway.sandbox.records import Records, timestamp

CUSTOMERS: dict[str, tuple[str, ...]] = {
    "acme": ("hubspot", "sfdc"),
    "globex": ("hubspot", "servicenowoauth"),
    "initech": ("sapc4chd", "closeio"),
}
SIZES = {"accounts": 20, "contacts": 60, "lists": 4, "incidents": 12}
LIST_MEMBERS = 15
START = datetime(2018, 6, 5, 9, 0, tzinfo=UTC)

_FIRST = ("Ada", "Bea", "Carlos", "Dana", "Emil", "Femi", "Grace", "Hana", "Ivo", "Jun", "Kemal", "Łukasz", "Mira", "Noor", "Óscar", "Zoë")
_LAST = (
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
_TITLES = ("Buyer", "Engineer", "Head of Sales", "Accountant", None)
_COMPANIES = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ironwood", "Juniper")
_KINDS = ("Foods", "Logistics", "Labs", "& Sons")
_INDUSTRIES = ("Retail", "Transport", "Research", "Manufacturing", None)
_LISTS = ("Newsletter", "Customers", "Trial users", "Partners")
_SUBJECTS = ("Cannot sign in", "Invoice is wrong", "Export hangs", "Printer on fire", "Mail bounces", "Please add a user")
_STATUSES = ("open", "pending", "closed")

T = TypeVar("T")


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


def seeded_records(seed: int, element: Element, name: str, now: Callable[[], datetime]) -> Records:
    """What the provider holds for the instance ``name``; an instance made later has data of its own too."""
    draw = Draw(seed, element.key, name)
    records = Records(element, f"{seed}/{element.key}/{name}", now)
    ids: dict[str, list[str]] = {}
    for resource, size in SIZES.items():
        if resource in element.resources:
            rows = (_ROWS[resource](draw, n, ids) | _dates(draw, resource, n) for n in range(size))
            ids[resource] = [records.create(resource, element.spelled(row))["id"] for row in rows]
    for list_id in ids.get("lists", []):
        for n in range(LIST_MEMBERS):
            records.enlist(list_id, draw.pick(ids["contacts"], "member", list_id, n))
    return records


def _dates(draw: Draw, resource: str, n: int) -> Row:
    created, updated = sorted((draw.date(resource, n, "created"), draw.date(resource, n, "updated")))
    return {"createdDate": created, "updatedDate": updated}


def _account(draw: Draw, n: int, ids: dict[str, list[str]]) -> Row:
    name = f"{_COMPANIES[n % len(_COMPANIES)]} {_KINDS[n // len(_COMPANIES) % len(_KINDS)]}"
    return {
        "name": name,
        "website": f"https://{name.split(maxsplit=1)[0].lower()}{n}.test",
        "industry": draw.pick(_INDUSTRIES, "industry", n),
        "numberOfEmployees": 5 + draw.number(4000, "employees", n),
    }


def _contact(draw: Draw, n: int, ids: dict[str, list[str]]) -> Row:
    first, last = draw.pick(_FIRST, "first", n), draw.pick(_LAST, "last", n)
    return {
        "firstName": first,
        "lastName": last,
        "email": f"person{n}@customer.test",
        "phone": f"+1 555 01{draw.number(100, 'phone', n):02d}" if draw.number(4, "has phone", n) else None,
        "title": draw.pick(_TITLES, "title", n),
        "accountId": draw.pick(ids["accounts"], "account", n),
    }


def _list(draw: Draw, n: int, ids: dict[str, list[str]]) -> Row:
    return {"name": _LISTS[n % len(_LISTS)], "type": draw.pick(("STATIC", "DYNAMIC"), "type", n)}


def _incident(draw: Draw, n: int, ids: dict[str, list[str]]) -> Row:
    return {
        "subject": draw.pick(_SUBJECTS, "subject", n),
        "description": f"Reported by telephone, number {n}",
        "status": draw.pick(_STATUSES, "status", n),
        "priority": 1 + draw.number(4, "priority", n),
        "contactId": draw.pick(ids["contacts"], "contact", n),
        "accountId": draw.pick(ids["accounts"], "account of", n),
    }


_ROWS: dict[str, Callable[[Draw, int, dict[str, list[str]]], Row]] = {
    "accounts": _account,
    "contacts": _contact,
    "lists": _list,
    "incidents": _incident,
}
