"""Client certificates as an identity: a name that an authority of ours has signed stands for a key. Pure rules.

Names are the subject's alternative ones (RFC 5280 §4.2.1.6), compared exactly and with their kind; its common name says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.exchange import Headers

Name = tuple[str, str]
"""Kind and text."""
KINDS = frozenset({"DNS", "URI", "email"})

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")
_DNS = re.compile(r"(?=.{1,253}\Z)(?!(?:.*\.)?\d+\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")
# A browser shows a certificate of its own accord, whoever's page makes the call; programs send neither of these.
_OF_A_PAGE = ("origin", "sec-fetch-site")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a caller's certificate says, its signature found good: its names, and when it ends (seconds since the epoch)."""

    names: tuple[Name, ...] = field(repr=False)
    ends: float


def name_of(text: str) -> Name:
    """A name as the configuration spells it, with its kind: a URI has a colon, an address an ``@``; ``ValueError`` for no name."""
    for kind, form in (("URI", _URI), ("email", _EMAIL), ("DNS", _DNS)):
        if form.fullmatch(text):
            return kind, text
    raise ValueError('a name as in a certificate: "spiffe://shop/orders", "orders.shop.internal" or "orders@shop.test"')


class Certificates:
    """Which name stands for which key: ``keys`` is by the name's text."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = {name_of(text): key_id for text, key_id in keys.items()}

    def key_id(self, certificate: Certificate, headers: Headers, now: float) -> str | None:
        """The id of the key that ``certificate`` stands for in this call; None if for none, or for more than one, if it has ended,
        or if a web page makes the call."""
        if now >= certificate.ends or _any(headers, _OF_A_PAGE):
            return None
        found = {self._keys[name] for name in certificate.names if name in self._keys}
        return found.pop() if len(found) == 1 else None


def _any(headers: Headers, names: Sequence[str]) -> bool:
    return any(name in headers for name in names)
