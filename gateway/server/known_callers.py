"""The callers whose heads are known: who calls with such fields, for which instance, and what of them goes up (``fastforward.py``)."""

from __future__ import annotations

import re
from dataclasses import replace
from math import inf

from gateway.cache.key import key_of, negotiated
from gateway.cache.policy import Decision
from gateway.callers.keys import CallerKey
from gateway.errors import GatewayError
from gateway.exchange import Exchange, Request
from gateway.paths import PREFIX
from gateway.pipeline import Pipeline
from gateway.server.fastpath import make_room
from gateway.server.forms import Forms
from gateway.server.heads import HEAD_END, OF_REQUESTS, Cuts, cuts_of, headers_in, ids_of, is_one_head, is_understood
from gateway.server.standing import Standing
from gateway.upstream.prepared import Prepared

LINE = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE) " + PREFIX.encode() +
    rb"((?:/hubs/[A-Za-z0-9_-]+)?(/([A-Za-z0-9_-]+)(?:/[A-Za-z0-9_-]+)*)(?:\?[!\"$-~]*)?) HTTP/1\.1"
)  # fmt: skip
"""A request line that is understood: its method, its target and its path behind the prefix, the latter without hub, and that one's first
part."""
# First parts of paths of which some rule knows more than of others: what is sealed, never stored, the platform's own, or metadata.
SPECIAL = frozenset(
    """accounts audit-logs authentication bulk common-resources customers elements events files formulas hubs instances jobs metrics objects
    organizations ping storage usage users""".split()
)
SPECIAL_OCTETS = frozenset(name.encode() for name in SPECIAL)
_MOST_CALLERS = 1024


class KnownCaller:
    """What calls have in common whose heads have the same fields. ``forms`` are those of their answers, by method and by what the
    cache's policy says of the path, and ``kinds`` the same by method and first part of the path, where that decides it; ``until`` its key
    holds, by the wall clock."""

    __slots__ = (
        "base", "batch", "fields", "forms", "kinds", "methods", "negotiates", "of", "points", "prepared", "record", "request", "until",
        "up", "used_at",
    )  # fmt: skip

    def __init__(
        self,
        fields: bytes,
        cuts: Cuts | None,
        key: CallerKey,
        prepared: Prepared,
        request: Request,
        record: Exchange,
    ) -> None:
        self.fields = fields
        self.points = () if cuts is None else cuts.points
        self.used_at = 0.0
        self.until = inf if key.expires_at is None else key.expires_at
        self.methods = None if "*" in key.methods else frozenset(name.encode() for name in key.methods)
        self.batch = key.priority == "batch"
        self.prepared = prepared
        self.request = request
        self.record = record
        self.of = key_of(replace(request, method="GET"), prepared.target)
        """The key of such calls in the cache, but for what they ask for."""
        self.negotiates = negotiated(request.headers)
        self.base, self.up = prepared.path, prepared.head(request)
        self.forms: dict[tuple[bytes, Decision | None], Forms] = {}
        self.kinds: dict[tuple[bytes, bytes], Forms] = {}


class KnownCallers:
    """Those that were learned, by what is left of their fields; ``standing`` says when they count no more."""

    def __init__(self, pipeline: Pipeline, standing: Standing) -> None:
        self.known: dict[bytes, KnownCaller] = {}
        self._seen: dict[int, None] = {}
        self._pipeline = pipeline
        self._standing = standing
        standing.when_changed(self.known.clear)

    def forget(self, known: KnownCaller) -> None:
        """It counts no more."""
        self.known.pop(known.fields, None)

    def forget_unused(self, since: float) -> None:
        """Those that nobody was since then (wall time) count no more: heads are kilobytes."""
        for known in [known for known in self.known.values() if known.used_at < since]:
            self.forget(known)

    async def learn(self, data: bytes, request: Request) -> Cuts | None:
        """The corridor forwarded ``request``, which came as ``data``: know its caller, if that happened before. Where such heads are to be
        cut."""
        end = data.find(HEAD_END) + 4
        head = data[:end]
        cuts, generation = cuts_of(head, OF_REQUESTS), self._standing.generation
        if not is_one_head(head) or ids_of(cuts, head) is None or not _is_known_to_be_harmless(head, request):
            return cuts
        fields = (head if cuts is None else cuts.rest(head))[head.find(b"\r\n") :]
        if fields in self.known:
            return cuts
        if hash(fields) not in self._seen:
            make_room(self._seen, _MOST_CALLERS)
            self._seen[hash(fields)] = None
            return cuts
        known = await self._look(fields, cuts, request)
        if known is not None and generation == self._standing.generation:
            make_room(self.known, _MOST_CALLERS)
            self.known[fields] = known
        return cuts

    async def _look(self, fields: bytes, cuts: Cuts | None, request: Request) -> KnownCaller | None:
        record = Exchange("", request.method, "", 0.0)
        try:
            target, certain = await self._pipeline.addressed(request, record)
            prepared = self._pipeline.upstream.prepared(target) if certain else None
        except GatewayError:
            return None
        key = target.caller
        if prepared is None or key is None or key.previous_digest is not None:  # a rotated key's two texts end at different times
            return None
        bare = replace(request, interim=None, body=b"")
        return KnownCaller(fields, cuts, key, prepared, bare, record)


def _is_known_to_be_harmless(head: bytes, request: Request) -> bool:
    """Whether ``head`` alone says what is to be done, and all of it is understood."""
    line = LINE.fullmatch(head, 0, head.find(b"\r\n"))
    if line is None or line[4].lower() in SPECIAL_OCTETS or request.certificate is not None:  # that may be what says who calls
        return False
    # The parser is more lenient with fields than we are.
    about_stored = "if-none-match" in request.headers
    return is_understood(request.headers, body=True) and not about_stored and headers_in(head) == request.headers
