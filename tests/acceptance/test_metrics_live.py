"""Contract 6: metrics on the admin listener."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.acceptance.world import BASE, Mapped, World
from tests.support.origin import STALL, head, ok, script
from tests.support.raw import Caller

CONTRACT: dict[str, tuple[str, set[str]]] = {
    "gateway_requests_total": ("counter", {"environment", "element", "method", "status", "cache"}),
    "gateway_request_duration_seconds": ("histogram", {"environment", "element", "cache"}),
    "gateway_upstream_requests_total": ("counter", {"environment", "element", "resource", "method", "status"}),
    "gateway_upstream_duration_seconds": ("histogram", {"environment", "element", "resource"}),
    "gateway_rate_limited_total": ("counter", {"environment", "element", "action"}),
    "gateway_rate_limit_wait_seconds": ("histogram", {"environment", "element"}),
    "gateway_rate_limit_waiting_calls": ("gauge", {"environment", "element"}),
    "gateway_limit_gate_state": ("gauge", {"environment", "element"}),
    "gateway_limit_signals_total": ("counter", {"environment", "element"}),
    "gateway_upstream_retries_total": ("counter", {"environment", "element"}),
    "gateway_environment_unauthorized": ("gauge", {"environment"}),
    "gateway_budget_remaining_ratio": ("gauge", {"environment", "element"}),
    "gateway_problems_total": ("counter", {"type"}),
    "gateway_cache_bytes": ("gauge", set()),
    "gateway_cache_entries": ("gauge", set()),
    "gateway_in_flight_requests": ("gauge", {"environment"}),
    "gateway_breaker_state": ("gauge", {"environment", "element"}),
    "gateway_instances": ("gauge", {"environment", "element", "state"}),
    "gateway_build_info": ("info", {"version"}),
}


def families(world: World) -> list[Metric]:
    answer = world.operations("/metrics")
    assert answer.status == 200
    assert answer.value("content-type").startswith("text/plain")
    return list(parse_text(answer.body.decode()))


def value(found: Iterable[Metric], name: str, **labels: str) -> float:
    """The sum of the samples called ``name`` that have these labels."""
    samples = [sample for family in found for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


class Growth:
    """How much samples grew since it was made."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._before = families(world)

    def __call__(self, name: str, **labels: str) -> float:
        return value(families(self._world), name, **labels) - value(self._before, name, **labels)


@pytest.fixture
def traffic(world: World) -> Mapped:
    """Something of everything."""
    acme = world.customer("window5", like="sfdc")
    for n in range(1, 7):
        acme.get(f"/contacts?pageSize={n}")
    acme.get("/contacts?pageSize=1")
    return acme


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("name", CONTRACT)
def test_every_name_type_and_label(world: World, name: str) -> None:
    kind, labels = CONTRACT[name]
    family = name.removesuffix("_total").removesuffix("_info") if kind in ("counter", "info") else name
    found: dict[str, Any] = {
        one.name: one for one in parse_openmetrics(world.operations("/metrics", "Accept: application/openmetrics-text").body.decode())
    }
    assert family in found, sorted(found)
    assert found[family].type == kind
    samples = [sample for sample in found[family].samples if sample.name in (name, f"{name}_count")]
    assert samples
    for sample in samples:
        assert set(sample.labels) == labels


def test_nothing_else_is_called_gateway(world: World) -> None:
    names = {one.name + ("_total" if one.type == "counter" else "") for one in families(world) if one.name.startswith("gateway_")}
    assert names <= {*CONTRACT, "gateway_build", "gateway_build_info"}


@pytest.mark.parametrize("accept", ["application/openmetrics-text", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"])
def test_openmetrics_when_asked_for(world: World, accept: str) -> None:
    answer = world.operations("/metrics", f"Accept: {accept}")
    assert answer.value("content-type").startswith("application/openmetrics-text")
    assert answer.body.endswith(b"# EOF\n")
    assert list(parse_openmetrics(answer.body.decode()))


def test_a_miss_a_hit_a_bypass(world: World) -> None:
    world.admin("POST", "/cache:purge", {})  # what ran out meanwhile would be missed below
    acme, grown = world.customer("cached", like="sfdc"), Growth(world)
    for _ in range(3):
        acme.get("/hubs/crm/contacts/x1")
        acme.get("/contacts?pageSize=2")
    acme.get("/contacts", "Cache-Control: no-store")
    labels = {"environment": "dev", "element": "cached", "method": "GET"}
    assert grown("gateway_requests_total", **labels, status="404", cache="miss") == 3
    assert grown("gateway_requests_total", **labels, status="200", cache="miss") == 1
    assert grown("gateway_requests_total", **labels, status="200", cache="hit") == 2
    assert grown("gateway_requests_total", **labels, status="200", cache="bypass") == 1
    assert grown("gateway_requests_total") == 7
    assert grown("gateway_request_duration_seconds_count", environment="dev", element="cached", cache="hit") == 2
    assert grown("gateway_upstream_requests_total", **labels, resource="/contacts", status="200") == 2
    assert grown("gateway_upstream_requests_total", **labels, resource="/contacts/{id}", status="404") == 3
    assert grown("gateway_upstream_requests_total") == 5
    assert grown("gateway_upstream_duration_seconds_count", environment="dev", element="cached", resource="/contacts/{id}") == 3
    assert grown("gateway_cache_entries") == 1
    assert grown("gateway_cache_bytes") > 100
    assert grown("gateway_problems_total") == 0


def test_stale_and_revalidated(world: World) -> None:
    acme, grown = world.customer("cached", environment="raw"), Growth(world)
    whole, same = ok(b"{}", 'ETag: "1"', "Cache-Control: no-cache"), head("304 Not Modified", 'ETag: "1"')
    world.raw.behaviours["fresh"] = script(lambda request: same if request.values("if-none-match") else whole)
    for _ in range(3):
        assert acme.get("/fresh").status == 200
    assert grown("gateway_requests_total", cache="revalidated", status="200", environment="raw", element="cached") == 2
    assert grown("gateway_upstream_requests_total", status="304", resource="/fresh") == 2


def test_rate_limited(world: World) -> None:
    acme, grown = world.customer("bycustomer", environment="raw"), Growth(world)
    for _ in range(8):
        acme.get("/contacts")
    assert grown("gateway_rate_limited_total", environment="raw", element="bycustomer", action="rejected") == 3
    assert grown("gateway_requests_total", environment="raw", element="bycustomer", status="429") == 3
    assert grown("gateway_upstream_requests_total", environment="raw", element="bycustomer") == 5
    assert [grown("gateway_problems_total", type=kind) for kind in ("rate-limited", "urn:gateway:problem:rate-limited")].count(3) == 1


def test_problems_are_counted(world: World) -> None:
    acme, dead, grown = world.customer(), world.customer("plain", environment="dead"), Growth(world)
    acme.get("/..")
    acme.call("GET", "/ping", key="gwk_wrong_wrong")
    world.call("GET", "/ping", "Gateway-Customer: nobody")
    dead.get("/contacts")
    kinds = ("bad-request", "unauthenticated", "no-instance", "upstream-unreachable")
    assert [grown("gateway_problems_total", type=kind) for kind in kinds] == [1, 1, 1, 1]
    assert grown("gateway_problems_total") == 4


def test_in_flight(world: World) -> None:
    acme = world.customer("plain", environment="raw")
    world.raw.behaviours["hanging"] = script(STALL)
    world.raw.forget()
    with Caller(world.served.listeners["data"]) as caller:
        fields = f"Host: g\r\nX-Api-Key: {world.key}\r\nGateway-Instance: {acme.handle}\r\n\r\n"
        caller.send(f"GET {BASE}/hanging HTTP/1.1\r\n{fields}".encode())
        assert world.raw.wait(lambda: bool(world.raw.requests))
        assert value(families(world), "gateway_in_flight_requests", environment="raw") == 1
        caller.answer()
    assert value(families(world), "gateway_in_flight_requests", environment="raw") == 0


def test_instances_are_counted_by_state(world: World) -> None:
    before = families(world)
    acme = world.customer("counted", environment="staging", like="sfdc")
    world.customer("counted", environment="staging", like="sfdc")
    world.admin("PATCH", f"/instances/{acme.handle}", {"disabled": True})
    assert value(before, "gateway_instances", element="counted") == 0
    for _ in range(50):
        found = [sample for family in families(world) if family.name == "gateway_instances" for sample in family.samples]
        states = {sample.labels["state"]: sample.value for sample in found if sample.labels["element"] == "counted"}
        if states.get("disabled") == 1 and sum(states.values()) == 2:
            return
        time.sleep(0.05)
    raise AssertionError(states)


def test_build_info(world: World) -> None:
    (sample,) = [one for family in families(world) for one in family.samples if one.name == "gateway_build_info"]
    assert sample.value == 1
    assert re.fullmatch(r"\d+\.\d+.*", sample.labels["version"])


def test_series_are_bounded(world: World) -> None:
    """500 random paths and methods, customers and environments that do not exist: past 200 shapes it is `other`."""
    acme = world.customer("plain", environment="raw")
    draw = random.Random(5)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for n in range(500):
        method = "".join(draw.choices(letters.upper(), k=6)) if n % 2 else draw.choice(("GET", "PROPFIND", "MKCOL", "LOCK", "SEARCH"))
        path = "/" + "".join(draw.choices(letters, k=8))
        named = (
            (f"Gateway-Instance: {acme.handle}",)
            if n % 5
            else (f"Gateway-Environment: e{n}", f"Gateway-Customer: c{n}", f"Gateway-Element: k{n}")
        )
        world.call(method, path, *named)
    for n in range(250):
        acme.get(f"/shape{n}")
    samples = [sample for family in families(world) for sample in family.samples if sample.name.startswith("gateway_")]
    resources = {sample.labels["resource"] for sample in samples if sample.labels.get("element") == "plain" and "resource" in sample.labels}
    assert len(resources) <= 201
    assert "other" in resources
    assert len({sample.labels["method"] for sample in samples if "method" in sample.labels}) <= 12
    assert not [
        sample for sample in samples if re.fullmatch(r"[ek]\d+", sample.labels.get("environment", "") + sample.labels.get("element", ""))
    ]
    text = repr([sample.labels for sample in samples])
    assert acme.customer not in text
    assert acme.handle not in text


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/readyz",
        "/admin/v1/keys",
        "/admin/v1",
        "/openapi.json",
        "/docs",
        "/console/",
        "/healthz/",
        "/healthz/x",
        "/callbacks/oauth",
    ],
)
@pytest.mark.parametrize("with_key", [True, False])
def test_nothing_but_calls_and_healthz_on_the_data_port(world: World, path: str, with_key: bool) -> None:
    fields = (f"Authorization: Bearer {world.admin_key}",) if with_key else ()
    answer = world.call("GET", path, *fields, base="", key="")
    assert answer.status == 404 or (answer.status == 401 and not with_key), answer.body
    assert answer.value("content-type").startswith("application/problem+json")


def test_no_calls_on_the_admin_port(world: World) -> None:
    acme = world.customer()
    world.dev.forget()
    fields = (f"X-Api-Key: {world.key}", f"Gateway-Instance: {acme.handle}")
    answer = world.ask(world.served.listeners["admin"], "GET", f"{BASE}/ping", *fields)
    assert answer.status in (401, 403, 404)
    assert world.dev.arrivals() == []
