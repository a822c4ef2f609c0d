"""``gateway cache``, ``limits`` and ``explain``: what commands see and do of a running gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.commands import exchange
from tests.cli.followed import BASE, Watched, watched
from tests.support.origin import ok, script


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("running")) as scene:
        scene.origin.behaviours |= dict.fromkeys(("contacts", "7", "accounts"), script(ok()))
        yield scene


@pytest.fixture(autouse=True)
def fresh(scene: Watched) -> None:
    """Every test begins with an empty cache and what it wants in it."""
    assert scene.run("cache", "purge", "--everything").returncode == 0
    scene.origin.forget()


def purge(scene: Watched, *words: str) -> int:
    done = scene.run("cache", "purge", *words, "--json")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["purged"])


def test_a_purge_takes_what_is_said_and_says_how_many(scene: Watched) -> None:
    for customer in ("acme", "bravo"):
        for path in ("/contacts", "/contacts/7", "/accounts"):
            scene.call(path, customer=customer)

    assert purge(scene, "--customer", "nobody") == 0
    assert purge(scene, "--customer", "acme", "--path", "/contacts") == 2
    assert purge(scene, "--element", "rawelement", "--path", "/accounts") == 2
    assert purge(scene, "--environment", "dev") == 2
    assert purge(scene, "--everything") == 0


def test_a_purge_takes_a_path_with_its_hub_too(scene: Watched) -> None:
    scene.call("/hubs/crm/contacts")
    assert purge(scene, "--path", "/hubs/marketing/contacts") == 1


def test_a_changed_mapping_leaves_nothing_behind(scene: Watched) -> None:
    scene.call("/contacts")
    handle, who = scene.gateway.handles["acme"], f"Authorization: Bearer {scene.admin_key}"
    assert scene.api("/cache")["entries"] == 1
    body = json.dumps({"tags": ["changed"]}).encode()
    answer = exchange(scene.gateway.admin, "PATCH", f"/admin/v1/instances/{handle}", who, "Content-Type: application/json", body=body)

    assert (answer.status, scene.api("/cache")["entries"]) == (200, 0)


@pytest.mark.parametrize(
    "words", [[], ["--everything", "--customer", "acme"], ["--path", "contacts"], ["--path", "/contacts?x=1"], ["--path", "/*"]]
)
def test_a_purge_that_is_not_clear_is_wrong_usage(scene: Watched, words: list[str]) -> None:
    scene.call("/contacts")
    assert scene.run("cache", "purge", *words).returncode == 2
    assert json.loads(scene.run("cache", "stats", "--json").stdout)["entries"] == 1


def test_stats_tell_what_is_held_and_what_it_saved(scene: Watched) -> None:
    before = json.loads(scene.run("cache", "stats", "--json").stdout)
    for _ in range(3):
        scene.call("/contacts")
    after = json.loads(scene.run("cache", "stats", "--json").stdout)

    assert after == scene.api("/cache")
    assert (before["entries"], after["entries"], before["bytes"]) == (0, 1, 0)
    assert 0 < after["bytes"] <= after["max_bytes"]
    assert after["saved"].get("dev/rawelement", 0) - before["saved"].get("dev/rawelement", 0) == 2
    assert "rawelement" in scene.run("cache", "stats").stdout


def test_limits_are_those_of_the_api(scene: Watched) -> None:
    scene.call("/contacts")
    shown = json.loads(scene.run("limits", "--json").stdout)
    told = scene.api("/limits")

    assert [item | {"resets": 0} for item in shown["items"]] == [item | {"resets": 0} for item in told["items"]]
    assert "100000/h" in scene.run("limits").stdout


def explained(scene: Watched, *words: str) -> dict[str, Any]:
    done = scene.run("explain", *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_an_explanation_by_command_is_that_of_the_data_listener(scene: Watched) -> None:
    scene.call("/contacts")
    for path, outcome in (("/hubs/crm/contacts", "hit"), ("/contacts/7", "miss"), ("/ping", "bypass")):
        scene.origin.forget()
        by_command = explained(scene, path, "--customer", "acme")
        who = (f"X-Api-Key: {scene.gateway.key}", "Gateway-Customer: acme", "Gateway-Explain: 1")
        by_header = exchange(scene.gateway.data, "GET", BASE + path, *who).json()

        moving = {"stored": None}
        assert by_command["cache"] | moving == by_header["cache"] | moving
        assert by_command["cache"]["outcome"] == outcome
        assert (by_command["upstream"] is None) == (outcome == "hit")
        assert scene.origin.requests == []


def test_it_can_be_asked_for_a_key_that_may_not(scene: Watched) -> None:
    key = scene.gateway.command("keys", "create", "--name", "narrow", "--customer", "bravo")
    done = scene.run("explain", "/contacts", "--customer", "acme", "--key", key["id"])

    assert done.returncode == 1
    assert scene.run("explain", "/contacts", "--customer", "bravo", "--key", key["id"]).returncode == 0


@pytest.mark.parametrize(
    "words", [["contacts"], ["/contacts", "-H", "nothing"], ["/contacts", "-H", "A: \u00e9"], ["/contacts", "-X", "a b"]]
)
def test_a_question_that_is_none_is_wrong_usage(scene: Watched, words: list[str]) -> None:
    assert scene.run("explain", *words, "--customer", "acme").returncode == 2


@pytest.mark.parametrize(("path", "customer"), [("/../x", "acme"), ("/contacts", "nobody"), ("/contacts#x", "acme")])
def test_what_would_be_refused_is_refused(scene: Watched, path: str, customer: str) -> None:
    assert scene.run("explain", path, "--customer", customer).returncode == 1


def test_a_path_as_it_stands_in_a_log_will_do(scene: Watched) -> None:
    assert explained(scene, f"/c/acme{BASE}/contacts")["call"]["customer"] == "acme"
    assert explained(scene, f"{BASE}/contacts", "--customer", "acme")["call"]["resource"] == "/contacts"


def test_no_secret_is_shown(scene: Watched) -> None:
    said = scene.run("explain", "/contacts", "--customer", "acme").stdout + scene.run("explain", "/instances", "--json").stdout
    assert "User ***, Organization ***" in said
    assert not [secret for secret in scene.gateway.canaries.all if secret in said]


@pytest.mark.parametrize("words", [["cache", "stats"], ["cache", "purge", "--everything"], ["limits"], ["explain", "/contacts"]])
def test_without_a_gateway_there_or_with_another_key_it_fails(scene: Watched, words: list[str]) -> None:
    assert scene.run(*words, "--url", "http://127.0.0.1:9").returncode == 1
    assert scene.run(*words, env=scene.environ(GATEWAY_ADMIN_KEY=scene.gateway.key)).returncode == 1
