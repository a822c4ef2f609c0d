"""The canary test (threats 6, 17 to 20): everything is done at debug level with planted secrets, and none shows up anywhere."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.canary import administration, calls
from tests.canary.planted import Planted, secret
from tests.canary.scene import Scene, request

ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a longer text": lambda text: base64.urlsafe_b64encode(f"xy{text}z".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in lower case": lambda text: quote(text, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d"),
    "JSON-escaped": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON-escaped code points": lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
    "JSON-escaped signs": lambda text: text.replace("+", "\\u002B").replace("/", "\\u002F").replace("=", "\\u003D"),
    "cut off": lambda text: text[:30],
    "its end": lambda text: text[-30:],
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_secret_is_found_in_every_spelling(encoding: str) -> None:
    planted = Planted()
    text = planted.plant("one")
    planted.plant("another")
    assert {*"+/="} < {*text}
    around = f'{{"x": "{ENCODINGS[encoding](text)}", "y": 1}}'
    assert {found.partition(" ")[0] for found in planted.traces(around.encode())} == {"one"}
    assert planted.traces(around.encode(), but={"one"}) == []


def test_a_caller_key_is_found_by_its_secret_and_not_by_its_id() -> None:
    planted = Planted()
    key = planted.plant("key", "gwk_abcdefghijkl_" + secret("key"))
    assert planted.traces(f"caller {key.rpartition('_')[0]}".encode()) == []
    assert planted.traces(f"caller {key.partition('_')[2]}".encode()) == ["key (plain)"]


def test_planted_secrets_show_up_nowhere(scene: Scene) -> None:
    administration.keys(scene)
    administration.mappings(scene)
    administration.spoil(scene)
    calls.good_calls(scene)
    calls.problems(scene)
    calls.failures(scene)
    calls.throw(scene)
    administration.bad_administration(scene)
    administration.bad_commands(scene)
    _require_that_it_happened(scene)
    scene.look_around()
    _end_in_mid_call(scene)
    scene.look_at_files()
    findings = scene.findings()
    assert not findings, "\n".join((f"{len(findings)} places where a secret shows:", *findings))


def _require_that_it_happened(scene: Scene) -> None:
    """Nothing that is quiet because it never came about."""
    sent_up = "\n".join(value for one in scene.origin.requests for value in one.values("authorization"))
    tokens = ["token by command", "token from a file", "token posted for posted", "token by patch", "token by import", "token by CSV"]
    for name in ("user secret", "organization secret", *tokens):
        assert secret(name) in sent_up, f"{name} never reached the upstream"
    assert secret("token posted for patched") not in sent_up
    assert secret("provider's apiSecret in a query") in "\n".join(one.target for one in scene.origin.requests)
    problems = {slug.decode() for _, octets, _ in scene.records for slug in re.findall(rb"urn:gateway:problem:([a-z-]+)", octets)}
    expected = """bad-request unauthenticated forbidden not-found no-instance unknown-environment method-not-allowed ambiguous-instance
        body-too-large rate-limited upstream-unreachable upstream-protocol-error upstream-timeout store-unavailable conflict"""
    assert set(expected.split()) <= problems
    assert scene.statuses["call for posted"] == 200


def _end_in_mid_call(scene: Scene) -> None:
    """SIGTERM while a call is open that will not end in time."""
    octets = request("GET", f"/elements/api-v2/half-stall?{calls.provider_query(scene)}", _for_commanded(scene))
    open_call = threading.Thread(target=scene.send, args=("call cut by SIGTERM", octets))
    before = len(scene.origin.requests)
    open_call.start()
    assert scene.origin.wait(lambda: len(scene.origin.requests) > before)
    scene.gateway.process.terminate()
    open_call.join(10)
    assert scene.gateway.process.wait(10) == 0
    # The harness reads standard output in a thread: the last lines are there once nothing more comes.
    length = -1
    while length != len(scene.gateway.output):
        length = len(scene.gateway.output)
        time.sleep(0.1)


def _for_commanded(scene: Scene) -> dict[str, str]:
    return {"Authorization": f"Bearer {scene.keys['service']}", "Gateway-Environment": "dev", "Gateway-Customer": "commanded"}
