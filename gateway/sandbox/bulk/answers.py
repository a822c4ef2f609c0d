"""``/bulk/**`` (API page 5.1, 5.2). ``/bulk/workflows``, callbacks and v3 are not played."""

from __future__ import annotations

from gateway.sandbox.bulk.formats import as_file
from gateway.sandbox.bulk.jobs import Job
from gateway.sandbox.bulk.upload import upload
from gateway.sandbox.call import Answer, ApiError, Call, Row, not_found
from gateway.sandbox.ceql import field_of
from gateway.sandbox.instances import Instance
from gateway.sandbox.listing import listed
from gateway.sandbox.query import parse_statement, query_answer
from gateway.sandbox.state import Sandbox


def bulk_answer(sandbox: Sandbox, call: Call, instance: Instance, rest: list[str]) -> Answer:
    """Raises ``ApiError``."""
    match rest:
        case ["query"]:
            call.allow("GET", "POST")
            return query_answer(call, instance) if call.method == "GET" else _download(sandbox, call, instance)
        case ["jobs"]:
            call.allow("GET")
            return listed([job.document(instance.id) for job in instance.provider.jobs], call)
        case [name] if resource := instance.element.resource_named(name):
            call.allow("POST")
            return _created(upload(sandbox, call, instance, resource), instance)
        case [id_, *more]:
            return _job(sandbox, call, instance, instance.provider.jobs.get(id_), more)
    raise not_found()


def _job(sandbox: Sandbox, call: Call, instance: Instance, job: Job, rest: list[str]) -> Answer:
    call.allow("PUT" if rest == ["cancel"] else "GET")
    match rest:
        case ["status"]:
            job.advance(sandbox.now())
            return Answer(job.document(instance.id))
        case ["cancel"]:
            job.cancel()
            return Answer(job.document(instance.id))
        case ["errors"]:
            return listed(job.errors, call)
        case [name] | [name, "data"]:
            return _results(sandbox, call, instance, job, name, in_pages=len(rest) == 2)
    raise not_found()


def _download(sandbox: Sandbox, call: Call, instance: Instance) -> Answer:
    statement = parse_statement(call.needs("q"), instance)
    since, until = call.param("from") or call.param("lastRunDate"), call.param("to")
    changed = instance.element.spelled_name("updatedDate")
    rows = [row for row in statement.rows(instance) if _within(field_of(row, changed), since, until)]
    jobs = instance.provider.jobs
    job = jobs.add(Job(jobs.next_id(), statement.resource, "DOWNLOAD", sandbox.now(), rows, len(rows)))
    # API page 5.6: the provider counts what Cloud Elements fetches, a call for each page of the provider.
    sandbox.limits.spend_unseen(instance, -(-len(rows) // instance.element.provider_page), sandbox.now().timestamp())
    return _created(job, instance)


def _within(time: object, since: str, until: str) -> bool:
    """ISO dates of one form, or beginnings of them, compare as texts."""
    text = str(time or "")
    return (not since or text >= since) and (not until or text <= until)


def _created(job: Job, instance: Instance) -> Answer:
    name = "instance_id" if job.direction == "DOWNLOAD" else "instanceId"  # API page 5.1, 5.2: spelled so
    return Answer({"id": job.id, "status": job.status, name: instance.id})


def _results(sandbox: Sandbox, call: Call, instance: Instance, job: Job, name: str, in_pages: bool) -> Answer:
    if instance.element.resource_named(name) != job.resource:
        raise ApiError(404, f"No results found for {name[:40]} in job {job.id}")
    rows: list[Row] = job.results(sandbox.now())
    return listed(rows, call) if in_pages else as_file(rows, call.headers.get("accept", ""))
