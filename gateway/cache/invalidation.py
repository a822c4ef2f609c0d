"""Which stored answers a write makes doubtful (RFC 9111 §4.4, API page appendix B): pure decisions on paths.

Cloud Elements' paths alternate names and ids (``/{resource}/{id}/{child}/{childId}``, API page 4.1). A write

* on an item (``/r/7``) touches the item, everything below it and the lists of ``/r``;
* on a child item (``/r/7/c/8``) touches that and what is below it, the lists ``/r/7/c``, the item ``/r/7`` and its lists ``/r``;
* by POST on a list (``/r``, ``/r/7/c``) touches that list, the item it belongs to and that one's lists;
* by another method on a list, or on an action (``PUT /r/7/enabled``), touches also everything below it.

Every query of a touched path goes, and nothing of another instance. A write under ``/instances`` with an Element token changes the
instance itself, on which all its answers depend (API page 3.2): everything of that instance goes.

A write counts as done unless it was refused (4xx): after a 5xx or a lost answer it may have happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urljoin

from gateway.paths import families

Segments = tuple[str, ...]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1


class Touched(NamedTuple):
    """Paths that a write touches: those ``exact`` (with any query), and those ``below`` which all goes, themselves included."""

    exact: frozenset[Segments]
    below: frozenset[Segments]

    def covers(self, path: Segments) -> bool:
        """Whether the answer at ``path`` is touched."""
        return path in self.exact or any(path[: len(root)] == root for root in self.below)

    def and_places(self, places: Iterable[Segments]) -> Touched:
        """This, and ``places`` with any query; everything where one of them is no resource's."""
        more = frozenset(places)
        return EVERYTHING if any(len(one) > _DEEPEST for one in more) else self._replace(exact=self.exact | more)


_DEEPEST = 64  # no resource is: what a path of thousands of parts touches would take megabytes to say
EVERYTHING = Touched(frozenset(), frozenset({()}))


def segments(path: str) -> Segments:
    """The parts of a raw path, such that spellings of one resource agree: percent-decoded once, no empty parts, no ``;`` parameters,
    names (every other part, from the first) in lower case. An encoded slash stays inside of its part."""
    return _remembered(path) if len(path) < _LONG else _segments(path)


def _segments(path: str) -> Segments:
    parts = [unquote(name) for part in path.split("/") if (name := part.partition(";")[0])]
    parts[::2] = [name.lower() for name in parts[::2]]
    return tuple(parts)


_LONG = 512  # octets of a path that is not worth remembering
_remembered = lru_cache(maxsize=4096)(_segments)


def place(path: str, *, element_call: bool) -> Segments:
    """Where the raw ``path`` stands: for an element call without its hub, however that is spelled (API page 0.2 #2)."""
    parts = segments(path)
    return parts[2:] if element_call and parts[:1] == ("hubs",) and len(parts) > 2 else parts


def is_write(method: str) -> bool:
    """Whether ``method`` may change something: each one that is not known to be safe (RFC 9111 §4.4)."""
    return method not in _SAFE


def may_have_happened(status: int) -> bool:
    """Whether a write answered so may have changed something: not where it was refused."""
    return not 400 <= status < 500


def touched(method: str, path: str, *, element_call: bool) -> Touched:
    """What a write by ``method`` on the raw ``path`` (without hub) touches."""
    whole = place(path, element_call=element_call)
    if (element_call and whole[:1] == ("instances",)) or len(whole) > _DEEPEST:
        return EVERYTHING
    depth = len(whole)
    items = {whole[:length] for length in range(1, depth)}  # the items above, and the lists that each of them stands in
    if depth % 2 == 0 and depth:
        return Touched(frozenset(items | {whole[:-1]}), frozenset({whole}))
    if method == "POST" or not depth:
        return Touched(frozenset(items | {whole}), frozenset())
    return Touched(frozenset(items), frozenset({whole}))


@lru_cache(maxsize=1024)
def touched_by(method: str, path: str) -> Touched:
    """The same for an element call, remembered."""
    return touched(method, path, element_call=True)


def instance_number(path: str) -> int | None:
    """The number in ``/instances/{id}…`` and ``/elements/{key}/instances/{id}…``: a write there changes an instance (API page 3)."""
    first, *below = families(path)
    if first == "elements":
        below = below[2:] if below[1:2] == ["instances"] else []
    elif first != "instances":
        return None
    return int(below[0]) if below and below[0].isascii() and below[0].isdigit() and len(below[0]) < 19 else None


def named_by(reference: str | None, target: str, base_url: str) -> str | None:
    """Path and query, below ``base_url``, of what an answer to a call of ``target`` refers to in Location or Content-Location; None where
    that is nothing of the same upstream (RFC 9111 §4.4)."""
    if reference is None:
        return None
    try:
        named = urljoin(base_url + target, reference)
    except ValueError:
        return None
    root = base_url + "/"
    return named[len(base_url) :].partition("#")[0] if named[: len(root)].lower() == root.lower() else None
