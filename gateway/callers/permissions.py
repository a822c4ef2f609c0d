"""May this caller do this? Every answer is a refusal with its reason, or silence (contract 2.1)."""

from __future__ import annotations

from fnmatch import fnmatchcase

from gateway.callers.keys import CallerKey
from gateway.errors import Forbidden
from gateway.paths import families

_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# With an Element token in the header Cloud Elements still serves these as the platform's own (API page 1.3): naming a customer
# must not turn a key for one customer's data into a key to everybody's instances.
_PLATFORM_EVEN_WITH_TOKEN = frozenset({"organizations", "authentication", "formulas", "audit-logs", "common-resources"})
_TOKEN_NAMES_INSTANCE = frozenset({"configuration", "docs", "enabled", "events", "objects", "transformations", "trace-logging"})


def require_environment(key: CallerKey, environment: str) -> None:
    if environment not in key.environments:
        raise Forbidden("this key is not for this environment")


def require_method(key: CallerKey, method: str) -> None:
    if "*" not in key.methods and method not in key.methods:
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
    first, *below = families(path)
    if first == "instances":
        return not below or below[0] not in _TOKEN_NAMES_INSTANCE
    if first == "elements":
        return "instances" in below
    return first in _PLATFORM_EVEN_WITH_TOKEN


def _matches(name: str, globs: tuple[str, ...]) -> bool:
    return "*" in globs or any(fnmatchcase(name, glob) for glob in globs)
