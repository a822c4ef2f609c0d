"""The calls that passed authorization, as ``/usage`` tells of them. Those to ``/usage`` itself are left out (our choice)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from gateway.sandbox.call import Row
from gateway.sandbox.instances import USER, Instance

KEPT = 10_000
_ORGANIZATION = 2202
_ACCOUNT = 3301


@dataclass(frozen=True, slots=True)
class Use:
    """One call. ``duration_ms`` is what the provider took: the latency that the dials held for it. ``instance`` is None for a call to
    the platform."""

    request_id: str
    at: datetime
    method: str
    uri: str
    status: int
    duration_ms: int
    instance: Instance | None

    @property
    def succeeded(self) -> bool:
        return self.status < 400

    def document(self) -> Row:
        """The newer record of API page 3.6."""
        instance = self.instance
        record: Row = {
            "request_id": self.request_id,
            "traffic_id": self.request_id,
            "traffic_date": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "request_status": "SUCCESS" if self.succeeded else "FAILED",
            "response_status": self.status,
            "request_method": self.method,
            "request_uri": self.uri,
            "request_ip": "127.0.0.1",
            "element_api": instance.element.hub if instance else "platform",
            "element_resource": resource_of(self.uri),
            "account_id": _ACCOUNT,
            "account_name": "Sandbox",
            "company_id": _ORGANIZATION,
            "company_name": "Sandbox",
            "user_id": USER["id"],
            "user_name": USER["emailAddress"],
            "process_time": self.duration_ms,
            "platform_process_time": 0,
            "vendor_process_time": self.duration_ms,
        }
        if instance:
            record |= {
                "element_key": instance.element.key,
                "element_name": instance.element.name,
                "instance_id": instance.id,
                "instance_name": instance.name,
                "instance_tags": list(instance.tags),
            }
        return record


class UsageLog:
    """The last 10,000 calls."""

    def __init__(self) -> None:
        self._uses: deque[Use] = deque(maxlen=KEPT)

    def __iter__(self) -> Iterator[Use]:
        """Newest first."""
        return reversed(self._uses)

    def add(self, use: Use) -> None:
        self._uses.append(use)

    def clear(self) -> None:
        self._uses.clear()


def resource_of(target: str) -> str:
    """``contacts`` of ``/elements/api-v2/hubs/crm/contacts/7?fields=id``."""
    segments = [segment for segment in target.partition("?")[0].split("/") if segment][2:]
    if segments[:1] == ["hubs"] and len(segments) > 2:
        segments = segments[2:]
    return segments[0] if segments else ""
