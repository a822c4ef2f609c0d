"""Jobs and their states (API page 5.3).

A job moves one state on each time its status is asked for, not with the clock, so that a test sees every state and waits for none:
CREATED is what its creation answers, then STARTED, RUNNING, COMPLETED. What a download gives is what was there when it was created.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from gateway.sandbox.call import ApiError, Row
from gateway.sandbox.draw import timestamp

KEPT = timedelta(days=3)  # API page 8.1
FIRST_ID = 60422
_NEXT = {"CREATED": "STARTED", "STARTED": "RUNNING", "RUNNING": "COMPLETED", "CANCELLATION_PENDING": "CANCELLED"}

Direction = Literal["DOWNLOAD", "UPLOAD"]


@dataclass(slots=True)
class Job:
    """``rows`` are those of a download; ``count`` and ``errors`` are of an upload's rows, taken and not."""

    id: str
    resource: str
    direction: Direction
    created: datetime
    rows: list[Row] = field(default_factory=list, repr=False)
    count: int = 0
    errors: list[Row] = field(default_factory=list, repr=False)
    format: str = "csv"
    metadata: str = "{}"
    status: str = "CREATED"
    finished: datetime | None = None

    def advance(self, now: datetime) -> None:
        """One state on, unless it is at its end."""
        self.status = _NEXT.get(self.status, self.status)
        if self.status in ("COMPLETED", "CANCELLED") and self.finished is None:
            self.finished = now

    def cancel(self) -> None:
        """Raises ``ApiError`` 400 for a job that is at its end."""
        if self.status not in _NEXT:
            raise ApiError(400, f"The job is {self.status} and cannot be cancelled")
        self.status = "CANCELLATION_PENDING"

    def results(self, now: datetime) -> list[Row]:
        """The rows of a download. Raises ``ApiError`` 404 before its end and three days after it."""
        if self.direction != "DOWNLOAD" or self.finished is None or self.status != "COMPLETED" or now - self.finished > KEPT:
            raise ApiError(404, f"No results found for job {self.id}")
        return self.rows

    def document(self, instance_id: int) -> Row:
        """The status object of API page 5.3."""
        return {
            "id": self.id,
            "status": self.status,
            "object_name": self.resource,
            "job_direction": self.direction,
            "recordsCount": self.count if self.status in ("RUNNING", "COMPLETED") else 0,
            "recordsFailedCount": len(self.errors) if self.status in ("RUNNING", "COMPLETED") else 0,
            "instanceId": instance_id,
            "fileFormat": self.format,
            "bulk_start_time": timestamp(self.created),
            "bulk_finish_time": timestamp(self.finished) if self.finished else None,
            "infoMessage": None,
            "message": None,
            "error": None,
            "metadata": self.metadata,
        }


class Jobs:
    """The jobs of one instance, oldest first."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def get(self, id_: str) -> Job:
        """Raises ``ApiError`` 404."""
        job = self._jobs.get(id_)
        if job is None:
            raise ApiError(404, f"No job found with id {id_[:40]}")
        return job

    def next_id(self) -> str:
        return str(FIRST_ID + len(self._jobs))

    def add(self, job: Job) -> Job:
        self._jobs[job.id] = job
        return job
