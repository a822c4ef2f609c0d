"""``/sandbox/instances/**``: change what the provider holds behind the gateway's back, as the customer's own people do all day, and
what Cloud Elements holds, as those who authorize instances do.

Nothing of it is counted: no entry in ``/usage`` or among the requests, no limit spent, no dial met.
"""

from __future__ import annotations

from mimetypes import guess_type
from re import fullmatch
from urllib.parse import unquote

from gateway.sandbox.call import Answer, ApiError, Call
from gateway.sandbox.instances import Instance
from gateway.sandbox.state import Sandbox

_EXPECTED = "Expected /sandbox/instances/{id or name}/{resource}[/{row}]"


def backdoor_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Rows come and go as the provider holds them, nulls included. Raises ``ApiError`` 400, 404, 405."""
    match rest:
        case []:
            call.allow("GET")
            return Answer([_line(instance) for instance in sandbox.instances])
        case [name]:
            call.allow("DELETE")
            sandbox.instances.delete(sandbox.instances.named(unquote(name)))
            return Answer()
        case [name, "token"]:
            return _token(sandbox, call, sandbox.instances.named(unquote(name)))
        case [name, *data]:
            return _data(call, sandbox.instances.named(unquote(name)), data)
    raise ApiError(404, _EXPECTED)


def _data(call: Call, instance: Instance, rest: list[str]) -> Answer:
    match rest:
        case ["files"] if instance.element.hub == "documents":
            return _file(call, instance)
        case [resource]:
            call.allow("GET", "POST")
            resource = _resource(instance, unquote(resource))
            if call.method == "POST":
                return Answer(instance.records.create(resource, call.json()))
            return Answer(instance.records.rows(resource))
        case [resource, id_]:
            return _row(call, instance, _resource(instance, unquote(resource)), unquote(id_))
    raise ApiError(404, _EXPECTED)


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


def _token(sandbox: Sandbox, call: Call, instance: Instance) -> Answer:
    """PUT gives it ``{"token"}``, a new one where that is not said; DELETE has it refused."""
    call.allow("PUT", "DELETE")
    if call.method == "DELETE":
        sandbox.instances.refuse(instance)
        return Answer()
    wanted = call.json().get("token")
    if wanted is not None and (not isinstance(wanted, str) or not fullmatch(r"[!-+\--~]{1,200}", wanted)):
        raise ApiError(400, "token: expected visible ASCII without comma")
    sandbox.instances.give(instance, wanted)
    return Answer({"token": instance.token})


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
