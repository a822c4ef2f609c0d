"""Who is asking? The three ways in which a caller shows its key (contract 2.1), and the certificate of its connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.authorization import Credentials, parse
from gateway.callers import keys
from gateway.callers.certificates import Certificate, Certificates
from gateway.callers.keys import CallerKey
from gateway.errors import Unauthenticated
from gateway.exchange import Headers


class KeyStore(Protocol):
    """What this room needs to know of keys."""

    async def by_id(self, key_id: str) -> CallerKey | None: ...

    def used(self, key_id: str, now: float) -> None: ...

    @property
    def generation(self) -> int:
        """Another number whenever what was said of keys may be true no more."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the key, and what else the Authorization header named (contract 2.1, form 3)."""

    key: CallerKey
    organization: str | None = field(default=None, repr=False)
    element: str | None = field(default=None, repr=False)


_NOTHING = Credentials()
_MOST_PROVEN = 4096
_HOW = "send Authorization: Bearer gwk_…, or X-Api-Key: gwk_…, or Authorization: User gwk_…, Organization <environment>, Element <handle>"


class Callers:
    """The room's one object. ``clock`` is the wall clock: keys expire by the calendar."""

    def __init__(self, store: KeyStore, clock: Callable[[], float], certificates: Certificates | None = None) -> None:
        self._store = store
        self._certificates = certificates or Certificates({})
        self._clock = clock
        self._generation = -1
        self._proven: dict[str, CallerKey] = {}  # texts whose digest was compared, since the store last changed

    async def identify(self, headers: Headers, certificate: Certificate | None = None) -> Caller:
        """The caller behind these headers; ``Unauthenticated`` if its key is missing, unknown, wrong, expired or revoked.

        All failures read alike and cost the same work: who guesses learns nothing (threats 23, 24). ``certificate`` is that of the
        connection: it speaks where no key is shown, so that one certificate can carry the calls of several keys.
        """
        text, credentials = _shown(headers)
        now = self._clock()
        if text is None:
            return Caller(await self._certified(certificate, headers, now), credentials.organization, credentials.element)
        if self._store.generation != self._generation:
            self._generation = self._store.generation
            self._proven.clear()
        generation = self._generation
        proven = self._proven.get(text)
        if proven is not None and (proven.expires_at is None or now < proven.expires_at):
            self._store.used(proven.id, now)
            return Caller(proven, credentials.organization, credentials.element)
        parsed = keys.parse(text)
        key = await self._store.by_id(parsed[0]) if parsed else None
        if not keys.matches(key or keys.DUMMY, text, now) or key is None:
            raise Unauthenticated(_HOW)
        if key.previous_digest is None and generation == self._store.generation and len(self._proven) < _MOST_PROVEN:
            self._proven[text] = key  # a rotated key's two texts end at different times: those are compared each time
        self._store.used(key.id, now)
        return Caller(key, credentials.organization, credentials.element)

    async def _certified(self, certificate: Certificate | None, headers: Headers, now: float) -> CallerKey:
        """The key that ``certificate`` stands for."""
        key_id = None if certificate is None else self._certificates.key_id(certificate, headers, now)
        key = None if key_id is None else await self._store.by_id(key_id)
        if key is None or (key.expires_at is not None and now >= key.expires_at):
            raise Unauthenticated(_HOW)
        self._store.used(key.id, now)
        return key


def _shown(headers: Headers) -> tuple[str | None, Credentials]:
    """The text of the key that is shown, None if there is none, and what else the Authorization header names."""
    authorization = headers.get("authorization")
    credentials = _NOTHING
    if authorization is not None:
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return rest.strip(), credentials
        credentials = parse(authorization) or _NOTHING
        if not (credentials.user or credentials.organization or credentials.element):
            raise Unauthenticated(_HOW)
    api_key = headers.get("x-api-key")
    if api_key is not None:
        return api_key, credentials
    return credentials.user, credentials
