"""Cases as tables: what a caller sends, what it must get, what must reach the origin.

In the octets of a case ``@KEY@`` stands for the caller key, ``@HANDLE@`` for acme's instance handle.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.raw import Part

BASE = "/elements/api-v2"


def ask(line: str, *fields: str, body: bytes = b"", who: bool = True, host: bool = True) -> bytes:
    """A request. In ``line``, `` ~`` stands for ``/elements/api-v2``, and `` HTTP/1.1`` is added where no version stands.

    ``who``: with the caller key and customer acme; ``host``: with a Host. Nothing else is added, no Content-Length either.
    """
    line = line.replace(" ~", f" {BASE}") if " HTTP/" in line else line.replace(" ~", f" {BASE}") + " HTTP/1.1"
    standard = ("Host: gateway",) * host + ("X-Api-Key: @KEY@", "Gateway-Customer: acme") * who
    return "\r\n".join((line, *standard, *fields, "", "")).encode("latin-1") + body


def post(target: str, body: bytes, *fields: str) -> bytes:
    """A POST with a right Content-Length."""
    return ask(f"POST {target}", f"Content-Length: {len(body)}", *fields, body=body)


@dataclass(frozen=True)
class Seen:
    """What must reach the origin: the request line without its version, body, framing, and fields ``name: value`` or names."""

    line: str = f"GET {BASE}/x"
    payload: bytes = b""
    framing: str = "none"
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    platform: bool = False


PARTIAL = "requests that are never complete, on connections that are then closed"


@dataclass(frozen=True)
class Case:
    """One exchange. ``answers``: in order, a status that the origin gave, or a slug; alternatives as ``"200|bad-request"``.

    ``reaches``: what the origin gets for the answers that are its own (refused requests never reach it), or ``PARTIAL``.
    ``closes``: the connection must end after the last answer. ``or_close``: ending it without an answer will do too.
    ``octetwise``: every octet is sent on its own.
    """

    id: str
    sent: bytes | tuple[Part, ...]
    answers: tuple[int | str, ...]
    reaches: tuple[Seen, ...] | str = (Seen(),)
    closes: bool = False
    or_close: bool = False
    interim: tuple[int, ...] = ()
    octetwise: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        return (self.sent,) if isinstance(self.sent, bytes) else self.sent

    @property
    def octets(self) -> bytes:
        return b"".join(part for part in self.parts if isinstance(part, bytes))
