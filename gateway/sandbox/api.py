"""The walk of one call: which family, who may, what the dials say, the answer. No socket is seen here.

Paths are matched raw (API page 4.1): split at slashes first and decoded after, so that ``%252F`` stays one segment; empty segments
(``//vdrs``, ``/contacts/``) do not count; the hub is dropped unread, for every family alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import unquote

from gateway.sandbox.call import PREFIX, Answer, ApiError, Call
from gateway.sandbox.dials import Misbehaviour
from gateway.sandbox.hubs import hub_answer
from gateway.sandbox.instances import Instance
from gateway.sandbox.platform.answers import platform_answer
from gateway.sandbox.state import Sandbox
from gateway.sandbox.usage.log import Use

Family = Literal["public", "platform", "own instance", "hub data"]

_NEEDS: Mapping[Family, tuple[str, ...]] = {  # API page 1.3; what is presented beyond that must be right too
    "public": (),
    "platform": ("user", "organization"),
    "own instance": ("user", "element"),
    "hub data": ("user", "element"),
}
_PLATFORM = frozenset(
    {
        "elements", "hubs", "instances", "organizations", "formulas", "usage", "metrics", "jobs", "vdrs",
        "notifications", "audit-logs", "common-resources", "docs",
    }
)  # fmt: skip
_EITHER = frozenset({"accounts", "users", "customers"})  # hub data when a token comes along (API page 0.2 #3)
_OF_THE_TOKEN = frozenset({"enabled", "configuration", "trace-logging"})  # /instances/… without an id (API page 1.3)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may go on; ``instance`` is that of its token where it is after hub data, ``counts`` whether ``/usage`` tells of it."""

    instance: Instance | None
    counts: bool

    @property
    def lane(self) -> str:
        return self.instance.element.key if self.instance else "platform"


def split_path(raw: str) -> tuple[str, ...] | None:
    """The decoded segments after the prefix, without ``hubs/{hub}``; None outside of the API."""
    if raw != PREFIX and not raw.startswith(PREFIX + "/"):
        return None
    segments = tuple(unquote(segment) for segment in raw[len(PREFIX) :].split("/") if segment)
    if segments[:1] == ("hubs",) and len(segments) > 2 and segments[2:] != ("elements",):
        return segments[2:]
    return segments


def family_of(call: Call) -> Family:
    """Path, method and the presence of an Element part decide together (API page 1.3, appendix A 2)."""
    head, *rest = call.path or ("",)
    if head in ("elements", "hubs") and call.method == "GET" and "instances" not in rest[1:]:
        return "public"
    if head == "authentication" or (head == "elements" and rest[1:2] == ["oauth"]):
        return "public"
    if head == "instances" and (rest[0] in _OF_THE_TOKEN if rest else call.method in ("PUT", "PATCH", "DELETE")):
        return "own instance"
    if head in _PLATFORM or not head:
        return "platform"
    if head in _EITHER and not (call.credentials and call.credentials.element):
        return "platform"
    return "hub data"


def admit(sandbox: Sandbox, call: Call) -> Admitted:
    """Raises ``ApiError`` 401 (which secret was wrong is never said), 403 for a disabled instance, 429 for a body over 8 MB or a
    file beyond its limits (API page 8.1)."""
    family = family_of(call)
    instance = None
    if family != "public":
        instance = _authenticate(sandbox, call, _NEEDS[family])
    if family != "hub data":
        instance = None
    if instance and instance.disabled and call.path[0] != "objects":
        raise ApiError(403, "The element instance is disabled")
    if call.body is None:
        raise ApiError(429, call.refused)
    return Admitted(instance, counts=family != "public" and call.path[:1] != ("usage",))


def _authenticate(sandbox: Sandbox, call: Call, needs: tuple[str, ...]) -> Instance | None:
    credentials = call.credentials
    instance = sandbox.instances.with_token(credentials.element) if credentials else None
    right = credentials is not None and all(
        (
            all(getattr(credentials, part) for part in needs),
            sandbox.secrets.takes(credentials.user, credentials.organization),
            credentials.element is None or instance is not None,
        )
    )
    if not right:
        raise ApiError(401, "Invalid Organization or User secret, or invalid Element token provided.")
    return instance


def meet(sandbox: Sandbox, admitted: Admitted) -> Misbehaviour:
    """What the dials hold for this call."""
    return sandbox.dials.meet(admitted.lane, sandbox.now())


def answer(sandbox: Sandbox, call: Call, admitted: Admitted, request_id: str) -> Answer:
    """The answer to an admitted call, errors included."""
    try:
        return hub_answer(sandbox, call, admitted.instance) if admitted.instance else platform_answer(sandbox, call)
    except ApiError as error:
        return error.answer(request_id)


def headers_of(admitted: Admitted, request_id: str, at: datetime) -> dict[str, str]:
    """What every answer to a hub call carries (API page 2.4); a trace has the id of its call."""
    instance = admitted.instance
    if instance is None:
        return {}
    headers = {"Elements-Element-Instance-Id": str(instance.id)}
    if instance.traced_until is not None and at < instance.traced_until:
        headers["Elements-Trace-Id"] = request_id
    return headers


def moves_a_file(call: Call, admitted: Admitted) -> bool:
    """Whether the limits for files hold (API page 8.1)."""
    return admitted.instance is not None and call.path[0] == "files"


def log(sandbox: Sandbox, call: Call, admitted: Admitted, request_id: str, at: datetime, status: int, latency: float) -> None:
    """Write the call down for ``/usage``, if it counts there; ``latency`` is in seconds."""
    if admitted.counts:
        sandbox.usage.add(Use(request_id, at, call.method, call.target, status, round(latency * 1000), admitted.instance))
