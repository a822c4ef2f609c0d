"""Element instances (API page 3.2): created with a token, changed, disabled, deleted; a token lives exactly as long as its instance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.sandbox.call import ApiError, Row
from gateway.sandbox.catalog import SECRET_KEYS, Element, element_document, find_element
from gateway.sandbox.draw import timestamp
from gateway.sandbox.provider import Provider
from gateway.sandbox.records import Records

MASK = "********"
FIRST_ID = 481101
USER = {"id": 90210, "emailAddress": "ops@sandbox.test", "firstName": "Ana", "lastName": "Ops"}
_OWN_TOKENS = "initial"  # API page 7.4


@dataclass(slots=True)
class Instance:
    """``configuration`` holds the values as given, secrets unmasked; ``provider`` is what stands behind it."""

    id: int
    name: str
    element: Element
    token: str = field(repr=False)
    tags: list[str]
    configuration: dict[str, str] = field(repr=False)
    created: str
    provider: Provider = field(repr=False)
    external: str = "none"
    disabled: bool = False
    traced_until: datetime | None = field(default=None, repr=False)

    @property
    def records(self) -> Records:
        """The provider's rows."""
        return self.provider.records

    def shown(self, row: Row) -> Row:
        """``row`` as the configuration shows it: null fields dropped unless it says otherwise (API page 3.2)."""
        if self.configuration.get("filter.response.nulls") == "false":
            return row
        return {key: value for key, value in row.items() if value is not None}

    def document(self) -> Row:
        """The instance object of API page 3.2, secrets masked."""
        return {
            "id": self.id,
            "name": self.name,
            "createdDate": self.created,
            "token": self.token,
            "element": element_document(self.element),
            "elementId": self.element.id,
            "tags": list(self.tags),
            "provisionInteractions": [],
            "valid": True,
            "disabled": self.disabled,
            "maxCacheSize": 0,
            "cacheTimeToLive": 0,
            "configuration": {key: MASK if key in SECRET_KEYS else value for key, value in self.configuration.items()},
            "eventsEnabled": self.configuration.get("event.notification.enabled") == "true",
            "traceLoggingEnabled": self.traced_until is not None,
            "cachingEnabled": False,
            "externalAuthentication": self.external,
            "user": dict(USER),
        }

    def change(self, body: Row) -> None:
        """PATCH: name, tags (all of them) and configuration (merged). Raises ``ApiError`` 400, and then nothing has changed."""
        name, tags = _name(body, self.name), _tags(body, self.tags)
        self.configuration |= self._given(body)
        self.name, self.tags = name, tags

    def replace(self, body: Row) -> None:
        """PUT: as if created anew, but with the same id, token and element."""
        configuration = complete_configuration(self.element, self._given(body), _external(body))
        self.name, self.tags = _name(body, self.element.name), _tags(body, [])
        self.configuration, self.external = configuration, _external(body)

    def _given(self, body: Row) -> dict[str, str]:
        """The configuration of ``body``; a mask that a client sends back stands for the value it hides."""
        given = _configuration(body)
        return {key: self.configuration.get(key, value) if value == MASK and key in SECRET_KEYS else value for key, value in given.items()}


class Instances:
    """Every instance by id and by token. ``provider`` makes what stands behind a new one, by element and name; ``mint`` its token, by
    name and id."""

    def __init__(self, now: Callable[[], datetime], provider: Callable[[Element, str], Provider], mint: Callable[[str, int], str]) -> None:
        self._now = now
        self._provider = provider
        self._mint = mint
        self._by_id: dict[int, Instance] = {}
        self._by_token: dict[str, Instance] = {}
        self._next_id = FIRST_ID
        self._renewals = 0

    def __iter__(self) -> Iterator[Instance]:
        return iter(list(self._by_id.values()))

    def with_token(self, token: str | None) -> Instance | None:
        return self._by_token.get(token or "")

    def get(self, id_: str) -> Instance:
        """Raises ``ApiError`` 404."""
        instance = self._by_id.get(int(id_)) if id_.isascii() and id_.isdigit() and len(id_) < 19 else None
        if instance is None:
            raise ApiError(404, f"No element instance found with ID {id_[:40]}")
        return instance

    def named(self, id_or_name: str) -> Instance:
        """By id, else the oldest of that name; raises ``ApiError`` 404."""
        found = next((instance for instance in self if instance.name == id_or_name), None)
        return found or self.get(id_or_name)

    def create(self, body: Row, element: Element | None = None, token: str | None = None) -> Instance:
        """A new instance from the body of POST /instances (``element`` where the path names it), with a new token unless one is given.

        Raises ``ApiError`` 400 where the element or a required configuration value is missing, 404 for an unknown element.
        """
        element = element or _element(body)
        external = _external(body)
        name, tags = _name(body, element.name), _tags(body, [])
        configuration = complete_configuration(element, _configuration(body), external)
        id_, self._next_id = self._next_id, self._next_id + 1
        token = token or self._mint(name, id_)
        provider = self._provider(element, name)
        instance = Instance(id_, name, element, token, tags, configuration, timestamp(self._now()), provider, external)
        self._by_id[id_] = self._by_token[token] = instance
        return instance

    def delete(self, instance: Instance) -> None:
        del self._by_id[instance.id]
        self.refuse(instance)

    def refuse(self, instance: Instance) -> None:
        """Its token is not taken any more, though the instance still shows it."""
        self._by_token.pop(instance.token, None)

    def give(self, instance: Instance, token: str | None) -> None:
        """``token``, else a new one, is the instance's; the old one is dead. Raises ``ApiError`` 400 where it is another's."""
        self._renewals += token is None
        token = token or self._mint(f"{instance.name}/{self._renewals}", instance.id)
        if self._by_token.get(token, instance) is not instance:
            raise ApiError(400, "token: another instance has it")
        self.refuse(instance)
        instance.token = token
        self._by_token[token] = instance


def complete_configuration(element: Element, given: dict[str, str], external: str = "none") -> dict[str, str]:
    """``given`` over the element's defaults. Raises ``ApiError`` 400 naming what is missing (API page 7.3, 7.4)."""
    required = element.required
    if external == _OWN_TOKENS:
        required = tuple("oauth.user.token" if key == "oauth.callback.url" else key for key in required)
    missing = [key for key in required if not given.get(key)]
    if missing:
        raise ApiError(400, f"Missing required configuration: {', '.join(missing)}")
    return element.defaults() | given


def sanitised(text: str) -> str:
    """``text`` without its HTML tags; what they enclose stays (API page 3.2)."""
    return re.sub(r"<[^>]*>", "", text)


def _element(body: Row) -> Element:
    wanted = body.get("element")
    key = wanted.get("key", wanted.get("id")) if isinstance(wanted, dict) else None
    if not isinstance(key, (str, int)) or not key:
        raise ApiError(400, "Missing required field: element.key")
    element = find_element(str(key))
    if element is None:
        raise ApiError(404, f"No element found with key {str(key)[:40]}")
    return element


def _name(body: Row, default: str) -> str:
    name = body.get("name", default)
    if not isinstance(name, str) or not sanitised(name).strip():
        raise ApiError(400, "Invalid value for name: expected text")
    return sanitised(name)


def _tags(body: Row, default: list[str]) -> list[str]:
    tags = body.get("tags", default)
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ApiError(400, "Invalid value for tags: expected a list of texts")
    return [sanitised(tag) for tag in tags]


def _external(body: Row) -> str:
    return _OWN_TOKENS if body.get("externalAuthentication") == _OWN_TOKENS else "none"


def _configuration(body: Row) -> dict[str, str]:
    """Values are text, even truths and numbers (API page 3.2)."""
    given = body.get("configuration", {})
    if not isinstance(given, dict):
        raise ApiError(400, "Invalid value for configuration: expected an object")
    return {key: _text(value) for key, value in given.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ApiError(400, "Invalid value in configuration: expected text, a number or a truth value")
