"""``/sandbox/**``: how a test or a person turns the dials, reads what arrived, and goes back to the seed.

It lies outside of the API and asks for no secrets.

======  =====================  ==========================================================================
PUT     /sandbox/dials         all dials: ``{"hubspot": {"latency": 0.2, "rate_limit": {"next": 2}}, …}``
GET     /sandbox/dials         as they stand
DELETE  /sandbox/dials         all off
GET     /sandbox/requests      ``{"count": 2, "calls": [{method, target, element, instance, headers}, …]}``
DELETE  /sandbox/requests      from zero
POST    /sandbox/reset         the seed again; dials off, requests from zero
======  =====================  ==========================================================================
"""

from __future__ import annotations

from gateway.sandbox.call import Answer, Call, not_found
from gateway.sandbox.state import Sandbox

PREFIX = "/sandbox/"


def control_answer(sandbox: Sandbox, path: str, call: Call) -> Answer:
    """Raises ``ApiError``."""
    match path.removeprefix(PREFIX):
        case "dials":
            call.allow("GET", "PUT", "DELETE")
            return _dials(sandbox, call)
        case "requests":
            call.allow("GET", "DELETE")
            if call.method == "DELETE":
                sandbox.journal.clear()
            return Answer(sandbox.journal.document())
        case "reset":
            call.allow("POST")
            sandbox.reset()
            return Answer({"seed": sandbox.seed})
    raise not_found()


def _dials(sandbox: Sandbox, call: Call) -> Answer:
    if call.method == "PUT":
        sandbox.dials.load(call.json())
    if call.method == "DELETE":
        sandbox.dials.clear()
    return Answer(sandbox.dials.settings())
