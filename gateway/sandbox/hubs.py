"""Hub data (API page 4): what a call with an Element token reaches, the utilities, files, bulk jobs and the element's resources."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.sandbox import objects
from gateway.sandbox.bulk.answers import bulk_answer
from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.catalog import singular
from gateway.sandbox.documents.answers import FAMILIES, documents_answer
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed, with_fields
from gateway.sandbox.query import query_answer
from gateway.sandbox.state import Sandbox


def hub_answer(sandbox: Sandbox, call: Call, instance: Instance) -> Answer:
    """The answer to an admitted call on ``instance``. Raises ``ApiError``."""
    family, *rest = call.path
    if utility := _UTILITIES.get(family):
        return utility(sandbox, call, instance, rest)
    if family in FAMILIES and instance.element.hub == "documents":
        return documents_answer(sandbox, call, instance, family, rest)
    if resource := instance.element.resource_named(family):
        return _resources(call, instance, resource, rest)
    raise not_found()


def _ping(sandbox: Sandbox, call: Call, instance: Instance, rest: list[str]) -> Answer:
    if rest:
        raise not_found()
    call.allow("GET")
    return Answer({"dateTime": sandbox.now().isoformat(timespec="seconds"), "endpoint": instance.element.key})


def _objects(sandbox: Sandbox, call: Call, instance: Instance, rest: list[str]) -> Answer:
    call.allow("GET")
    match rest:
        case []:
            return objects.names(call, instance)
        case [name, "metadata"]:
            return objects.metadata(instance, name)
    raise not_found()


def _query(sandbox: Sandbox, call: Call, instance: Instance, rest: list[str]) -> Answer:
    if rest:
        raise not_found()
    call.allow("GET")
    return query_answer(call, instance)


_UTILITIES: Mapping[str, Callable[[Sandbox, Call, Instance, list[str]], Answer]] = {
    "bulk": bulk_answer,
    "objects": _objects,
    "ping": _ping,
    "query": _query,
}


def _resources(call: Call, instance: Instance, resource: str, rest: list[str]) -> Answer:
    match rest:
        case [] | [_]:
            return _resource(call, instance, resource, *rest)
        case [id_, below] | [id_, below, _] if child := _child_named(instance, resource, below):
            return _child(call, instance, resource, id_, child, *rest[2:])
    raise not_found()


def _child_named(instance: Instance, parent: str, name: str) -> str | None:
    child = instance.element.resource_named(name)
    return child if child and instance.records.is_child(parent, child) else None


def _resource(call: Call, instance: Instance, resource: str, id_: str | None = None) -> Answer:
    if id_ is None:
        call.allow("GET", "POST")
        if call.method == "POST":
            return Answer(instance.shown(instance.records.create(resource, call.json())))
        return _list(call, instance, instance.records.rows(resource))
    call.allow("GET", "PATCH", "PUT", "DELETE")
    return _item(call, instance, resource, id_)


def _item(call: Call, instance: Instance, resource: str, id_: str) -> Answer:
    records = instance.records
    match call.method:
        case "PATCH":
            row = records.change(resource, id_, call.json())
        case "PUT":
            row = records.replace(resource, id_, call.json())
        case "DELETE":
            records.delete(resource, id_)
            return Answer()
        case _:
            row = records.get(resource, id_)
    return Answer(with_fields(instance.shown(row), call.param("fields")))


def _child(call: Call, instance: Instance, parent: str, id_: str, child: str, child_id: str | None = None) -> Answer:
    """The rows below a row; taking a contact off a list does not delete the contact."""
    rows = instance.records.children_of(parent, id_, child)
    by_field = instance.records.parent_field(parent, child)
    if child_id is None:
        call.allow("GET", "POST")
        return _list(call, instance, rows) if call.method == "GET" else _add(call, instance, id_, child, by_field)
    if child_id not in (row["id"] for row in rows):
        raise ApiError(404, f"No {singular(child)} found with id {child_id}")
    if by_field:
        call.allow("GET", "PATCH", "PUT", "DELETE")
    else:
        call.allow("GET", "DELETE")
        if call.method == "DELETE":
            instance.records.delist(id_, child_id)
            return Answer()
    return _item(call, instance, child, child_id)


def _add(call: Call, instance: Instance, id_: str, child: str, by_field: str | None) -> Answer:
    """A new row under its parent; a list takes a contact that exists by ``{"id": …}``."""
    records, body = instance.records, call.json()
    if by_field:
        return Answer(instance.shown(records.create(child, {**body, by_field: id_})))
    row = records.get("contacts", str(body["id"])) if body.get("id") else records.create("contacts", body)
    records.enlist(id_, row["id"])
    return Answer(instance.shown(row))


def _list(call: Call, instance: Instance, rows: list[Row]) -> Answer:
    # The clause sees nulls, the caller does not: IS NULL must find them.
    answer = listed(rows, call, instance.element.max_page)
    return Answer([instance.shown(row) for row in answer.body], headers=answer.headers)
