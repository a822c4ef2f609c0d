"""Hub data (API page 4): what a call with an Element token reaches, ``/ping``, ``/objects`` and the element's resources."""

from __future__ import annotations

from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed, with_fields
from gateway.sandbox.state import Sandbox

_PARENTS = ("accounts", "lists")


def hub_answer(sandbox: Sandbox, call: Call, instance: Instance) -> Answer:
    """The answer to an admitted call on ``instance``. Raises ``ApiError``."""
    resources = instance.element.resources
    match call.path:
        case ("ping",):
            call.allow("GET")
            return Answer({"dateTime": sandbox.now().isoformat(timespec="seconds"), "endpoint": instance.element.key})
        case ("objects",):
            call.allow("GET")
            return _objects(call, instance)
        case ("objects", name, "metadata"):
            call.allow("GET")
            return _metadata(instance, name)
        case (resource, *rest) if resource in resources and len(rest) < 2:
            return _resource(call, instance, resource, *rest)
        case (parent, id_, "contacts", *rest) if parent in resources and parent in _PARENTS and len(rest) < 2:
            return _child(call, instance, parent, id_, *rest)
    raise not_found()


def _objects(call: Call, instance: Instance) -> Answer:
    """Vendor names; with ``Elements-Version: Helium`` objects with both names (API page 4.4)."""
    resources = instance.element.resources
    if call.headers.get("elements-version", "").lower() == "helium":
        return Answer([{"name": name, "vendorName": resource.vendor, "type": "vendor"} for name, resource in resources.items()])
    return Answer([resource.vendor for resource in resources.values()])


def _metadata(instance: Instance, wanted: str) -> Answer:
    """The fields that the rows of an object have, by our name of it or the provider's."""
    for name, resource in instance.element.resources.items():
        if wanted.lower() in (name.lower(), resource.vendor.lower()):
            sample: Row = {}
            for row in instance.records.rows(name):
                sample |= {key: value for key, value in row.items() if value is not None or key not in sample}
            return Answer({"fields": [_field(key, value) for key, value in sample.items()]})
    raise ApiError(404, f"No object found with name {wanted[:40]}")


def _field(name: str, value: object) -> Row:
    kind = "boolean" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else "string"
    return {
        "path": name,
        "type": kind,
        "vendorPath": name,
        "vendorDisplayName": name,
        "vendorReadOnly": name.lower() == "id",
        "vendorRequired": False,
        "mask": "",
    }


def _resource(call: Call, instance: Instance, resource: str, id_: str | None = None) -> Answer:
    if id_ is None:
        call.allow("GET", "POST")
        if call.method == "POST":
            return Answer(_shown(instance, instance.records.create(resource, call.json())))
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
    return Answer(with_fields(_shown(instance, row), call.param("fields")))


def _child(call: Call, instance: Instance, parent: str, id_: str, contact_id: str | None = None) -> Answer:
    """The contacts of an account or a list; taking one off a list does not delete the contact."""
    contacts = instance.records.contacts_of(parent, id_)
    if contact_id is None:
        call.allow("GET", "POST")
        return _list(call, instance, contacts) if call.method == "GET" else _add(call, instance, parent, id_)
    if contact_id not in (contact["id"] for contact in contacts):
        raise ApiError(404, f"No contact found with id {contact_id}")
    if parent == "accounts":
        call.allow("GET", "PATCH", "PUT", "DELETE")
    else:
        call.allow("GET", "DELETE")
        if call.method == "DELETE":
            instance.records.delist(id_, contact_id)
            return Answer()
    return _item(call, instance, "contacts", contact_id)


def _add(call: Call, instance: Instance, parent: str, id_: str) -> Answer:
    """A new contact under its parent; a list takes one that exists by ``{"id": …}``."""
    records, body = instance.records, call.json()
    if parent == "accounts":
        return Answer(_shown(instance, records.create("contacts", {**body, records.account_field: id_})))
    row = records.get("contacts", str(body["id"])) if body.get("id") else records.create("contacts", body)
    records.enlist(id_, row["id"])
    return Answer(_shown(instance, row))


def _list(call: Call, instance: Instance, rows: list[Row]) -> Answer:
    # The clause sees nulls, the caller does not: IS NULL must find them.
    answer = listed(rows, call, instance.element.max_page)
    return Answer([_shown(instance, row) for row in answer.body], headers=answer.headers)


def _shown(instance: Instance, row: Row) -> Row:
    """``row`` as the instance's configuration shows it: null fields dropped unless it says otherwise (API page 3.2)."""
    if instance.configuration.get("filter.response.nulls") == "false":
        return row
    return {key: value for key, value in row.items() if value is not None}
