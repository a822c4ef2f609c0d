"""The provider's side of one instance: its collections of rows, and which contact is on which list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

from gateway.sandbox.call import ApiError, Row
from gateway.sandbox.catalog import Element


def timestamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Records:
    """``now`` stamps what is written. ``salt`` makes the ids of this instance: the same writes in the same order get the same ids."""

    def __init__(self, element: Element, salt: str, now: Callable[[], datetime]) -> None:
        self.element = element
        self._salt = salt
        self._now = now
        self._rows: dict[str, dict[str, Row]] = {name: {} for name in element.resources}
        self._members: dict[str, dict[str, None]] = {}
        self._made = 0

    def rows(self, resource: str) -> list[Row]:
        """Every row, oldest first: an order that holds, so that pages fit together."""
        return list(self._rows[resource].values())

    def get(self, resource: str, id_: str) -> Row:
        """Raises ``ApiError`` 404."""
        row = self._rows[resource].get(id_)
        if row is None:
            raise ApiError(
                404, f"No {resource.rstrip('s')} found with id {id_}", f"NOT_FOUND: no {self.element.resources[resource].vendor} {id_}"
            )
        return row

    def create(self, resource: str, row: Row) -> Row:
        """The row as stored: with an ``id`` (the caller's own is not taken) and both dates, unless it brings dates."""
        id_ = self._new_id(resource)
        now = timestamp(self._now())
        dates = self.element.spelled({"createdDate": now, "updatedDate": now})
        stored = self._rows[resource][id_] = (
            self._named(id_) | dates | {key: value for key, value in row.items() if key not in ("id", "Id")}
        )
        return stored

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
        """The row and what points at it: its place on lists, the contacts' account."""
        self.get(resource, id_)
        if resource == "lists":
            self._members.pop(id_, None)
        if resource == "contacts":
            for members in self._members.values():
                members.pop(id_, None)
        if resource == "accounts":
            for contact in self.contacts_of("accounts", id_):
                contact[self.account_field] = None
        del self._rows[resource][id_]

    @property
    def account_field(self) -> str:
        return self.element.spelling.get("accountId", "accountId")

    def contacts_of(self, parent: str, id_: str) -> list[Row]:
        """The contacts of an account or on a list. Raises ``ApiError`` 404 where there is no such parent."""
        self.get(parent, id_)
        if parent == "lists":
            return [self._rows["contacts"][contact] for contact in self._members.get(id_, {})]
        return [row for row in self._rows["contacts"].values() if row.get(self.account_field) == id_]

    def enlist(self, list_id: str, contact_id: str) -> None:
        self._members.setdefault(list_id, {})[contact_id] = None

    def delist(self, list_id: str, contact_id: str) -> None:
        self._members[list_id].pop(contact_id)

    def _named(self, id_: str) -> Row:
        # SFDC rows carry the provider's Id as well; CE's own contract tests read `id` on every element.
        return {"id": id_, "Id": id_} if self.element.key == "sfdc" else {"id": id_}

    def _kept(self, row: Row) -> Row:
        """What a write may not change, and the new date of change."""
        created = self.element.spelling.get("createdDate", "createdDate")
        changed = self.element.spelled({"updatedDate": timestamp(self._now())})
        return self._named(row["id"]) | {created: row.get(created)} | changed

    def _new_id(self, resource: str) -> str:
        self._made += 1
        digest = sha256(f"{self._salt}/{resource}/{self._made}".encode()).hexdigest().upper()
        form = self.element.id_form
        prefix = self.element.resources[resource].prefix
        return form.format(prefix=prefix, n=self._made, digest=digest if self.element.key in ("sfdc", "sapc4chd") else digest.lower())
