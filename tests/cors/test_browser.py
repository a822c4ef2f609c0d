"""A page in a real browser calls through the gateway, and a page of another origin cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cors.site import PageCall, Site, chromium, seen
from tests.support.cases import BASE
from tests.support.lane import Lane
from tests.support.origin import ok, script

pytestmark = pytest.mark.skipif(chromium() is None, reason="no browser: apt-get install chromium")


@pytest.fixture
def calls(lane: Lane, admin_key: str) -> list[PageCall]:
    """What an application's page asks for, on both listeners."""
    data, admin = (f"http://127.0.0.1:{address[1]}" for address in (lane.gateway.data, lane.gateway.admin))
    lane.origin.behaviours["page"] = script(
        ok(b'{"page":1}', "Elements-Returned-Count: 2", "Elements-Next-Page-Token: n7", "Access-Control-Allow-Origin: *")
    )
    json_body = {"Content-Type": "application/json"}
    mine = {"Authorization": f"Bearer {lane.gateway.key}", "Gateway-Customer": "acme"}
    return [
        PageCall(f"{data}{BASE}/page?pageSize=2", headers=mine),
        PageCall(f"{data}{BASE}/page?pageSize=2", headers=mine),
        PageCall(
            f"{data}{BASE}/contacts", "POST", {"X-Api-Key": lane.gateway.key, "Gateway-Customer": "acme"} | json_body, '{"name":"Ann"}',
        ),
        PageCall(f"{data}{BASE}/page", headers={"Gateway-Customer": "acme"}),
        PageCall(f"{data}{BASE}/contacts/7", "PATCH", mine | json_body, "{}"),
        PageCall(f"{data}{BASE}/contacts/7", "DELETE", mine),
        PageCall(f"{data}/healthz"),
        PageCall(f"{admin}/readyz"),
        PageCall(f"{admin}/admin/v1/limits", headers={"Authorization": f"Bearer {admin_key}"}),
        PageCall(f"{admin}/admin/v1/limits"),
        PageCall(f"{data}{BASE}/page", headers=mine | {"X-Unheard-Of": "1"}),
    ]  # fmt: skip


def test_a_page_of_an_allowed_origin_calls_and_reads(lane: Lane, site: Site, calls: list[PageCall], tmp_path: Path) -> None:
    miss, hit, posted, refused, patched, deleted, alive, ready, limits, keyless, odd = seen(site.page(*calls), tmp_path)

    assert (miss["status"], miss["body"]) == (200, '{"page":1}')
    assert (miss["headers"]["elements-returned-count"], miss["headers"]["elements-next-page-token"]) == ("2", "n7")
    assert miss["headers"]["cache-status"] == "gateway; fwd=uri-miss; stored"
    assert {"x-request-id", "server-timing", "via"} <= miss["headers"].keys()
    assert hit["headers"]["cache-status"].startswith("gateway; hit")
    assert "age" in hit["headers"]
    assert [answer["status"] for answer in (posted, patched, deleted, alive, ready, limits)] == [200] * 6
    assert (refused["status"], json.loads(refused["body"])["type"]) == (401, "urn:gateway:problem:unauthenticated")
    assert (keyless["status"], json.loads(keyless["body"])["type"]) == (401, "urn:gateway:problem:unauthenticated")
    assert odd == {"refused": "TypeError"}
    assert [request.method for request in lane.origin.requests] == ["GET", "POST", "PATCH", "DELETE"]
    assert bytes(lane.origin.requests[1].payload) == b'{"name":"Ann"}'
    assert not any(request.values("origin") for request in lane.origin.requests)


def test_a_page_of_another_origin_sees_nothing(lane: Lane, other_site: Site, calls: list[PageCall], tmp_path: Path) -> None:
    told = seen(other_site.page(*calls), tmp_path)

    assert told == [{"refused": "TypeError"}] * len(calls)
    assert lane.origin.requests == []
