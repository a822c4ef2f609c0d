"""What a 401 means: whose secret is bad, an instance's or the environment's (API page 1.3, 1.5, 3.2).

Cloud Elements never says which of the three secrets it refuses. So it is asked as the platform: ``GET /instances/{id}`` with the user's
and the organization's secret alone. If that is a 401 too, the pair is bad, and no instance is to blame; otherwise the answer shows the
token that the instance has now.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from gateway.exchange import Instance
from gateway.secret import Secret

SAMPLE = "/instances?pageSize=1"
"""Asked where no instance's number is known: it tells of the pair alone."""

_SAYABLE = re.compile(r"[!-+\--~]{1,1024}")  # what can stand in the Authorization header


class Finding(Enum):
    """What came of looking into a 401."""

    REPEAT = "repeat"
    """Another pair took over, or the instance has a new token: the call is to be made once more."""
    QUARANTINED = "quarantined"
    """The mapping needs authorization. The caller gets the upstream's 401; later calls are refused."""
    ENVIRONMENT = "environment"
    """The user's or the organization's secret is bad, and no other pair works."""
    UNCLEAR = "unclear"
    """Nothing was learned."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to a probe: its status, and its body where that is JSON. Not shown: it holds a token."""

    status: int
    document: Any | None = field(default=None, repr=False)


class Word(Enum):
    """What a probe says of the pair that it was made with."""

    GOOD = "good"
    BAD = "bad"
    SILENT = "silent"


def word(asked: Asked) -> Word:
    """403 says that the user lacks a role, 404 that there is no such instance: either way the secrets were taken."""
    if asked.status == 401:
        return Word.BAD
    if asked.status in (403, 404) or (asked.status == 200 and isinstance(asked.document, (dict, list))):
        return Word.GOOD
    return Word.SILENT


@dataclass(frozen=True, slots=True)
class Blame:
    """Why the mapping was refused, by a pair that is good; ``token`` is the instance's new one, if it has one."""

    reason: str
    token: Secret | None = None


def blame(asked: Asked, instance: Instance, used: Secret) -> Blame:
    """What a good pair's probe says of ``instance``, whose call with the token ``used`` was a 401.

    A token is taken only from an instance of the mapping's element: a mistyped number must not lead to somebody else's data.
    """
    if instance.instance_id is None:
        return Blame("the secrets are good, so the token is not")
    if asked.status == 404:
        return Blame("Cloud Elements knows no such instance")
    document = asked.document
    if asked.status != 200 or not isinstance(document, dict):
        return Blame("Cloud Elements does not show the instance")
    if not _is_of(document, instance):
        return Blame("the instance of this number is another element's")
    token = document.get("token")
    if not isinstance(token, str) or not _SAYABLE.fullmatch(token) or Secret(token) == used:
        return Blame("Cloud Elements shows no other token")
    return Blame("Cloud Elements has another token", Secret(token))


def _is_of(document: dict[str, Any], instance: Instance) -> bool:
    element = document.get("element")
    key = element.get("key") if isinstance(element, dict) else None
    return str(document.get("id", instance.instance_id)) == str(instance.instance_id) and key in (None, instance.element)


def probe_of(instance: Instance | None) -> str:
    """The path that is asked about a 401 of ``instance``, None for a platform call."""
    return SAMPLE if instance is None or instance.instance_id is None else f"/instances/{instance.instance_id}"


def first_id(asked: Asked) -> int | None:
    """The number of the first instance that a list shows."""
    document = asked.document
    first = document[0] if asked.status == 200 and isinstance(document, list) and document else None
    id_ = first.get("id") if isinstance(first, dict) else None
    return id_ if type(id_) is int else None
