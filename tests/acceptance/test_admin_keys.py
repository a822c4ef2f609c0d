"""Contract 4: caller keys in the admin API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.world import World, refused


def test_the_life_of_a_key(world: World) -> None:
    fields = {
        "name": "billing",
        "environments": ["dev"],
        "customers": ["a*"],
        "elements": ["h*"],
        "methods": ["GET"],
        "scopes": ["hub", "platform:read"],
    }
    fields |= {"priority": "batch", "limits": ["100/10s", "1000/day"]}
    made = world.admin("POST", "/keys", {**fields, "expires": "90d"}).json()
    assert made["key"].startswith("gwk_")
    assert {name: made[name] for name in fields} == fields
    assert made["expires_at"]

    def listed() -> list[dict[str, Any]]:
        return [item for item in world.admin("GET", "/keys").json()["items"] if item["id"] == made["id"]]

    (item,) = listed()
    assert {name: item[name] for name in fields} == fields
    assert "key" not in item
    assert made["key"].rpartition("_")[2] not in world.admin("GET", "/keys").body.decode()
    rotated = world.admin("POST", f"/keys/{made['id']}:rotate", {}).json()
    assert {name: rotated[name] for name in fields} == fields
    assert world.admin("DELETE", f"/keys/{made['id']}").status == 204
    assert listed() == []
    refused(world.admin("DELETE", f"/keys/{made['id']}"), 404)
    refused(world.admin("POST", f"/keys/{made['id']}:rotate", {}), 404)


def test_defaults_of_a_key(world: World) -> None:
    made = world.admin("POST", "/keys", {"name": "plain"}).json()
    assert sorted(made["environments"]) == ["dead", "dev", "raw", "staging"]
    assert (made["customers"], made["elements"], made["scopes"], made["priority"], made["expires_at"]) == (
        ["*"],
        ["*"],
        ["hub"],
        "interactive",
        None,
    )
    assert made["limits"] == []


@pytest.mark.parametrize(
    "fields",
    [
        {}, {"name": ""}, {"name": "x", "scopes": ["root"]}, {"name": "x", "scopes": []}, {"name": "x", "priority": "high"},
        {"name": "x", "expires": "soon"}, {"name": "x", "limits": ["100/week"]}, {"name": "x", "limits": ["1/s"] * 9},
        {"name": "x", "expires": "-1d"}, {"name": "x", "expires": "0s"}, {"name": "x", "unknown": 1}, {"name": "x",
        "environment": "dev"}, {"name": "x", "environments": []},
        {"name": "x", "customers": "acme"}, {"name": "x", "methods": ["GE T"]}, {"name": "x", "key": "gwk_mine_mine"},
    ],
    ids=str,
)  # fmt: skip
def test_what_a_new_key_may_not_be(world: World, fields: dict[str, object]) -> None:
    refused(world.admin("POST", "/keys", fields))


def test_a_key_for_an_unknown_environment(world: World) -> None:
    answer = world.admin("POST", "/keys", {"name": "x", "environments": ["nowhere"]})
    assert answer.status in (400, 404)


@pytest.mark.parametrize("document", [{"overlap": "x"}, {"overlap": "-1s"}, {"unknown": 1}])
def test_what_a_rotation_may_not_be(world: World, document: dict[str, object]) -> None:
    refused(world.admin("POST", f"/keys/{world.new_key()['id']}:rotate", document))
