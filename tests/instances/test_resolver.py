"""From what a caller named to the target of the call, within what its key allows (contract 2.1, 2.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.callers import Caller
from gateway.callers.keys import CallerKey
from gateway.errors import AmbiguousInstance, BadRequest, Forbidden, GatewayError, NoInstance, UnknownEnvironment
from gateway.exchange import Environment, Exchange, Headers, Instance, Request, Target
from gateway.instances import Resolver
from gateway.secret import Secret

DEV, PROD = (Environment(name, "http://h", Secret("u"), Secret("o")) for name in ("dev", "prod"))


def instance(number: int, customer: str, element: str, **more: object) -> Instance:
    values = {"environment": "dev", "hub": None, **more}
    return Instance(f"gwi_instance{number}", customer=customer, element=element, token=Secret(f"t{number}"), **values)  # type: ignore[arg-type]


ALL = [
    instance(1, "acme", "hubspot", hub="crm"),
    instance(2, "acme", "closeio", hub="crm"),
    instance(3, "acme", "servicenowoauth", hub="helpdesk"),
    instance(4, "solo", "hubspot", hub="crm"),
    instance(5, "twins", "hubspot", name="eu"),
    instance(6, "twins", "hubspot", name="us"),
    instance(7, "off", "hubspot", disabled=True),
    instance(8, "acme", "hubspot", environment="prod"),
    instance(9, "half", "hubspot", disabled=True),
    instance(10, "half", "closeio"),
]


class Table:
    """An ``InstanceStore`` of given mappings."""

    generation = 0

    async def by_handle(self, handle: str) -> Instance | None:
        return next((one for one in ALL if one.handle == handle), None)

    async def of_customer(self, environment: str, customer: str) -> tuple[Instance, ...]:
        return tuple(one for one in ALL if (one.environment, one.customer) == (environment, customer))

    async def handle_of(self, environment: str, token: str) -> str | None:
        return None


KEY = CallerKey("abcdefghijkl", "n", b"", environments=("dev", "prod"))
PLATFORM = replace(KEY, scopes=("hub", "platform:read", "platform:write"))


async def resolve(
    *, key: CallerKey = KEY, method: str = "GET", path: str = "/contacts", default: str | None = "dev", organization: str | None = None,
    part: str | None = None, prefix: tuple[str | None, str | None, str | None] = (None, None, None), **headers: str,
) -> tuple[Target, Exchange]:  # fmt: skip
    exchange = Exchange("id", method, path, 0.0)
    fields = Headers([(f"Gateway-{name.capitalize()}", value) for name, value in headers.items()])
    resolver = Resolver({"dev": DEV, "prod": PROD}, default, Table())
    return await resolver.resolve(Request(method, path, fields, prefix=prefix), Caller(key, organization, part), exchange), exchange


@pytest.mark.parametrize(
    ("named", "handle"),
    [
        ({"customer": "solo"}, "gwi_instance4"),
        ({"customer": "acme", "element": "closeio"}, "gwi_instance2"),
        ({"customer": "acme", "path": "/hubs/helpdesk/incidents"}, "gwi_instance3"),
        ({"customer": "acme", "environment": "prod"}, "gwi_instance8"),
        ({"customer": "acme", "organization": "prod"}, "gwi_instance8"),
        ({"prefix": ("prod", "acme", None)}, "gwi_instance8"),
        ({"instance": "gwi_instance6"}, "gwi_instance6"),
        ({"instance": "gwi_instance8"}, "gwi_instance8"),
        ({"instance": "gwi_instance8", "environment": "prod"}, "gwi_instance8"),
        ({"instance": "dev/acme/closeio"}, "gwi_instance2"),
        ({"part": "gwi_instance5"}, "gwi_instance5"),
        ({"part": "gwi_instance5", "organization": "dev"}, "gwi_instance5"),
        ({"customer": "half"}, "gwi_instance10"),
        ({"customer": "solo", "path": "/hubs/never-heard-of/x"}, "gwi_instance4"),
    ],
)
async def test_an_element_call(named: dict[str, str], handle: str) -> None:
    target, exchange = await resolve(**named)  # type: ignore[arg-type]

    assert target.instance
    assert target.instance.handle == exchange.handle == handle
    assert (exchange.environment, exchange.customer, exchange.element) == (
        target.environment.name, target.instance.customer, target.instance.element,
    )  # fmt: skip


@pytest.mark.parametrize(("path", "resource"), [("/hubs/crm/contacts/7", "/contacts/7"), ("/contacts/7", "/contacts/7"), ("", "/")])
async def test_two_spellings_share_a_resource(path: str, resource: str) -> None:
    assert (await resolve(customer="solo", path=path))[0].resource == resource


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"customer": "nobody"}, NoInstance),
        ({"customer": "acme", "element": "sfdc"}, NoInstance),
        ({"customer": "acme"}, AmbiguousInstance),
        ({"customer": "acme", "path": "/hubs/crm/contacts"}, AmbiguousInstance),
        ({"customer": "acme", "path": "/hubs/general/x"}, AmbiguousInstance),
        ({"customer": "twins", "element": "hubspot"}, AmbiguousInstance),
        ({"customer": "off"}, NoInstance),
        ({"customer": "half", "element": "hubspot"}, NoInstance),
        ({"instance": "gwi_instance7"}, NoInstance),
        ({"instance": "gwi_unheardof"}, NoInstance),
        ({"instance": "gwi_instance8", "environment": "dev"}, NoInstance),
        ({"part": "somebodys-real-token"}, NoInstance),
        ({"customer": "acme", "environment": "moon"}, UnknownEnvironment),
        ({"instance": "gwi_instance1", "environment": "moon"}, UnknownEnvironment),
        ({"customer": "solo", "organization": "a-real-organization-secret"}, UnknownEnvironment),
        ({"customer": "solo", "default": None}, BadRequest),
        ({"path": "/elements"}, Forbidden),
    ],
)
async def test_where_it_ends_early(named: dict[str, str], error: type[GatewayError]) -> None:
    with pytest.raises(GatewayError) as raised:
        await resolve(**named)  # type: ignore[arg-type]

    assert type(raised.value) is error
    assert "real" not in raised.value.detail


async def test_candidates_are_named() -> None:
    with pytest.raises(AmbiguousInstance) as raised:
        await resolve(customer="twins")

    assert raised.value.extra["candidates"] == [
        {"handle": "gwi_instance5", "element": "hubspot", "name": "eu"},
        {"handle": "gwi_instance6", "element": "hubspot", "name": "us"},
    ]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"environments": ("dev",)}, {"customer": "acme", "environment": "prod"}),
        ({"customers": ("other-*",)}, {"customer": "solo"}),
        ({"customers": ("other-*",)}, {"customer": "nobody"}),
        ({"customers": ("other-*",)}, {"instance": "gwi_instance4"}),
        ({"elements": ("closeio",)}, {"instance": "gwi_instance4"}),
        ({"elements": ("closeio",)}, {"customer": "solo", "element": "hubspot"}),
        ({"methods": ("GET",)}, {"customer": "solo", "method": "POST"}),
        ({"scopes": ("platform:read",)}, {"customer": "solo"}),
        ({"scopes": ("hub", "platform:write")}, {"path": "/elements"}),
        ({"scopes": ("hub", "platform:read")}, {"path": "/elements", "method": "POST"}),
        ({"scopes": ("hub",)}, {"customer": "solo", "path": "/instances"}),
        ({"scopes": ("hub",)}, {"customer": "solo", "path": "/%49nstances/7"}),
        ({"scopes": ("hub",)}, {"customer": "solo", "path": "/hubs/crm/organizations/me"}),
        ({"scopes": ("hub",)}, {"customer": "solo", "path": "/elements/hubspot/instances", "method": "POST"}),
        ({"scopes": ("platform:write",), "customers": ("other",)}, {"customer": "solo", "path": "/instances", "method": "POST"}),
    ],
)
async def test_what_the_key_does_not_allow(change: dict[str, tuple[str, ...]], named: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        await resolve(key=replace(KEY, **change), **named)  # type: ignore[arg-type]


async def test_a_handle_in_an_environment_that_the_key_does_not_list_does_not_exist() -> None:
    with pytest.raises(NoInstance) as hidden:
        await resolve(key=replace(KEY, environments=("dev",)), instance="gwi_instance8")
    with pytest.raises(NoInstance) as absent:
        await resolve(key=replace(KEY, environments=("dev",)), instance="gwi_unheardof")

    assert hidden.value.detail == absent.value.detail


async def test_instances_that_the_key_may_not_see_are_no_candidates() -> None:
    target, _ = await resolve(key=replace(KEY, elements=("close*",)), customer="acme")

    assert target.instance
    assert target.instance.element == "closeio"


@pytest.mark.parametrize(
    ("environments", "default", "expected"), [(("prod",), "dev", "prod"), (("dev", "prod"), "prod", "prod"), (("prod",), None, "prod")]
)
async def test_the_environment_that_is_not_named(environments: tuple[str, ...], default: str | None, expected: str) -> None:
    target, exchange = await resolve(key=replace(KEY, environments=environments), customer="acme", element="hubspot", default=default)

    assert target.environment.name == exchange.environment == expected


async def test_a_platform_call() -> None:
    target, exchange = await resolve(key=PLATFORM, path="/elements/hubspot")

    assert (target.instance, target.element, exchange.element, exchange.environment) == (None, "platform", "platform", "dev")


@pytest.mark.parametrize("path", ["/instances", "/elements/hubspot/instances", "//Instances/"])
@pytest.mark.parametrize("named", [{"customer": "solo"}, {"instance": "gwi_instance4"}, {}])
async def test_creating_an_instance_is_a_platform_call_whoever_is_named(path: str, named: dict[str, str]) -> None:
    target, _ = await resolve(key=PLATFORM, method="POST", path=path, **named)  # type: ignore[arg-type]

    assert target.instance is None
