"""``gateway elements``."""

from __future__ import annotations

import json
import re

import pytest

from gateway.elements.preset import shipped
from gateway.elements.report import ElementDetail, ElementRows

SAID = """
[elements.hubspot]
limits = ["5/s"]
wait   = "2s"
[elements.hubspot.cache]
ttl = "5s"
[elements.own]
limits = ["2/s"]
"""


def say(cli, text: str = SAID) -> None:
    with (cli.folder / "gateway.toml").open("a") as stream:
        stream.write(text)


def test_the_list_needs_no_configuration(bare) -> None:
    items = json.loads(bare.run("elements", "list", "--json").stdout)["items"]
    lines = bare.run("elements", "list").stdout.splitlines()

    assert [item["key"] for item in items] == sorted(shipped())
    assert [line.split()[0] for line in lines[1:]] == sorted(shipped())
    assert items[sorted(shipped()).index("marketo")] == {
        "key": "marketo", "name": "Marketo", "hubs": ["marketing"], "limits": ["75/20s", "37500/day"], "scope": "instance",
        "concurrency": 8, "cache_ttl_s": 60.0, "configured": [],
    }  # fmt: skip
    assert re.split(r"  +", next(line for line in lines if line.startswith("marketo")).strip()) == [
        "marketo", "Marketo", "marketing", "75/20s, 37500/day", "instance", "8", "60s",
    ]  # fmt: skip


def test_the_list_marks_what_the_configuration_says(cli) -> None:
    say(cli)
    rows = {row.key: row for row in ElementRows.model_validate_json(cli.here("elements", "list", "--json").stdout).items}
    lines = cli.here("elements", "list").stdout.splitlines()

    assert (rows["hubspot"].limits, rows["hubspot"].cache_ttl_s) == (("5/s",), 5.0)
    assert rows["hubspot"].configured == ("limits", "wait", "cache.ttl")
    assert (rows["own"].name, rows["own"].limits, rows["own"].configured) == (None, ("2/s",), ("limits",))
    assert rows["sfdc"].configured == ()
    assert "from the configuration" in lines[0]
    assert next(line for line in lines if line.startswith("hubspot ")).rstrip().endswith("limits, wait, cache.ttl")


@pytest.mark.parametrize("key", shipped())
def test_every_preset_is_shown_with_each_source(bare, key: str) -> None:
    preset = shipped()[key]
    text = bare.run("elements", "show", key).stdout
    shown = ElementDetail.model_validate_json(bare.run("elements", "show", key, "--json").stdout)

    for figure in preset.figures:
        assert all(said in text for said in (figure.text, figure.source, figure.head_room, figure.uncertain or ""))
    assert all(said in text for said in (preset.name, preset.counted_by, preset.beyond or "", preset.uncertain or ""))
    assert [figure.source for figure in shown.figures] == [figure.source for figure in preset.figures]
    assert shown.preset == shown.effective == preset.element
    assert shown.configured == ()


def test_what_holds_with_a_configuration_and_what_of_it_that_says(cli) -> None:
    say(cli)
    shown = json.loads(cli.here("elements", "show", "hubspot", "--json").stdout)
    lines = [re.split(r"  +", line.strip()) for line in cli.here("elements", "show", "hubspot").stdout.splitlines()]

    assert (shown["preset"]["limits"], shown["effective"]["limits"]) == (["100/10s", "250000/day"], ["5/s"])
    assert shown["configured"] == ["limits", "wait", "cache.ttl"]
    assert [figure["replaced"] for figure in shown["figures"]] == [True, True]
    assert ["limits", "5/s", "configuration", "100/10s, 250000/day"] in lines
    assert ["wait", "2s", "configuration", "0s"] in lines
    assert ["cache.ttl", "5s", "configuration", "60s"] in lines
    assert ["cache.rules", "/ping never, /objects 1h, /objects/** 1h", "preset", "-"] in lines
    assert ["concurrency", "-", "default", "-"] in lines


def test_a_variable_counts_as_configuration(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY__ELEMENTS__SFDC__CACHE__TTL", "0s")

    assert cli.json("elements", "show", "sfdc")["configured"] == ["cache.ttl"]


def test_an_element_that_only_the_configuration_knows(cli) -> None:
    say(cli)
    shown = cli.json("elements", "show", "own")

    assert (shown["preset"], shown["figures"], shown["effective"]["limits"]) == (None, [], ["2/s"])
    assert "preset  -" in cli.here("elements", "show", "own").stdout


@pytest.mark.parametrize(
    ("key", "near"), [("hubspo", ["hubspot", "hubspotcrm"]), ("HubSpot", ["hubspot"]), ("calendar", ["googlecalendar"]), ("zzz", [])]
)
def test_an_unknown_key_fails_and_names_what_looks_like_it(bare, key: str, near: list[str]) -> None:
    failed = bare.run("elements", "show", key, status=1)
    problem = json.loads(bare.run("elements", "show", key, "--json", status=1).stderr)

    assert failed.stdout == ""
    assert failed.stderr.startswith("error: There is no such element: ")
    assert all(name in failed.stderr for name in near)
    assert (problem["type"], problem["near"][: len(near)]) == ("urn:gateway:problem:not-found", near)
    assert bool(near) == bool(problem["near"])


def test_a_mistake_in_the_configuration_is_told(cli) -> None:
    say(cli, '[elements.hubspot]\nlimits = ["many"]\n')

    for words in (["elements", "list"], ["elements", "show", "sfdc"]):
        assert cli.here(*words, status=2).stderr.startswith("elements.hubspot.limits.0: ")


def test_wrong_words_are_wrong_usage(bare) -> None:
    for words in (["elements"], ["elements", "show"], ["elements", "nonsense"], ["elements", "list", "hubspot"]):
        bare.run(*words, status=2)
