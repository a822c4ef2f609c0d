"""A customer in the path and an element in a header: neither is forgotten (contract 2.2)."""

from __future__ import annotations

import pytest

from gateway.exchange import Headers, Request
from gateway.instances.address import Address, address_of


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ((None, "acme", None), Address(None, "acme", "sfdc")),
        (("dev", "acme", None), Address("dev", "acme", "sfdc")),
        ((None, "acme", "hubspot"), Address(None, "acme", "hubspot")),
    ],
)
def test_the_element_header_counts_where_the_path_names_none(prefix: tuple[str | None, str | None, str | None], expected: Address) -> None:
    request = Request("GET", "/contacts", Headers([("Gateway-Element", "sfdc")]), prefix=prefix)

    assert address_of(request, None, None) == expected
