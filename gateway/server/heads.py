"""The head of a request as octets: what of it is new in each call (its ids), and what makes it the same head as another one.

A head is *cut*: the values of ``X-Request-Id`` and ``traceparent`` (and the length of a body) are taken out, and what is left is compared
with what other heads left. Answers of an upstream are cut likewise: their date, their id and the length of their body.
Where the cuts are is counted from the head's end, so that heads of one caller share their cuts whatever their paths. Equal remainders, cut
at equal points of them, are heads that differ in these values alone: each value stands between a field name that is left over and a line
end that is left over, and it is looked at before it is believed, so it cannot hold another line.

Pure rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from gateway.exchange import Headers

REQUEST_ID = re.compile(rb"[!-~]{1,128}")
TRACEPARENT = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_CALLER_KEY = b"gwk_"
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ?((?:[!-~](?:[ -~\t]*[!-~])?)?)")
_VISIBLE = bytes(range(0x20, 0x7F))
HEAD_END = b"\r\n\r\n"
_MOST_OCTETS = 4096

# Fields whose every value means the same whenever it is said again, as far as the gateway is concerned: it passes them on, reads an address
# or a key in them, or chooses an answer by them. What a time decides (Cache-Control, Gateway-Timeout, If-Modified-Since) is not among them,
# and neither is what makes a call another kind of call (Expect, Upgrade, Idempotency-Key, Prefer, Range, Gateway-Explain, Origin).
_HARMLESS = frozenset(
    """accept accept-charset accept-encoding accept-language authorization content-type dnt elements-as-team-member elements-version
    gateway-customer gateway-element gateway-environment gateway-instance host if-none-match priority sec-fetch-dest sec-fetch-mode
    sec-fetch-site traceparent tracestate user-agent x-api-key x-request-id""".split()
)


New = frozenset[str]
"""Lower-case names of fields whose values are new in each message."""

OF_REQUESTS: New = frozenset({"x-request-id", "traceparent", "content-length"})
OF_ANSWERS: New = frozenset({"date", "elements-request-id", "content-length"})


@lru_cache(maxsize=256)
def _finding(names: New) -> re.Pattern[bytes]:
    return re.compile(rb"\r\n(%b): ?([^\r\n]*)" % b"|".join(re.escape(name.encode()) for name in sorted(names)), re.IGNORECASE)


def new_in(names: New, more: Iterable[str], most: int) -> New | None:
    """``names`` and ``more``; None where that would be over ``most``."""
    widened = names.union(more)
    return widened if len(widened) <= most else None


class Cuts(NamedTuple):
    """Where the values stand that are new in each message, counted from the end of the head (negative): start and end of each, in the
    order in which they come, and the lower-case ``names`` of their fields."""

    places: tuple[int, ...]
    names: tuple[bytes, ...]
    points: tuple[int, ...] = ()
    """Where the cuts are in what is left: the same for values of other lengths."""

    def rest(self, head: bytes) -> bytes:
        """What is left of ``head``."""
        places = self.places
        if len(places) == 4:
            a, b, c, d = places
            return head[:a] + head[b:c] + head[d:]
        if len(places) == 2:
            a, b = places
            return head[:a] + head[b:]
        if len(places) == 6:
            a, b, c, d, e, f = places
            return head[:a] + head[b:c] + head[d:e] + head[f:]
        kept = [head[: places[0]]]
        kept += [head[places[n] : places[n + 1]] for n in range(1, len(places) - 1, 2)]
        return b"".join(kept) + head[places[-1] :]


class Ids(NamedTuple):
    """What a request says of itself that is new each time; None for what it does not say. ``length``: of its body, octets."""

    request_id: bytes | None
    traceparent: bytes | None
    length: int | None


_NO_IDS = Ids(None, None, None)


def ids_of(cuts: Cuts | None, head: bytes) -> Ids | None:
    """The values that ``cuts`` takes out of a request's ``head``; None where one of them is not what it should be."""
    if cuts is None:
        return _NO_IDS
    request_id = traceparent = length = None
    places = cuts.places
    at = 0
    for name in cuts.names:
        value = head[places[at] : places[at + 1]]
        at += 2
        if name == b"traceparent":
            if not TRACEPARENT.fullmatch(value):
                return None
            traceparent = value
        elif name == b"x-request-id":
            if not REQUEST_ID.fullmatch(value) or _CALLER_KEY in value:
                return None
            request_id = value
        else:
            if not value.isdigit() or len(value) > 12:
                return None
            length = int(value)
    return Ids(request_id, traceparent, length)


def told_by(cuts: Cuts, head: bytes) -> tuple[list[bytes], int] | None:
    """The values that ``cuts`` takes out of an answer's ``head``, but for the length of its body, and that length, -1 where it is not said;
    None where one is not what it should be."""
    places, names = cuts.places, cuts.names
    values = [head[places[n] : places[n + 1]] for n in range(0, len(places), 2)]
    if b"".join(values).translate(None, _VISIBLE):
        return None
    length = values.pop(names.index(b"content-length")) if b"content-length" in names else None
    for value in values:
        if value != value.strip():  # blanks around a value are no part of it
            return None
    if length is None:
        return values, -1
    return (values, int(length)) if length.isdigit() and len(length) <= 12 else None


def cuts_of(head: bytes, new: New = OF_REQUESTS) -> Cuts | None:
    """Where to cut ``head``, whose fields ``new`` are new each time; None where it has none of them, or one of them twice."""
    found = list(_finding(new).finditer(head))
    names = tuple(match[1].lower() for match in found)
    if not found or len(set(names)) < len(names):
        return None
    size = len(head)
    places = tuple(place - size for match in found for place in match.span(2))
    points, behind = [], 0
    for start, stop in reversed(list(zip(places[::2], places[1::2], strict=True))):
        points.append(stop + behind)
        behind += stop - start
    return Cuts(places, names, tuple(points))


def headers_in(head: bytes) -> Headers | None:
    """The fields of ``head``, where each stands on one line, spelled as everybody spells it; None otherwise."""
    pairs = []
    for line in head[: -len(HEAD_END)].split(b"\r\n")[1:]:
        match = _FIELD.fullmatch(line)
        if match is None:
            return None
        pairs.append((match[1].decode("ascii"), match[2].decode("ascii")))
    return Headers(pairs)


def is_one_head(data: bytes) -> bool:
    """Whether ``data`` is one head and nothing else, short enough to be remembered."""
    return len(HEAD_END) <= len(data) <= _MOST_OCTETS and data.find(HEAD_END) == len(data) - len(HEAD_END)


def is_understood(headers: Headers, *, body: bool = False) -> bool:
    """Whether each field of a request is one of those that mean the same each time, said once; ``body``: it may have one of stated
    length."""
    names = headers.names
    if len(set(names)) < len(names):
        return False
    for name in names:
        kept = name == "connection" and headers.get(name) in ("keep-alive", "Keep-Alive")
        if name not in _HARMLESS and not kept and not (body and name == "content-length"):
            return False
    return True
