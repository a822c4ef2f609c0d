"""Whether an answer may be kept (RFC 9111 §3), and which of its fields (§3.1). Pure; a refusal is a word for the record."""

from __future__ import annotations

from gateway.cache.control import Control
from gateway.exchange import Headers, Pair

# Statuses whose meaning for a cache is known here (RFC 9110 §15); `must-understand` asks (RFC 9111 §5.2.2.3).
_UNDERSTOOD = frozenset({200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 404, 405, 410, 414, 451, 500, 501, 502, 503, 504})
_NEEDED = frozenset({"content-encoding", "content-type", "content-language", "content-location", "etag", "last-modified", "vary"})
# No whole representation (RFC 9111 §3.3), or a refusal that is about our credentials or budget: the next call may fare better.
_NEVER = frozenset({206, 304, 401, 403, 407, 416, 429})
# Cacheable without being told so (RFC 9110 §15.1); errors among them only where the operator gives them a lifetime.
HEURISTIC = frozenset({200, 203, 204, 300, 301, 308})
HEURISTIC_ERRORS = frozenset({404, 405, 410, 414, 501})

# RFC 9111 §3.1: meant for one hop, or for this one message. The server writes Content-Length from the body.
NOT_STORED = frozenset(
    """connection keep-alive proxy-connection proxy-authenticate proxy-authentication-info proxy-authorization te trailer
    transfer-encoding upgrade content-length age set-cookie warning""".split()
)


def refusal_to_store(status: int, answer: Headers, control: Control) -> str | None:
    """Why the answer must not be kept here, None where nothing forbids it. Several callers share an instance's cache."""
    if status < 200 or status in _NEVER:
        return "status"
    if control.must_understand:
        if status not in _UNDERSTOOD:
            return "must-understand"  # and where it is understood, `no-store` beside it is not meant (§5.2.2.3)
    elif control.no_store:
        return "no-store"
    # Without some of its fields the rest of an answer means something else.
    if control.private or not _NEEDED.isdisjoint(control.no_cache_fields | control.private_fields):
        return "private"
    for name in ("set-cookie", "content-disposition"):  # a session or a file's bytes (API page, appendix B)
        if name in answer:
            return name
    return None


def storable_fields(answer: Headers, control: Control) -> tuple[Pair, ...]:
    """The fields to keep: not those of one hop, nor what ``Connection``, ``no-cache="…"`` or ``private="…"`` name."""
    named = control.no_cache_fields | control.private_fields
    if "connection" in answer:
        named |= {name.strip().lower() for name in (answer.get("connection") or "").split(",")}
    return tuple(
        pair for lowered, pair in zip(answer.names, answer.pairs, strict=True) if lowered not in NOT_STORED and lowered not in named
    )
