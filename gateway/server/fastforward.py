"""The fast path of calls that are forwarded: where everything is known but the path, the ids and the body, a call needs no parser, no task
and no waiting, until its answer is there.

What is known of a caller's head (``heads.py``) is who calls, for which instance, and with which of its fields going up; of an upstream's
head, which of its fields come down and why such an answer is not stored. Both were found out by the corridor's own rooms, and hold for as
long as no key, no mapping and no secret changes. What is left to do for a call is what changes with every call, and that is done by
asking the same rooms in the same order: the cache (nothing is stored, nobody else asks for the same), the budgets, breaker and
bulkheads. Each is asked such that it either answers at once or has said and done nothing; then the corridor takes the call, as if
nothing had happened.

So it is with the answer. If it is there in one piece, in a known form, a success that needs no judgement, and without any of the secrets
in it, then it goes down from where it was received. Anything else (an error, a redirect, a body that streams, one that may be stored, an
interim answer, a lost connection, time running out, the caller saying more meanwhile) is left to the corridor: the call is handed over
in the middle, as one that has left and whose answer is awaited (``upstream.call.Sent``). Nothing is done twice, because what was done
stands in the same objects: the record, the passage, the flight.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from copy import copy
from dataclasses import replace
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import structlog

from gateway.cache import Cache
from gateway.cache.coalesce import Flight
from gateway.cache.found import Bypass, Found, Miss, Plan
from gateway.cache.key import Key, key_of, negotiated
from gateway.cache.policy import Decision
from gateway.callers.keys import CallerKey
from gateway.errors import GatewayError
from gateway.exchange import Exchange, Headers, Interim, Request, Response, Target
from gateway.faults import where
from gateway.paths import PREFIX, shape, shape_of
from gateway.pipeline import Pipeline
from gateway.server import answer
from gateway.server.fastpath import Stamped, make_room, milliseconds
from gateway.server.heads import Cuts, cuts_of, headers_in, ids_of, is_one_head, is_understood, told_by
from gateway.server.listener import DataConnection
from gateway.server.standing import Standing
from gateway.telemetry import Telemetry
from gateway.telemetry.ids import Drawn
from gateway.telemetry.repeated import Forwards
from gateway.upstream.call import Call, Sent
from gateway.upstream.guards import Passage
from gateway.upstream.prepared import Admission, Prepared

if TYPE_CHECKING:
    from gateway.upstream.connection import Connection

log = structlog.get_logger("gateway.server")

_HEAD_END = b"\r\n\r\n"
_LINE = re.compile(
    rb"(GET|POST|PUT|PATCH|DELETE) " + PREFIX.encode() +
    rb"((?:/hubs/[A-Za-z0-9_-]+)?(/([A-Za-z0-9_-]+)(?:/[A-Za-z0-9_-]+)*)(?:\?[!\"$-~]*)?) HTTP/1\.1"
)  # fmt: skip
_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ([ -~]*)")
_CALLER_KEY = b"gwk_"
_LONGEST_LINE = 1024
_HOPS = frozenset({"connection", "transfer-encoding", "trailer", "upgrade", "keep-alive", "proxy-connection", "te"})
# Marks for what is new in each answer: its fields' values by their number, then these.
_MARK = "\x01{}\x01"
_SLOT = re.compile(rb"\x01(\d)\x01")
_LENGTH, _LIMIT, _ID, _OWN, _UPSTREAM = 2, 3, 4, 5, 6
_PADDING = ((b"", b""), (b"",), ())
_TIMES = b"gateway;dur=0.000, queue;dur=0.000, upstream;dur=0.000"

# First parts of paths of which some rule knows more than of others: what is sealed, never stored, the platform's own, or metadata.
SPECIAL = frozenset(
    """accounts audit-logs authentication bulk common-resources customers elements events files formulas hubs instances jobs metrics objects
    organizations ping storage usage users""".split()
)
_SPECIAL = frozenset(name.encode() for name in SPECIAL)


class Form:
    """What becomes of an answer with such a head: the ``parts`` of what goes down, at every other place a value that is new each time, as
    ``order`` says. ``unstored``: why it is not stored; ``request_id``: which of the values is the upstream's id. ``response`` is the first
    answer of that form, ``notes`` its telemetry."""

    __slots__ = ("cuts", "notes", "order", "parts", "request_id", "response", "status", "unstored")

    def __init__(self, cuts: Cuts, response: Response, head: bytes, unstored: str, notes: Forwards) -> None:
        self.cuts = cuts
        self.status = response.status
        self.response = response
        self.unstored = unstored
        self.notes = notes
        self.parts = _SLOT.split(head)
        self.order = [(place, int(self.parts[place])) for place in range(1, len(self.parts), 2)]
        names = [name for name in cuts.names if name != b"content-length"]
        self.request_id = names.index(b"elements-request-id") if b"elements-request-id" in names else None

    def filled(self, values: list[bytes], body: bytes) -> bytes:
        """The octets of the answer. ``values`` stand at their numbers."""
        parts = self.parts[:]
        for place, number in self.order:
            parts[place] = values[number]
        parts.append(body)
        return b"".join(parts)


class Forms:
    """The answers that are known to calls of one kind, by what is left of their heads. ``cuts``: where the last one was cut; ``past``: why
    such calls go past the cache (None: they do not); ``decision``: what the cache's policy says of them."""

    __slots__ = ("cuts", "decision", "known", "past", "seen")

    def __init__(self, past: Bypass | None, decision: Decision) -> None:
        self.past = past
        self.decision = decision
        self.cuts: Cuts | None = None
        self.known: dict[bytes, Form] = {}
        self.seen: dict[int, None] = {}


class KnownCaller:
    """What calls have in common whose heads have the same fields. ``uniform``: what the cache's policy says of each of them, if it says
    the same; ``until`` its key holds, by the wall clock."""

    __slots__ = ("base", "batch", "cuts", "forms", "methods", "negotiates", "of", "prepared", "record", "request", "uniform", "until", "up")

    def __init__(
        self, cuts: Cuts | None, key: CallerKey, prepared: Prepared, request: Request, record: Exchange, uniform: Decision | None
    ) -> None:
        self.cuts = cuts
        self.until = inf if key.expires_at is None else key.expires_at
        self.methods = None if "*" in key.methods else frozenset(name.encode() for name in key.methods)
        self.batch = key.priority == "batch"
        self.prepared = prepared
        self.request = request
        self.record = record
        self.uniform = uniform
        self.of = key_of(replace(request, method="GET"), prepared.target)
        """The key of such calls in the cache, but for what they ask for."""
        self.negotiates = negotiated(request.headers)
        self.base, self.up = prepared.path, prepared.head(request)
        self.forms: dict[bytes | tuple[bytes, Decision], Forms] = {}


class Underway:
    """One call that has left; the ``Brief`` of its upstream connection, and in flight. ``resource`` is its path without hub, ``asked`` when
    the cache was, and ``time`` when it started, by the wall clock; ``overtaken``: how many invalidations there had been. Other times are
    monotonic."""

    __slots__ = (
        "_exchange", "admission", "asked", "body", "caller", "connection", "flight", "forms", "forwarding", "head", "holds", "key", "known",
        "left_at", "method", "overtaken", "path", "request_id", "resource", "sent", "started", "target", "time", "traceparent",
    )  # fmt: skip
    phase = "upstream"
    flight: Flight | None
    key: Key | None

    forwarding: FastForwarding
    caller: DataConnection
    known: KnownCaller
    forms: Forms
    connection: Connection
    admission: Admission
    method: bytes
    path: bytes
    target: bytes
    resource: str
    head: bytes
    body: bytes
    request_id: bytes
    traceparent: bytes
    started: float
    time: float
    asked: float
    sent: float
    left_at: float
    overtaken: int
    holds: bool
    """Whether it holds what it was admitted with."""
    _exchange: Exchange | None

    @property
    def environment(self) -> str:
        """The name of the environment."""
        return self.known.record.environment

    def answered(self, data: bytes) -> bool:
        try:
            return self.forwarding.answer(self, data)
        except Exception as error:  # whatever it is, it is ours; the loop would leave the caller waiting for ever
            log.error("call failed", error=type(error).__name__, where=where(error), request_id=self.request_id.decode())
            self.caller.abort()
            self.connection.abort()
            return True

    def handed_over(self) -> Interim:
        self.forwarding.hand_over(self)
        return self.known.prepared.interim(self.caller.interim)

    def leave(self) -> None:
        """Let the corridor take it from here."""
        self.connection.go_on()

    def abandon(self) -> None:
        """The caller left."""
        self.forwarding.abandon(self)

    @property
    def exchange(self) -> Exchange:
        """Its record up to here."""
        if self._exchange is not None:
            return self._exchange
        exchange = self._exchange = copy(self.known.record)
        exchange.decisions = []
        exchange.request_id, exchange.traceparent = self.request_id.decode(), self.traceparent.decode()
        exchange.method, exchange.path, exchange.resource = self.method.decode(), self.path.decode(), shape(self.resource)
        exchange.started, exchange.time = self.started, self.time
        if self.forms.past is None:
            exchange.cache, exchange.cache_status = "miss", "gateway; fwd=uri-miss"
            exchange.note("cache", "miss", "uri-miss")
        else:
            reason = self.forms.past.reason
            exchange.cache_status = "gateway; fwd=method" if exchange.method != "GET" else f"gateway; fwd=bypass; detail={reason}"
            exchange.note("cache", "bypass", reason)
        self.known.prepared.tell(self.admission, exchange)
        exchange.phase, exchange.upstream_calls = "upstream", 1
        return exchange

    def request(self) -> Request:
        """The request as the corridor knows it."""
        headers = headers_in(self.head)
        if headers is None:
            raise ValueError("a head that is not understood was forwarded")
        return Request(self.method.decode(), self.target.decode(), headers, self.body, interim=self.caller.interim)

    def found(self) -> Found:
        """What the look into the cache came to."""
        if self.key is None:
            return Bypass(self.forms.past.reason if self.forms.past is not None else "", self.asked, self.overtaken)
        return Miss("uri-miss", Plan(self.key, self.forms.decision.lifetimes, self.asked, self.overtaken, self.flight))

    def its_target(self) -> Target:
        """Where it goes."""
        target = self.known.prepared.target
        return Target(target.environment, target.instance, self.resource, target.caller)

    def call(self) -> Call:
        """The attempt that is under way."""
        prepared = self.known.prepared
        call = Call(self.request(), self.its_target(), None, self.exchange, False, prepared.guard, inf)
        call.sent = Sent(prepared.answer(self.connection), self.sent)
        return call

    def passage(self) -> Passage:
        """What that attempt holds."""
        return self.known.prepared.passage(self.admission, self.left_at)


class FastForwarding:
    """The callers that are known, for as long as ``standing`` says so; ``stamped`` completes an answer for pages of other origins."""

    def __init__(self, pipeline: Pipeline, telemetry: Telemetry, standing: Standing, stamped: Stamped, max_body: int) -> None:
        self._pipeline = pipeline
        self._cache: Cache = pipeline.cache
        self._telemetry = telemetry
        self._live = telemetry.metrics.live
        self._standing = standing
        self._stamped = stamped
        self._max_body = max_body
        self._known: dict[bytes, KnownCaller] = {}
        self._seen: dict[int, None] = {}
        self._drawn = Drawn()
        standing.when_changed(self._known.clear)

    def begin(self, caller: DataConnection, data: bytes) -> bool:
        """Send what was received on ``caller``, a connection at rest; False: it is not known, or cannot go at once; nothing was done."""
        started = monotonic()
        end, at, cuts = data.find(_HEAD_END) + 4, data.find(b"\r\n"), caller.cuts
        head = data if end == len(data) else data[:end]
        known = self._known.get((head if cuts is None else cuts.rest(head))[at:]) if 0 < at < end else None
        if known is None or known.cuts != cuts or (ids := ids_of(cuts, head)) is None:
            return False
        line = _LINE.fullmatch(head, 0, at)
        now = time()
        if line is None or at > _LONGEST_LINE or now >= known.until or not self._standing.lets(ids.traceparent):
            return False
        method, target, resource, first = line.groups()
        path = head[len(method) + 1 : line.end(3)]
        length = ids.length
        if len(data) - end != (length or 0) or first.lower() in _SPECIAL or _CALLER_KEY in path:
            return False
        if length is None:
            body = b""
        elif method == b"GET" or length > self._max_body:
            return False
        else:
            body = data[end:]
        if known.methods is not None and method not in known.methods:
            return False
        call = Underway()  # without arguments, which would cost a third of a microsecond
        call.forwarding, call.caller, call.known = self, caller, known
        call.method, call.path, call.target, call.resource, call.head, call.body = method, path, target, resource.decode(), head, body
        call.request_id = ids[0] or self._drawn.id()
        call.traceparent = ids[1] or self._drawn.traceparent()
        call.started, call.time = started, now
        call.flight = call.key = call._exchange = None
        call.holds = True
        return self._leave(call)

    def _leave(self, call: Underway) -> bool:
        """Ask all rooms, and send it; False: one of them says that it cannot go at once, and nothing was done."""
        known = call.known
        prepared = known.prepared
        if not prepared.is_current():
            return False
        connection = prepared.pool.take_idle()
        if connection is None or connection.transport is None:
            return False
        if not self._look(call):
            prepared.pool.put_back(connection)
            return False
        now = monotonic()
        admission = prepared.admitted(now)
        if admission is None:
            if call.flight is not None:
                call.flight.hand_over()
            prepared.pool.put_back(connection)
            return False
        self._live.add(call)
        call.connection, call.admission, call.sent = connection, admission, now
        connection.ask_briefly(call, now + prepared.guard.settings.timeouts.response)
        line = b"%b %b%b" % (call.method, known.base, call.target)
        connection.transport.write(prepared.octets(known.up, call.request_id, call.traceparent, line, call.body))
        call.left_at = monotonic()
        call.caller.depart(call, call.started, batch=known.batch)
        return True

    def _look(self, call: Underway) -> bool:
        """Ask the cache; False: there is something that the corridor must look at."""
        known, cache = call.known, self._cache
        kind: bytes | tuple[bytes, Decision] = call.method
        if kind == b"GET" and known.uniform is None:
            kind = kind, cache.decide(known.record.element, call.resource)
        forms = known.forms.get(kind)
        if forms is None:
            forms = known.forms[kind] = self._forms(call)
        call.forms = forms
        if forms.past is not None:
            call.asked, call.overtaken = call.time, cache.overtaken
            return True
        of, (_, _, query) = known.of, call.target.partition(b"?")
        call.key = key = Key(of[0], of[1], call.resource, query.decode(), of[4], of[5], of[6], of[7])
        call.flight = flight = cache.lead(key, known.request.headers, known.negotiates, call)
        if flight is None:
            return False
        call.asked, call.overtaken = call.time, flight.seen
        return True

    def _forms(self, call: Underway) -> Forms:
        request = replace(call.known.request, method=call.method.decode(), target=call.target.decode())
        target = call.its_target()
        return Forms(self._cache.past(request, target), self._cache.decide(target.element, target.resource))

    def answer(self, call: Underway, data: bytes) -> bool:
        """Give the caller what its upstream said first; False: it is not known, and nothing was done."""
        end = data.find(_HEAD_END) + 4
        head = data[:end]
        forms = call.forms
        cuts = forms.cuts
        form = forms.known.get(cuts.rest(head)) if cuts is not None and end > 3 else None
        if form is None or form.cuts != cuts:
            form = self._form(call, head) if end > 3 else None
            if form is None:
                return False
        told = told_by(form.cuts, head)
        caller, prepared = call.caller, call.known.prepared
        if told is None or told[1] != len(data) - end or told[1] > self._cache.max_object_bytes:
            return False
        if caller.spoiled or self._standing.draining() or not prepared.is_clean(data):
            return False
        now = monotonic()
        seconds = now - call.sent
        call.holds = False
        prepared.well(call.admission, form.status, call.left_at, now)
        call.connection.done()
        prepared.pool.give_back_at(call.connection, now)
        gone = 0
        if call.flight is not None:
            call.flight.release()
            call.flight = None  # which leads back here: nobody but the collector could free them
        elif call.method != b"GET":
            gone = _at_once(self._cache.wrote(call.known.of.owner, call.method.decode(), call.resource))
        values, length = told
        theirs = b"" if form.request_id is None else values[form.request_id][:64]
        limit = prepared.left(call.admission)
        values += _PADDING[len(values)]
        own = monotonic() - call.started - seconds
        values += (b"%d" % length, limit, call.request_id, milliseconds(own), milliseconds(seconds))
        caller.arrive(form.filled(values, data[end:]), now)
        self._live.discard(call)
        total = monotonic() - call.started
        self._telemetry.note(
            (
                form.notes,
                call.request_id,
                call.traceparent,
                call.started,
                call.time,
                call.path,
                shape_of(call.resource),
                limit,
                theirs,
                len(call.body),
                length,
                own + seconds,
                seconds,
                total,
                gone,
            )
        )
        return True

    def hand_over(self, call: Underway) -> None:
        """The corridor is to finish ``call``."""
        self._live.discard(call)
        self._live.add(call.exchange)
        call.caller.take_over(call)

    def abandon(self, call: Underway) -> None:
        """The caller left before its answer came."""
        exchange = call.exchange
        call.connection.brief = None
        call.connection.abort()
        now = monotonic()
        exchange.upstream_failures = 1
        exchange.upstream_seconds = now - call.sent
        if call.holds:
            passage = call.passage()
            passage.report("nothing", now)
            passage.over(now)
        _at_once(self._cache.failed(call.request(), call.its_target(), call.found(), asyncio.CancelledError(), exchange))
        exchange.outcome, exchange.status, exchange.bytes_up = "caller-left", 499, len(call.body)
        exchange.total_seconds = now - exchange.started
        self._live.discard(call)
        self._telemetry.record(exchange)

    def _form(self, call: Underway, head: bytes) -> Form | None:
        """What becomes of answers with this ``head``, if that can be said and it came before."""
        forms = call.forms
        cuts = cuts_of(head, answer=True)
        if cuts is None or b"date" not in cuts.names or b"content-length" not in cuts.names:
            return None
        forms.cuts = cuts
        rest = cuts.rest(head)
        form = forms.known.get(rest)
        if form is not None:
            return form if form.cuts == cuts else None
        if hash(rest) not in forms.seen:
            make_room(forms.seen)
            forms.seen[hash(rest)] = None
            return None
        status, fields = _STATUS.match(head), headers_in(head)
        if status is None or fields is None or not _HOPS.isdisjoint(fields.names) or not call.known.prepared.is_plain(int(status[1])):
            return None
        form = self._learned(call, cuts, Response(int(status[1]), fields, b"", status[2].decode()))
        if form is not None:
            make_room(forms.known)
            forms.known[rest] = form
        return form

    def _learned(self, call: Underway, cuts: Cuts, response: Response) -> Form | None:
        prepared, fields = call.known.prepared, response.headers
        unstored: str | None = ""
        if call.flight is not None:
            unstored = self._cache.unstored(call.request(), call.its_target(), prepared.down(response))
        elif call.method != b"GET" and ("location" in fields or "content-location" in fields):
            return None  # what it names is touched, too
        if unstored is None:
            return None
        record = copy(call.exchange)
        record.decisions = record.decisions[:]
        if call.flight is not None:
            record.note("cache", "not stored", unstored)
        elif call.method != b"GET":
            record.note("cache", "invalidated", "0 entries")
        record.status = record.upstream_status = response.status
        record.phase = "answer"
        numbers = {name: n for n, name in enumerate(name for name in cuts.names if name != b"content-length")}
        marked = [(name, _MARK.format(numbers[at]) if (at := name.lower().encode()) in numbers else value) for name, value in fields.pairs]
        shown = prepared.down(replace(response, headers=Headers(marked)))
        model = copy(record)
        model.request_id, model.started, model.answering = _MARK.format(_ID), 0.0, 0.0
        if model.rate_limit:
            model.rate_limit = (model.rate_limit[0], (model.rate_limit[1][0], _MARK.format(_LIMIT)))
        octets = answer.form(self._stamped(call.request(), shown, model), model, _MARK.format(_LENGTH))
        before, _, after = octets.rpartition(_TIMES)
        times = b"gateway;dur=%b, queue;dur=0.000, upstream;dur=%b" % (_MARK.format(_OWN).encode(), _MARK.format(_UPSTREAM).encode())
        return Form(cuts, response, before + times + after, unstored, self._telemetry.forwards(record))

    async def learn(self, caller: DataConnection, data: bytes, request: Request) -> None:
        """The corridor forwarded ``request``, which came as ``data``: know its caller, if that happened before."""
        end = data.find(_HEAD_END) + 4
        head = data[:end]
        at = head.find(b"\r\n")
        if not is_one_head(head) or not is_understood(request.headers, body=True) or not _says_which(request.headers):
            return
        caller.cuts = cuts = cuts_of(head)
        generation = self._standing.generation
        fields = (head if cuts is None else cuts.rest(head))[at:]
        line = _LINE.fullmatch(head, 0, at)
        if fields in self._known or ids_of(cuts, head) is None or line is None or line[4].lower() in _SPECIAL:
            return
        if headers_in(head) != request.headers:
            return  # the parser is more lenient with them than we are
        if hash(fields) not in self._seen:
            make_room(self._seen)
            self._seen[hash(fields)] = None
            return
        record = Exchange("", request.method, "", 0.0)
        try:
            target = await self._pipeline.addressed(request, record)
            prepared = self._pipeline.upstream.prepared(target)
        except GatewayError:
            return
        key = target.caller
        if prepared is None or key is None or key.previous_digest is not None or generation != self._standing.generation:
            return
        make_room(self._known)
        bare = replace(request, interim=None, body=b"")
        self._known[fields] = KnownCaller(cuts, key, prepared, bare, record, self._cache.uniform(target.element))


def _says_which(headers: Headers) -> bool:
    """Whether the head alone says which instance is meant, and nothing in it is about what the caller has already."""
    named = "gateway-element" in headers or "gateway-instance" in headers or "element" in (headers.get("authorization") or "").lower()
    return named and "if-none-match" not in headers


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of ``work``, which waits for nothing: the cache is in this process."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the cache had to wait")
