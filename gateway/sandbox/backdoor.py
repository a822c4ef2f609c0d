"""``/sandbox/instances/**``: change what the provider holds behind the gateway's back, as the customer's own people do all day.

Nothing of it is counted: no entry in ``/usage`` or among the requests, no limit spent, no dial met.
"""

from __future__ import annotations

from mimetypes import guess_type
from urllib.parse import unquote

from gateway.sandbox.call import Answer, ApiError, Call
from gateway.sandbox.instances import Instance
from gateway.sandbox.state import Sandbox


def backdoor_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Rows come and go as the provider holds them, nulls included. Raises ``ApiError`` 400, 404, 405."""
    match rest:
        case []:
            call.allow("GET")
            return Answer([_line(instance) for instance in sandbox.instances])
        case [name, "files"] if (instance := sandbox.instances.named(unquote(name))).element.hub == "documents":
            return _file(call, instance)
        case [name, resource]:
            call.allow("GET", "POST")
            instance = sandbox.instances.named(unquote(name))
            resource = _resource(instance, unquote(resource))
            if call.method == "POST":
                return Answer(instance.records.create(resource, call.json()))
            return Answer(instance.records.rows(resource))
        case [name, resource, id_]:
            instance = sandbox.instances.named(unquote(name))
            return _row(call, instance, _resource(instance, unquote(resource)), unquote(id_))
    raise ApiError(404, "Expected /sandbox/instances/{id or name}/{resource}[/{row}]")


def _line(instance: Instance) -> dict[str, object]:
    return {
        "id": instance.id,
        "name": instance.name,
        "element": instance.element.key,
        "hub": instance.element.hub,
        "tags": list(instance.tags),
        "disabled": instance.disabled,
        "resources": [*instance.element.resources, *(["files"] if instance.element.hub == "documents" else [])],
    }


def _resource(instance: Instance, wanted: str) -> str:
    resource = instance.element.resource_named(wanted)
    if resource is None:
        known = ", ".join(instance.element.resources)
        raise ApiError(404, f"{instance.element.key} has no {wanted[:40]}, expected one of {known}")
    return resource


def _row(call: Call, instance: Instance, resource: str, id_: str) -> Answer:
    call.allow("GET", "PATCH", "PUT", "DELETE")
    records = instance.records
    match call.method:
        case "PATCH":
            return Answer(records.change(resource, id_, call.json()))
        case "PUT":
            return Answer(records.replace(resource, id_, call.json()))
        case "DELETE":
            records.delete(resource, id_)
            return Answer()
    return Answer(records.get(resource, id_))


def _file(call: Call, instance: Instance) -> Answer:
    call.allow("PUT", "DELETE")
    tree, path = instance.provider.files, call.needs("path")
    if call.method == "DELETE":
        tree.delete(tree.at(path))
        return Answer()
    if call.body is None:
        raise ApiError(429, call.refused)
    return Answer(tree.document(tree.put(path, call.body, guess_type(path)[0] or "application/octet-stream", overwrite=True)))
