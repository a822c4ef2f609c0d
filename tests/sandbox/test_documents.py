"""The documents hub: files and folders, by path and by id."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import FormData

from gateway.sandbox.documents.links import LIFETIME_S

from .conftest import Api, Clock, Reply

BOX, DROPBOX = "hooli-box", "hooli-dropboxv2"
OCTETS = bytes(range(256)) * 5


@pytest.fixture
def everything() -> bool:
    return True


def form(content: bytes, filename: str = "a.bin", mime: str | None = None) -> FormData:
    fields = FormData(quote_fields=False)
    fields.add_field("file", BytesIO(content), filename=filename, content_type=mime)
    return fields


async def upload(api: Api, path: str, content: bytes = OCTETS, as_: str = BOX, query: str = "") -> Reply:
    return await api("POST", f"/files?path={quote(path)}{query}", as_=as_, data=form(content))


async def names(api: Api, target: str, as_: str = BOX) -> list[str]:
    return [row["path"] for row in (await api("GET", target, as_=as_)).json]


@pytest.mark.parametrize("as_", [BOX, DROPBOX])
async def test_a_file_goes_in_and_comes_out_octet_by_octet(api: Api, as_: str) -> None:
    made = await upload(api, '/new/folder/Grüße "1".bin', as_=as_, query="&size=1280")
    by_path = await api("GET", f"/files?path={quote(made.json['path'])}", as_=as_)
    by_id = await api("GET", f"/hubs/documents/files/{quote(made.json['id'], safe='')}", as_=as_)

    assert made.status == 200
    assert (made.json["name"], made.json["size"], made.json["directory"]) == ('Grüße "1".bin', 1280, False)
    assert by_path.raw == by_id.raw == OCTETS
    assert by_id.headers["Content-Type"] == "application/octet-stream"
    disposition = by_id.headers["Content-Disposition"]
    assert disposition == "attachment; filename=\"Gr__e _1_.bin\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.bin"
    assert by_id.headers["Elements-Element-Instance-Id"]


async def test_a_plain_name_needs_no_second_spelling(api: Api) -> None:
    reply = await api("GET", "/files?path=/reports/q3.pdf", as_=BOX)

    assert (reply.headers["Content-Type"], reply.raw[:5]) == ("application/pdf", b"%PDF-")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="q3.pdf"'
    head = await api("HEAD", "/files?path=/reports/q3.pdf", as_=BOX)
    assert (head.raw, head.headers["Content-Length"]) == (b"", str(len(reply.raw)))


async def test_the_whole_form_of_a_file_object(api: Api) -> None:
    row = (await api("GET", "/files/metadata?path=/reports/q3.pdf", as_=BOX)).json
    folder = (await api("GET", "/folders/metadata?path=/reports", as_=BOX)).json

    assert set(row) == {
        "id", "name", "path", "createdDate", "modifiedDate", "size", "directory", "tags", "refId", "parentFolderId", "properties",
    }  # fmt: skip
    assert (row["parentFolderId"], row["properties"], folder["directory"]) == (folder["id"], {"mimeType": "application/pdf"}, True)


async def test_what_is_there_is_replaced_only_when_asked(api: Api) -> None:
    first = await upload(api, "/a.txt", b"one")
    refused = await upload(api, "/a.txt", b"two")
    replaced = await upload(api, "/a.txt", b"three", query="&overwrite=true")

    assert (first.status, refused.status, replaced.status) == (200, 409, 200)
    assert set(refused.json) == {"requestId", "message", "providerMessage"}
    assert replaced.json["id"] == first.json["id"]
    assert (await api("GET", "/files?path=/a.txt", as_=BOX)).raw == b"three"
    assert [row["size"] for row in (await api("GET", f"/files/{first.json['id']}/revisions", as_=BOX)).json] == [3, 5]
    assert (await upload(api, "/reports", query="&overwrite=true")).status == 409  # a folder
    assert (await upload(api, "/a.txt/below")).status == 409  # a file is no folder


async def test_bare_octets_and_a_path_that_is_a_folder(api: Api) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    bare = await api("POST", "/files?path=/bare.png", as_=BOX, data=OCTETS, headers=octets)
    named = await api("POST", "/files?path=/in/", as_=BOX, data=form(b"x", "own name.txt", "text/plain"))

    assert (bare.json["size"], bare.json["properties"]["mimeType"]) == (1280, "image/png")
    assert (named.json["path"], named.json["properties"]["mimeType"]) == ("/in/own name.txt", "text/plain")


@pytest.mark.parametrize(
    ("target", "kwargs", "status"),
    [
        ("/files?path=/x", {"json": {}}, 415),
        ("/files?path=/x", {"data": b"--b\r\n\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 400),
        ("/files?path=/x", {"data": b"", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ("/files?path=/x&size=7", {"data": b"12345678", "headers": {"Content-Type": "application/octet-stream"}}, 400),
        ("/files", {"data": b"12345678", "headers": {"Content-Type": "application/octet-stream"}}, 400),
        ("/files?path=/a/%2E%2E/b", {"data": b"1", "headers": {"Content-Type": "application/octet-stream"}}, 400),
        ("/folders", {"json": {}}, 400),
        ("/folders", {"json": {"path": "/reports"}}, 409),
        ("/files/0", {}, 405),
        ("/files/copy?path=/readme.txt", {"json": {}}, 400),
        ("/files/copy?path=/none", {"json": {"path": "/x"}}, 404),
        ("/folders/copy?path=/reports", {"json": {"path": "/reports/in"}}, 400),
        ("/files/copy?path=/reports", {"json": {"path": "/x"}}, 404),
    ],
)
async def test_what_cannot_be_done(api: Api, target: str, kwargs: dict[str, Any], status: int) -> None:
    target = target.replace("/files/0", "/files/" + (await api("GET", "/files/metadata?path=/readme.txt", as_=BOX)).json["id"])
    reply = await api("POST", target, as_=BOX, **kwargs)

    assert (reply.status, reply.headers["Elements-Request-Id"]) == (status, reply.json["requestId"])


async def test_an_id_that_is_a_path_is_encoded_twice_on_the_wire(api: Api) -> None:
    root = await names(api, "/folders/%252F/contents", DROPBOX)
    reports = (await api("GET", "/folders/%252Freports/contents?orderBy=path", as_=DROPBOX)).json
    percent = next(row for row in reports if row["name"].startswith("Zoë"))

    assert root == ["/photos", "/readme.txt", "/reports"]
    assert percent["id"] == "%2Freports%2FZo%C3%AB%2C%20100%25%20done.txt"
    assert (
        await api("GET", f"/files/{quote(percent['id'], safe='')}", as_=DROPBOX)
    ).raw == "/reports/Zoë, 100% done.txt of Dropbox v2\n".encode()
    # Decoded once on the way, it names something else: what a gateway that decodes would meet.
    assert (await api("GET", "/folders/%2Freports/contents", as_=DROPBOX)).status == 404


async def test_contents_of_a_folder_take_where_and_pages(api: Api) -> None:
    id_ = (await api("GET", "/folders/metadata?path=/reports", as_=BOX)).json["id"]
    folders = await api("GET", f"/folders/{id_}/contents?where=directory='true'", as_=BOX)
    first = await api("GET", "/folders/contents?path=/reports&pageSize=2", as_=BOX)
    rest = await api("GET", f"/folders/contents?path=/reports&nextPage={first.headers['Elements-Next-Page-Token']}", as_=BOX)

    assert [row["path"] for row in folders.json] == ["/reports/2018"]
    assert [row["path"] for row in first.json + rest.json] == ["/reports/2018", "/reports/Zoë, 100% done.txt", "/reports/q3.pdf"]


@pytest.mark.parametrize("as_", [BOX, DROPBOX])
async def test_a_folder_is_copied_moved_and_deleted_with_all_inside(api: Api, as_: str) -> None:
    copied = await api("POST", "/folders/copy?path=/reports", as_=as_, json={"path": "/copy/of"})
    moved = await api("PATCH", "/folders/metadata?path=/copy/of", as_=as_, json={"path": "/moved", "tags": ["old"]})

    assert (copied.json["path"], moved.json["path"], moved.json["tags"]) == ("/copy/of", "/moved", ["old"])
    assert (moved.json["id"] == copied.json["id"]) == (as_ == BOX)
    assert (await api("GET", "/files?path=/moved/2018/q1.csv", as_=as_)).raw == (
        await api("GET", "/files?path=/reports/2018/q1.csv", as_=as_)
    ).raw
    assert (await api("GET", "/files?path=/copy/of/2018/q1.csv", as_=as_)).status == 404
    inside = (await api("GET", "/files/metadata?path=/moved/2018/q1.csv", as_=as_)).json["id"]
    assert (await api("DELETE", "/folders?path=/moved", as_=as_)).raw == b""
    assert (await api("GET", f"/files/{quote(inside, safe='')}", as_=as_)).status == 404
    assert await names(api, "/folders/contents?path=/", as_) == ["/copy", "/photos", "/readme.txt", "/reports"]


async def test_a_file_is_renamed_and_copied(api: Api) -> None:
    id_ = (await api("GET", "/files/metadata?path=/readme.txt", as_=BOX)).json["id"]
    renamed = await api("PATCH", f"/files/{id_}/metadata", as_=BOX, json={"name": "license.txt"})
    copied = await api("POST", f"/files/{id_}/copy", as_=BOX, json={"path": "/copies/license.txt"})

    assert (renamed.json["path"], renamed.json["id"]) == ("/license.txt", id_)
    assert (copied.json["path"], copied.json["id"] != id_) == ("/copies/license.txt", True)
    assert (await api("POST", f"/files/{id_}/copy", as_=BOX, json={"path": "/license.txt"})).status == 409
    assert (await api("PATCH", f"/files/{id_}/metadata", as_=BOX, json={"tags": "x"})).status == 400
    assert (await api("DELETE", f"/files/{id_}", as_=BOX)).status == 200
    assert (await api("DELETE", f"/folders/{id_}", as_=BOX)).status == 404


@pytest.mark.parametrize(
    ("query", "paths"),
    [
        ("text=Q1", ["/reports/2018/q1.csv"]),
        ("text=of%20box", ["/readme.txt", "/reports/Zoë, 100% done.txt"]),
        ("text=of%20box&path=/reports", ["/reports/Zoë, 100% done.txt"]),
        ("text=q&startDate=2018-06-06", []),
        ("text=photos&endDate=2018-06-05T09:00:00Z", ["/photos"]),
        ("text=.csv&pageSize=1", ["/reports/2018/q1.csv"]),
    ],
)
async def test_search_by_text_path_and_date(api: Api, query: str, paths: list[str]) -> None:
    assert await names(api, f"/search?{query}") == paths


async def test_a_bad_search(api: Api) -> None:
    assert (await api("GET", "/search?startDate=soon", as_=BOX)).status == 400
    assert (await api("GET", "/search?path=/none", as_=BOX)).status == 404


async def test_a_link_needs_no_secret_and_ends(api: Api, clock: Clock) -> None:
    link = (await api("GET", "/files/links?path=/reports/q3.pdf", as_=BOX)).json
    id_ = (await api("GET", "/files/metadata?path=/reports/q3.pdf", as_=BOX)).json["id"]

    assert set(link) == {"cloudElementsLink", "providerLink", "providerViewLink", "expires"}
    assert not link["cloudElementsLink"].startswith(api.base)
    open_ = await api("GET", link["cloudElementsLink"], as_=None)
    assert (open_.status, open_.raw[:5], open_.headers["Content-Disposition"]) == (200, b"%PDF-", 'attachment; filename="q3.pdf"')
    clock.move(LIFETIME_S)
    assert (await api("GET", link["cloudElementsLink"], as_=None)).status == 404
    fresh = (await api("GET", f"/files/{id_}/links", as_=BOX)).json["cloudElementsLink"]
    assert (await api("GET", fresh, as_=None)).status == 200
    assert (await api("DELETE", f"/files/{id_}/links", as_=BOX)).raw == b""
    assert (await api("GET", fresh, as_=None)).status == 404
    assert (await api("GET", fresh + "x", as_=None)).status == 404


async def test_comments(api: Api) -> None:
    id_ = (await api("GET", "/files/metadata?path=/readme.txt", as_=BOX)).json["id"]
    made = (await api("POST", f"/files/{id_}/comments", as_=BOX, json={"comment": "Good"})).json

    assert (await api("GET", f"/files/{id_}/comments", as_=BOX)).json == [made]
    assert (await api("DELETE", f"/files/{id_}/comments/{made['id']}", as_=BOX)).raw == b""
    assert (await api("GET", f"/files/{id_}/comments/{made['id']}", as_=BOX)).status == 404


async def test_storage_counts_octets(api: Api) -> None:
    before = (await api("GET", "/storage", as_=BOX)).json
    await upload(api, "/a.bin")

    assert (await api("GET", "/storage", as_=BOX)).json == before | {"used": before["used"] + len(OCTETS)}


async def test_files_are_of_the_documents_hub_alone(api: Api) -> None:
    assert (await api("GET", "/files?path=/readme.txt", as_="acme-sfdc")).status == 404
    assert (await api("GET", "/folders", as_="hooli-zendesk")).status == 200  # a help desk has folders of its own


async def test_a_file_beyond_its_limits_is_a_429(api: Api) -> None:
    files = {"bytes": 1000, "seconds": 0.2}
    assert (await api("PUT", "/sandbox/limits", as_=None, json={"enabled": False, "files": files})).status == 200

    async def slowly():
        for _ in range(8):
            yield b"12"
            await asyncio.sleep(0.05)

    large = await upload(api, "/large.bin", b"1" * 1001)
    slow = await api("POST", "/files?path=/slow", as_=BOX, data=slowly(), headers={"Content-Type": "application/octet-stream"})
    api.sandbox.dials.set("box", latency=0.5)
    download = await api("GET", "/files?path=/readme.txt", as_=BOX)
    api.sandbox.dials.clear()

    assert [reply.status for reply in (large, slow, download)] == [429, 429, 429]
    assert ("size" in large.json["message"], "time" in slow.json["message"], "time" in download.json["message"]) == (True, True, True)
    assert not any("Retry-After" in reply.headers for reply in (large, slow, download))
    assert (await upload(api, "/fits.bin", b"1" * 1000)).status == 200
    assert "/slow" not in await names(api, "/folders/contents?path=/")
