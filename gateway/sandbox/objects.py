"""What an element holds: ``/objects`` and ``/objects/{object}/metadata`` (API page 4.4)."""

from __future__ import annotations

from gateway.sandbox.call import Answer, ApiError, Call, Row
from gateway.sandbox.instances import Instance


def names(call: Call, instance: Instance) -> Answer:
    """Vendor names; with ``Elements-Version: Helium`` objects with both names."""
    resources = instance.element.resources
    if call.headers.get("elements-version", "").lower() == "helium":
        return Answer([{"name": name, "vendorName": resource.vendor, "type": "vendor"} for name, resource in resources.items()])
    return Answer([resource.vendor for resource in resources.values()])


def metadata(instance: Instance, wanted: str) -> Answer:
    """The fields that the rows of an object have, by our name of it or the provider's. Raises ``ApiError`` 404."""
    resource = instance.element.resource_named(wanted) or instance.element.resource_named(wanted.lower())
    if resource is None:
        raise ApiError(404, f"No object found with name {wanted[:40]}")
    sample: Row = {}
    for row in instance.records.rows(resource):
        sample |= {key: value for key, value in row.items() if value is not None or key not in sample}
    return Answer({"fields": [_field(key, value) for key, value in sample.items()]})


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
