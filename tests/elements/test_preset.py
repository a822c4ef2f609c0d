from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from gateway.elements.preset import presets
from gateway.limits.quota import parse_quota
from gateway.settings import ElementConfig

KEYS = ["closeio", "hubspot", "sapc4chd", "servicenowoauth", "sfdc"]


def test_the_first_five_elements_are_there_under_their_keys() -> None:
    assert sorted(presets()) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_a_preset_is_what_the_configuration_could_say(key: str) -> None:
    element = ElementConfig.model_validate(presets()[key])
    assert element.limits
    assert all(parse_quota(text).text == text for text in element.limits)
    assert element.cache.enabled
    assert element.cache.ttl == 60
    rules = {rule.path: rule for rule in element.cache.rules}
    assert rules["/ping"].enabled is False
    assert rules["/objects/**"].ttl == 3600


@pytest.mark.parametrize("key", KEYS)
def test_a_preset_promises_nothing_that_has_no_effect(key: str) -> None:
    assert set(presets()[key]) <= {"limits", "scope", "timezone", "cache"}
    assert set(presets()[key]["cache"]) <= {"enabled", "ttl", "rules"}


@pytest.mark.parametrize("key", KEYS)
def test_a_preset_says_where_each_figure_comes_from(key: str) -> None:
    text = (files("gateway.elements") / "presets" / f"{key}.toml").read_text("utf-8")
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    for limit in tomllib.loads(text)["limits"]:
        assert limit.split("/")[0] in comments
    assert "8.2" in comments


def test_hubspot_is_as_the_contract_shows_it() -> None:
    hubspot = presets()["hubspot"]
    assert hubspot["limits"] == ["100/10s", "250000/day"]
    assert hubspot["scope"] == "instance"


def test_changing_what_was_handed_out_changes_nothing() -> None:
    presets()["hubspot"]["cache"]["rules"].clear()
    presets()["hubspot"]["limits"].append("1/day")
    assert len(presets()["hubspot"]["cache"]["rules"]) == 3
    assert presets()["hubspot"]["limits"] == ["100/10s", "250000/day"]
