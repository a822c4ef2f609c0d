"""The platform families (API page 3): the catalog of elements and hubs, instances, the organization, its accounts."""

from __future__ import annotations

from gateway.sandbox.call import Answer, ApiError, Call, not_found
from gateway.sandbox.catalog import (
    ELEMENTS,
    Element,
    configuration_entries,
    element_document,
    find_element,
    hub_document,
    hub_elements,
    hub_keys,
)
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed
from gateway.sandbox.state import Sandbox

_CATALOG_PAGE = 200  # API page 3.1: default and maximum


def platform_answer(sandbox: Sandbox, call: Call) -> Answer:
    """The answer to a call that was admitted. Raises ``ApiError``."""
    match call.path:
        case ("elements", *rest):
            return _elements(sandbox, call, rest)
        case ("hubs", *rest):
            return _hubs(call, rest)
        case ("instances", *rest):
            return _instances(sandbox, call, rest)
        case ("organizations", "me"):
            return _organization(sandbox, call)
        case ("accounts",):
            return _accounts(call)
    raise not_found()


def _elements(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    match rest:
        case []:
            call.allow("GET")
            return listed((_with_configuration(element) for element in ELEMENTS.values()), call, _CATALOG_PAGE)
        case ["keys"]:
            call.allow("GET")
            return Answer(list(ELEMENTS))
        case [name]:
            call.allow("GET")
            return Answer(_with_configuration(_element(name)))
        case [name, "configuration"]:
            call.allow("GET")
            return Answer(configuration_entries(_element(name)))
        case [name, "instances"]:
            call.allow("GET", "POST")
            return _collection(sandbox, call, _element(name))
        case [name, "instances", id_]:
            call.allow("GET", "PUT", "DELETE")
            element, instance = _element(name), sandbox.instances.get(id_)
            if instance.element is not element:
                raise ApiError(404, f"No element instance found with ID {instance.id}")
            return _one(sandbox, call, instance)
    raise not_found()


def _element(name: str) -> Element:
    element = find_element(name)
    if element is None:
        raise ApiError(404, f"No element found with key {name[:40]}")
    return element


def _with_configuration(element: Element) -> dict[str, object]:
    return element_document(element) | {"configuration": configuration_entries(element)}


def _hubs(call: Call, rest: list[str]) -> Answer:
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


def _instances(sandbox: Sandbox, call: Call, rest: list[str]) -> Answer:
    match rest:
        case [] if call.method in ("PUT", "PATCH", "DELETE"):
            return _one(sandbox, call, _own(sandbox, call))
        case []:
            call.allow("GET", "POST", "PUT", "PATCH", "DELETE")
            return _collection(sandbox, call)
        case ["enabled"]:
            call.allow("PUT", "DELETE")
            return _enabled(call, _own(sandbox, call))
        case [id_]:
            call.allow("GET", "PUT", "PATCH", "DELETE")
            return _one(sandbox, call, sandbox.instances.get(id_))
        case [id_, "enabled"]:
            call.allow("PUT", "DELETE")
            return _enabled(call, sandbox.instances.get(id_))
    raise not_found()


def _own(sandbox: Sandbox, call: Call) -> Instance:
    """The instance that the call's own token names; admission has seen to it that it lives."""
    instance = sandbox.instances.with_token(call.credentials.element if call.credentials else None)
    if instance is None:
        raise not_found()
    return instance


def _collection(sandbox: Sandbox, call: Call, element: Element | None = None) -> Answer:
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


def _one(sandbox: Sandbox, call: Call, instance: Instance) -> Answer:
    match call.method:
        case "PUT":
            instance.replace(call.json())
        case "PATCH":
            instance.change(call.json())
        case "DELETE":
            sandbox.instances.delete(instance)
            return Answer()
    return Answer(instance.document())


def _enabled(call: Call, instance: Instance) -> Answer:
    instance.disabled = call.method == "DELETE"
    return Answer() if instance.disabled else Answer(instance.document())


def _organization(sandbox: Sandbox, call: Call) -> Answer:
    call.allow("GET")
    return Answer(
        {
            "id": 2202,
            "name": "Sandbox",
            "secret": sandbox.organization_secret,
            "externalId": "sandbox",
            "environment": "test",
            "status": "trial",
            "customerId": 1,
            "vdrVersion": "2.0",
            "active": True,
            "canCreatePeer": False,
            "twoFactorAuthEnabled": False,
        }
    )


def _accounts(call: Call) -> Answer:
    """The platform's own accounts: what ``/accounts`` is without an Element token (API page 0.2 #3)."""
    call.allow("GET")
    return Answer(
        [
            {
                "id": 3301,
                "name": "Sandbox",
                "description": "The default account",
                "externalId": "sandbox",
                "type": "Default",
                "defaultAccount": True,
                "active": True,
                "companyId": 2202,
                "customerId": 1,
                "customerName": "Sandbox",
            }
        ]
    )
