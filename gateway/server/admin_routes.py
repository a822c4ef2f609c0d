"""Every route of the admin listener (contract 1 and 4): the one table that is served, guarded, described and tested."""

from __future__ import annotations

from gateway.errors import (
    AmbiguousInstance,
    BadRequest,
    Conflict,
    MethodNotAllowed,
    NoInstance,
    NotAcceptable,
    NotFound,
    UnknownEnvironment,
)
from gateway.models import (
    CreatedKey,
    ImportReport,
    InstancePage,
    InstancePatch,
    InstanceQuery,
    KeyPage,
    KeyQuery,
    KeyRotation,
    MappedInstance,
    NewInstance,
    NewKey,
    NewPause,
    PausePage,
    PauseQuery,
    ShownKey,
    ShownPause,
)
from gateway.reports import (
    BudgetPage,
    BudgetQuery,
    CacheReport,
    ExchangeFind,
    ExchangeFollow,
    ExchangeNews,
    ExchangePage,
    ExchangeQuery,
    Explained,
    FoundPage,
    Liveness,
    Purge,
    Purged,
    Question,
    Readiness,
)
from gateway.server.routing import BULK_OCTETS, Answer, Body, Route

PREFIX = "/admin/v1"
NDJSON, CSV = "application/x-ndjson", "text/csv"
BULK = {CSV: "csv", NDJSON: "ndjson", "application/ndjson": "ndjson", "application/jsonl": "ndjson"}
METRICS = ("text/plain", "application/openmetrics-text")

FILES = ("page.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
"""All that the page at ``/docs`` consists of."""

_INSTANCE = Answer(model=MappedInstance, etag=True)


INSTANCES = (
    Route(
        "POST",
        PREFIX + "/instances",
        "add_instance",
        "Add a mapping",
        scope="admin",
        answer=Answer(status=201, model=MappedInstance, etag=True, location=PREFIX + "/instances/{handle}"),
        body=Body(model=NewInstance),
        problems=(UnknownEnvironment, Conflict),
        about="A second one for the same environment, customer and element is 409 unless its `name` differs.",
    ),
    Route(
        "GET",
        PREFIX + "/instances",
        "list_instances",
        "List mappings",
        scope="admin",
        answer=Answer(model=InstancePage),
        query=InstanceQuery,
    ),
    Route("GET", PREFIX + "/instances/{handle}", "get_instance", "Show a mapping", scope="admin", answer=_INSTANCE, problems=(NoInstance,)),
    Route(
        "PATCH",
        PREFIX + "/instances/{handle}",
        "patch_instance",
        "Change a mapping",
        scope="admin",
        answer=_INSTANCE,
        body=Body(model=InstancePatch),
        if_match=True,
        problems=(NoInstance, Conflict),
        about="What is absent stays. Calls for a disabled mapping are 404.",
    ),
    Route(
        "DELETE",
        PREFIX + "/instances/{handle}",
        "delete_instance",
        "Remove a mapping",
        scope="admin",
        answer=Answer(status=204),
        if_match=True,
        problems=(NoInstance,),
        about="Calls for it fail within two seconds.",
    ),
    Route(
        "POST",
        PREFIX + "/instances:import",
        "import_instances",
        "Add many mappings",
        scope="admin",
        answer=Answer(model=ImportReport),
        body=Body(media=BULK, most=BULK_OCTETS),
        problems=(BadRequest,),
        about="An object a line, or CSV with a header line; the fields of a new mapping. All lines or none; a refusal says in `errors` "
        "what is wrong with which line.",
    ),
    Route(
        "GET",
        PREFIX + "/instances:export",
        "export_instances",
        "Write all mappings",
        scope="admin",
        answer=Answer(media=(NDJSON, CSV)),
        problems=(NotAcceptable,),
        about="As CSV where `Accept` prefers `text/csv`, else an object a line. Never tokens.",
    ),
)

KEYS = (
    Route(
        "POST",
        PREFIX + "/keys",
        "create_key",
        "Make a caller key",
        scope="admin",
        answer=Answer(status=201, model=CreatedKey, etag=True, location=PREFIX + "/keys/{id}"),
        body=Body(model=NewKey),
        problems=(UnknownEnvironment,),
        about="Its text is shown this once, in `key`.",
    ),
    Route("GET", PREFIX + "/keys", "list_keys", "List caller keys", scope="admin", answer=Answer(model=KeyPage), query=KeyQuery),
    Route(
        "GET",
        PREFIX + "/keys/{id}",
        "get_key",
        "Show a caller key",
        scope="admin",
        answer=Answer(model=ShownKey, etag=True),
        problems=(NotFound,),
    ),
    Route(
        "POST",
        PREFIX + "/keys/{id}:rotate",
        "rotate_key",
        "Give a caller key a new secret",
        scope="admin",
        answer=Answer(model=CreatedKey, etag=True),
        body=Body(model=KeyRotation, required=False),
        if_match=True,
        problems=(NotFound,),
        about="The old secret lives on for `overlap`; the new text is shown this once, in `key`.",
    ),
    Route(
        "DELETE",
        PREFIX + "/keys/{id}",
        "revoke_key",
        "Take a caller key away",
        scope="admin",
        answer=Answer(status=204),
        if_match=True,
        problems=(NotFound,),
        about="Calls with it fail within two seconds.",
    ),
)

PAUSES = (
    Route(
        "POST",
        PREFIX + "/pauses",
        "add_pause",
        "Stop calls for a time",
        scope="admin",
        answer=Answer(status=201, model=ShownPause, location=PREFIX + "/pauses/{id}"),
        body=Body(model=NewPause),
        problems=(UnknownEnvironment, Conflict),
        about="Calls to which all applies that it names are 503 `paused`, also those that the cache could answer, until it ends by itself "
        "or is removed. At most 1000 are in force.",
    ),
    Route(
        "GET",
        PREFIX + "/pauses",
        "list_pauses",
        "List the pauses that are in force",
        scope="admin",
        answer=Answer(model=PausePage),
        query=PauseQuery,
    ),
    Route(
        "GET",
        PREFIX + "/pauses/{id}",
        "get_pause",
        "Show a pause that is in force",
        scope="admin",
        answer=Answer(model=ShownPause),
        problems=(NotFound,),
    ),
    Route(
        "DELETE",
        PREFIX + "/pauses/{id}",
        "remove_pause",
        "End a pause",
        scope="admin",
        answer=Answer(status=204),
        problems=(NotFound,),
        about="Calls go on within two seconds.",
    ),
)

RUNNING = (
    Route(
        "POST",
        PREFIX + "/cache:purge",
        "purge",
        "Drop entries of the cache",
        scope="admin",
        answer=Answer(model=Purged),
        body=Body(model=Purge, required=False),
    ),
    Route("GET", PREFIX + "/cache", "cache_report", "Show what the cache holds", scope="admin", answer=Answer(model=CacheReport)),
    Route(
        "POST",
        PREFIX + "/explain",
        "explain",
        "Explain a call without making it",
        scope="admin",
        answer=Answer(model=Explained),
        body=Body(model=Question),
        problems=(NotFound, NoInstance, UnknownEnvironment, AmbiguousInstance, MethodNotAllowed),
        about="The same as `Gateway-Explain: 1` at the data listener. A call that would be refused is refused here with the same problem.",
    ),
    Route("GET", PREFIX + "/limits", "limits", "Show live budgets", scope="admin", answer=Answer(model=BudgetPage), query=BudgetQuery),
    Route(
        "GET",
        PREFIX + "/exchanges",
        "exchanges",
        "Show the last calls",
        scope="admin",
        answer=Answer(model=ExchangePage),
        query=ExchangeQuery,
    ),
    Route(
        "GET",
        PREFIX + "/exchanges:follow",
        "follow_exchanges",
        "Follow calls",
        scope="admin",
        answer=Answer(model=ExchangeNews),
        query=ExchangeFollow,
        about="Those that ended since the answer before, the oldest first, each once; held back for `wait` seconds while there is none. "
        "Begin without a cursor, go on with `next_cursor`. Who comes so late that calls are forgotten is told how many: `missed`.",
    ),
    Route(
        "GET",
        PREFIX + "/exchanges/{request_id}",
        "find_exchanges",
        "Find a call by its id",
        scope="admin",
        answer=Answer(model=FoundPage),
        query=ExchangeFind,
        problems=(NotFound,),
        about="Whichever of its ids it is: the request id, `Elements-Request-Id` or the id of its trace. Callers may use a request id "
        "again: all that carry it are shown.",
    ),
)

ABOUT = (
    Route("GET", "/healthz", "healthz", "Does the process turn?", scope="public", answer=Answer(model=Liveness)),
    Route(
        "GET",
        "/readyz",
        "readyz",
        "May calls be sent here?",
        scope="public",
        answer=Answer(model=Readiness, also={503: "Starting or draining"}),
    ),
    Route("GET", "/metrics", "metrics", "Metrics for Prometheus", scope="public", answer=Answer(media=METRICS)),
    Route("GET", "/openapi.json", "openapi", "This document", scope="public", answer=Answer(media=("application/json",))),
    Route("GET", "/docs", "docs", "This document as a page", scope="public", answer=Answer(media=("text/html",))),
    Route(
        "GET",
        "/docs/{file}",
        "docs_file",
        "What the page consists of",
        scope="public",
        answer=Answer(media=("text/javascript", "text/css", "image/png")),
        problems=(NotFound,),
    ),
)

ROUTES: tuple[Route, ...] = INSTANCES + KEYS + PAUSES + RUNNING + ABOUT
"""In the order in which the document shows them."""
