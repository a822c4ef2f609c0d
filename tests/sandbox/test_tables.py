"""The catalog's tables fit together: a mistake in a line is found here and not by a caller."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from gateway.sandbox.catalog import ELEMENTS, HUBS
from gateway.sandbox.catalog.element import singular, vendor_name
from gateway.sandbox.catalog.fields import FIELDS, fields_of
from gateway.sandbox.draw import Draw
from gateway.sandbox.limits.table import TABLE

# What Cloud Elements answers itself, whatever token comes along.
_TAKEN = {"instances", "organizations", "formulas", "usage", "metrics", "jobs", "vdrs", "notifications", "ping", "objects", "bulk", "query"}


def test_keys_and_ids_are_unique() -> None:
    assert len({element.id for element in ELEMENTS.values()}) == len(ELEMENTS)


@pytest.mark.parametrize("key", ELEMENTS)
def test_an_element_s_resources_have_names_of_their_own(key: str) -> None:
    element = ELEMENTS[key]

    assert element.resources
    assert not _TAKEN & set(element.resources)
    names = Counter([*element.resources, *(resource.vendor.lower() for resource in element.resources.values())])
    # One word in its singular may be both (`employee`), as long as it means the same.
    assert all(element.resource_named(name) for name in names)
    assert len({resource.vendor.lower() for resource in element.resources.values()}) == len(element.resources)


def test_every_hub_has_an_element_and_every_element_a_hub() -> None:
    assert {element.hub for element in ELEMENTS.values()} == set(HUBS)


def test_a_reference_points_at_a_resource_and_none_goes_in_a_circle() -> None:
    known = {resource for resources in HUBS.values() for resource in resources}
    points = {resource: {field.details[0] for field in fields_of(resource) if field.kind == "ref"} for resource in known}

    assert set(FIELDS) <= known
    assert all(targets <= known for targets in points.values())
    while points:
        ends = {resource for resource, targets in points.items() if not targets & set(points)}
        assert ends, f"a circle among {sorted(points)}"
        points = {resource: targets for resource, targets in points.items() if resource not in ends}


@pytest.mark.parametrize("resource", FIELDS)
def test_a_field_is_drawn_from_its_line(resource: str) -> None:
    for field in fields_of(resource):
        values = [Draw(7).value(field, resource, n, lambda target, number: target) for n in range(60)]
        assert (None in values) == field.nullable
        if field.kind == "one":
            assert set(values) - {None} <= set(field.details)
        if field.kind == "number":
            assert all(int(field.details[0]) <= value <= int(field.details[1]) for value in values)
        if field.kind == "ref":
            assert set(values) - {None} == {field.details[0]}


@pytest.mark.parametrize(
    ("resource", "one", "vendor"),
    [
        ("companies", "company", "Company"),
        ("statuses", "status", "Status"),
        ("ledger-accounts", "ledger-account", "LedgerAccount"),
        ("time-off", "time-off", "TimeOff"),
        ("country", "country", "Country"),
        ("purchase-orders", "purchase-order", "PurchaseOrder"),
    ],
)
def test_names_in_the_singular(resource: str, one: str, vendor: str) -> None:
    assert (singular(resource), vendor_name(resource)) == (one, vendor)


def test_limits_are_of_elements() -> None:
    assert set(TABLE) <= set(ELEMENTS)


@pytest.mark.parametrize("key", ELEMENTS)
def test_ids_of_rows_are_unique_and_fit_into_a_path(key: str) -> None:
    element = ELEMENTS[key]
    resource = next(iter(element.resources))
    ids = {element.row_id("salt", resource, n) for n in range(1, 200)}

    assert len(ids) == 199
    assert all(re.fullmatch(r"[\w-]+", id_) for id_ in ids)
