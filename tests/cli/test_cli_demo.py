"""``gateway demo``: what it tells as JSON, whose limits and cache rules it takes, and that it stays up until it is told to stop."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import Any
from urllib.request import Request, urlopen

GIVEN = """
[elements.hubspot.cache]
enabled = false
[elements.closeio]
limits = ["1000/s"]
"""


def demo(cli: Any, *words: str) -> Any:
    """The document of a demo that ends by itself."""
    done = cli.process("demo", "--once", "--port", "0", "--json", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def test_json_tells_what_happened_and_where_everything_is(bare) -> None:
    with bare.started("demo", "--port", "0", "--json", stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            call = Request(told["data"] + "/c/acme/elements/api-v2/hubs/marketing/contacts", headers={"X-Api-Key": told["service_key"]})  # noqa: S310
            with urlopen(call, timeout=10) as answer:  # noqa: S310
                assert answer.status == 200
            exchanges = Request(told["admin"] + "/admin/v1/exchanges", headers={"Authorization": f"Bearer {told['admin_key']}"})  # noqa: S310
            with urlopen(exchanges, timeout=10) as answer:  # noqa: S310
                assert answer.status == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    assert set(told) == {"sandbox", "data", "admin", "service_key", "admin_key", "calls", "metrics"}
    assert [call["status"] for call in told["calls"]] == [200, 200, 200, 401, 429, 200, 200]
    assert [call["headers"].get("Cache-Status", "").split(";")[1:2] for call in told["calls"][:3]] == [
        [" fwd=uri-miss"],
        [" hit"],
        [" hit"],
    ]
    assert all(set(call) == {"title", "method", "url", "status", "headers", "body"} for call in told["calls"])
    budgets, waited = told["calls"][5:]
    assert [json.loads(budgets["body"])["items"][0][name] for name in ("element", "remaining", "waiting")] == ["closeio", 0, 1]
    assert waited["headers"]["Preference-Applied"] == "wait=5"
    assert float(re.findall(r"queue;dur=([\d.]+)", waited["headers"]["Server-Timing"])[0]) > 500
    for action in ("rejected", "queued"):
        assert f'gateway_rate_limited_total{{action="{action}",element="closeio",environment="dev"}} 1.0' in told["metrics"]
    assert list(bare.folder.iterdir()) == []


def test_limits_and_cache_rules_of_a_configuration_are_taken(bare) -> None:
    (bare.folder / "gateway.toml").write_text(GIVEN)
    first, second, third, _, refused, *_ = demo(bare, "-c", "gateway.toml")["calls"]

    assert [call["headers"]["Cache-Status"].partition(";")[2][:4] for call in (first, second, third)] == [" fwd"] * 3
    assert "hit" not in second["title"].partition(" Under ")[0]
    assert second["title"].endswith("Under the configuration given it is no hit.")
    assert refused["status"] == 429, "Close.io keeps the demo's small budget"


def test_a_mistake_in_that_configuration_is_told_as_everywhere(bare) -> None:
    (bare.folder / "gateway.toml").write_text('[elements.hubspot]\nscope = "planet"\n')
    result = bare.here("demo", "--once", "--port", "0", status=2)

    assert result.stderr.startswith("elements.hubspot.scope: found 'planet'")


def test_people_read_the_same_as_text(bare) -> None:
    done = bare.process("demo", "--once", "--port", "0")

    assert done.returncode == 0, done.stderr
    assert "a hit." in done.stdout
    assert "  Preference-Applied: wait=5" in done.stdout
    assert "What Prometheus sees:" in done.stdout
    assert "Now you." not in done.stdout
