"""Bulk jobs: out and in, state by state."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import FormData

from .conftest import Api, Clock, Reply

NAME = "acme-sfdc"
CSV, LINES = {"Accept": "text/csv"}, {"Accept": "application/json"}


async def started(api: Api, query: str = "select * from contacts", rest: str = "") -> str:
    reply = await api("POST", f"/hubs/crm/bulk/query?q={quote(query)}{rest}", as_=NAME, data=b"null")
    assert (reply.status, set(reply.json), reply.json["status"]) == (200, {"id", "status", "instance_id"}, "CREATED")
    return str(reply.json["id"])


async def states(api: Api, id_: str, count: int) -> list[str]:
    return [(await api("GET", f"/bulk/{id_}/status", as_=NAME)).json["status"] for _ in range(count)]


async def sent(api: Api, content: bytes, resource: str = "contacts", **told: Any) -> Reply:
    form = FormData()
    form.add_field("file", content, filename="rows")
    form.add_field("metaData", json.dumps(told))
    return await api("POST", f"/bulk/{resource}", as_=NAME, data=form)


async def test_a_download_from_state_to_state(api: Api) -> None:
    id_ = await started(api)
    early = await api("GET", f"/bulk/{id_}/contacts", as_=NAME)

    assert early.status == 404
    assert await states(api, id_, 4) == ["STARTED", "RUNNING", "COMPLETED", "COMPLETED"]
    status = (await api("GET", f"/bulk/{id_}/status", as_=NAME)).json
    assert (status["recordsCount"], status["recordsFailedCount"], status["object_name"]) == (60, 0, "contacts")
    assert status["bulk_finish_time"] == "2019-01-02T03:04:05Z"
    assert [job["id"] for job in (await api("GET", "/bulk/jobs?where=job_direction='DOWNLOAD'", as_=NAME)).json] == [id_]
    assert (await api("GET", "/bulk/jobs?where=job_direction='UPLOAD'", as_=NAME)).json == []


async def test_results_come_as_accept_wants_them(api: Api) -> None:
    id_ = await started(api)
    await states(api, id_, 3)
    rows = (await api("GET", "/contacts", as_=NAME)).json
    table = await api("GET", f"/bulk/{id_}/contacts", as_=NAME, headers=CSV)
    lines = await api("GET", f"/bulk/{id_}/Contact", as_=NAME, headers=LINES)
    plain = await api("GET", f"/bulk/{id_}/contacts", as_=NAME)

    assert (table.headers["Content-Type"], "application/json" in lines.headers["Content-Type"]) == ("text/csv", True)
    assert [json.loads(line) for line in lines.raw.splitlines()] == rows
    assert [row["Id"] for row in csv.DictReader(io.StringIO(table.raw.decode()))] == [row["Id"] for row in rows]
    assert plain.raw == table.raw
    assert (await api("GET", f"/bulk/{id_}/contacts", as_=NAME, headers={"Accept": "application/pdf"})).status == 406
    assert (await api("GET", f"/bulk/{id_}/accounts", as_=NAME)).status == 404


async def test_results_in_pages(api: Api) -> None:
    id_ = await started(api)
    await states(api, id_, 3)
    first = await api("GET", f"/bulk/{id_}/contacts/data?pageSize=40", as_=NAME)
    rest = await api("GET", f"/bulk/{id_}/contacts/data?nextPage={first.headers['Elements-Next-Page-Token']}", as_=NAME)

    assert (len(first.json), len(rest.json)) == (40, 20)
    assert "Elements-Next-Page-Token" not in rest.headers


async def test_a_download_has_what_was_there_when_it_began(api: Api) -> None:
    id_ = await started(api, "select Id from Contact where LastName = 'Berg'")
    before = (await api("GET", "/contacts?where=LastName='Berg'&fields=Id", as_=NAME)).json
    await api("POST", "/contacts", as_=NAME, json={"LastName": "Berg"})
    await states(api, id_, 3)

    found = await api("GET", f"/bulk/{id_}/contacts", as_=NAME, headers=LINES)
    assert before
    assert [json.loads(line) for line in found.raw.splitlines()] == before


async def test_from_and_to_go_by_the_date_of_change(api: Api) -> None:
    rows = (await api("GET", "/contacts?orderBy=LastModifiedDate", as_=NAME)).json
    since, until = rows[10]["LastModifiedDate"], rows[20]["LastModifiedDate"]
    id_ = await started(api, rest=f"&from={since}&to={until}")
    await states(api, id_, 3)

    found = (await api("GET", f"/bulk/{id_}/contacts/data", as_=NAME)).json
    assert {row["Id"] for row in found} == {row["Id"] for row in rows if since <= row["LastModifiedDate"] <= until}


async def test_results_live_for_three_days(api: Api, clock: Clock) -> None:
    id_ = await started(api)
    await states(api, id_, 3)
    clock.move(3 * 86400)
    assert (await api("GET", f"/bulk/{id_}/contacts", as_=NAME)).status == 200
    clock.move(1)
    assert (await api("GET", f"/bulk/{id_}/contacts", as_=NAME)).status == 404


async def test_a_cancelled_job(api: Api) -> None:
    id_ = await started(api)

    assert (await api("PUT", f"/bulk/{id_}/cancel", as_=NAME)).json["status"] == "CANCELLATION_PENDING"
    assert await states(api, id_, 2) == ["CANCELLED", "CANCELLED"]
    assert (await api("PUT", f"/bulk/{id_}/cancel", as_=NAME)).status == 400
    assert (await api("GET", f"/bulk/{id_}/contacts", as_=NAME)).status == 404


async def test_an_upload_writes_rows_and_tells_what_was_wrong(api: Api) -> None:
    bad = [f'{{"no": {n}' for n in range(37)]
    content = "\n".join([*bad, '{"LastName": "One"}', '{"LastName": "Two"}']).encode()
    reply = await sent(api, content, format="jsonl")
    id_ = reply.json["id"]

    assert set(reply.json) == {"id", "status", "instanceId"}
    assert await states(api, id_, 3) == ["STARTED", "RUNNING", "COMPLETED"]
    status = (await api("GET", f"/bulk/{id_}/status", as_=NAME)).json
    assert (status["recordsCount"], status["recordsFailedCount"], status["job_direction"]) == (2, 37, "UPLOAD")
    first = await api("GET", f"/bulk/{id_}/errors?pageSize=30", as_=NAME)
    rest = await api("GET", f"/bulk/{id_}/errors?pageSize=30&nextPage={first.headers['Elements-Next-Page-Token']}", as_=NAME)
    assert [reply.headers["Elements-Returned-Count"] for reply in (first, rest)] == ["30", "7"]
    assert "Elements-Next-Page-Token" not in rest.headers
    assert [row["row"] for row in first.json + rest.json] == list(range(1, 38))
    assert len((await api("GET", "/contacts?where=LastName in ('One', 'Two')".replace(" ", "%20"), as_=NAME)).json) == 2


async def test_an_upload_updates_what_it_finds(api: Api) -> None:
    row = (await api("GET", "/contacts?pageSize=1", as_=NAME)).json[0]
    table = f'Id,Title\n{row["Id"]},"Chief, all"\nnone,Nobody\nx,y,z\n'.encode()
    updated = (await sent(api, table, action="update", identifierFieldName="Id")).json["id"]
    await sent(
        api, b"Email,Title\nnew@customer.test,New\n" + f"{row['Email']},Old\n".encode(), action="upsert", identifierFieldName="Email"
    )

    assert [error["row"] for error in (await api("GET", f"/bulk/{updated}/errors", as_=NAME)).json] == [2, 3]
    assert (await api("GET", f"/contacts/{row['Id']}", as_=NAME)).json["Title"] == "Old"
    assert [one["Title"] for one in (await api("GET", "/contacts?where=Email='new@customer.test'", as_=NAME)).json] == ["New"]


@pytest.mark.parametrize(
    ("content", "told", "status"),
    [
        (b"a\n", {"action": "drop"}, 400),
        (b"a\n", {"format": "xml"}, 400),
        (b"\xff\xfe", {}, 400),
        (b"a\n", {"identifierFieldName": 7}, 400),
    ],
)
async def test_an_upload_that_cannot_be_read(api: Api, content: bytes, told: dict[str, Any], status: int) -> None:
    assert (await sent(api, content, **told)).status == status


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/bulk/query", 400),
        ("POST", "/bulk/query?q=delete", 400),
        ("POST", "/bulk/query?q=select%20*%20from%20none", 404),
        ("GET", "/bulk/1/status", 404),
        ("POST", "/bulk/none", 404),
        ("GET", "/bulk/contacts", 405),
        ("POST", "/bulk/contacts", 415),
        ("GET", "/bulk", 404),
    ],
)
async def test_what_is_no_job(api: Api, method: str, target: str, status: int) -> None:
    assert (await api(method, target, as_=NAME, json={} if method == "POST" else None)).status == status


async def test_the_old_way_answers_at_once(api: Api) -> None:
    statement = quote("select Id from contacts")

    assert len((await api("GET", f"/hubs/crm/bulk/query?q={statement}", as_=NAME)).json) == 60
