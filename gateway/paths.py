"""Paths: forwarded byte for byte, understood in one canonical form.

What goes up is exactly what came (contract 2). What we *decide* by (may this be sealed, may it be cached, what is its label) is
decided on a canonical form, so that no spelling (``//``, ``%69nstances``, ``;x``, upper case) gets around a rule.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from gateway.errors import BadRequest, NotFound

PREFIX = "/elements/api-v2"

_ADDRESSED = re.compile(
    r"(?:/e/(?P<environment>[^/?]+))?(?:/c/(?P<customer>[^/?]+)(?:/(?P<element>[^/?]+))?)?" + PREFIX + r"(?P<rest>(?:[/?].*)?)"
)
_ABSOLUTE = re.compile(r"https?://(?P<authority>[^/?#@]+)(?P<rest>[/?].*)?", re.IGNORECASE)
_CANONICAL = re.compile(r"(?:/[a-z0-9_-]+)+")
_VISIBLE = re.compile(r"[!-~]+")
# Spellings of ASCII that no standard allows and some servers decode: overlong UTF-8, and %u002e.
_OVERLONG = re.compile("[\xc0\xc1][\x80-\xbf]|\xe0[\x80\x81][\x80-\xbf]|\xf0\x80[\x80\x81][\x80-\xbf]")
_WIDE = re.compile(r"%u00([0-7][0-9A-Fa-f])", re.IGNORECASE)
_HUB = re.compile(r"/+hubs/+[^/]+(?P<rest>/+[^/].*)")
_ENDS_SEGMENT = re.compile(r"[;?#\0\s]")

_PLAIN = PREFIX + "/"
_NOBODY = (None, None, None)

Address = tuple[str | None, str | None, str | None]


def origin_form(target: str) -> str:
    """The path and query of a request target; an absolute form's authority is dropped, never followed (RFC 9112 §3.2.2).

    Raises ``BadRequest`` for anything that is neither, for octets that do not belong in a target, and for a fragment.
    """
    if not _VISIBLE.fullmatch(target) or "#" in target:
        raise BadRequest("the request target holds characters that a URL cannot have")
    if target[0] != "/":
        absolute = _ABSOLUTE.fullmatch(target)
        if not absolute:
            raise BadRequest("the request target is neither a path nor an http URL")
        target = absolute["rest"] or "/"
    return target


def split_prefix(target: str) -> tuple[Address, str]:
    """((environment, customer, element), what stands behind ``/elements/api-v2``) of a data listener's target (contract 2.2).

    Raises ``NotFound`` outside of ``/elements/api-v2``, ``BadRequest`` for a path that would leave it.
    """
    refuse_dot_segments(target.partition("?")[0])
    if target.startswith(_PLAIN):
        return _NOBODY, target[len(PREFIX) :]
    match = _ADDRESSED.fullmatch(target)
    if not match:
        raise NotFound(f"calls go to {PREFIX}/…")
    names = match.group("environment", "customer", "element")
    return tuple(None if name is None else unquote(name) for name in names), match["rest"]  # type: ignore[return-value]


def refuse_dot_segments(path: str) -> None:
    """Raise ``BadRequest`` where any segment of ``path`` is ``.`` or ``..`` in any spelling: encoded (also twice), behind a
    backslash, or followed by ``;``, NUL or a blank. Servers differ in what they make of these (threats 12)."""
    if "." not in path and "%" not in path:
        return
    for segment in re.split(r"[/\\]", _decoded(path)):
        if _ENDS_SEGMENT.split(segment, maxsplit=1)[0] in (".", ".."):
            raise BadRequest("the path holds a dot segment")


def _shortest(match: re.Match[str]) -> str:
    code = 0
    for octet in match[0]:
        code = code << 6 | (ord(octet) & 0x3F)
    return chr(code & 0x7F)


def _decoded(path: str) -> str:
    for _ in range(4):
        decoded = _OVERLONG.sub(_shortest, unquote(_WIDE.sub(r"%\1", path), "latin-1"))
        if decoded == path:
            break
        path = decoded
    return path


def canonical(path: str) -> str:
    """``path`` as a lenient server would understand it: decoded, lower-case, single slashes, no parameters, no trailing slash."""
    return path if _CANONICAL.fullmatch(path) else _canonical(path)


@lru_cache(maxsize=1024)
def families(path: str) -> tuple[str, ...]:
    """The segments of the canonical ``path`` with any hub left out, without suffixes (``/users.json`` is ``/users`` to a lenient
    server): what rules about kinds of resources go by. At least one, maybe empty."""
    segments = canonical(path).split("/")[1:]
    if segments[0] == "hubs" and len(segments) > 2:
        del segments[:2]
    return tuple([segment.partition(".")[0] for segment in segments] if "." in path or "%" in path else segments)


@lru_cache(maxsize=4096)
def _canonical(path: str) -> str:
    segments = (_ENDS_SEGMENT.split(segment, maxsplit=1)[0] for segment in re.split(r"[/\\]", _decoded(path)))
    return "/" + "/".join(segment.lower() for segment in segments if segment)


def without_hub(path: str) -> str:
    """The raw path with ``/hubs/{hub}`` left out: Cloud Elements does not look at it (API page 0.2 #2)."""
    match = _HUB.fullmatch(path) if "hubs" in path else None
    return match["rest"] if match else path


def hub_of(path: str) -> str | None:
    """``crm`` of ``/hubs/crm/contacts``."""
    segments = [segment for segment in path.split("/") if segment]
    return segments[1] if len(segments) > 2 and segments[0] == "hubs" else None


# Words that stand behind a resource and are not ids (API page 4.5, 4.6, 3, 5). Anything else there counts as an id.
_WORDS = frozenset(
    """accounts activities agents analytics api attachments audit-logs bulk calls campaigns cancel comments configuration contacts
    contents copy count custom-fields customers data definitions deliveries docs download enabled errors events executions export
    fields files folders groups history hooks incidents instances keys leads line-items links lists me members metadata notes oauth
    objects opportunities orders parameters payments products properties query resources revisions roles search segments shipments
    statuses status steps subscriptions tags tasks timelogs token trace-logging transactions transformations upload url users values
    versions workflows""".split()
)
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")


def shape_of(path: str) -> str:
    """``/contacts/{id}`` of ``/contacts/7``: a raw path (without hub) as a metric label (contract 6).

    The first segment names the resource and stays where it reads as a word; behind it only known words stay.
    """
    parts = path.split("/")
    if len(parts) == 3 and parts[1] and parts[2]:  # most are so
        first = parts[1] if _is_word(parts[1]) else "{id}"
        return f"/{first}/{parts[2]}" if parts[2] in _WORDS else f"/{first}/{{id}}"
    segments = [segment for segment in parts if segment][:6]
    kept = [segment if segment in _WORDS else "{id}" for segment in segments]
    if segments and _is_word(segments[0]):
        kept[0] = segments[0]
    return "/" + "/".join(kept)


shape = lru_cache(maxsize=4096)(shape_of)
"""The same, remembered: for paths that are asked for again."""


@lru_cache(maxsize=1024)
def _is_word(segment: str) -> bool:
    return _WORD.fullmatch(segment) is not None
