"""The five elements and the documented hubs: what ``/elements`` and ``/hubs`` show, and what each element's data looks like.

``hubspot`` 43 and ``sfdc`` 23 are the ids of API page 3.1; the other ids are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.sandbox.call import Row
from gateway.sandbox.listing import MAX_PAGE

SECRET_KEYS = ("password", "oauth.api.key", "oauth.api.secret")  # API page 3.2: shown as eight asterisks
_OAUTH = ("oauth.api.key", "oauth.api.secret", "oauth.callback.url")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource: the provider's name for it, and how the provider's ids of it begin."""

    vendor: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Element:
    """``required`` are the configuration keys without which no instance can be made. ``id_form`` is a format of the provider's
    ids over ``prefix``, ``n`` (a counter) and ``digest`` (64 hex digits). ``spelling`` maps our field names to the provider's."""

    id: int
    key: str
    name: str
    hub: str
    authentication: str
    required: tuple[str, ...]
    resources: Mapping[str, Resource]
    id_form: str
    spelling: Mapping[str, str] = field(default_factory=dict)
    max_page: int = MAX_PAGE
    provider_page: int = 100

    def defaults(self) -> dict[str, str]:
        """The configuration of an instance for which nothing was said."""
        return {
            "base.url": f"https://{self.key}.provider.example",
            "event.notification.enabled": "false",
            "event.vendor.type": "polling",
            "filter.response.nulls": "true",
            "pagination.max": str(self.provider_page),
            "pagination.type": "page",
        }

    def spelled(self, row: Row) -> Row:
        """``row`` with the provider's field names."""
        return {self.spelling.get(name, name): value for name, value in row.items()}


_PASCAL = {
    name: name[0].upper() + name[1:]
    for name in (
        "firstName", "lastName", "email", "phone", "title", "accountId", "contactId", "name", "website", "industry",
        "numberOfEmployees", "subject", "description", "status", "priority", "createdDate",
    )
}  # fmt: skip

ELEMENTS: dict[str, Element] = {
    element.key: element
    for element in (
        Element(
            43, "hubspot", "HubSpot", "marketing", "oauth2", _OAUTH,
            {"contacts": Resource("Contact", "51"), "accounts": Resource("Company", "27"), "lists": Resource("List", "9")},
            "{prefix}{n:04d}", max_page=100,
        ),
        Element(
            23, "sfdc", "Salesforce Sales Cloud", "crm", "oauth2", _OAUTH,
            {"contacts": Resource("Contact", "003"), "accounts": Resource("Account", "001"), "incidents": Resource("Case", "500")},
            "{prefix}{digest:.12}AAA", {**_PASCAL, "updatedDate": "LastModifiedDate"}, provider_page=2000,
        ),
        Element(
            1221, "servicenowoauth", "ServiceNow OAuth", "helpdesk", "oauth2", (*_OAUTH, "servicenow.subdomain"),
            {"incidents": Resource("incident"), "contacts": Resource("customer_contact"), "accounts": Resource("customer_account")},
            "{digest:.32}",
            {"firstName": "first_name", "lastName": "last_name", "subject": "short_description", "status": "state", "accountId": "account",
             "contactId": "caller_id", "createdDate": "sys_created_on", "updatedDate": "sys_updated_on"},
        ),
        Element(
            2195, "sapc4chd", "SAP Cloud for Customer Help Desk", "helpdesk", "basic", ("base.url", "username", "password"),
            {"incidents": Resource("ServiceRequest"), "contacts": Resource("Contact"), "accounts": Resource("CorporateAccount")},
            "00163E{digest:.26}", {"accountId": "AccountID", "contactId": "ContactID", "firstName": "FirstName", "lastName": "LastName"},
        ),
        Element(
            83, "closeio", "Close.io", "crm", "basic", ("username",),
            {"contacts": Resource("contact", "cont_"), "accounts": Resource("lead", "lead_")},
            "{prefix}{digest:.20}", {"accountId": "lead_id", "createdDate": "date_created", "updatedDate": "date_updated"},
        ),
    )
}  # fmt: skip

_HUBS = (  # API page 3.3
    "analytics", "billing", "collaboration", "conferencing", "crm", "db", "documents", "ecommerce",
    "employee", "erp", "esignature", "expense", "finance", "fsa", "general", "helpdesk",
    "idmanagement", "marketing", "messaging", "monitoring", "native", "ocr", "payment", "pointofsale",
    "questback", "sageaccounting", "sagepayroll", "scheduling",
)  # fmt: skip


def find_element(key_or_id: str) -> Element | None:
    return next((element for element in ELEMENTS.values() if key_or_id in (element.key, str(element.id))), None)


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
        "bulkDownloadEnabled": False,
        "bulkUploadEnabled": False,
        "cloneable": True,
        "extendable": True,
        "beta": False,
        "extended": False,
        "private": False,
        "hub": element.hub,
        "protocolType": "http",
        "parameters": [],
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
    return list(_HUBS)


def hub_document(key: str, hydrate: bool = False) -> Row:
    """The Hub of API page 3.3; ``hydrate`` adds its elements."""
    hub: Row = {
        "id": _HUBS.index(key) + 1,
        "key": key,
        "name": key.capitalize(),
        "description": f"The {key} hub",
        "active": True,
        "videoLink": None,
    }
    return hub | {"elements": hub_elements(key)} if hydrate else hub


def hub_elements(key: str) -> list[Row]:
    return [element_document(element) for element in ELEMENTS.values() if element.hub == key]
