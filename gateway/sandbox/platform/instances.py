"""``/instances/**`` (API page 3.2), with the id in the path or, without one, by the call's own token."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from gateway.sandbox.call import Answer, ApiError, Call, not_found
from gateway.sandbox.catalog import Element
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed
from gateway.sandbox.platform.configuration import configuration_answer
from gateway.sandbox.state import Sandbox

_BELOW = frozenset({"enabled", "configuration", "trace-logging"})
_TRACED = 60  # minutes, unless it is said


def instances_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Raises ``ApiError``."""
    match rest:
        case [] if call.method in ("PUT", "PATCH", "DELETE"):
            return one(sandbox, call, _own(sandbox, call))
        case []:
            call.allow("GET", "POST", "PUT", "PATCH", "DELETE")
            return collection(sandbox, call)
        case ["count"]:
            call.allow("GET")
            return Answer(_counted(sandbox))
        case [part, *more] if part in _BELOW:
            return _below(sandbox, call, _own(sandbox, call), part, more)
        case [id_]:
            call.allow("GET", "PUT", "PATCH", "DELETE")
            return one(sandbox, call, sandbox.instances.get(id_))
        case [id_, part, *more] if part in _BELOW:
            return _below(sandbox, call, sandbox.instances.get(id_), part, more)
    raise not_found()


def _below(sandbox: Sandbox, call: Call, instance: Instance, part: str, rest: list[str]) -> Answer:
    if part == "configuration":
        return configuration_answer(call, instance, rest)
    if rest:
        raise not_found()
    call.allow("PUT", "DELETE")
    if part == "enabled":
        instance.disabled = call.method == "DELETE"
    else:
        instance.traced_until = _end_of_trace(sandbox, call) if call.method == "PUT" else None
    return Answer() if call.method == "DELETE" else Answer(instance.document())


def _end_of_trace(sandbox: Sandbox, call: Call) -> datetime:
    """``{"duration": N}`` in minutes. Raises ``ApiError`` 400."""
    minutes = call.json().get("duration", _TRACED) if call.body else _TRACED
    if type(minutes) is not int or not 1 <= minutes <= 24 * 60:
        raise ApiError(400, "Invalid value for duration: expected minutes from 1 to 1440")
    return sandbox.now() + timedelta(minutes=minutes)


def _own(sandbox: Sandbox, call: Call) -> Instance:
    """The instance that the call's own token names; admission has seen to it that it lives."""
    instance = sandbox.instances.with_token(call.credentials.element if call.credentials else None)
    if instance is None:
        raise not_found()
    return instance


def collection(sandbox: Sandbox, call: Call, element: Element | None = None) -> Answer:
    """GET: the instances that carry every tag of ``tags[]`` (all of them, our choice) and ``searchText`` in their name; POST: create."""
    if call.method == "POST":
        return Answer(sandbox.instances.create(call.json(), element).document())
    tags, text = [tag for tag in call.params("tags[]") if tag], call.param("searchText").lower()
    found = [
        instance.document()
        for instance in sandbox.instances
        if (element is None or instance.element is element) and set(tags) <= set(instance.tags) and text in instance.name.lower()
    ]
    if not found:
        raise ApiError(404, "No instances found")  # API page 0.2 #4: an empty search is a 404 of this form
    return listed(found, call)


def one(sandbox: Sandbox, call: Call, instance: Instance) -> Answer:
    """GET, PUT, PATCH or DELETE of an instance."""
    match call.method:
        case "PUT":
            instance.replace(call.json())
        case "PATCH":
            instance.change(call.json())
        case "DELETE":
            sandbox.instances.delete(instance)
            return Answer()
    return Answer(instance.document())


def _counted(sandbox: Sandbox) -> dict[str, object]:
    """How many instances there are, and of which elements."""
    counts = Counter(instance.element.key for instance in sandbox.instances)
    return {"totalInstances": counts.total(), "elementInstances": dict(counts)}
