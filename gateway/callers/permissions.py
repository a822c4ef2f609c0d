"""May this caller do this? Every answer is a refusal with its reason, or silence (contract 2.1)."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.callers.keys import CallerKey
from gateway.errors import Forbidden
from gateway.paths import begins_with, canonical

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# With an Element token in the header Cloud Elements still serves these as the platform's own (API page 1.3): naming a customer
# must not turn a key for one customer's data into a key to everybody's instances.
_PLATFORM_EVEN_WITH_TOKEN = ("/organizations", "/authentication", "/customers")
_TOKEN_NAMES_INSTANCE = frozenset({"configuration", "docs", "enabled", "events", "objects", "transformations", "trace-logging"})


def require_environment(key: CallerKey, environment: str) -> None:
    if environment not in key.environments:
        raise Forbidden("this key is not for this environment")


def require_method(key: CallerKey, method: str) -> None:
    if key.methods and "*" not in key.methods and method not in key.methods:
        raise Forbidden(f"this key is not for the method {method}")


def require_customer(key: CallerKey, customer: str) -> None:
    if not _matches(customer, key.customers):
        raise Forbidden("this key is not for this customer")


def require_element(key: CallerKey, element: str) -> None:
    if not allows_element(key, element):
        raise Forbidden("this key is not for this element")


def allows_element(key: CallerKey, element: str) -> bool:
    return _matches(element, key.elements)


def require_scope(key: CallerKey, scope: str) -> None:
    if scope not in key.scopes:
        raise Forbidden(f"this key has no scope {scope}")


def platform_scope(method: str) -> str:
    """The scope that a platform call needs."""
    return "platform:read" if method in _READS else "platform:write"


def is_platform_path(path: str) -> bool:
    """Whether Cloud Elements serves ``path`` as the platform's own even when an Element token comes with it."""
    path = canonical(path)
    hub, _, rest = path.removeprefix("/hubs/").partition("/")
    if path.startswith("/hubs/") and hub and rest:
        path = "/" + rest
    segments = path.split("/")[1:]
    if segments[0] == "instances":
        return len(segments) == 1 or segments[1] not in _TOKEN_NAMES_INSTANCE
    if segments[0] == "elements":
        return len(segments) > 2 and segments[2] == "instances"
    return begins_with(path, _PLATFORM_EVEN_WITH_TOKEN)


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return any(glob == "*" or fnmatchcase(name, glob) for glob in globs)
