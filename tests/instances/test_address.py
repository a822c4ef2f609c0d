"""For whom: path before headers before Authorization, and no guessing (contract 2.2)."""

from __future__ import annotations

import pytest

from gateway.errors import BadRequest
from gateway.exchange import Headers, Request
from gateway.instances.address import Address, address_of, creates_instance

HANDLE = "gwi_abcdefgh12"
Prefix = tuple[str | None, str | None, str | None]
NOTHING: Prefix = (None, None, None)


def read(prefix: Prefix = NOTHING, organization: str | None = None, element: str | None = None, **headers: str) -> Address:
    fields = Headers([(f"Gateway-{name.capitalize()}", value) for name, value in headers.items()])
    return address_of(Request("GET", "/x", fields, prefix=prefix), organization, element)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (read(), Address()),
        (read(environment="dev", customer="acme", element_="x"), Address("dev", "acme")),
        (read(("dev", "acme", "hubspot")), Address("dev", "acme", "hubspot")),
        (read(("dev", "acme", None), environment="prod", customer="other"), Address("dev", "acme")),
        (read(("dev", None, None), customer="acme"), Address("dev", "acme")),
        (read((None, "acme", None), environment="prod"), Address("prod", "acme")),
        (read((None, "acme", None), element="gwi_other12345"), Address(None, "acme")),
        (read((None, "acme", None), instance=HANDLE), Address(None, "acme")),
        (read(instance=HANDLE), Address(None, handle=HANDLE)),
        (read(instance=HANDLE, environment="dev"), Address("dev", handle=HANDLE)),
        (read(instance="dev/acme/hubspot"), Address("dev", "acme", "hubspot")),
        (read(instance="dev/acme/hubspot", environment="dev"), Address("dev", "acme", "hubspot")),
        (read(element=HANDLE, organization="dev"), Address("dev", handle=HANDLE)),
        (read(element=HANDLE, organization="dev", environment="prod"), Address("prod", handle=HANDLE)),
        (read(element="dev/acme/hubspot"), Address("dev", "acme", "hubspot")),
        (read(element="real-token-of-somebody"), Address(None, handle="")),
        (read(element=HANDLE, customer="acme"), Address(None, "acme")),
        (read(organization="dev"), Address("dev")),
    ],
)
def test_who_wins(found: Address, expected: Address) -> None:
    assert found == expected


def test_the_element_header_names_the_element() -> None:
    request = Request("GET", "/x", Headers([("Gateway-Customer", "acme"), ("Gateway-Element", "hubspot")]))

    assert address_of(request, None, None) == Address(None, "acme", "hubspot")


@pytest.mark.parametrize("more", [{"customer": "acme"}, {"customer": "acme", "environment": "dev"}])
def test_an_instance_beside_a_customer_is_refused(more: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        read(instance=HANDLE, **more)  # type: ignore[arg-type]


def test_two_environments_are_refused() -> None:
    with pytest.raises(BadRequest):
        read(instance="dev/acme/hubspot", environment="prod")


@pytest.mark.parametrize("name", ["", "a/b", "a\x00", "a\x1f", "a\x7f", "x" * 129, "\n"])
@pytest.mark.parametrize("where", ["header", "path"])
def test_names_that_cannot_be(name: str, where: str) -> None:
    prefix, headers = ((None, name, None), Headers()) if where == "path" else (NOTHING, Headers([("Gateway-Customer", name)]))
    with pytest.raises(BadRequest):
        address_of(Request("GET", "/x", headers, prefix=prefix), None, None)


@pytest.mark.parametrize(
    "handle", ["gwi_", "gwi_abc", "GWI_abcdefgh12", "gwi_ABCDEFGH", HANDLE + "\n", " " + HANDLE, "a//b", "/a/b", "a/b", "a/b/c/d"]
)
def test_what_is_no_handle_is_none_of_ours_and_never_quoted(handle: str) -> None:
    assert read(instance=handle) == Address(None, handle="")


@pytest.mark.parametrize(
    ("address", "expected"), [(Address(), False), (Address("dev"), False), (Address(None, "acme"), True), (Address(handle=""), True)]
)
def test_naming_an_instance(address: Address, expected: bool) -> None:
    assert address.names_instance is expected


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/instances", True),
        ("POST", "/instances/", True),
        ("POST", "/Instances;x", True),
        ("POST", "//%69nstances", True),
        ("POST", "/elements/hubspot/instances", True),
        ("GET", "/instances", False),
        ("PUT", "/instances", False),
        ("POST", "/instances/7", False),
        ("POST", "/elements/hubspot", False),
        ("POST", "/x/instances", False),
        ("POST", "/instances/7/objects", False),
    ],
)
def test_creating_an_instance(method: str, path: str, expected: bool) -> None:
    assert creates_instance(method, path) is expected
