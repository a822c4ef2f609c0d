"""What all calls to one target have in common on their way up, worked out once (``Sender.prepared``)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from gateway.exchange import Exchange, Interim, Request, Response, Target
from gateway.limits import Limits, policy_of, said_of
from gateway.limits.signals import looked_at
from gateway.limits.store import Grant
from gateway.upstream.credentials import Credentials
from gateway.upstream.guards import Guards, Passage
from gateway.upstream.headers import downward
from gateway.upstream.injection import Injection, head_of
from gateway.upstream.masking import mask_text
from gateway.upstream.protocol import Origin

if TYPE_CHECKING:
    from gateway.callers.keys import CallerKey
    from gateway.upstream.client import Client
    from gateway.upstream.connection import Connection

Admission = tuple[Grant, int]
"""Leave of the limits, and the generation of the breaker."""

_PLAIN = frozenset({200, 201, 202, 203})
_LINE_FEED = 10  # ends a head; otherwise it goes on with the length of a body
_MARK_ID, _MARK_TRACE = "\x01", "\x02"


class Prepared:
    """It holds for as long as it ``is_current`` and the mapping is what it was."""

    __slots__ = (
        "_caller", "_client", "_credentials", "_drawn", "_guards", "_limits", "_origin", "guard", "injection", "pool", "stems", "target",
    )  # fmt: skip

    def __init__(
        self,
        target: Target,
        origin: Origin,
        injection: Injection,
        client: Client,
        limits: Limits,
        guards: Guards,
        credentials: Credentials,
        caller: CallerKey,
    ) -> None:
        self.target = target
        self.guard = guards.of(target)
        self.injection = injection
        self.pool = client.pool(origin)
        self.stems = tuple(needle.stem for needle in injection.secrets)
        """What none of the secrets can be without."""
        self._origin = origin
        self._client = client
        self._limits = limits
        self._guards = guards
        self._credentials = credentials
        self._caller = caller
        self._drawn = limits.standing(target)

    def is_current(self) -> bool:
        """Whether calls carry the same secrets still."""
        return self._credentials.pair(self.target.environment.name) is self.injection.pair

    def head(self, request: Request) -> tuple[bytes, bytes, bytes]:
        """What goes up with each call that has the fields of ``request``, for ``octets``: what stands before the request id, between it and
        the ``traceparent``, and behind that, up to the length of a body if there is one."""
        exchange = Exchange(_MARK_ID, request.method, "", 0.0, traceparent=_MARK_TRACE)
        head = head_of(request, self._origin, self.injection, None, exchange, False)
        fields = head.partition(b" HTTP/1.1\r\n")[2]
        before, _, rest = fields.partition(_MARK_ID.encode())
        between, _, end = rest.partition(_MARK_TRACE.encode())
        if "content-length" in request.headers:
            end = b"\r\nContent-Length: "
        return b" HTTP/1.1\r\n" + before, between, end

    def octets(self, up: tuple[bytes, bytes, bytes], request_id: bytes, traceparent: bytes, line: bytes, body: bytes) -> bytes:
        """The whole request. ``up`` is what ``head`` gave for its like, ``line`` method and target."""
        before, between, end = up
        if end[-1] == _LINE_FEED:
            return b"".join((line, before, request_id, between, traceparent, end))
        return b"".join((line, before, request_id, between, traceparent, end, b"%d\r\n\r\n" % len(body), body))

    @property
    def path(self) -> bytes:
        """What stands before every target."""
        return self._origin.path.encode()

    def interim(self, tell: Interim) -> Interim:
        """``tell`` of interim answers, of what may go down."""
        return lambda status, headers: tell(status, downward(headers, self.injection.secrets))

    def admitted(self, now: float) -> Admission | None:
        """All that an attempt needs to leave, where it may leave at once; None where that is not so, and nothing was spent."""
        generation = self._guards.enter_at_once(self.guard, self._caller, now)
        if generation is None:
            return None
        grant = self._limits.take(self._drawn, now)
        if grant is None:
            self._guards.leave_at_once(self.guard, self._caller, now)
            return None
        self.guard.retries.call(now)
        return grant, generation

    def passage(self, admission: Admission, left_at: float) -> Passage:
        """What the sender would have been given for ``admission``; the call left at ``left_at``."""
        grant, generation = admission
        permit = self._limits.permit(self._drawn, grant, left_at)
        return self._guards.passage(self.guard, permit, self._caller, generation, grant.spent_at)

    def well(self, admission: Admission, status: int, left_at: float, now: float) -> None:
        """The call of ``admission``, which left at ``left_at``, has a plain answer of ``status``, all of it."""
        grant, generation = admission
        self._guards.leave(self.guard, self._caller, generation, now, now - grant.spent_at)
        self._limits.give_back(self._drawn.draws, 1, grant, left=True, times=(left_at, now))
        self._credentials.heard(self.target, status)

    def left(self, admission: Admission) -> bytes:
        """The ``RateLimit`` field of the answer to the call of ``admission``; empty where none goes with it."""
        state = admission[0].tightest
        return b"" if state is None else said_of(state).encode()

    def tell(self, admission: Admission, exchange: Exchange) -> None:
        """Have the record of the call of ``admission`` say what the limits said."""
        state = admission[0].tightest
        if not self._drawn.draws:
            exchange.note("limits", "unlimited", "no limit is known")
        elif state is None:
            exchange.note("limits", "allowed", "no quota")
        else:
            fields = said_of(state)
            exchange.rate_limit = (policy_of(self._drawn.draws), ("RateLimit", fields))
            exchange.note("limits", "allowed", fields)

    def is_clean(self, data: bytes) -> bool:
        """Whether none of the secrets can be in ``data``."""
        for stem in self.stems:  # noqa: SIM110 - a generator takes longer than the search
            if stem in data:
                return False
        return True

    def is_plain(self, status: int) -> bool:
        """Whether there is nothing to say of an answer of ``status`` but that it is well, and it has a body of its own."""
        return status in _PLAIN and looked_at(self.guard.settings.signals, status) != "body"

    def down(self, response: Response) -> Response:
        """A plain answer as it goes down, its body aside."""
        secrets = self.injection.secrets
        return Response(response.status, downward(response.headers, secrets), b"", mask_text(response.reason, secrets))

    def answer(self, connection: Connection) -> Awaitable[Response]:
        """The answer to what was written to ``connection``, a connection of the ``pool``."""
        return self._client.resume(self.pool, connection, self.guard.settings.timeouts)
