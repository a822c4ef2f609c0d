"""The catalog: which elements there are, what each holds, and what ``/elements`` and ``/hubs`` show of them.

It is tables: ``hubs`` (the resources of each hub), ``fields`` (the fields of each resource), ``table`` (the elements).
"""

from gateway.sandbox.catalog.documents import (
    SECRET_KEYS,
    configuration_entries,
    element_document,
    element_metadata,
    hub_document,
    hub_elements,
    hub_keys,
)
from gateway.sandbox.catalog.element import Element, Resource, singular
from gateway.sandbox.catalog.hubs import HUBS
from gateway.sandbox.catalog.table import ELEMENTS, find_element

__all__ = [
    "ELEMENTS",
    "HUBS",
    "SECRET_KEYS",
    "Element",
    "Resource",
    "configuration_entries",
    "element_document",
    "element_metadata",
    "find_element",
    "hub_document",
    "hub_elements",
    "hub_keys",
    "singular",
]
