"""The documents that ``/elements`` and ``/hubs`` show of the catalog (API page 3.1, 3.3)."""

from __future__ import annotations

from gateway.sandbox.call import Row
from gateway.sandbox.catalog.element import Element
from gateway.sandbox.catalog.hubs import HUBS
from gateway.sandbox.catalog.table import ELEMENTS

SECRET_KEYS = ("password", "oauth.api.key", "oauth.api.secret")  # API page 3.2: shown as eight asterisks


def element_document(element: Element) -> Row:
    """The Element of API page 3.1."""
    oauth = element.authentication == "oauth2"
    return {
        "id": element.id,
        "name": element.name,
        "hookName": element.name.replace(" ", ""),
        "key": element.key,
        "description": f"{element.name}, as the sandbox plays it",
        "image": f"elements/provider_{element.key}.png",
        "active": True,
        "deleted": False,
        "typeOauth": oauth,
        "trialAccount": False,
        "configDescription": f"Connect an account of {element.name}",
        "signupURL": f"https://{element.key}.provider.example",
        "authenticationType": element.authentication,
        "authentication": {"type": element.authentication},
        "defaultTransformations": [{"name": name, "vendorName": resource.vendor} for name, resource in element.resources.items()],
        "objectMetadata": [],
        "transformationsEnabled": True,
        "bulkDownloadEnabled": True,
        "bulkUploadEnabled": True,
        "cloneable": True,
        "extendable": True,
        "beta": False,
        "extended": False,
        "private": False,
        "hub": element.hub,
        "protocolType": "http",
        "parameters": [],
    }


def element_metadata(element: Element) -> Row:
    """What the element can do (API page 3.1)."""
    polled = {name: {"eventTypes": ["CREATED", "UPDATED"], "pollUrl": f"/hubs/{element.hub}/{name}"} for name in element.resources}
    return {
        "id": element.id,
        "key": element.key,
        "name": element.name,
        "description": f"{element.name}, as the sandbox plays it",
        "active": True,
        "beta": False,
        "extended": False,
        "defaultAuthentication": element.authentication,
        "events": {"supported": False, "methods": ["polling"], "polling": polled},
        "discovery": {"supported": True},
        "bulk": {"supported": True, "download": True, "upload": True},
        "transformations": {"supported": False},
    }


def configuration_entries(element: Element) -> list[Row]:
    """The configuration that an instance of the element takes, an entry a key (API page 3.1)."""
    defaults = element.defaults()
    keys = [*element.required, *(key for key in defaults if key not in element.required)]
    return [
        {
            "id": element.id * 100 + order,
            "name": key,
            "key": key,
            "description": key,
            "defaultValue": defaults.get(key),
            "active": True,
            "internal": False,
            "displayOrder": order,
            "type": _entry_type(key, defaults.get(key, "")),
            "hideFromConsole": False,
            "required": key in element.required,
            "options": [],
        }
        for order, key in enumerate(keys)
    ]


def _entry_type(key: str, default: str) -> str:
    if key in SECRET_KEYS:
        return "PASSWORD"
    return "BOOLEAN" if default in ("true", "false") else "TEXTFIELD_1000"


def hub_keys() -> list[str]:
    return list(HUBS)


def hub_document(key: str, hydrate: bool = False) -> Row:
    """The Hub of API page 3.3; ``hydrate`` adds its elements."""
    hub: Row = {
        "id": hub_keys().index(key) + 1,
        "key": key,
        "name": key.capitalize(),
        "description": f"The {key} hub",
        "active": True,
        "videoLink": None,
    }
    return hub | {"elements": hub_elements(key)} if hydrate else hub


def hub_elements(key: str) -> list[Row]:
    return [element_document(element) for element in ELEMENTS.values() if element.hub == key]
