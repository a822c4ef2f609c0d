"""``/elements/**`` and ``/hubs/**``: the catalog (API page 3.1, 3.3)."""

from __future__ import annotations

from gateway.sandbox.call import Answer, ApiError, Call, not_found
from gateway.sandbox.catalog import (
    ELEMENTS,
    Element,
    configuration_entries,
    element_document,
    element_metadata,
    find_element,
    hub_document,
    hub_elements,
    hub_keys,
)
from gateway.sandbox.listing import listed
from gateway.sandbox.platform.instances import collection, one
from gateway.sandbox.platform.oauth import oauth_answer
from gateway.sandbox.state import Sandbox

_CATALOG_PAGE = 200  # API page 3.1: default and maximum


def elements_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Raises ``ApiError``."""
    match rest:
        case []:
            call.allow("GET")
            return listed((_with_configuration(element) for element in ELEMENTS.values()), call, _CATALOG_PAGE)
        case ["keys"]:
            call.allow("GET")
            return Answer(list(ELEMENTS))
        case [name, "instances", *more]:
            return _instances(sandbox, call, _element(name), more)
        case [name, "oauth", *more]:
            return oauth_answer(call, _element(name), more)
        case [name, *more]:
            return _one_element(call, _element(name), more)
    raise not_found()


def _one_element(call: Call, element: Element, rest: list[str]) -> Answer:
    match rest:
        case []:
            call.allow("GET")
            return Answer(_with_configuration(element))
        case ["configuration"]:
            call.allow("GET")
            return Answer(configuration_entries(element))
        case ["metadata"]:
            call.allow("GET")
            return Answer(element_metadata(element))
    raise not_found()


def _instances(sandbox: Sandbox, call: Call, element: Element, rest: list[str]) -> Answer:
    """As ``/instances``, but of one element."""
    match rest:
        case []:
            call.allow("GET", "POST")
            return collection(sandbox, call, element)
        case [id_]:
            call.allow("GET", "PUT", "DELETE")
            instance = sandbox.instances.get(id_)
            if instance.element is not element:
                raise ApiError(404, f"No element instance found with ID {instance.id}")
            return one(sandbox, call, instance)
    raise not_found()


def _element(name: str) -> Element:
    element = find_element(name)
    if element is None:
        raise ApiError(404, f"No element found with key {name[:40]}")
    return element


def _with_configuration(element: Element) -> dict[str, object]:
    return element_document(element) | {"configuration": configuration_entries(element)}


def hubs_answer(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    """Raises ``ApiError``."""
    call.allow("GET")
    hydrate = call.flag("hydrate")
    match rest:
        case []:
            return listed((hub_document(key, hydrate) for key in hub_keys()), call, _CATALOG_PAGE)
        case ["keys"]:
            return Answer(hub_keys())
        case [key] if key in hub_keys():
            return Answer(hub_document(key, hydrate))
        case [key, "elements"] if key in hub_keys():
            return Answer(hub_elements(key))
        case [key, *_]:
            raise ApiError(404, f"No hub found with key {key[:40]}")
    raise not_found()
