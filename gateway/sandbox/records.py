"""The provider's side of one instance: its collections of rows, and which contact is on which list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from gateway.sandbox.call import ApiError, Row
from gateway.sandbox.catalog import Element, singular
from gateway.sandbox.draw import timestamp
from gateway.sandbox.seed import Seeded

_NONE: Mapping[str, str] = {}


class Records:
    """``now`` stamps what is written. The same writes in the same order get the same ids, whatever was read in between."""

    def __init__(self, seeded: Seeded, now: Callable[[], datetime]) -> None:
        self.element: Element = seeded.element
        self._seeded = seeded
        self._now = now
        self._rows: dict[str, dict[str, Row]] = {}
        self._members: dict[str, dict[str, None]] = {}
        self._made: dict[str, int] = {}

    def rows(self, resource: str) -> list[Row]:
        """Every row, oldest first: an order that holds, so that pages fit together."""
        return list(self._table(resource).values())

    def get(self, resource: str, id_: str) -> Row:
        """Raises ``ApiError`` 404."""
        row = self._table(resource).get(id_)
        if row is None:
            raise ApiError(
                404, f"No {singular(resource)} found with id {id_}", f"NOT_FOUND: no {self.element.resources[resource].vendor} {id_}"
            )
        return row

    def create(self, resource: str, row: Row) -> Row:
        """The row as stored: with an ``id`` (the caller's own is not taken) and both dates, unless it brings dates."""
        table = self._table(resource)
        now = timestamp(self._now())
        dates = self.element.spelled({"createdDate": now, "updatedDate": now})
        return self._insert(resource, table, dates | row)

    def change(self, resource: str, id_: str, changes: Row) -> Row:
        """PATCH: the members of ``changes`` over the row."""
        row = self.get(resource, id_)
        row.update({**changes, **self._kept(row)})
        return row

    def replace(self, resource: str, id_: str, new: Row) -> Row:
        """PUT: only the id and the date of creation stay."""
        row = self.get(resource, id_)
        kept = self._kept(row)
        row.clear()
        row.update({**kept, **new, **kept})
        return row

    def delete(self, resource: str, id_: str) -> None:
        """The row and what points at it: its place on lists, the field by which rows below it name it."""
        self.get(resource, id_)
        if resource == "lists":
            self._members.pop(id_, None)
        if resource == "contacts":
            for members in self._members.values():
                members.pop(id_, None)
        for child, field in self.element.children[resource].items():
            for row in self._below(child, field, id_):
                row[self.element.spelled_name(field)] = None
        del self._rows[resource][id_]

    def parent_field(self, parent: str, child: str) -> str | None:
        """The provider's name of the field by which a child names its parent; None for a list, which keeps its members itself."""
        field = self.element.children[parent].get(child)
        return self.element.spelled_name(field) if field else None

    def is_child(self, parent: str, child: str) -> bool:
        return child in self.element.children.get(parent, _NONE) or (parent == "lists" and child == "contacts")

    def children_of(self, parent: str, id_: str, child: str) -> list[Row]:
        """The rows below a row. Raises ``ApiError`` 404 where there is no such parent."""
        self.get(parent, id_)
        if parent == "lists" and child == "contacts":
            contacts = self._table("contacts")
            return [contacts[contact] for contact in self._on_list(id_) if contact in contacts]
        return self._below(child, self.element.children[parent][child], id_)

    def enlist(self, list_id: str, contact_id: str) -> None:
        self._on_list(list_id)[contact_id] = None

    def delist(self, list_id: str, contact_id: str) -> None:
        self._on_list(list_id).pop(contact_id)

    def _below(self, child: str, field: str, id_: str) -> list[Row]:
        spelled = self.element.spelled_name(field)
        return [row for row in self._table(child).values() if row.get(spelled) == id_]

    def _table(self, resource: str) -> dict[str, Row]:
        """The rows of a resource, drawn when first asked for."""
        table = self._rows.get(resource)
        if table is None:
            table = self._rows[resource] = {}
            for row in self._seeded.rows(resource):
                self._insert(resource, table, row)
            if resource == "lists":
                self._members = {list_id: dict.fromkeys(self._seeded.members(list_id)) for list_id in table}
        return table

    def _on_list(self, list_id: str) -> dict[str, None]:
        self._table("lists")
        return self._members.setdefault(list_id, {})

    def _insert(self, resource: str, table: dict[str, Row], row: Row) -> Row:
        self._made[resource] = n = self._made.get(resource, 0) + 1
        id_ = self._seeded.row_id(resource, n)
        stored = table[id_] = self._named(id_) | {key: value for key, value in row.items() if key not in ("id", "Id")}
        return stored

    def _named(self, id_: str) -> Row:
        # SFDC rows carry the provider's Id as well; CE's own contract tests read `id` on every element.
        return {"id": id_, "Id": id_} if self.element.key == "sfdc" else {"id": id_}

    def _kept(self, row: Row) -> Row:
        """What a write may not change, and the new date of change."""
        created = self.element.spelled_name("createdDate")
        changed = self.element.spelled({"updatedDate": timestamp(self._now())})
        return self._named(row["id"]) | {created: row.get(created)} | changed
