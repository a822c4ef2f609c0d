"""Contract 2.5: secrets of platform answers are sealed, secrets that an upstream echoes are masked."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.acceptance.commands import ORGANIZATION, USER
from tests.acceptance.world import World, check_problem
from tests.support.origin import Recorded, chunked, head, ok, script

SECRETS = {
    "id": 7,
    "name": "kept",
    "token": "CANARYunmapped0815",
    "secret": "CANARYsecret0815",
    "password": "CANARYpassword0815",
    "configuration": {
        "oauth.api.key": "CANARYkey0815",
        "oauth.api.secret": "CANARYapisecret0815",
        "oauth.user.token": "CANARYusertoken0815",
        "oauth.user.refresh_token": "CANARYrefresh0815",
        "password": "CANARYconfigured0815",
        "base.url": "https://kept.test",
    },
    "users": [{"emailAddress": "kept@x.test", "secret": "CANARYdeep0815", "nothing": None, "valid": True, "count": 3}],
}


def test_instances_show_handles_in_place_of_tokens(world: World) -> None:
    acme, globex = world.customer("hubspot"), world.customer("sfdc")
    stray = world.dev.create("closeio", "stray")
    world.secrets.add(stray["token"])
    rows = {row["id"]: row for row in world.call("GET", "/instances?pageSize=5000").json()}
    assert rows[acme.instance_id]["token"] == acme.handle
    assert rows[globex.instance_id]["token"] == globex.handle
    assert rows[stray["id"]]["token"] == "***"
    # Nothing but secrets is touched.
    shown = {**stray, "token": "***", "configuration": rows[stray["id"]]["configuration"]}
    assert rows[stray["id"]] == shown


@pytest.mark.parametrize(
    "path", ["/instances/{id}", "/elements/hubspot/instances/{id}", "//instances/{id}", "/instances//{id}", "/hubs/crm/instances/{id}"]
)
def test_one_instance(world: World, path: str) -> None:
    acme = world.customer("hubspot")
    answer = world.call("GET", path.format(id=acme.instance_id))
    assert answer.status == 200, answer.body
    assert answer.json()["token"] == acme.handle


@pytest.mark.parametrize("path", ["/elements/hubspot/instances", "/elements/43/instances", "/instances?tags%5B%5D={customer}"])
def test_instances_of_an_element(world: World, path: str) -> None:
    acme = world.customer("hubspot")
    rows = world.call("GET", path.format(customer=acme.customer)).json()
    assert acme.handle in [row["token"] for row in rows]


def test_organization_secret(world: World) -> None:
    document = world.call("GET", "/organizations/me").json()
    assert document["secret"] == "***"
    assert document["name"] == "Sandbox"


def test_a_handle_works_where_a_token_would(world: World) -> None:
    """An unmodified client reads `token` and uses it as the Element part."""
    acme = world.customer("hubspot")
    token = world.call("GET", f"/instances/{acme.instance_id}").json()["token"]
    world.dev.forget()
    answer = world.call("GET", "/contacts?pageSize=1", f"Authorization: User {world.key}, Organization dev, Element {token}", key="")
    assert answer.status == 200
    assert [arrival["instance"] for arrival in world.dev.arrivals()] == [acme.instance_id]


SPELLINGS = [
    "/instances", "/instances/", "//instances", "///instances//", "/Instances", "/INSTANCES/7", "/%69nstances", "/instances%2F7",
    "/instances;v=1",
    "/;x/instances", "/instances.json", "/hubs/crm/instances", "/hubs/crm//instances", "/instances/7/configuration",
    "/elements/hubspot/instances",
    "/elements/hubspot//instances", "/elements/43/Instances", "/elements/hubspot/instances/7", "/users", "/users/1", "/Users",
    "/users.json",
    "/organizations/me", "/organizations", "//organizations/me", "/accounts/1/users", "/accounts/1/users/2", "/authentication",
    "/authentication/x", "/%75sers", "/organizations/me?fields=secret",
]  # fmt: skip


@pytest.mark.parametrize("path", SPELLINGS)
@pytest.mark.parametrize("platform", [True, False], ids=["platform", "element"])
def test_no_spelling_gets_around_it(world: World, path: str, platform: bool) -> None:
    name = path.partition("?")[0].rpartition("/")[2]
    acme = world.customer(environment="raw")
    document = SECRETS | {"mapped": [{"token": acme.token}]}
    world.raw.behaviours[name] = script(ok(json.dumps(document).encode()))
    try:
        answer = world.call("GET", path, "Gateway-Environment: raw") if platform else acme.get(path)
    finally:
        del world.raw.behaviours[name]
    assert answer.status == 200, answer.body
    assert b"0815" not in answer.body, answer.body
    sealed = answer.json()
    assert (sealed["token"], sealed["secret"], sealed["password"], sealed["name"]) == ("***", "***", "***", "kept")
    assert sealed["configuration"]["base.url"] == "https://kept.test"
    assert sealed["users"] == [{"emailAddress": "kept@x.test", "secret": "***", "nothing": None, "valid": True, "count": 3}]
    if platform:
        assert sealed["mapped"] == [{"token": acme.handle}]


def test_an_element_call_sees_its_own_handle(world: World) -> None:
    """`replaced by its handle where it is mapped`: also where the call itself carries that token."""
    acme = world.customer("hubspot")
    rows = acme.get(f"/instances?tags%5B%5D={acme.customer}").json()
    assert [row["token"] for row in rows] == [acme.handle]
    assert acme.get(f"/instances/{acme.instance_id}").json()["token"] == acme.handle


@pytest.mark.parametrize("way", ["chunked", "gzip", "error", "utf-8 bom", "text/plain"])
def test_no_form_of_an_answer_gets_around_it(world: World, way: str) -> None:
    octets = json.dumps(SECRETS).encode()
    answers = {
        "chunked": head("200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked") + chunked(octets[:90], octets[90:]),
        "gzip": ok(gzip.compress(octets), "Content-Encoding: gzip"),
        "error": head("500 Internal Server Error", "Content-Type: application/json", f"Content-Length: {len(octets)}") + octets,
        "utf-8 bom": ok(b"\xef\xbb\xbf" + octets),
        "text/plain": head("200 OK", "Content-Type: text/plain", f"Content-Length: {len(octets)}") + octets,
    }
    world.raw.behaviours["instances"] = script(answers[way])
    try:
        answer = world.call("GET", "/instances", "Gateway-Environment: raw", "Accept-Encoding: gzip")
    finally:
        del world.raw.behaviours["instances"]
    body = gzip.decompress(answer.body) if answer.values("content-encoding") == ["gzip"] else answer.body
    assert b"0815" not in body, body


def test_what_cannot_be_read_is_not_handed_on(world: World) -> None:
    world.raw.behaviours["instances"] = script(ok(b'{"token": "CANARYunmapped0815", '))
    try:
        answer = world.call("GET", "/instances", "Gateway-Environment: raw")
    finally:
        del world.raw.behaviours["instances"]
    assert b"0815" not in answer.body
    check_problem(answer, 502, "upstream-protocol-error", "upstream")


def test_sealed_answers_have_right_lengths_and_no_stale_validators(world: World) -> None:
    octets = json.dumps(SECRETS).encode()
    world.raw.behaviours["instances"] = script(ok(octets, 'ETag: "of-the-unsealed"', "Elements-Returned-Count: 1"))
    try:
        answer = world.call("GET", "/instances", "Gateway-Environment: raw")
    finally:
        del world.raw.behaviours["instances"]
    assert int(answer.value("content-length")) == len(answer.body)  # ``Caller`` would have failed otherwise
    assert answer.values("etag") == []
    assert answer.value("elements-returned-count") == "1"


def test_instances_answers_are_never_cached(world: World) -> None:
    acme = world.customer("cached", like="hubspot")
    for path in ("/instances", f"/instances/{acme.instance_id}", "/organizations/me", "/elements/hubspot/instances", "//instances"):
        world.dev.forget()
        for _ in range(2):
            assert "hit" not in world.call("GET", path).value("cache-status")
        assert len(world.dev.arrivals()) == 2, path


def echo(*, content_type: str, coded: bool = False) -> object:
    """An upstream that repeats the Authorization that it got, in a header and in its body."""

    def answer(request: Recorded) -> bytes:
        value = request.values("authorization")[0]
        text = json.dumps({"you sent": value}).encode() if "json" in content_type else f"you sent: {value}".encode()
        fields = (
            f"Content-Type: {content_type}",
            f"Content-Length: {len(text)}",
            f"X-Echo: {value}",
            f"X-{'Coded' if coded else 'Plain'}: 1",
        )
        return head("401 Unauthorized", *fields) + text

    return answer


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/html; charset=utf-8", "application/problem+json"])
def test_injected_secrets_that_are_echoed_are_masked(world: World, content_type: str) -> None:
    """`masked by asterisks of the same length as it streams by`."""
    acme = world.customer(environment="raw")
    world.raw.behaviours["echo"] = script(echo(content_type=content_type))  # type: ignore[arg-type]
    try:
        answer = acme.get("/echo")
    finally:
        del world.raw.behaviours["echo"]
    masked = f"User {'*' * len(USER)}, Organization {'*' * len(ORGANIZATION)}, Element {'*' * len(acme.token)}"
    assert answer.status == 401
    assert answer.value("x-echo") == masked
    assert masked.encode() in answer.body


def test_a_secret_split_over_chunks_is_masked(world: World) -> None:
    acme = world.customer(environment="raw")
    token = acme.token.encode()
    start = head("200 OK", "Content-Type: text/plain", "Transfer-Encoding: chunked")
    pieces = chunked(b"a" + token[:5], token[5:9], token[9:] + b"z" + USER.encode()[:3], USER.encode()[3:], end=b"")
    world.raw.behaviours["split"] = script(start, pieces[:12], 0.05, pieces[12:25], 0.05, pieces[25:] + b"0\r\n\r\n")
    try:
        answer = acme.get("/split")
    finally:
        del world.raw.behaviours["split"]
    assert answer.body == b"a" + b"*" * len(token) + b"z" + b"*" * len(USER)
