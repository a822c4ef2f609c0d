"""``/instances[/{id}]/configuration[/{configId}]``: the configuration of an instance, an entry a key (API page 3.2)."""

from __future__ import annotations

from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.catalog import SECRET_KEYS, configuration_entries
from gateway.sandbox.instances import MASK, Instance


def configuration_answer(call: Call, instance: Instance, rest: list[str]) -> Answer:
    """An entry is named by its id or its key. Raises ``ApiError`` 404 for none such, 400 for a value that is no text, number or truth."""
    match rest:
        case []:
            call.allow("GET")
            return Answer(_entries(instance))
        case [wanted]:
            call.allow("GET", "PATCH")
            entry = _entry(instance, wanted)
            if call.method == "PATCH":
                body = call.json()
                if "propertyValue" not in body:
                    raise ApiError(400, "Missing required field: propertyValue")
                instance.change({"configuration": {entry["key"]: body["propertyValue"]}})
                entry = _entry(instance, entry["key"])
            return Answer(entry)
    raise not_found()


def _entry(instance: Instance, wanted: str) -> Row:
    for entry in _entries(instance):
        if wanted in (str(entry["id"]), entry["key"]):
            return entry
    raise ApiError(404, f"No configuration found with id {wanted[:40]}")


def _entries(instance: Instance) -> list[Row]:
    """Those that the element names first, whether set or not; then what else was set. Ids stay, since keys are never taken away."""
    known = {entry["key"]: entry for entry in configuration_entries(instance.element)}
    return [
        {
            "id": instance.id * 100 + order,
            "key": key,
            "name": key,
            "description": key,
            "propertyValue": _shown(key, instance.configuration.get(key)),
            "type": known[key]["type"] if key in known else "TEXTFIELD_1000",
            "required": key in instance.element.required,
            "active": True,
            "hideFromConsole": False,
        }
        for order, key in enumerate([*known, *(key for key in instance.configuration if key not in known)])
    ]


def _shown(key: str, value: str | None) -> str | None:
    return MASK if value is not None and key in SECRET_KEYS else value
