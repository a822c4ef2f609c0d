"""Whether an answer says that the provider's limit is spent (API page 2.3, 8.2), and not just that this one call was too large (8.1).

Which answers say so is a table by element, its preset's ``limit_signals``. What a signal means for the budget is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gateway.exchange import Headers
from gateway.limits.message_times import message_delay
from gateway.limits.refusal_text import first_sign, json_object, plain, provider_said

TOO_MANY_REQUESTS = 429
_BLANKS = b" \t\r\n\v\f"

# A field of a limiter: Retry-After, RateLimit, X-RateLimit-Reset, X-Rate-Limit-Problem, X-HubSpot-RateLimit-Daily, …
_OF_A_LIMITER = re.compile(r"retry-after|.*rate-?limit.*")

# API page 8.1: a payload or a file beyond Cloud Elements' own limits is 429 too. "Too many requests" decides nothing: it is the name of
# the status, and stands beside any of these.
_PERIOD = r"(?:s|sec|seconds?|min|minutes?|hours?|days?|months?)\b"
_RATE = re.compile(
    rf"rate[-_ ]?limit|thrott?l|concurren|\b(?:per|each|every) {_PERIOD}|\d ?/ ?{_PERIOD}"
    r"|\b(?:requests?|calls?) (?:limit|quota)|\blimit (?:of|on|for) (?:\w+ ){0,2}(?:requests|calls)"
)
_BEYOND = r"(?:exceed|limit|maximum|larger|allowed|more than)"
_TOO_LARGE = re.compile(
    r"pay[-_ ]?load|\btoo[-_ ]?(?:large|big|long)\b"
    rf"|\bsize\b.{{0,60}}{_BEYOND}|{_BEYOND}.{{0,60}}\bsize\b|{_BEYOND}.{{0,40}}\d ?(?:bytes|[kmg]i?b)\b"
)
_FILE = r"(?:file|upload|download|stream|transfer)"
_SLOW = r"(?:time[- ]?out|timed[- ]out|maximum time|too slow|exceed\w* .{0,40}\bseconds)"
_TOO_SLOW = re.compile(rf"\bduration\b|{_FILE}.{{0,60}}{_SLOW}|{_SLOW}.{{0,60}}{_FILE}")
_FAILURES = ("errors", "error", "fault")


@dataclass(frozen=True, slots=True)
class Signal:
    """An answer of ``status`` whose body holds ``contains`` (case and white space aside; None: whatever it holds) says that the limit is
    spent, ``until`` the end of the ``day`` where that is said. An answer below 400 must also say that it failed: ``"success": false``,
    or ``errors``; JSON that says nothing of the kind is data."""

    status: int
    contains: str | None = None
    until: Literal["day"] | None = None


def looked_at(signals: Sequence[Signal], status: int) -> Literal["no", "head", "body"]:
    """Whether an answer of ``status`` may be a signal, and whether its body must be read to know: ``head`` needs none."""
    found: Literal["no", "head"] = "no"
    for signal in signals:
        if signal.status == status:
            if signal.contains is not None or status == TOO_MANY_REQUESTS:
                return "body"
            found = "head"
    return found


def signalled(signals: Sequence[Signal], status: int, headers: Headers, body: bytes | None) -> Signal | None:
    """The signal that an answer is, None where it is none. Of several one that its words show goes first, and among them one that closes
    for the day.

    ``body`` as it came, its content coding included; None where it is not known, as one is that is larger than 16 KiB. Then what it
    contains cannot be told, and a 429 is taken for the limit that it mostly is.
    """
    mine = [one for one in signals if one.status == status]
    if not mine:
        return None
    known = plain(headers, body)
    told = [] if known is None else _told([one for one in mine if one.contains is not None], known)
    if told and (status >= 400 or _admits_failure(known or b"")):
        return max(told, key=_closes_for_the_day)
    silent = [one for one in mine if one.contains is None]
    if not silent or (status == TOO_MANY_REQUESTS and _own_limit(headers, known)):
        return None
    return max(silent, key=_closes_for_the_day)


def _closes_for_the_day(signal: Signal) -> bool:
    return signal.until is not None


def _told(signals: Sequence[Signal], body: bytes) -> list[Signal]:
    squeezed = body.translate(None, _BLANKS).lower() if signals else b""
    return [one for one in signals if one.contains is not None and _needle(one.contains).search(squeezed)]


@lru_cache(maxsize=256)
def _needle(wanted: str) -> re.Pattern[bytes]:
    squeezed = wanted.encode().translate(None, _BLANKS).lower()
    # The code 606 is not in 6061.
    before, after = (rb"(?<!\d)" if squeezed[:1].isdigit() else b""), (rb"(?!\d)" if squeezed[-1:].isdigit() else b"")
    return re.compile(before + re.escape(squeezed) + after)


def _admits_failure(body: bytes) -> bool:
    """Whether an answer of success says that it is none. A customer's record may hold any words, so JSON must say so beside them:
    ``"success": false``, or errors; a list of records says nothing of the kind."""
    document = json_object(body)
    if document is None:
        return first_sign(body) not in (b"[", b"{")
    return document.get("success") is False or any(document.get(name) for name in _FAILURES)


def _own_limit(headers: Headers, body: bytes | None) -> bool:
    """Whether a 429 speaks of one payload or file beyond Cloud Elements' limits, whatever the rate of calls."""
    if body is None or any(map(_OF_A_LIMITER.fullmatch, headers.names)):
        return False
    said = " ".join(provider_said(body).lower().split())
    # Pages of HTML are none of Cloud Elements' errors, and what is too large for ever names no time to come back.
    if said.startswith("<") or _RATE.search(said) or message_delay(said, 0.0) is not None:
        return False
    return bool(_TOO_LARGE.search(said) or _TOO_SLOW.search(said))
