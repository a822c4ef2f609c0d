"""The OpenAPI 3.1 document: made from the table of routes and from the very models that validate what comes and shape what goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema

from gateway import __version__
from gateway.errors import GatewayError
from gateway.reports import ProblemDocument
from gateway.server.admin_routes import FILES, ROUTES
from gateway.server.examples import EXAMPLES
from gateway.server.problems import CONTENT_TYPE, headers_of
from gateway.server.routing import Answer, Body, Route

_REF = "#/components/schemas/{model}"
_ABOUT = """What operators and their programs can do with a running gateway. The command line does the same with the same shapes.

Every call under `/admin/v1` needs a caller key with the scope that it names. Unknown fields and query parameters are refused. Errors
are `application/problem+json`. A list is `{"items": […], "next_cursor": …}`: hand the cursor back for the next page; it is null on the
last one. `If-Match` with the `ETag` of what was read makes a change conditional: 412 where somebody else was faster."""
PARAMETERS = {
    "handle": ("The mapping's handle", {"type": "string", "examples": ["gwi_0a1b2c3d4e5f6g7h8i9j0k1l"]}),
    "id": ("The id of the key or of the pause", {"type": "string", "examples": ["0a1b2c3d4e5f"]}),
    "request_id": ("Any id that the call carries", {"type": "string", "examples": ["8d24be61f0c93a7715de5f1c0a7e930b"]}),
    "file": ("A file's name", {"type": "string", "enum": list(FILES)}),
}
_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "Only if it still has this ETag",
    "schema": {"type": "string", "examples": ['"0123456789abcdef0123456789abcdef"', "*"]},
}
_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "X-Request-Id": ("What the log calls this request", {"type": "string"}),
    "ETag": ("Which version this is, for `If-Match`", {"type": "string"}),
    "Location": ("Where it is", {"type": "string", "format": "uri-reference"}),
    "Retry-After": ("Seconds until it is worth another try", {"type": "integer", "minimum": 1}),
    "WWW-Authenticate": ("How to show who asks", {"type": "string"}),
}


class _Schemas(GenerateJsonSchema):
    """Models as people read them: no titles that say the name again, no ``null`` as a default where absent means something else."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {name: value for name, value in found.items() if (name, value) != ("default", None)}


def document(routes: Sequence[Route] = ROUTES) -> dict[str, Any]:
    """The whole document for ``routes``."""
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Gateway: the admin API", "version": __version__, "description": _ABOUT, "license": {"name": "Apache-2.0"}},
        "servers": [{"url": "/", "description": "The admin listener"}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer gwk_…`"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "`X-Api-Key: gwk_…`"},
            },
        },
    }


_TAGS = {
    "instances": "Mappings: which customer has which instance of which element, and with which token it is called",
    "keys": "Caller keys: who may call what",
    "pauses": "Pauses: which calls are stopped for a time",
    "running": "What happens now: cache, budgets, calls",
    "listener": "Health, metrics and this document; without a key",
}


def tag(route: Route) -> str:
    """Under which heading a route is shown."""
    if route.scope == "public":
        return "listener"
    first = route.path.split("/")[3].partition(":")[0]
    return first if first in _TAGS else "running"


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.verb,
        "tags": [tag(route)],
        "summary": route.summary,
        "parameters": [*_path(route), *_query(route), *([_IF_MATCH] if route.if_match else [])],
        "security": [] if route.scope == "public" else [{"bearer": [route.scope]}, {"apiKey": [route.scope]}],
        "responses": _responses(route),
    }
    if route.about:
        operation["description"] = route.about
    if route.body:
        operation["requestBody"] = _request_body(route.body)
    return operation


def _path(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": PARAMETERS[name][0], "schema": PARAMETERS[name][1]}
        for name in route.parameters
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    properties = route.query.model_json_schema(schema_generator=_Schemas).get("properties", {})
    return [
        {"name": name, "in": "query", "required": False, "description": schema.pop("description", ""), "schema": _not_null(schema)}
        for name, schema in properties.items()
    ]


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query parameter is there or it is not: ``null`` would be the text "null"."""
    forms = [form for form in schema.pop("anyOf", ()) if form != {"type": "null"}]
    return schema | (forms[0] if forms else {})


def _request_body(body: Body) -> dict[str, Any]:
    if body.model is not None:
        content: dict[str, Any] = {"application/json": {"schema": _ref(body.model)}}
    else:
        content = {media: {"schema": {"type": "string"}, "examples": _bulk_example(kind)} for media, kind in body.media.items()}
    return {"required": body.required, "content": content}


def _bulk_example(kind: str) -> dict[str, Any]:
    line = '{"environment": "dev", "customer": "acme", "element": "hubspot", "token": "…"}\n'
    table = "environment,customer,element,token\ndev,acme,hubspot,…\n"
    return {"one": {"value": table if kind == "csv" else line}}


def _responses(route: Route) -> dict[str, Any]:
    answer = route.answer
    fields = ["X-Request-Id", *(["ETag"] if answer.etag else []), *(["Location"] if answer.location else [])]
    found = {str(answer.status): _response(_phrase(answer.status), _content(answer), fields)}
    found |= {str(status): _response(about, _content(answer), ["X-Request-Id"]) for status, about in answer.also.items()}
    for status, kinds in groupby(sorted(set(route.all_problems), key=lambda kind: (kind.status, kind.slug)), lambda kind: kind.status):
        found[str(status)] = problem_response(list(kinds))
    return found


def problem_response(kinds: Sequence[type[GatewayError]]) -> dict[str, Any]:
    """How one status says what went wrong, whichever of ``kinds`` it is."""
    said = {name for kind in kinds for name, _ in headers_of(kind()) if name in _FIELDS}
    about = "; ".join(dict.fromkeys(f"`{kind.slug}`: {kind('').title}" for kind in kinds))
    return _response(about, {CONTENT_TYPE: {"schema": _ref(ProblemDocument)}}, ["X-Request-Id", *sorted(said)])


def _response(about: str, content: dict[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    headers = {name: {"description": _FIELDS[name][0], "schema": _FIELDS[name][1]} for name in fields}
    return {"description": about, "headers": headers} | ({"content": content} if content else {})


def _content(answer: Answer) -> dict[str, Any]:
    if answer.model is not None:
        return {"application/json": {"schema": _ref(answer.model)}}
    return {media: {} for media in answer.media}


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(routes: Sequence[Route]) -> dict[str, JsonSchemaValue]:
    taken = {route.body.model for route in routes if route.body and route.body.model}
    given = {route.answer.model for route in routes if route.answer.model} | {ProblemDocument}
    modes: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in taken]
    modes += [(model, "serialization") for model in given]
    modes.sort(key=lambda one: one[0].__name__)
    _, definitions = models_json_schema(modes, ref_template=_REF, schema_generator=_Schemas)
    return {name: _readable(schema) | {"examples": [EXAMPLES[name]]} for name, schema in sorted(definitions["$defs"].items())}


def _readable(schema: JsonSchemaValue) -> JsonSchemaValue:
    """``schema`` with its description as Markdown."""
    return schema | {"description": schema["description"].replace("``", "`")}
