"""``GET /query?q=select …`` (API page 4.3): rows of one object by a statement instead of a path; bulk jobs take the same."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.sandbox.call import Answer, ApiError, Call, Row
from gateway.sandbox.ceql import parse_where
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed, with_fields

_STATEMENT = re.compile(
    r"\s*select\s+(?P<fields>\*|[\w.\-]+(?:\s*,\s*[\w.\-]+)*)\s+from\s+(?P<object>[\w\-]+)(?:\s+where\s+(?P<where>.+))?\s*",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """``fields`` is a comma list, empty for all of them; ``resource`` is our name of the object."""

    fields: str
    resource: str
    where: str

    def rows(self, instance: Instance) -> list[Row]:
        """What the statement selects, as the instance shows it. Raises ``ApiError`` 400 for a clause that cannot be understood."""
        test = parse_where(self.where)
        found = (row for row in instance.records.rows(self.resource) if test(row))
        return [with_fields(instance.shown(row), self.fields) for row in found]


def parse_statement(text: str, instance: Instance) -> Statement:
    """Raises ``ApiError`` 400 where it is none, 404 for an object that the element has not."""
    match = _STATEMENT.fullmatch(text)
    if match is None:
        raise ApiError(400, "Invalid query: expected `select FIELDS from OBJECT [where CLAUSE]`")
    resource = instance.element.resource_named(match["object"])
    if resource is None:
        raise ApiError(404, f"No object found with name {match['object'][:40]}")
    return Statement("" if match["fields"] == "*" else match["fields"], resource, match["where"] or "")


def query_answer(call: Call, instance: Instance) -> Answer:
    """The rows, in pages. Raises ``ApiError``."""
    statement = parse_statement(call.needs("q"), instance)
    return listed(statement.rows(instance), call, instance.element.max_page)
