"""Until when a call may take: what its caller says (``Gateway-Timeout``), and what the configuration does; the shorter wins."""

from __future__ import annotations

import re
from math import inf

from gateway.errors import BadRequest
from gateway.exchange import Headers

FIELD = "gateway-timeout"
_FORM = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,3})?")


def deadline_of(headers: Headers, started: float, now: float, call_timeout: float) -> float:
    """The moment (monotonic) at which a call must be over that came at ``started`` and is looked at ``now``; ``inf``: none.

    ``Gateway-Timeout`` is in seconds from ``started``, queueing and all; ``call_timeout`` seconds (0: none) count from now.
    Raises ``BadRequest``.
    """
    deadline = now + call_timeout if call_timeout else inf
    said = headers.get(FIELD)
    if said is None:
        return deadline
    if not _FORM.fullmatch(said) or not float(said):
        raise BadRequest('Gateway-Timeout is not a number of seconds such as "2.5"')
    return min(deadline, started + float(said))
