"""What an answer says about its own caching: ``Cache-Control``, or ``CDN-Cache-Control`` where that stands (RFC 9111 §5.2.2, RFC 9213).

Pure reading of fields; what follows from it stands in ``freshness.py``, ``storability.py`` and ``entry.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from gateway.exchange import Headers

FOREVER_S = 2.0**31  # RFC 9111 §1.2.2: what overflows counts as this many seconds

_DIRECTIVE = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s,]*)))?""")
# RFC 8941 §3.2, as RFC 9213 §2.1 wants targeted fields to be: a dictionary whose keys are lower-case. What is none is ignored whole.
_BARE = r'-?\d{1,15}(?:\.\d{1,3})?|"(?:[ !#-\[\]-~]|\\["\\])*"|:[A-Za-z0-9+/=]*:|\?[01]|[A-Za-z*][!#$%&\'*+.^_`|~0-9A-Za-z:/-]*'
_PARAMETERS = rf"(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:{_BARE}))?)*"
_INNER = rf"\( *(?:(?:{_BARE}){_PARAMETERS}(?: +(?:{_BARE}){_PARAMETERS})* *)?\)"
_MEMBER = re.compile(rf"[ \t]*([a-z*][a-z0-9_.*-]*)(?:=({_BARE}|{_INNER}))?{_PARAMETERS}[ \t]*(?:,(?=[ \t]*[a-z*])|\Z)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBERS = frozenset({"max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"})


def directives(value: str | None) -> Mapping[str, str | None]:
    """The directives of a Cache-Control value by lower-case name; of a repeated one the first (RFC 9111 §4.2.1, §5.2)."""
    found: dict[str, str | None] = {}
    for name, quoted, bare in _each(value):
        found.setdefault(name.lower(), bare if quoted is None else quoted)
    return found


def delta_seconds(value: str | None) -> float | None:
    """A non-negative number of seconds (RFC 9111 §1.2.2), None where it is none."""
    if not value or not value.isascii() or not value.isdigit():
        return None
    digits = value.lstrip("0")
    return FOREVER_S if len(digits) > 10 else min(float(digits or 0), FOREVER_S)


@dataclass(frozen=True, slots=True)
class Control:
    """The directives that count here. Durations are seconds; None: not said. One that cannot be read is 0, the strictest.

    ``no_cache_fields`` and ``private_fields`` are the lower-case names of the qualified forms (RFC 9111 §5.2.2.4, §5.2.2.7): these
    fields are not kept, the rest of the answer may be. ``targeted``: ``CDN-Cache-Control`` spoke, so ``Expires`` does not (RFC 9213 §2.1).
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: frozenset[str] = frozenset()
    private: bool = False
    private_fields: frozenset[str] = frozenset()
    public: bool = False
    must_revalidate: bool = False
    must_understand: bool = False
    max_age: float | None = None
    s_maxage: float | None = None
    stale_while_revalidate: float | None = None
    stale_if_error: float | None = None
    targeted: bool = False

    @property
    def stale_forbidden(self) -> bool:
        """Whether a stale answer must never be given unasked: ``must-revalidate``, ``proxy-revalidate``, ``no-cache``, and ``s-maxage``,
        which says the same to a shared cache (RFC 9111 §4.2.4, §5.2.2.10)."""
        return self.must_revalidate or self.no_cache or self.s_maxage is not None


_NOTHING_SAID = Control()


def control_of(headers: Headers) -> Control:
    """What the answer with these fields says."""
    general, targeted = headers.get("cache-control"), headers.get("cdn-cache-control")
    if general is None and targeted is None:
        return _NOTHING_SAID
    return _control(general, targeted) if len(general or "") + len(targeted or "") < 1024 else _control.__wrapped__(general, targeted)


@lru_cache(maxsize=512)
def _control(general: str | None, targeted: str | None) -> Control:
    special = _dictionary(targeted) if targeted else None
    said = special or directives(general)
    no_cache, private = (_fields_of(general, special, name) for name in ("no-cache", "private"))
    return Control(
        no_store="no-store" in said,
        no_cache=no_cache is not None and not no_cache,
        no_cache_fields=no_cache or frozenset(),
        private=private is not None and not private,
        private_fields=private or frozenset(),
        public="public" in said,
        must_revalidate="must-revalidate" in said or "proxy-revalidate" in said,
        must_understand="must-understand" in said,
        max_age=_seconds(said, "max-age"),
        s_maxage=_seconds(said, "s-maxage"),
        stale_while_revalidate=_seconds(said, "stale-while-revalidate"),
        stale_if_error=_seconds(said, "stale-if-error"),
        targeted=bool(special),
    )


def _seconds(said: Mapping[str, str | None], name: str) -> float | None:
    return (delta_seconds(said[name]) or 0.0) if name in said else None


def _fields_of(general: str | None, special: Mapping[str, str | None] | None, name: str) -> frozenset[str] | None:
    """Which fields ``no-cache`` or ``private`` is about: none of them for the whole answer, None where it is not said. Of several the
    strictest counts."""
    if special:
        values = [special[name]] if name in special else []
    else:
        values = [quoted if quoted is not None else bare for said, quoted, bare in _each(general) if said.lower() == name]
    if not values:
        return None
    names = [_names(value) for value in values]
    return frozenset().union(*names) if all(names) else frozenset()


def _each(value: str | None) -> list[tuple[str, str | None, str | None]]:
    return [(match[1], match[2], match[3]) for match in _DIRECTIVE.finditer(value or "")]


def _names(value: str | None) -> frozenset[str]:
    """The field names of a qualified form; none, so that it counts for the whole answer, where they are not all names."""
    names = frozenset(name.strip().lower() for name in value.split(",") if name.strip()) if value else frozenset()
    return names if all(map(_TOKEN.fullmatch, names)) else frozenset()


def _dictionary(value: str) -> Mapping[str, str | None] | None:
    """A targeted field's directives; None where it is no structured dictionary, or a number in it is none."""
    found: dict[str, str | None] = {}
    at, end = 0, len(value.rstrip(" \t"))
    while at < end:
        match = _MEMBER.match(value, at)
        if not match:
            return None
        name, bare = match.groups()
        if name in _NUMBERS and (bare is None or not re.fullmatch(r"-?\d+", bare)):
            return None
        if bare == "?0":
            found.pop(name, None)
        else:
            # RFC 8941 §3.2: of a repeated key the last counts.
            found[name] = bare[1:-1] if bare and bare[0] == '"' else None if bare == "?1" else bare
        at = match.end()
    return found
