"""Every element of the API page's table of limits (8.2) has a preset, and every figure in it has a source and head-room."""

from __future__ import annotations

from functools import partial
from importlib.resources import files

import pytest

from gateway.cache.policy import never_stored
from gateway.elements.figure import most_within, rate
from gateway.elements.preset import Preset, presets, shipped
from gateway.limits.quota import parse_quota
from gateway.policies import cache_policy
from gateway.settings import Config, ElementConfig

# The rows of the table, with what API page 3.1 and Cloud Elements' own tests know of the keys behind `netsuite*`.
IN_THE_TABLE = """
hubspot hubspotcrm sfdc sfdcservicecloud servicenow servicenowoauth sapc4chd sapc4ccrm quickbooks zendesk dropbox dropboxv2
dropboxbusiness box shopify mailchimpv3 marketo freshdeskv2 freshservice xero netsuiteerp netsuitecrm netsuitefinance netsuitehc
netsuiteerpv2 netsuitecrmv2 netsuitefinancev2 netsuitehcv2 hootsuite constantcontact icontact egnyte googlecalendar googledrive gmail
campaignmonitor github greenhouse fortnox freshbooks linkedin mixpanel plaid clover bigcommerce sugarcrmv2 salesforcemarketingcloud
""".split()
BESIDES = ["closeio"]
KEYS = sorted(IN_THE_TABLE + BESIDES)

# Where the provider's figure is taken whole: the contract's sample fixes HubSpot's, and less than one call at once is none.
WHOLE = {"hubspot", *(key for key in KEYS if key.startswith("netsuite"))}

# API page 3.3: the documented ones and those used later.
HUBS = set(
    """analytics billing collaboration conferencing crm db documents ecommerce employee erp esignature expense finance fsa general
    helpdesk idmanagement marketing messaging monitoring native ocr payment pointofsale questback sageaccounting sagepayroll scheduling
    humancapital social screening rewards event""".split()
)

# API page 4.7, the classes that are not cached or only for seconds, as an element's paths without hub.
UNCACHEABLE = ["/ping", "/bulk/7/status", "/bulk/jobs", "/usage", "/metrics/x", "/events", "/storage", "/files/7", "/files/links",
               "/files/7/links", "/users", "/users/7", "/organizations/me", "/authentication", "/instances/7",
               "/formulas/instances/7/executions"]  # fmt: skip
METADATA = ["/objects", "/objects/contacts/metadata", "/objects/contacts/docs"]

every_preset = pytest.mark.parametrize("preset", shipped().values(), ids=shipped())


def decided(element: ElementConfig, path: str) -> tuple[bool, float]:
    decision = cache_policy(Config(elements={"element": element}), "element").decide(path)
    return decision.enabled, decision.lifetimes.ttl


def test_the_table_is_covered_and_every_key_stands_once() -> None:
    assert len(KEYS) == len(set(KEYS))
    assert sorted(shipped()) == sorted(presets()) == KEYS


def test_every_file_is_a_preset_and_its_key_is_one_that_a_configuration_can_name() -> None:
    names = [file.name for file in (files("gateway.elements") / "presets").iterdir()]

    assert sorted(name.removesuffix(".toml") for name in names if name != "_every.toml") == KEYS
    assert all(key.isalnum() and key == key.lower() for key in KEYS)


@every_preset
def test_a_preset_is_what_the_configuration_could_say(preset: Preset) -> None:
    element = ElementConfig.model_validate(presets()[preset.key])

    assert element == preset.element
    assert all(parse_quota(text).text == text for text in element.limits)
    assert len(set(element.limits)) == len(element.limits)
    assert len({preset.name for preset in shipped().values()}) == len(KEYS)


@every_preset
def test_every_figure_has_a_source_and_no_figure_stands_elsewhere(preset: Preset) -> None:
    assert all(len(figure.source) > 10 and len(figure.head_room) > 10 for figure in preset.figures)
    assert all("8.2" in f"{figure.source} {figure.uncertain}" or preset.key in BESIDES for figure in preset.figures)
    assert preset.element.limits == tuple(figure.limit for figure in preset.figures if figure.limit)
    assert (preset.element.concurrency or 0) == sum(figure.concurrency or 0 for figure in preset.figures)


@every_preset
def test_without_a_limit_it_is_said_why(preset: Preset) -> None:
    assert preset.element.limits or "no limit here" in (preset.beyond or "")


@every_preset
def test_head_room_is_below_what_the_provider_grants(preset: Preset) -> None:
    for figure in preset.figures:
        assert figure.left_free is not None
        if preset.key in WHOLE:
            assert figure.left_free == 0
            assert "None" in figure.head_room
            continue
        assert 0.19 < figure.left_free < 0.35
        if figure.limit and isinstance(figure.provider, str):
            ours, theirs = parse_quota(figure.limit), parse_quota(figure.provider)
            assert rate(ours) < rate(theirs)
            assert most_within(ours, theirs.period_s) <= most_within(theirs, theirs.period_s)
            assert (ours.kind, theirs.kind).count("day") != 1, "whose midnight is not known is counted over 24 h"


@every_preset
def test_a_day_of_the_calendar_says_whose_midnight_ends_it(preset: Preset) -> None:
    if any(parse_quota(text).kind in ("day", "month") for text in preset.element.limits):
        assert preset.midnight


@every_preset
def test_metadata_stays_long_and_what_is_uncacheable_is_never_kept(preset: Preset) -> None:
    decide = partial(decided, preset.element)

    assert preset.element.cache.ttl == 60
    assert decide("/contacts") == (True, 60)
    assert all(decide(path) == (True, 3600) and not never_stored(path, False) for path in METADATA)
    assert decide("/ping")[0] is False
    assert all(never_stored(path, platform=False) for path in UNCACHEABLE)


@every_preset
def test_its_hubs_are_documented(preset: Preset) -> None:
    assert preset.element.hubs
    assert set(preset.element.hubs) <= HUBS


@every_preset
def test_it_says_how_a_spent_limit_shows_itself(preset: Preset) -> None:
    signals = preset.element.limit_signals

    assert len(set(signals)) == len(signals) > 0
    assert all(signal.status == 429 or signal.contains for signal in signals), "any other status alone is no sign of a limit"


@pytest.mark.parametrize(
    ("key", "signals"),
    [
        ("hubspot", [(429, None)]),
        ("sfdc", [(403, "REQUEST_LIMIT_EXCEEDED"), (429, None)]),
        ("sfdcservicecloud", [(403, "REQUEST_LIMIT_EXCEEDED"), (429, None)]),
        ("marketo", [(200, '"code":"606"'), (200, '"code":"607"'), (200, '"code":"615"'), (429, None)]),
        ("quickbooks", [(429, None), (503, "ThrottleExceeded")]),
        ("googledrive", [(403, "userRateLimitExceeded"), (403, "rateLimitExceeded"), (429, None)]),
        ("netsuitecrm", [(400, "SSS_REQUEST_LIMIT_EXCEEDED"), (429, None)]),
    ],
)
def test_the_forms_of_the_api_page(key: str, signals: list[tuple[int, str | None]]) -> None:
    assert [(signal.status, signal.contains) for signal in shipped()[key].element.limit_signals] == signals


@pytest.mark.parametrize(
    ("key", "scope", "timezone", "concurrency"),
    [
        ("marketo", "instance", "America/Chicago", 8),
        ("googlecalendar", "element", "America/Los_Angeles", None),
        ("hootsuite", "element", "UTC", None),
        ("netsuiteerp", "instance", "UTC", 1),
        ("xero", "instance", "UTC", 4),
    ],
)
def test_what_is_known_of_providers(key: str, scope: str, timezone: str, concurrency: int | None) -> None:
    element = shipped()[key].element

    assert (element.scope, element.timezone, element.concurrency) == (scope, timezone, concurrency)


@pytest.mark.parametrize(
    ("key", "limits"),
    [
        ("hubspot", ["100/10s", "250000/day"]),  # the contract's sample
        ("sfdc", ["75000/24h"]),
        ("servicenowoauth", ["400/h"]),
        ("sapc4chd", ["110000/24h"]),
        ("closeio", ["150/10s"]),
    ],
)
def test_the_first_five_limit_what_they_always_did(key: str, limits: list[str]) -> None:
    preset = presets()[key]

    assert (preset["limits"], preset["scope"], preset["timezone"]) == (limits, "instance", "UTC")
    assert [rule["path"] for rule in preset["cache"]["rules"]] == ["/ping", "/objects", "/objects/**"]


def test_what_is_like_another_takes_what_it_does_not_say() -> None:
    erp, crm = shipped()["netsuiteerp"], shipped()["netsuitecrm"]

    assert (crm.name, crm.element.hubs) == ("NetSuite CRM", ("crm",))
    assert (crm.figures, crm.counted_by, crm.element.limit_signals) == (erp.figures, erp.counted_by, erp.element.limit_signals)


def test_changing_what_was_handed_out_changes_nothing() -> None:
    presets()["hubspot"]["cache"]["rules"].clear()
    presets()["hubspot"]["limits"].append("1/day")
    assert len(presets()["hubspot"]["cache"]["rules"]) == 3
    assert presets()["hubspot"]["limits"] == ["100/10s", "250000/day"]
