"""The customers that the sandbox starts with, and what the providers of their instances hold.

Accounts, contacts, lists and incidents are drawn by hand, since the documentation shows them; every other resource is drawn by its
line in ``catalog.fields``.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.sandbox.call import Row
from gateway.sandbox.catalog import ELEMENTS, Element
from gateway.sandbox.catalog.fields import fields_of
from gateway.sandbox.draw import COMPANIES, FIRST, INDUSTRIES, KINDS, LAST, TITLES, Draw

CUSTOMERS: dict[str, tuple[str, ...]] = {
    "acme": ("hubspot", "sfdc"),
    "globex": ("hubspot", "servicenowoauth"),
    "initech": ("sapc4chd", "closeio"),
}
EVERYTHING = "hooli"  # the customer who, where asked for, has an instance of every element
SIZES = {"accounts": 20, "contacts": 60, "lists": 4, "incidents": 12}
OTHER_SIZE = 12
NUMBERED_AFTER = {"contacts": 20, "lists": 80, "incidents": 80}  # so that a contact's number is no account's
LIST_MEMBERS = 15

Refer = Callable[[str, int], str]  # a resource and a number to the id of one of its rows

_LISTS = ("Newsletter", "Customers", "Trial users", "Partners")
_SUBJECTS = ("Cannot sign in", "Invoice is wrong", "Export hangs", "Printer on fire", "Mail bounces", "Please add a user")
_STATUSES = ("open", "pending", "closed")


def customers(everything: bool) -> dict[str, tuple[str, ...]]:
    """The element keys of each customer; with ``everything`` one more has them all."""
    return CUSTOMERS | ({EVERYTHING: tuple(ELEMENTS)} if everything else {})


def size_of(resource: str) -> int:
    """How many rows of a resource an instance starts with."""
    return SIZES.get(resource, OTHER_SIZE)


class Seeded:
    """What the provider holds for one instance at the start; an instance made later has data of its own too.

    Nothing is drawn before it is asked for, and what is asked for first makes no difference.
    """

    def __init__(self, seed: int, element: Element, name: str) -> None:
        self.element = element
        self.salt = f"{seed}/{element.key}/{name}"
        self._draw = Draw(seed, element.key, name)

    def rows(self, resource: str) -> list[Row]:
        """The rows of a resource in the provider's spelling, without ids."""
        by_hand = _ROWS.get(resource)
        rows = (by_hand(self._draw, n, self._refer) if by_hand else self._row(resource, n) for n in range(size_of(resource)))
        return [self.element.spelled(_dates(self._draw, resource, n) | row) for n, row in enumerate(rows)]

    def row_id(self, resource: str, n: int) -> str:
        """The provider's id of the ``n``-th row (from 1) of a resource."""
        return self.element.row_id(self.salt, resource, NUMBERED_AFTER.get(resource, 0) + n)

    def members(self, list_id: str) -> list[str]:
        """The ids of the contacts on a list of the seed."""
        return [self._refer("contacts", self._draw.number(SIZES["contacts"], "member", list_id, n)) for n in range(LIST_MEMBERS)]

    def number(self, below: int, *key: object) -> int:
        return self._draw.number(below, *key)

    def octets(self, *key: object) -> bytes:
        """32 octets."""
        return self._draw.digest(*key)

    def _row(self, resource: str, n: int) -> Row:
        present = (field for field in fields_of(resource) if field.kind != "ref" or field.details[0] in self.element.resources)
        return {field.name: self._draw.value(field, resource, n, self._refer) for field in present}

    def _refer(self, resource: str, number: int) -> str:
        return self.row_id(resource, 1 + number % size_of(resource))


def _dates(draw: Draw, resource: str, n: int) -> Row:
    created, updated = sorted((draw.date(resource, n, "created"), draw.date(resource, n, "updated")))
    return {"createdDate": created, "updatedDate": updated}


def _account(draw: Draw, n: int, refer: Refer) -> Row:
    name = f"{COMPANIES[n % len(COMPANIES)]} {KINDS[n // len(COMPANIES) % len(KINDS)]}"
    return {
        "name": name,
        "website": f"https://{name.split(maxsplit=1)[0].lower()}{n}.test",
        "industry": draw.pick(INDUSTRIES, "industry", n),
        "numberOfEmployees": 5 + draw.number(4000, "employees", n),
    }


def _contact(draw: Draw, n: int, refer: Refer) -> Row:
    first, last = draw.pick(FIRST, "first", n), draw.pick(LAST, "last", n)
    return {
        "firstName": first,
        "lastName": last,
        "email": f"person{n}@customer.test",
        "phone": f"+1 555 01{draw.number(100, 'phone', n):02d}" if draw.number(4, "has phone", n) else None,
        "title": draw.pick(TITLES, "title", n),
        "accountId": refer("accounts", draw.number(SIZES["accounts"], "account", n)),
    }


def _list(draw: Draw, n: int, refer: Refer) -> Row:
    return {"name": _LISTS[n % len(_LISTS)], "type": draw.pick(("STATIC", "DYNAMIC"), "type", n)}


def _incident(draw: Draw, n: int, refer: Refer) -> Row:
    return {
        "subject": draw.pick(_SUBJECTS, "subject", n),
        "description": f"Reported by telephone, number {n}",
        "status": draw.pick(_STATUSES, "status", n),
        "priority": 1 + draw.number(4, "priority", n),
        "contactId": refer("contacts", draw.number(SIZES["contacts"], "contact", n)),
        "accountId": refer("accounts", draw.number(SIZES["accounts"], "account of", n)),
    }


_ROWS: dict[str, Callable[[Draw, int, Refer], Row]] = {
    "accounts": _account,
    "contacts": _contact,
    "lists": _list,
    "incidents": _incident,
}
