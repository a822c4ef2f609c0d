"""The command line and the admin API are two faces of the same operations: what both can do, both tell in the same shape."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from gateway.server.admin_routes import ROUTES
from tests.admin.conftest import PREFIX, TOKEN, Api
from tools.docs import every_command

SAME = {
    "keys create": "create_key",
    "keys list": "list_keys",
    "keys rotate": "rotate_key",
    "keys revoke": "revoke_key",
    "pauses add": "add_pause",
    "pauses list": "list_pauses",
    "pauses remove": "remove_pause",
    "instances add": "add_instance",
    "instances list": "list_instances",
    "instances show": "get_instance",
    "instances remove": "delete_instance",
    "instances import": "import_instances",
    "instances export": "export_instances",
}
"""Each command that has a verb of the API beside it."""


def command(api: Api, *words: str, given: str = "", status: int = 0) -> str:
    """What the command prints with ``--json``: on standard output, or on standard error where it fails."""
    line = [sys.executable, "-m", "gateway", *words, "-c", str(api.gateway.folder / "gateway.toml"), "--json"]
    done = subprocess.run(line, env=api.gateway.environ, input=given, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    return done.stderr.splitlines()[-1] if status else done.stdout


def told(api: Api, path: str) -> Any:
    answer = api.call("GET", PREFIX + path)
    assert answer.status == 200, answer.body
    return answer.json()


def alike(one: Any, other: Any) -> bool:
    """Whether both have the same members in the same order, of the same types."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other)


def test_every_verb_that_both_have_is_compared_here() -> None:
    groups = {"keys", "pauses", "instances"}
    commands = {name for name, _ in every_command() if name.split()[0] in groups}
    assert commands == SAME.keys()
    assert set(SAME.values()) <= {route.verb for route in ROUTES}


def test_making_showing_and_listing_a_mapping(api: Api) -> None:
    customer = api.instance()["customer"]
    options = ("--environment", "prod", "--customer", customer, "--element", "counted", "--instance-id", "7", "--tag", "a")
    by_command = json.loads(command(api, "instances", "add", *options, "--token-file", "-", given=TOKEN))
    by_api = api.instance(customer=customer, name="second", instance_id=7, tags=["a"])

    assert alike(by_command | {"name": ""}, by_api)
    assert json.loads(command(api, "instances", "show", by_api["handle"])) == by_api == told(api, f"/instances/{by_api['handle']}")
    page = json.loads(command(api, "instances", "list", "--customer", customer, "--limit", "2"))
    assert page == told(api, f"/instances?customer={customer}&limit=2")
    rest = ("instances", "list", "--customer", customer, "--limit", "2", "--cursor", page["next_cursor"])
    assert json.loads(command(api, *rest)) == told(api, f"/instances?customer={customer}&limit=2&cursor={page['next_cursor']}")


def test_carrying_mappings_in_and_out(api: Api) -> None:
    lines = [json.dumps({"environment": "dev", "customer": f"line-{n}", "element": "counted", "token": TOKEN}) for n in range(2)]
    by_command = json.loads(command(api, "instances", "import", "-", given=lines[0]))
    answer = api.call("POST", PREFIX + "/instances:import", "Content-Type: application/x-ndjson", body=lines[1].encode())

    assert by_command == answer.json() == {"imported": 1, "errors": []}
    assert command(api, "instances", "export") == api.call("GET", PREFIX + "/instances:export").body.decode()


def test_making_rotating_and_listing_a_key(api: Api) -> None:
    by_command = json.loads(command(api, "keys", "create", "--name", "both", "--scope", "hub", "--expires", "1h"))
    by_api = api.key(name="both", scopes=["hub"], expires="1h")
    assert alike(by_command, by_api)

    rotated = json.loads(command(api, "keys", "rotate", by_api["id"], "--overlap", "1h"))
    answer = api.call("POST", f"{PREFIX}/keys/{by_command['id']}:rotate", body={"overlap": "1h"})
    assert alike(rotated, answer.json())

    def settled(page: Any) -> Any:
        return [{**key, "last_used_at": None} for key in page["items"]], page["next_cursor"]

    page = json.loads(command(api, "keys", "list", "--limit", "3"))
    assert settled(page) == settled(told(api, "/keys?limit=3"))
    rest = json.loads(command(api, "keys", "list", "--limit", "3", "--cursor", page["next_cursor"]))
    assert settled(rest) == settled(told(api, f"/keys?limit=3&cursor={page['next_cursor']}"))


def test_adding_and_listing_a_pause(api: Api) -> None:
    options = ("--customer", "both", "--element", "counted", "--for", "1h", "--reason", "because")
    by_command = json.loads(command(api, "pauses", "add", *options))
    by_api = api.made("/pauses", customer="both", element="counted", reason="because", **{"for": "1h"})

    assert alike(by_command, by_api)
    page = json.loads(command(api, "pauses", "list", "--limit", "1"))
    assert page == told(api, "/pauses?limit=1")
    assert page["items"] == [by_api]
    rest = ("pauses", "list", "--limit", "1", "--cursor", page["next_cursor"])
    assert json.loads(command(api, *rest)) == told(api, f"/pauses?limit=1&cursor={page['next_cursor']}")
    assert json.loads(command(api, "pauses", "remove", by_api["id"])) == {"id": by_api["id"], "removed": True}
    assert api.call("GET", f"{PREFIX}/pauses/{by_api['id']}").status == 404


@pytest.mark.parametrize(("kind", "what"), [("instances", "remove"), ("keys", "revoke")])
def test_taking_something_away(api: Api, kind: str, what: str) -> None:
    """Nothing is left to tell: the API's answer is empty, the command's says of what."""
    made = [api.instance()["handle"] for _ in range(2)] if kind == "instances" else [api.key()["id"] for _ in range(2)]
    assert made[0] in json.loads(command(api, kind, what, made[0])).values()
    assert api.call("DELETE", f"{PREFIX}/{kind}/{made[1]}").status == 204

    for name in made:
        assert api.call("GET", f"{PREFIX}/{kind}/{name}").status == 404


@pytest.mark.parametrize(
    ("words", "method", "path"),
    [
        (("instances", "show", "gwi_x"), "GET", "/instances/gwi_x"),
        (("instances", "list", "--cursor", "x"), "GET", "/instances?cursor=x"),
        (("keys", "list", "--cursor", "x"), "GET", "/keys?cursor=x"),
        (("pauses", "list", "--cursor", "x"), "GET", "/pauses?cursor=x"),
        (("pauses", "remove", "x"), "DELETE", "/pauses/x"),
        (("keys", "revoke", "x"), "DELETE", "/keys/x"),
        (("keys", "rotate", "x"), "POST", "/keys/x:rotate"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_refusal_is_the_same_problem(api: Api, words: tuple[str, ...], method: str, path: str) -> None:
    by_api = api.call(method, PREFIX + path).json()
    by_command = json.loads(command(api, *words, status=1))

    assert by_api.pop("requestId")
    assert by_command == by_api
