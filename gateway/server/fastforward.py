"""The fast path of calls that are forwarded: where everything is known but the path, the ids and the body, a call needs no parser, no task
and no waiting, until its answer is there.

What is known of a caller's head (``heads.py``) is who calls, for which instance, and with which of its fields going up; of an upstream's
head, which of its fields come down and why such an answer is not stored. Both were found out by the corridor's own rooms, and hold for as
long as no key, no mapping and no secret changes. What is left to do for a call is what changes with every call, and that is done by
asking the same rooms in the same order: the cache (nothing is stored, nobody else asks for the same), the budgets, breaker and
bulkheads. Each is asked such that it either answers at once or has said and done nothing; then the corridor takes the call, as if
nothing had happened.

So it is with the answer. If it is there in one piece, of stated length or in chunks, in a known form, a success that needs no judgement,
and without any of the secrets in it, then it goes down from where it was received. Anything else (an error, a redirect, a body that
streams, one that may be stored, an interim answer, a lost connection, time running out, the caller saying more meanwhile) is left to the
corridor: the call is handed over in the middle, as one that has left and whose answer is awaited (``upstream.call.Sent``). Nothing is
done twice, because what was done stands in the same objects: the record, the passage, the flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from time import monotonic, time
from typing import Any

from gateway.cache import Cache
from gateway.cache.key import Key
from gateway.paths import shape_of
from gateway.pipeline import Pipeline
from gateway.server.chunked import body_in
from gateway.server.data_connection import DataConnection
from gateway.server.fastpath import Stamped, make_room, milliseconds
from gateway.server.forms import Forms, Learning
from gateway.server.heads import HEAD_END, ids_of, told_by
from gateway.server.known_callers import LINE, SPECIAL_OCTETS, KnownCallers
from gateway.server.listen_settings import ListenSettings
from gateway.server.standing import Standing
from gateway.server.underway import Underway
from gateway.telemetry import Telemetry
from gateway.telemetry.ids import Drawn

_CALLER_KEY = b"gwk_"
_LONGEST_LINE, _LONGEST_HEAD = 1024, 8192
_MOST_KINDS = 64  # callers choose the paths


class FastForwarding:
    """The callers that are known, for as long as ``standing`` says so; ``stamped`` completes an answer for pages of other origins."""

    def __init__(self, pipeline: Pipeline, telemetry: Telemetry, standing: Standing, stamped: Stamped, settings: ListenSettings) -> None:
        self._cache: Cache = pipeline.cache
        self._telemetry = telemetry
        self._live = telemetry.metrics.live
        self._standing = standing
        self._max_body = settings.max_body_bytes
        # What is longer, the parser judges: by octets that it counts in its own way.
        self._longest_line = min(_LONGEST_LINE, settings.max_line_bytes // 2)
        self._longest_head = settings.max_head_bytes // 2
        self.callers = KnownCallers(pipeline, standing)
        self._known = self.callers.known
        self._learning = Learning(pipeline.cache, telemetry, stamped)
        self._drawn = Drawn()

    def begin(self, caller: DataConnection, data: bytes) -> bool:
        """Send what was received on ``caller``, a connection at rest; False: it is not known, or cannot go at once; nothing was done."""
        started = monotonic()
        end, at, cuts = data.find(HEAD_END) + 4, data.find(b"\r\n"), caller.cuts
        head = data if end == len(data) else data[:end]
        known = self._known.get((head if cuts is None else cuts.rest(head))[at:]) if 0 < at < end else None
        if known is None or known.points != (() if cuts is None else cuts.points) or (ids := ids_of(cuts, head)) is None:
            return False
        line = LINE.fullmatch(head, 0, at)
        now = time()
        if (
            line is None
            or at > self._longest_line
            or end > self._longest_head
            or now >= known.until
            or not self._standing.lets(ids.traceparent)
        ):
            return False
        method, target, resource, first = line.groups()
        path = head[len(method) + 1 : line.end(3)]
        length = ids.length
        if len(data) - end != (length or 0) or first.lower() in SPECIAL_OCTETS or _CALLER_KEY in path:
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
        return self._leave(call, first)

    def _leave(self, call: Underway, first: bytes) -> bool:
        """Ask all rooms, and send it; False: one of them says that it cannot go at once, and nothing was done."""
        known = call.known
        prepared = known.prepared
        if not prepared.is_current():
            self.callers.forget(known)
            return False
        connection = prepared.pool.take_idle()
        if connection is None or connection.transport is None:
            return False
        if not self._look(call, first):
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
        call.left_at = now
        call.caller.depart(call, call.started, batch=known.batch)  # from now on it is given back whatever happens
        connection.ask_briefly(call, now + prepared.guard.settings.timeouts.response)
        line = b"%b %b%b" % (call.method, known.base, call.target)
        connection.transport.write(prepared.octets(known.up, call.request_id, call.traceparent, line, call.body))
        call.left_at = monotonic()
        if call.time - known.used_at > 1.0:
            known.used_at = call.time
            self._standing.keys.used(known.record.caller, call.time)
        return True

    def _look(self, call: Underway, first: bytes) -> bool:
        """Ask the cache; False: there is something that the corridor must look at."""
        known, cache = call.known, self._cache
        kind = call.method, first
        forms = known.kinds.get(kind)
        if forms is None:
            forms = self._forms(call, kind)
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

    def _forms(self, call: Underway, kind: tuple[bytes, bytes]) -> Forms:
        """Those of calls of this ``kind``, method and first part of the path, or, where a rule of the cache may tell them apart, of those
        of which it says the same."""
        known, cache, element = call.known, self._cache, call.known.record.element
        reads = kind[0] == b"GET"
        uniform = cache.uniform(element, call.resource.split("/")[1]) if reads else None
        decision = cache.decide(element, call.resource) if uniform is None else uniform
        by = kind[0], decision if reads else None
        forms = known.forms.get(by)
        if forms is None:
            request = replace(known.request, method=call.method.decode(), target=call.target.decode())
            forms = known.forms[by] = Forms(cache.past(request, call.its_target()), decision)
        if uniform is not None or not reads:
            make_room(known.kinds, _MOST_KINDS)
            known.kinds[kind] = forms
        return forms

    def answer(self, call: Underway, data: bytes) -> bool:
        """Give the caller what its upstream said first; False: it is not known, and nothing was done."""
        end = data.find(HEAD_END) + 4
        head = data[:end]
        forms = call.forms
        cuts = forms.cuts
        form = forms.known.get(cuts.rest(head)) if cuts is not None and end > 3 else None
        if form is None or cuts is None or form.points != cuts.points:
            form = self._learning.form(call, head) if end > 3 else None
            if form is None:
                return False
        told = told_by(forms.cuts, head) if forms.cuts is not None else None
        caller, prepared = call.caller, call.known.prepared
        if told is None or end > _LONGEST_HEAD or caller.spoiled or self._standing.draining() or not prepared.is_clean(data):
            return False
        values, length = told
        body = data[end:]
        if form.chunked:
            whole = body_in(body)
            if whole is None or not prepared.is_clean(whole):
                return False
            length, body = len(whole), whole
        elif length != len(body):
            return False
        if length > self._cache.max_object_bytes:
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
        theirs = b"" if form.request_id is None else values[form.request_id][:64]
        limit = prepared.left(call.admission)
        own = monotonic() - call.started - seconds
        said = [b"%d" % length, limit, call.request_id, milliseconds(own), milliseconds(seconds), *values]
        caller.arrive(form.filled(said, body), now)
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
        if call.flight is not None:
            call.flight.leader = call.exchange
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

    def forget_unused(self, since: float) -> None:
        """Callers that did not call since then (wall time) are known no more."""
        self.callers.forget_unused(since)


def _at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of ``work``, which waits for nothing: the cache is in this process."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the cache had to wait")
