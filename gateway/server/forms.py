"""The answers of upstreams whose heads are known: what is new in each of them, and what becomes of the rest (``fastforward.py``).

Of an answer's fields some are new each time: its date, its id, the length of its body, and whatever an upstream counts or draws. Those
that mean nothing to the gateway are found out by looking: where two heads have the same fields and some of them differ, these are cut out
from then on. What could change what becomes of the answer (what a cache reads, framing, sessions) never is: such a head is another one.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING

from gateway.cache import Cache
from gateway.cache.found import Bypass
from gateway.cache.policy import Decision
from gateway.exchange import Headers, Response
from gateway.server import answer
from gateway.server.fastpath import Stamped, make_room
from gateway.server.heads import OF_ANSWERS, Cuts, cuts_of, headers_in, new_in
from gateway.telemetry import Telemetry
from gateway.telemetry.repeated import Forwards
from gateway.upstream.answer_heads import MAX_FIELDS

if TYPE_CHECKING:
    from gateway.server.underway import Underway

_STATUS = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ([ -~]*)")
_HOPS = frozenset({"connection", "transfer-encoding", "trailer", "upgrade", "proxy-connection", "te"})
# What becomes of an answer hangs on their values.
_TELLING = frozenset(
    """age cache-control cdn-cache-control content-disposition content-encoding content-language content-location content-range content-type
    etag expires keep-alive last-modified location pragma retry-after set-cookie set-cookie2 vary via warning www-authenticate""".split()
)
_MOST_FORMS, _MOST_CUTS = 8, 8
# Marks for what is new in each answer: these by their number, and then its fields' values.
LENGTH, LIMIT, ID, OWN, UPSTREAM, VALUES = range(6)
_MARK = "\x01{}\x01"
_SLOT = re.compile(rb"\x01(\d+)\x01")
_TIMES = b"gateway;dur=0.000, queue;dur=0.000, upstream;dur=0.000"


class Form:
    """What becomes of an answer of ``status`` with such a head: the octets of what goes down, with places for the values that are new
    each time. ``request_id``: which of the values is the upstream's id; ``notes``: its telemetry; ``chunked``: its body comes in chunks."""

    __slots__ = ("_octets", "_order", "chunked", "notes", "points", "request_id", "status")

    def __init__(self, cuts: Cuts, status: int, head: bytes, notes: Forwards) -> None:
        self.points = cuts.points
        self.chunked = b"content-length" not in cuts.names
        self.status = status
        self.notes = notes
        parts = _SLOT.split(head.replace(b"%", b"%%"))
        self._octets = b"%b".join(parts[::2])
        self._order = itemgetter(*map(int, parts[1::2]))
        names = [name for name in cuts.names if name != b"content-length"]
        self.request_id = names.index(b"elements-request-id") if b"elements-request-id" in names else None

    def filled(self, values: list[bytes], body: bytes) -> bytes:
        """The octets of the answer. ``values`` stand at their numbers."""
        octets: bytes = self._octets % self._order(values)
        return octets + body


class Forms:
    """The answers that are known to calls of one kind, by what is left of their heads. ``cuts``: where the last one was cut; ``past``: why
    such calls go past the cache (None: they do not); ``decision``: what the cache's policy says of them."""

    __slots__ = ("_last", "_new", "_seen", "cuts", "decision", "known", "past")

    def __init__(self, past: Bypass | None, decision: Decision) -> None:
        self.past = past
        self.decision = decision
        self.cuts: Cuts | None = None
        self.known: dict[bytes, Form] = {}
        self._seen: dict[int, None] = {}
        self._last = b""
        self._new = OF_ANSWERS

    def find(self, head: bytes) -> tuple[Form | None, bool]:
        """The form of ``head``, cut anew; if there is none, whether it came before and one may be made."""
        cuts = cuts_of(head, self._new)
        if cuts is None or b"date" not in cuts.names:
            return None, False
        self.cuts = cuts
        rest = cuts.rest(head)
        form = self.known.get(rest)
        if form is not None:
            return (form if form.points == cuts.points else None), False
        if hash(rest) in self._seen:
            return None, True
        make_room(self._seen, _MOST_FORMS)
        self._seen[hash(rest)] = None
        self._compare(head)
        return None, False

    def add(self, rest: bytes, form: Form) -> None:
        """``form`` is what becomes of answers of whose heads ``rest`` is left."""
        make_room(self.known, _MOST_FORMS)
        self.known[rest] = form

    def _compare(self, head: bytes) -> None:
        """What else is new in it each time?"""
        last, self._last = self._last, head
        one, other = headers_in(last), headers_in(head)
        if one is None or other is None or one.names != other.names:
            return
        names = {name for name, (_, before), (_, now) in zip(one.names, one.pairs, other.pairs, strict=True) if before != now}
        if not names <= self._new and names.isdisjoint(_TELLING | _HOPS) and (widened := new_in(self._new, names, _MOST_CUTS)) is not None:
            self._new = widened
            self.known.clear()


class Learning:
    """Makes forms. ``stamped`` completes an answer for pages of other origins."""

    def __init__(self, cache: Cache, telemetry: Telemetry, stamped: Stamped) -> None:
        self._cache = cache
        self._telemetry = telemetry
        self._stamped = stamped

    def form(self, call: Underway, head: bytes) -> Form | None:
        """What becomes of answers to such calls with this ``head``, if that can be said and it came before."""
        forms = call.forms
        form, again = forms.find(head)
        if not again:
            return form
        status, fields = _STATUS.fullmatch(head, 0, head.find(b"\r\n")), headers_in(head)
        if status is None or fields is None or len(fields.pairs) > MAX_FIELDS or not call.known.prepared.is_plain(int(status[1])):
            return None
        form = self._made(call, Response(int(status[1]), fields, b"", status[2].decode())) if _is_plain(fields) else None
        if form is not None and forms.cuts is not None:
            forms.add(forms.cuts.rest(head), form)
        return form

    def _made(self, call: Underway, response: Response) -> Form | None:
        prepared, fields, cuts = call.known.prepared, response.headers, call.forms.cuts
        unstored: str | None = ""
        if call.flight is not None:
            unstored = self._cache.unstored(call.request(), call.its_target(), prepared.down(response))
        elif call.method != b"GET" and ("location" in fields or "content-location" in fields):
            return None  # what it names is touched, too
        if unstored is None or cuts is None:
            return None
        record = copy(call.exchange)
        record.decisions = record.decisions[:]
        if call.flight is not None:
            record.note("cache", "not stored", unstored)
        elif call.method != b"GET":
            record.note("cache", "invalidated", "0 entries")
        record.status = record.upstream_status = response.status
        record.phase = "answer"
        numbers = {name: n for n, name in enumerate((name for name in cuts.names if name != b"content-length"), VALUES)}
        marked = [(name, _MARK.format(numbers[at]) if (at := name.lower().encode()) in numbers else value) for name, value in fields.pairs]
        shown = prepared.down(replace(response, headers=Headers(marked)))
        model = copy(record)
        model.request_id, model.started, model.answering = _MARK.format(ID), 0.0, 0.0
        if model.rate_limit:
            model.rate_limit = (model.rate_limit[0], (model.rate_limit[1][0], _MARK.format(LIMIT)))
        octets = answer.form(self._stamped(call.request(), shown, model), model, _MARK.format(LENGTH))
        before, _, after = octets.rpartition(_TIMES)
        times = b"gateway;dur=%b, queue;dur=0.000, upstream;dur=%b" % (_MARK.format(OWN).encode(), _MARK.format(UPSTREAM).encode())
        return Form(cuts, response.status, before + times + after, self._telemetry.forwards(record))


def _is_plain(fields: Headers) -> bool:
    """Whether nothing in an answer's fields is about this hop, but that it goes on, and how long the body is, said in one way."""
    hops = _HOPS.intersection(fields.names)
    if "connection" in hops and fields.get("connection") not in ("keep-alive", "Keep-Alive"):
        return False
    chunked = "transfer-encoding" in hops
    if chunked == ("content-length" in fields) or (chunked and fields.get("transfer-encoding") != "chunked"):
        return False
    return hops <= {"connection", "transfer-encoding"}
