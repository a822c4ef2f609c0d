"""``gateway trace``: a call found by any of its ids, and a bundle that holds no secret and no name."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import __version__
from tests.acceptance.commands import exchange
from tests.cli.followed import BASE, ELEMENTS_ID, Watched, error, watched
from tests.support.origin import script

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("trace")) as scene:
        scene.call("/hubs/crm/bad", "X-Request-Id: ours-1", f"traceparent: 00-{TRACE_ID}-00f067aa0ba902b7-00")
        yield scene


@pytest.mark.parametrize("call_id", ["ours-1", ELEMENTS_ID, TRACE_ID])
def test_any_id_finds_the_call(scene: Watched, call_id: str) -> None:
    done = scene.run("trace", call_id, "--json")
    (item,) = json.loads(done.stdout)["items"]

    assert (done.returncode, done.stderr) == (0, "")
    assert (item["request_id"], item["elements_request_id"], item["trace_id"]) == ("ours-1", ELEMENTS_ID, TRACE_ID)
    assert item["provider_message"] == "NOT_FOUND: no row with that key"
    assert (item["status"], item["gateway"]) == (404, __version__)
    assert json.loads(done.stdout) == scene.api(f"/exchanges/{call_id}")


def test_people_read_every_decision_and_where_the_time_went(scene: Watched) -> None:
    text = scene.run("trace", "ours-1").stdout
    order = [text.index(step) for step in ("cache   miss", "limits  allowed", "cache   not stored")]
    assert order == sorted(order)
    assert re.search(rf"^elements_request_id +{ELEMENTS_ID}$", text, re.MULTILINE)
    times = {label: float(ms) for label, ms in re.findall(r"^(in .*?|waiting .*?|upstream|the body .*?)  +([\d.]+) *$", text, re.MULTILINE)}
    assert times.keys() == {"in all", "in the gateway", "waiting for the budget", "upstream", "the body on its way"}
    assert times["upstream"] > 0
    assert times["in all"] == pytest.approx(sum(times.values()) - times["in all"], abs=0.01)


def test_an_answer_in_pieces_is_understood_too(scene: Watched) -> None:
    assert scene.call("/apart", "X-Request-Id: apart-1").status == 404
    (item,) = scene.api("/exchanges/apart-1")["items"]
    assert item["provider_message"] == "NOT_FOUND: no row with that key"


def test_an_id_that_was_used_again_finds_all_the_newest_first(scene: Watched) -> None:
    for path in ("/first", "/second", "/third"):
        scene.call(path, "X-Request-Id: again")
    found = scene.api("/exchanges/again?limit=2")
    rest = scene.api(f"/exchanges/again?limit=2&cursor={found['next_cursor']}")

    assert [item["path"] for item in found["items"] + rest["items"]] == [f"{BASE}{path}" for path in ("/third", "/second", "/first")]
    assert rest["next_cursor"] is None
    assert len(re.findall(r"^request_id +again$", scene.run("trace", "again").stdout, re.MULTILINE)) == 3


@pytest.mark.parametrize("call_id", ["a/b", "a%2Fb?c=d#e", "{x}:y", "100%", "+&=", "it's", '"q"', "~" * 128, ":follow", "limit"])
def test_whatever_callers_call_a_call_it_is_found(scene: Watched, call_id: str) -> None:
    scene.call("/odd", f"X-Request-Id: {call_id}")
    done = scene.run("trace", call_id, "--json")
    assert done.returncode == 0, done.stderr
    assert {item["request_id"] for item in json.loads(done.stdout)["items"]} == {call_id}


def test_a_call_that_nobody_made_is_not_found(scene: Watched) -> None:
    done = scene.run("trace", "nobody-s")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: No call that is remembered has this id: ")
    as_json = json.loads(scene.run("trace", "nobody-s", "--json").stderr)
    assert (as_json["type"], as_json["status"]) == ("urn:gateway:problem:not-found", 404)


CANARIES = {
    "customer": "Ångström & Söhne",
    "query": "CANARYqueryvalue77",
    "api secret": "CANARYapisecret78",
    "field": "CANARYfield79",
    "body": "CANARYrequestbody80",
    "answer field": "CANARYanswerfield81",
    "provider token": "CANARYprovidertoken82",
    "person": "jane.doe@shop.example",
}


@pytest.fixture(scope="module")
def planted(scene: Watched) -> dict[str, str]:
    """A call with secrets and names wherever there is place for one; what must not be in the bundle, by name."""
    customer = CANARIES["customer"]
    token = "CANARY-token-c93a7715de-planted"
    where = ("--environment", "dev", "--customer", customer, "--element", "rawelement", "--instance-id", "4711")
    added = scene.gateway.command("instances", "add", *where, "--token-file", "-", given=token)
    said = (
        f"login for {customer} (ÅNGSTRÖM & SÖHNE, {CANARIES['person']}) failed: password={CANARIES['provider token']}; "
        f"Bearer {CANARIES['provider token']}; sent {CANARIES['api secret']} with {scene.gateway.canaries.user} and {token}"
    ).replace('"', '\\"')
    scene.origin.behaviours["planted"] = script(error(said, f"X-Provider: {CANARIES['answer field']}", status="502 Bad Gateway"))
    quoted = "%C3%85ngstr%C3%B6m%20%26%20S%C3%B6hne"
    path = f"/hubs/crm/accounts/{quoted}/{CANARIES['person']}/{added['handle']}/planted"
    target = f"/c/{quoted}/rawelement{BASE}{path}?where={CANARIES['query']}&apiSecret={CANARIES['api secret']}"
    fields = (f"X-Api-Key: {scene.gateway.key}", "X-Request-Id: planted-1", f"X-Custom: {CANARIES['field']}")
    answer = exchange(scene.gateway.data, "POST", target, *fields, body=CANARIES["body"].encode())
    assert answer.status == 502
    caller = scene.gateway.key.split("_")[1]
    own = {"handle": added["handle"], "token": token, "key": scene.gateway.key, "caller": caller, "quoted": quoted, "loud": "ÅNGSTRÖM"}
    return CANARIES | own | {"user secret": scene.gateway.canaries.user, "admin key": scene.admin_key}


def bundled(scene: Watched, folder: Path, call_id: str, *words: str) -> tuple[Any, str]:
    """The finished command and what it wrote."""
    done = scene.run("trace", call_id, "--bundle", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return done, file.read_text("utf-8")


def test_a_bundle_holds_no_secret_and_no_name(scene: Watched, planted: dict[str, str], tmp_path: Path) -> None:
    _, text = bundled(scene, tmp_path, "planted-1")

    whole = json.dumps(json.loads(text), ensure_ascii=False)
    assert [name for name, value in planted.items() if value.lower() in text.lower() or value.lower() in whole.lower()] == []
    assert "dev" not in json.loads(text)["calls"][0].values()
    # It is no accident: what the bundle was made from does hold some of it.
    assert planted["customer"] in json.dumps(scene.api("/exchanges/planted-1"), ensure_ascii=False)


def test_a_bundle_holds_all_that_a_ticket_needs(scene: Watched, planted: dict[str, str], tmp_path: Path) -> None:
    done, text = bundled(scene, tmp_path, "planted-1")
    document = json.loads(text)
    (call,) = document["calls"]

    assert "gateway-support-planted-1.json" in done.stdout
    assert document["gateway"] == __version__
    assert datetime.fromisoformat(call["time"]).utcoffset() == timedelta(0)
    assert (call["elements_request_id"], call["request_id"]) == (ELEMENTS_ID, "planted-1")
    assert (call["method"], call["element"], call["instance_id"]) == ("POST", "rawelement", 4711)
    alias = call["customer"]
    assert call["path"] == f"{BASE}/hubs/crm/accounts/{alias}/[email]/[handle]/planted"
    assert (call["status"], call["upstream_status"], call["upstream_calls"]) == (502, 502, 1)
    assert call["provider_message"].startswith(f"login for {alias} ({alias}, [email]) failed: password=***; Bearer ***; sent *** with ")
    assert call["ms"] >= call["upstream_ms"] > 0


def test_a_pseudonym_is_the_same_each_time_and_of_this_customer_alone(scene: Watched) -> None:
    for customer, name in (("acme", "p-1"), ("acme", "p-2"), ("bravo", "p-3")):
        scene.call("/x", f"X-Request-Id: {name}", customer=customer)
    first, second, other = (scene.api(f"/exchanges/{name}")["items"][0]["customer_alias"] for name in ("p-1", "p-2", "p-3"))
    assert first == second != other
    assert re.fullmatch(r"customer-[0-9a-f]{12}", first)


def test_no_bundle_is_overwritten_and_each_can_be_named(scene: Watched, tmp_path: Path) -> None:
    named = tmp_path / "named.json"
    done = scene.run("trace", "ours-1", "--bundle", str(named), "--json")
    assert json.loads(done.stdout) == {"bundle": str(named), "calls": 1}
    before = named.read_bytes()
    done = scene.run("trace", "ours-1", "--bundle", str(named))
    assert (done.returncode, done.stdout) == (1, "")
    assert "is there already" in done.stderr
    assert named.read_bytes() == before
    assert "No such file or directory" in scene.run("trace", "ours-1", "--bundle", str(tmp_path / "no" / "x.json")).stderr


def test_a_call_that_never_left_is_no_case_for_support(scene: Watched, tmp_path: Path) -> None:
    scene.call("/x", "X-Request-Id: stayed", customer="nobody")
    done, text = bundled(scene, tmp_path, "stayed")
    assert "has given no id" in done.stderr
    assert json.loads(text)["calls"][0]["problem"] == "no-instance"


def test_a_file_without_a_bundle_is_wrong_usage(scene: Watched, tmp_path: Path) -> None:
    assert scene.run("trace", "ours-1", str(tmp_path / "x")).returncode == 2
    assert scene.run("trace").returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_the_help_says_what_is_in_a_bundle_and_what_is_not(bare) -> None:
    text = bare.run("trace", "--help").stdout
    assert "In it:" in text
    assert "Not in it:" in text
