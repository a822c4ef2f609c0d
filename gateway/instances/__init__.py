"""For whom, and with which token? From what a caller named to the target of the call (contract 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Protocol

from gateway.callers import Caller, permissions
from gateway.callers.keys import CallerKey
from gateway.errors import AmbiguousInstance, BadRequest, NoInstance, UnknownEnvironment
from gateway.exchange import Environment, Exchange, Instance, Request, Target
from gateway.instances.address import Address, address_of, creates_instance
from gateway.paths import hub_of, without_hub


class InstanceStore(Protocol):
    """What this room needs to know of mappings."""

    async def by_handle(self, handle: str) -> Instance | None: ...

    async def of_customer(self, environment: str, customer: str) -> tuple[Instance, ...]: ...

    async def handle_of(self, environment: str, token: str) -> str | None: ...

    @property
    def generation(self) -> int:
        """Another number whenever what was said of mappings may be true no more."""
        ...


_Named = tuple[object, ...]
_MOST_REMEMBERED = 4096


class Resolver:
    """The room's one object: resolves a request to an environment and an instance, within what the caller's key allows."""

    def __init__(
        self,
        environments: Mapping[str, Environment],
        default_environment: str | None,
        store: InstanceStore,
        hubs: Callable[[str], Container[str]] = lambda element: (),
    ) -> None:
        """``hubs`` tells where an element belongs whose mapping does not say it."""
        self._environments = environments
        self._default = default_environment
        self._store = store
        self._hubs = hubs
        self._generation = -1
        self._remembered: dict[_Named, tuple[CallerKey, Environment, Instance]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the configured environments."""
        return tuple(self._environments)

    async def resolve(self, request: Request, caller: Caller, exchange: Exchange) -> Target:
        """The target of the call.

        Raises ``UnknownEnvironment``, ``NoInstance``, ``AmbiguousInstance`` (with candidates), ``Forbidden`` or ``BadRequest``.
        """
        key = caller.key
        permissions.require_method(key, request.method)
        known = self._recall(request, caller)
        if known is not None and request.method != "POST":
            environment, instance = known
            self._require_path(request, key)
            return self._target(environment, instance, request, key, exchange)
        generation = self._store.generation
        address = address_of(request, caller.organization, caller.element)
        if not address.names_instance or creates_instance(request.method, request.path):
            return await self._platform(request, key, address, exchange)
        permissions.require_scope(key, "hub")
        self._require_path(request, key)
        if address.handle is not None:
            environment, instance = await self._by_handle(address, key, exchange)
        else:
            environment, instance = await self._by_name(request, address, key, exchange)
        if instance.disabled:
            raise NoInstance("this instance is disabled")
        if address.handle is not None or address.element is not None:  # else the path may decide
            self._remember(request, caller, environment, instance, generation)
        return self._target(environment, instance, request, key, exchange)

    def is_certain(self, request: Request, caller: Caller) -> bool:
        """Whether the instance is named such that the path has no say in it."""
        address = address_of(request, caller.organization, caller.element)
        return address.handle is not None or address.element is not None

    def _target(self, environment: Environment, instance: Instance, request: Request, key: CallerKey, exchange: Exchange) -> Target:
        exchange.environment, exchange.customer = environment.name, instance.customer
        exchange.element, exchange.handle = instance.element, instance.handle
        return Target(environment, instance, _resource(without_hub(request.path)), key)

    def _require_path(self, request: Request, key: CallerKey) -> None:
        if permissions.is_platform_path(request.path):
            permissions.require_scope(key, permissions.platform_scope(request.method))

    def _recall(self, request: Request, caller: Caller) -> tuple[Environment, Instance] | None:
        """What the same names, said with the same key, meant before, if no key and no mapping has changed since."""
        if self._store.generation != self._generation:
            self._generation = self._store.generation
            self._remembered.clear()
        found = self._remembered.get(_named(request, caller))
        return found[1:] if found is not None and found[0] is caller.key else None

    def _remember(self, request: Request, caller: Caller, environment: Environment, instance: Instance, generation: int) -> None:
        if generation == self._store.generation == self._generation and len(self._remembered) < _MOST_REMEMBERED:
            self._remembered[_named(request, caller)] = (caller.key, environment, instance)

    async def _platform(self, request: Request, key: CallerKey, address: Address, exchange: Exchange) -> Target:
        if address.handle is not None:
            environment, _ = await self._by_handle(address, key, exchange)
            exchange.environment = environment.name
        else:
            environment = self._environment(address.environment, key, exchange)
        exchange.element = "platform"
        permissions.require_scope(key, permissions.platform_scope(request.method))
        if address.customer is not None:
            permissions.require_customer(key, address.customer)
        return Target(environment, None, _resource(request.path), key)

    def _environment(self, name: str | None, key: CallerKey, exchange: Exchange) -> Environment:
        """The one named, else the key's only one, else the configured default."""
        if name is None:
            name = key.environments[0] if len(key.environments) == 1 else self._default
            if name is None:
                raise BadRequest("say which environment: Gateway-Environment, or /e/{environment} before the path")
        environment = self._environments.get(name)
        if environment is None:
            # The name is not repeated: an unmodified client may have sent a real organization secret in its place.
            raise UnknownEnvironment("the environment that this call names is not configured")
        permissions.require_environment(key, environment.name)
        exchange.environment = environment.name
        return environment

    async def _by_handle(self, address: Address, key: CallerKey, exchange: Exchange) -> tuple[Environment, Instance]:
        instance = await self._store.by_handle(address.handle) if address.handle else None
        # A handle of an environment that the key does not list, or that the call does not name, does not exist for it.
        if (
            instance is None
            or instance.environment not in key.environments
            or instance.environment not in self._environments
            or address.environment not in (None, instance.environment)
        ):
            if address.environment is not None:
                self._environment(address.environment, key, exchange)
            raise NoInstance("no mapping has this handle")
        permissions.require_customer(key, instance.customer)
        permissions.require_element(key, instance.element)
        return self._environments[instance.environment], instance

    async def _by_name(self, request: Request, address: Address, key: CallerKey, exchange: Exchange) -> tuple[Environment, Instance]:
        environment = self._environment(address.environment, key, exchange)
        exchange.customer = customer = address.customer or ""
        permissions.require_customer(key, customer)
        if address.element is not None:
            permissions.require_element(key, address.element)
        found = await self._store.of_customer(environment.name, customer)
        candidates = [
            instance
            for instance in found
            if not instance.disabled and permissions.allows_element(key, instance.element) and address.element in (None, instance.element)
        ]
        if len(candidates) > 1 and address.element is None and (hub := hub_of(request.path)):
            candidates = [instance for instance in candidates if self._is_of(instance, hub)] or candidates
        if len(candidates) > 1:
            raise AmbiguousInstance(
                "name the element (Gateway-Element) or the instance (Gateway-Instance)",
                candidates=[{"handle": one.handle, "element": one.element, "name": one.name} for one in candidates],
            )
        if not candidates:
            raise NoInstance(_nothing(found, address, environment))
        return environment, candidates[0]

    def _is_of(self, instance: Instance, hub: str) -> bool:
        return hub in self._hubs(instance.element) if instance.hub is None else instance.hub == hub


def _named(request: Request, caller: Caller) -> _Named:
    """Everything that an address is read from."""
    said = request.headers.index.get
    return (
        caller.key.id,
        request.prefix,
        said("gateway-environment"),
        said("gateway-customer"),
        said("gateway-element"),
        said("gateway-instance"),
        caller.organization,
        caller.element,
    )


def _nothing(found: tuple[Instance, ...], address: Address, environment: Environment) -> str:
    what = f"no instance of {address.element}" if address.element else "no instance"
    disabled = [one for one in found if one.disabled and address.element in (None, one.element)]
    return f"{address.customer} has {what} in {environment.name}" + (" that is not disabled" if disabled else "")


def _resource(path: str) -> str:
    return path or "/"
