"""``POST /bulk/{object}``: a file of rows, and what to do with them (API page 5.2)."""

from __future__ import annotations

import json

from gateway.sandbox.bulk.formats import rows_of
from gateway.sandbox.bulk.jobs import Job
from gateway.sandbox.call import ApiError, Call, Row
from gateway.sandbox.ceql import field_of
from gateway.sandbox.instances import Instance
from gateway.sandbox.multipart import parts
from gateway.sandbox.state import Sandbox

_ACTIONS = ("insert", "update", "upsert")


def upload(sandbox: Sandbox, call: Call, instance: Instance, resource: str) -> Job:
    """The job; its rows are written at once. Raises ``ApiError`` 400 for a form or a ``metaData`` that is wrong, 415 for no form."""
    fields = {part.name: part.content for part in parts(call)}
    if "file" not in fields:
        raise ApiError(400, "Missing required field: file")
    told = _told(fields.get("metaData", b"{}"))
    action, key = told.get("action", "insert"), told.get("identifierFieldName", "id")
    if action not in _ACTIONS or not isinstance(key, str):
        raise ApiError(400, f"Invalid metaData: expected action {', '.join(_ACTIONS)} and a text as identifierFieldName")
    form, jobs = str(told.get("format", "csv")), instance.provider.jobs
    job = Job(jobs.next_id(), resource, "UPLOAD", sandbox.now(), format=form, metadata=json.dumps(told))
    for number, row in enumerate(rows_of(fields["file"], form), start=1):
        try:
            _write(instance, resource, row, action, key)
        except ApiError as error:
            job.errors.append({"row": number, "status": "FAILED", "message": error.message})
        else:
            job.count += 1
    sandbox.limits.spend_unseen(instance, job.count + len(job.errors), sandbox.now().timestamp())
    return jobs.add(job)


def _write(instance: Instance, resource: str, row: Row | str, action: str, key: str) -> None:
    if isinstance(row, str):
        raise ApiError(400, row)
    there = None
    if action != "insert":
        wanted = field_of(row, key)
        there = next((one for one in instance.records.rows(resource) if wanted and str(field_of(one, key)) == str(wanted)), None)
        if there is None and action == "update":
            raise ApiError(404, f"No row found with {key} {str(wanted)[:40]}")
    if there is None:
        instance.records.create(resource, row)
    else:
        instance.records.change(resource, there["id"], row)


def _told(content: bytes) -> Row:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ApiError(400, "Invalid metaData: expected a JSON object")
    return told
