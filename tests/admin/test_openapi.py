"""The document at ``/openapi.json`` is valid, is what is served, and its examples are ones."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
from aiohttp import web
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway import models, reports
from gateway.cache import Cache
from gateway.cache.memory import MemoryStore
from gateway.cache.policy import CachePolicy
from gateway.callers import Callers
from gateway.callers.store import Keys
from gateway.database.engine import open_database, upgrade
from gateway.errors import GatewayError
from gateway.exchange import Environment, Exchange
from gateway.explaining import Explainer
from gateway.instances import Resolver
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.limits import Limits
from gateway.operations import Operations
from gateway.pauses import Pauses
from gateway.pauses.store import StoredPauses
from gateway.secret import Secret
from gateway.server.admin import AdminParts, make_app
from gateway.server.admin_routes import ROUTES
from gateway.server.examples import EXAMPLES
from gateway.server.health import Health
from gateway.server.openapi import document
from gateway.server.problems import document as problem
from gateway.settings import Config
from gateway.telemetry import Telemetry
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent, as_json
from gateway.upstream.client import Client
from gateway.upstream.protocol import ClientSettings
from tests.admin.conftest import PREFIX, Api
from tests.support.rooms import budget, open_sender

DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[web.Application]:
    """The admin application as the gateway makes it."""
    upgrade(tmp_path / "gateway.db")
    async with open_database(tmp_path / "gateway.db") as database:
        vault, keys = Vault([("k1", b"1" * 32)]), Keys(database)
        cache = Cache(lambda _: CachePolicy(), MemoryStore(1, time), time, 1)
        limits, instances, pauses = Limits(budget(), monotonic, time), Instances(database, vault), Pauses(StoredPauses(database), time)
        nowhere = Environment("dev", "http://127.0.0.1:1", Secret("u"), Secret("o"))
        async with Client(ClientSettings()) as client, open_sender(client, nowhere, limits, instances) as sender:
            explainer = Explainer(keys, Resolver({}, None, instances), cache, limits, sender, pauses)
            telemetry = Telemetry(Metrics([]), None, Recent())
            operations = Operations(database, vault, Config())
            yield make_app(AdminParts(operations, Callers(keys, time), cache, limits, telemetry, Health(), explainer, pauses))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolved(reference: str) -> Any:
    return SCHEMAS[reference.removeprefix("#/components/schemas/")]


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_it_is_served_as_it_is(api: Api) -> None:
    answer = api.call("GET", "/openapi.json", key="")
    assert answer.status == 200
    assert answer.value("content-type").startswith("application/json")
    assert answer.json() == DOCUMENT


async def test_nothing_is_served_that_it_does_not_say(app: web.Application) -> None:
    """HEAD goes with GET (RFC 9110 §9.3.2)."""
    served = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource and route.method != "HEAD"}
    heads = {("GET", route.resource.canonical) for route in app.router.routes() if route.resource and route.method == "HEAD"}

    assert served == {(method, path) for method, path, _ in operations()}
    assert heads <= served
    assert len(served) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.verb)
def test_each_operation_says_what_the_table_says(route: Any) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    parameters = {(parameter["in"], parameter["name"]) for parameter in operation["parameters"]}

    assert operation["operationId"] == route.verb
    assert {name for place, name in parameters if place == "path"} == set(re.findall(r"\{(\w+)\}", route.path))
    assert {name for place, name in parameters if place == "query"} == route.query.model_fields.keys()
    assert (("header", "If-Match") in parameters) is route.if_match
    assert ("requestBody" in operation) is (route.body is not None)
    said = {scope for way in operation["security"] for scopes in way.values() for scope in scopes}
    assert said == (set() if route.scope == "public" else {route.scope})
    if route.scope != "public":
        assert {"400", "401", "403", "500", "503"} <= operation["responses"].keys()
    assert ("412" in operation["responses"]) is route.if_match
    assert ({"413", "415"} <= operation["responses"].keys()) is (route.body is not None)


def test_every_error_is_a_problem() -> None:
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            if status[0] in "45" and path != "/readyz":
                assert list(response["content"]) == ["application/problem+json"], f"{method} {path} {status}"
                schema = resolved(response["content"]["application/problem+json"]["schema"]["$ref"])
                assert schema["title"] == "ProblemDocument"


def test_unknown_fields_are_refused_by_every_body_and_the_document_says_so() -> None:
    for _, _, operation in operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if "$ref" in content["schema"]:
                assert resolved(content["schema"]["$ref"])["additionalProperties"] is False


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_example_is_one(name: str) -> None:
    (example,) = SCHEMAS[name]["examples"]
    OAS31Validator.check_schema(SCHEMAS[name])
    OAS31Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}).validate(example)
    model = getattr(models, name, None) or getattr(reports, name)
    assert model.model_validate_json(json.dumps(example))


def test_no_example_is_left_over() -> None:
    assert EXAMPLES.keys() == SCHEMAS.keys()


def test_an_operator_finds_a_sentence_for_each_field_of_a_query() -> None:
    for _, path, operation in operations():
        assert operation["summary"]
        assert [one["name"] for one in operation["parameters"] if not one["description"]] == [], path


def test_all_that_is_known_of_a_call_is_described() -> None:
    """``ExchangeRecord`` shows what it does not know, too; but then nobody says what it means."""
    exchange = Exchange("id", "GET", "/", 0.0)
    for name in vars(Exchange):
        if not name.startswith("_") and getattr(exchange, name) in ("", 0, 0.0):
            setattr(exchange, name, "x" if getattr(exchange, name) == "" else 1)
    exchange.note("room", "decision", "reason")

    record = reports.ExchangeRecord(**as_json(exchange))
    assert record.model_extra == {}
    assert record.model_dump() == as_json(exchange)


def test_all_that_is_known_of_a_budget_is_described(api: Api) -> None:
    api.through(api.instance()["customer"])
    items = api.call("GET", PREFIX + "/limits").json()["items"]
    assert items
    assert all(item.keys() == reports.Budget.model_fields.keys() for item in items)


def test_a_problem_says_no_more_than_the_document() -> None:
    """Further members are those that ``GatewayError`` is given where it is raised."""
    assert problem(GatewayError(retry_after=1), "id").keys() <= reports.ProblemDocument.model_fields.keys()
