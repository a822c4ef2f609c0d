"""``/admin/v1/pauses`` on a real gateway."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.acceptance.commands import until
from tests.admin.conftest import PREFIX, Api, refused

PAUSES = PREFIX + "/pauses"
NEW = {"customer": "nobody-else", "for": "10m", "reason": "because"}


def test_made_shown_listed_and_removed(api: Api) -> None:
    answer = api.call("POST", PAUSES, body=NEW | {"environment": "dev"})
    assert answer.status == 201, answer.body
    made = answer.json()
    assert (made["environment"], made["customer"], made["element"], made["reason"]) == ("dev", "nobody-else", None, "because")
    assert (datetime.fromisoformat(made["ends_at"]) - datetime.fromisoformat(made["created_at"])).total_seconds() == 600
    assert answer.value("location") == f"{PAUSES}/{made['id']}"
    assert api.call("GET", answer.value("location")).json() == made
    assert made in api.call("GET", PAUSES).json()["items"]

    assert api.call("DELETE", f"{PAUSES}/{made['id']}").status == 204
    assert made not in api.call("GET", PAUSES).json()["items"]
    for method in ("GET", "DELETE"):
        refused(api.call(method, f"{PAUSES}/{made['id']}"), 404, "not-found")


def test_the_newest_is_first(api: Api) -> None:
    made = [api.made("/pauses", **NEW)["id"] for _ in range(3)]
    listed = [one["id"] for one in api.call("GET", PAUSES).json()["items"]]
    assert [one for one in listed if one in made] == made[::-1]


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"customer": None}, [""]),
        ({"for": "31d"}, ["for"]),
        ({"for": "0s"}, ["for"]),
        ({"for": None, "reason": ""}, ["for", "reason"]),
        ({"reason": "the key is gwk_abcdefghijkl_x"}, ["reason"]),
        ({"for_": "1m"}, ["for_"]),
    ],
)
def test_every_mistake_is_named(api: Api, fields: dict[str, Any], paths: list[str]) -> None:
    problem = refused(api.call("POST", PAUSES, body=NEW | fields), 400, "bad-request")
    assert [error["path"] for error in problem["errors"]] == paths
    assert "abcdefghijkl" not in json.dumps(problem)


def test_what_is_missing_is_named(api: Api) -> None:
    problem = refused(api.call("POST", PAUSES, body={"customer": "acme"}), 400, "bad-request")
    assert [error["path"] for error in problem["errors"]] == ["for", "reason"]


def test_an_unknown_environment_is_refused_as_elsewhere(api: Api) -> None:
    refused(api.call("POST", PAUSES, body=NEW | {"environment": "nowhere"}), 404, "unknown-environment")


def test_the_log_has_who_did_it(api: Api) -> None:
    made = api.made("/pauses", **NEW)
    api.call("DELETE", f"{PAUSES}/{made['id']}")

    def said() -> list[str]:
        lines = [json.loads(line) for line in api.gateway.text.splitlines() if line.endswith("}") and made["id"] in line]
        return [line["verb"] for line in lines if line.get("event") == "audit"]

    until(lambda: said() == ["pause.add", "pause.remove"])  # the log is written every 50 ms
