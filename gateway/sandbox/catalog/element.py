"""What we know of one element: how it is connected, what it holds, how its provider spells and numbers things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from types import MappingProxyType
from typing import Literal

from gateway.sandbox.call import Row
from gateway.sandbox.catalog.fields import references
from gateway.sandbox.listing import MAX_PAGE

Style = Literal["camel", "pascal", "snake"]


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource: the provider's name for it, and how the provider's ids of it begin."""

    vendor: str
    prefix: str = ""


@dataclass(frozen=True)
class Element:
    """``required`` are the configuration keys without which no instance can be made. ``id_form`` is a format of the provider's ids
    over ``prefix``, ``n`` (the row's number), ``digest`` and ``upper`` (64 hex digits) and ``number`` (up to 15 digits). ``spelling``
    maps our field names to the provider's, ``style`` is how it writes all others. ``by_path``: files are known by their path."""

    id: int
    key: str
    name: str
    hub: str
    authentication: str
    required: tuple[str, ...]
    resources: Mapping[str, Resource]
    id_form: str = "{number}"
    spelling: Mapping[str, str] = field(default_factory=dict)
    style: Style = "camel"
    max_page: int = MAX_PAGE
    provider_page: int = 100
    by_path: bool = False

    def defaults(self) -> dict[str, str]:
        """The configuration of an instance for which nothing was said."""
        return {
            "base.url": f"https://{self.key}.provider.example",
            "event.notification.enabled": "false",
            "event.vendor.type": "polling",
            "filter.response.nulls": "true",
            "pagination.max": str(self.provider_page),
            "pagination.type": "page",
        }

    def spelled_name(self, name: str) -> str:
        """A field's name as the provider writes it."""
        return self.spelling.get(name) or _STYLES[self.style](name)

    def spelled(self, row: Row) -> Row:
        """``row`` with the provider's field names."""
        return {self.spelled_name(name): value for name, value in row.items()}

    def row_id(self, salt: str, resource: str, n: int) -> str:
        """The provider's id of the ``n``-th row (from 1) that ``salt`` has of a resource."""
        digest = sha256(f"{salt}/{resource}/{n}".encode()).hexdigest()
        prefix = self.resources[resource].prefix
        return self.id_form.format(prefix=prefix, n=n, digest=digest, upper=digest.upper(), number=int(digest[:12], 16))

    def resource_named(self, name: str) -> str | None:
        """Our name of a resource, by ours or by the provider's in any case (API page 4.1: discovery takes vendor names)."""
        return name if name in self.resources else self._by_vendor.get(name.lower())

    @cached_property
    def children(self) -> Mapping[str, Mapping[str, str]]:
        """For each resource those below it, with the field by which their rows name their parent."""
        return {
            parent: MappingProxyType(
                {child: references(child)[parent] for child in self.resources if child != parent and parent in references(child)}
            )
            for parent in self.resources
        }

    @cached_property
    def _by_vendor(self) -> Mapping[str, str]:
        return {resource.vendor.lower(): name for name, resource in self.resources.items()}


def singular(resource: str) -> str:
    """``company`` of ``companies``, ``status`` of ``statuses``; a name that is no plural stays."""
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("uses", "us"), ("ss", "ss"), ("s", "")):
        if resource.endswith(ending):
            return resource.removesuffix(ending) + replacement
    return resource


def vendor_name(resource: str) -> str:
    """``LedgerAccount`` of ``ledger-accounts``: what a provider calls it unless we know better."""
    return "".join(word.capitalize() for word in singular(resource).split("-"))


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


_STYLES: Mapping[Style, Callable[[str], str]] = {"camel": str, "pascal": _pascal, "snake": _snake}
