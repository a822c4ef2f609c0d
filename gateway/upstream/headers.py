"""Which fields go up, which come down, and the head of a request as octets (contract 2.3, 2.4; RFC 9110 §7.6.1).

Injection comes last, after everything that a caller could name in ``Connection`` is gone: a proxy that does it the other way
round lets ``Connection: Authorization`` remove the injected credential (reference/robustness.md).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.exchange import Headers, Pair
from gateway.upstream.masking import Needle, mask_text

VIA = "1.1 gateway"

_HOP_BY_HOP = frozenset(
    """connection keep-alive proxy-connection proxy-authenticate proxy-authorization proxy-authentication-info te trailer
    transfer-encoding upgrade http2-settings""".split()
)
# Beside the contract's list: fields by which a caller could make an upstream see another method, path or origin (threats 15, 16).
_NOT_UP = _HOP_BY_HOP | frozenset(
    """authorization x-api-key cookie cookie2 forwarded host content-length expect x-request-id traceparent x-real-ip
    x-http-method-override x-http-method x-method-override x-original-url x-rewrite-url""".split()
)
_NOT_DOWN = _HOP_BY_HOP | frozenset({"content-length"})
_CONDITIONAL = frozenset({"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "if-range"})
_NOT_UP_PREFIXES = ("gateway-", "gateway_", "x-forwarded-", "proxy-")


def upward(headers: Headers, conditions: Sequence[Pair] | None = None) -> list[Pair]:
    """The caller's end-to-end fields that go up, as they came; ``conditions`` stand in for its own conditional fields."""
    named = _named_in_connection(headers)
    kept = []
    for name, pair in zip(headers.names, headers.pairs, strict=True):
        if name in _NOT_UP or name.startswith(_NOT_UP_PREFIXES) or name in named:
            continue
        if conditions is not None and name in _CONDITIONAL:
            continue
        kept.append(pair)
    if conditions:
        kept += conditions
    return kept


def end_to_end(headers: Headers) -> Headers:
    """The caller's fields without those that its ``Connection`` names: they do not go up, so they must not choose a stored answer."""
    named = _named_in_connection(headers) - _NOT_UP  # framing is read from them still
    return headers.without(named) if named else headers


def request_head(method: str, target: str, host: str, fields: Sequence[Pair], added: Sequence[Pair]) -> bytes:
    """The octets of a request head: ``fields`` as they came, then ``added`` (authorization, framing, Via and ids)."""
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in fields]
    lines += [f"{name}: {value}\r\n" for name, value in added]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def downward(headers: Headers, secrets: Sequence[Needle], *, keep_length: bool = False) -> Headers:
    """The upstream's end-to-end fields, with any injected secret in them masked.

    Set-Cookie is still among them: the cache must see it, and the caller does not (``server/answer.py``). Content-Length is not, as
    bodies state their own; ``keep_length`` keeps it where it describes a body that is not sent (HEAD and 304, RFC 9110 §8.6).
    """
    named = _named_in_connection(headers)
    kept = []
    for name, pair in zip(headers.names, headers.pairs, strict=True):
        if (name in _NOT_DOWN or name in named) and not (keep_length and name == "content-length"):
            continue
        kept.append(pair)
    text = "\n".join([value for _, value in kept])
    if mask_text(text, secrets) != text:
        kept = [(name, mask_text(value, secrets)) for name, value in kept]
    return Headers(kept)


def _named_in_connection(headers: Headers) -> frozenset[str]:
    """What ``Connection`` names is meant for this hop alone (RFC 9110 §7.6.1)."""
    if "connection" not in headers.names:
        return _NOTHING
    value = headers.get("connection") or ""
    if value in ("keep-alive", "Keep-Alive", "close"):
        return _NOTHING
    return frozenset(name.strip().lower() for name in value.split(","))


_NOTHING: frozenset[str] = frozenset()
