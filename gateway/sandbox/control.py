"""``/sandbox/**``: how a test or a person turns the dials, reads what arrived, changes data behind the API, and goes back to the seed.

It lies outside of the API, asks for no secrets, and leaves no entry in ``/usage`` or among the requests. ``docs/sandbox.md`` tells
each route at length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.sandbox import backdoor
from gateway.sandbox.call import Answer, ApiError, Call
from gateway.sandbox.catalog import find_element
from gateway.sandbox.platform.oauth import provider_answer
from gateway.sandbox.state import Sandbox

PREFIX = "/sandbox/"
ROUTES: Mapping[str, str] = {
    "GET /sandbox": "this list",
    "GET, PUT, DELETE /sandbox/dials": "how calls misbehave, by element; PUT replaces every dial, DELETE takes all off",
    "GET, PUT, DELETE /sandbox/limits": "the providers' limits: whether they hold, figures, what is spent; DELETE puts them back",
    "GET, PUT, DELETE /sandbox/secrets": "the secrets that are taken; PUT says which, DELETE puts those of the start back",
    "GET, DELETE /sandbox/requests": "what arrived; ?since=, element=, instance= and method= narrow it, DELETE starts anew",
    "POST /sandbox/reset": "the seed again: data, instances and tokens; dials off, limits and secrets as at the start, requests from zero",
    "GET /sandbox/instances": "the instances, by id and name",
    "DELETE /sandbox/instances/{id or name}": "delete one; its token dies",
    "PUT, DELETE /sandbox/instances/{id or name}/token": "PUT gives it a token, a new one where none is said; DELETE has its token refused",
    "GET, POST /sandbox/instances/{id or name}/{resource}": "the rows of an instance, behind the back of the API",
    "GET, PUT, PATCH, DELETE /sandbox/instances/{id or name}/{resource}/{row}": "one of them",
    "PUT, DELETE /sandbox/instances/{id or name}/files?path=": "a file of an instance of the documents hub; PUT takes its octets",
    "GET /sandbox/provider/{element}/authorize": "the provider's page that an oauthUrl leads to; &deny=true refuses",
}


def control_answer(sandbox: Sandbox, path: str, call: Call) -> Answer:
    """``path`` is raw. Raises ``ApiError``."""
    match [segment for segment in path.removeprefix("/sandbox").split("/") if segment]:
        case []:
            call.allow("GET")
            return Answer(dict(ROUTES))
        case [name] if name in _HANDLERS:
            return _HANDLERS[name](sandbox, call)
        case ["instances", *rest]:
            return backdoor.backdoor_answer(sandbox, call, rest)
        case ["provider", key, "authorize"] if element := find_element(key):
            return provider_answer(call, element)
    raise ApiError(404, f"Nothing at {path[:100]}; GET /sandbox lists what is there")


def _dials(sandbox: Sandbox, call: Call) -> Answer:
    call.allow("GET", "PUT", "DELETE")
    if call.method == "PUT":
        sandbox.dials.load(call.json())
    if call.method == "DELETE":
        sandbox.dials.clear()
    return Answer(sandbox.dials.settings())


def _limits(sandbox: Sandbox, call: Call) -> Answer:
    call.allow("GET", "PUT", "DELETE")
    if call.method == "PUT":
        sandbox.limits.load(call.json())
    if call.method == "DELETE":
        sandbox.limits.reset()
    return Answer(sandbox.limits.document(sandbox.now().timestamp()))


def _secrets(sandbox: Sandbox, call: Call) -> Answer:
    call.allow("GET", "PUT", "DELETE")
    if call.method == "PUT":
        sandbox.secrets.load(call.json())
    if call.method == "DELETE":
        sandbox.secrets.reset()
    return Answer(sandbox.secrets.document())


def _requests(sandbox: Sandbox, call: Call) -> Answer:
    call.allow("GET", "DELETE")
    if call.method == "DELETE":
        sandbox.journal.clear()
    since = call.param("since") or "0"
    if not (since.isascii() and since.isdigit() and len(since) < 16):
        raise ApiError(400, f"since: expected a call's number, found {since[:20]}")
    return Answer(sandbox.journal.document(int(since), call.param("element"), call.param("instance"), call.param("method")))


def _reset(sandbox: Sandbox, call: Call) -> Answer:
    call.allow("POST")
    sandbox.reset()
    return Answer({"seed": sandbox.seed})


_HANDLERS: Mapping[str, Callable[[Sandbox, Call], Answer]] = {
    "dials": _dials,
    "limits": _limits,
    "requests": _requests,
    "reset": _reset,
    "secrets": _secrets,
}
