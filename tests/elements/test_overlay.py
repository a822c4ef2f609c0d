"""A preset can be overridden in part, in the file and by variables; what is not said comes from the preset (contract 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError, load, without_effect
from gateway.elements.preset import shipped
from gateway.limits.signals import Signal
from gateway.policies import guard_settings, limit_rules
from gateway.settings import Config, LimitSignal

HUBSPOT = shipped()["hubspot"].element
MARKETO = shipped()["marketo"].element


def loaded(folder: Path, text: str = "", **environ: str) -> Config:
    (folder / "gateway.toml").write_text(text)
    return load(folder / "gateway.toml", environ)


def test_with_nothing_said_every_preset_stands(tmp_path: Path) -> None:
    config = loaded(tmp_path)

    assert dict(config.elements) == {key: preset.element for key, preset in shipped().items()}
    assert all(not element.model_fields_set and not element.cache.model_fields_set for element in config.elements.values())


def test_a_concurrency_keeps_the_limits(tmp_path: Path) -> None:
    hubspot = loaded(tmp_path, "[elements.hubspot]\nconcurrency = 3").element("hubspot")

    assert (hubspot.concurrency, hubspot.limits, hubspot.cache, hubspot.hubs) == (3, HUBSPOT.limits, HUBSPOT.cache, HUBSPOT.hubs)
    assert hubspot.model_fields_set == {"concurrency"}


def test_limits_keep_the_rest(tmp_path: Path) -> None:
    marketo = loaded(tmp_path, '[elements.marketo]\nlimits = ["7500/day"]').element("marketo")

    assert (marketo.limits, marketo.timezone, marketo.concurrency) == (("7500/day",), "America/Chicago", 8)
    assert marketo.limit_signals == MARKETO.limit_signals


def test_a_lifetime_keeps_the_rules(tmp_path: Path) -> None:
    cache = loaded(tmp_path, '[elements.hubspot.cache]\nttl = "5s"').element("hubspot").cache

    assert (cache.ttl, cache.rules, cache.enabled) == (5, HUBSPOT.cache.rules, True)
    assert cache.model_fields_set == {"ttl"}


def test_rules_take_the_place_of_the_rules_and_keep_the_lifetime(tmp_path: Path) -> None:
    cache = loaded(tmp_path, '[[elements.hubspot.cache.rules]]\npath = "/contacts"\nttl = "5s"').element("hubspot").cache

    assert ([rule.path for rule in cache.rules], cache.ttl) == (["/contacts"], 60)


def test_to_say_what_the_preset_says_is_to_say_it(tmp_path: Path) -> None:
    hubspot = loaded(tmp_path, '[elements.hubspot]\nscope = "instance"').element("hubspot")

    assert hubspot == HUBSPOT
    assert hubspot.model_fields_set == {"scope"}


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GATEWAY__ELEMENTS__HUBSPOT__CONCURRENCY", "3", {"concurrency": 3}),
        ("GATEWAY__ELEMENTS__HUBSPOT__LIMITS", '["5/s"]', {"limits": ("5/s",)}),
        ("GATEWAY__ELEMENTS__HUBSPOT__HUBS", '["crm"]', {"hubs": ("crm",)}),
        ("GATEWAY__ELEMENTS__HUBSPOT__LIMIT_SIGNALS", '[{"status": 503}]', {"limit_signals": (LimitSignal(status=503),)}),
        ("GATEWAY__ELEMENTS__HUBSPOT__CACHE__TTL", "5s", {"cache": HUBSPOT.cache.model_copy(update={"ttl": 5.0})}),
        ("GATEWAY__ELEMENTS__HUBSPOT__CACHE", '{"ttl": 5}', {"cache": HUBSPOT.cache.model_copy(update={"ttl": 5.0})}),
    ],
)
def test_variables_override_in_part_too(tmp_path: Path, variable: str, value: str, said: dict[str, object]) -> None:
    assert loaded(tmp_path, **{variable: value}).element("hubspot") == HUBSPOT.model_copy(update=said)


def test_an_element_without_a_preset_starts_from_nothing(tmp_path: Path) -> None:
    own = loaded(tmp_path, '[elements.own]\nhubs = ["my-hub"]').element("own")

    assert (own.limits, own.cache.ttl, own.hubs, own.limit_signals) == ((), 0, ("my-hub",), (LimitSignal(status=429),))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("limit_signals = [{ status = 99 }]", "elements.hubspot.limit_signals.0.status"),
        ("limit_signals = [{ contains = 'x' }]", "elements.hubspot.limit_signals.0.status"),
        ("limit_signals = [{ status = 403, contains = '' }]", "elements.hubspot.limit_signals.0.contains"),
        ("limit_signals = [{ status = 403, header = 'x' }]", "elements.hubspot.limit_signals.0.header"),
        ("hubs = ['no hub']", "elements.hubspot.hubs.0"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, f"[elements.hubspot]\n{text}")

    assert [problem.partition(":")[0] for problem in raised.value.problems] == [where]


def test_what_presets_say_and_what_is_said_of_elements_has_an_effect(tmp_path: Path) -> None:
    assert without_effect(loaded(tmp_path)) == []

    said = loaded(tmp_path, "[elements.marketo]\nconcurrency = 4\n[elements.sfdc]\nlimit_signals = [{ status = 429 }]")
    assert without_effect(said) == []
    assert limit_rules(said, "marketo").policy.concurrency == 4
    assert guard_settings(said, "sfdc").signals == (Signal(429),)


def test_marketos_day_is_spent_until_its_midnight(tmp_path: Path) -> None:
    """607 is the daily quota (API page 8.2); 606 and 615 pass sooner."""
    config = loaded(tmp_path)
    until = {signal.contains: signal.until for signal in guard_settings(config, "marketo").signals}
    assert until == {'"code":"606"': None, '"code":"607"': "day", '"code":"615"': None, None: None}
    assert limit_rules(config, "marketo").policy.timezone == "America/Chicago"
