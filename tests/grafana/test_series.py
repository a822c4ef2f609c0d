"""However many paths, methods, elements and customers there are, the number of series is bounded (threats 42)."""

from __future__ import annotations

import random
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as parse

from gateway.exchange import Exchange
from gateway.paths import shape
from gateway.telemetry import Telemetry
from gateway.telemetry.metrics import MAX_ELEMENTS, MAX_SHAPES, Metrics
from gateway.telemetry.recent import Recent
from tests.acceptance.commands import exchange as ask
from tests.support.origin import Origin
from tests.support.processes import running_gateway

LETTERS = "abcdefghijklmnopqrstuvwxyz"
A_HISTOGRAM = 19  # its buckets, sum and count


def word(draw: random.Random, letters: str = LETTERS, length: int = 8) -> str:
    return "".join(draw.choices(letters, k=length))


def call(draw: random.Random, element: str, customer: str) -> Exchange:
    """A call that was answered from upstream, for whom and of what ever."""
    exchange = Exchange(
        "id", word(draw, LETTERS.upper()), "/" + word(draw), 0.0, traceparent=f"00-{word(draw, '0123456789abcdef', 32)}-1-01"
    )
    exchange.environment, exchange.element, exchange.customer, exchange.caller = "dev", element, customer, word(draw)
    exchange.resource = shape(f"/{word(draw)}/{word(draw)}")
    exchange.status = exchange.upstream_status = draw.choice((200, 201, 404, 429, 500))
    exchange.upstream_calls, exchange.upstream_failures = 1, draw.choice((0, 0, 1))
    exchange.cache, exchange.limited = draw.choice(("hit", "miss", "bypass")), draw.choice(("", "queued", "rejected"))
    exchange.queue_seconds, exchange.problem = draw.random(), draw.choice(("", "internal", "rate-limited"))
    return exchange


def series(metrics: Metrics) -> int:
    metrics.settle()
    return sum(len(family.samples) for family in metrics.registry.collect())


def test_ten_thousand_random_calls_of_one_element() -> None:
    draw, metrics = random.Random(1), Metrics(["dev"])
    telemetry = Telemetry(metrics, None, Recent())
    for number in range(10_000):
        exchange = call(draw, "hubspot", f"customer-{number}")
        telemetry.begin(exchange)
        telemetry.record(exchange)
    shapes, statuses, caches = MAX_SHAPES + 1, 6, 3  # a status more: none
    most = statuses * caches + A_HISTOGRAM * (1 + caches) + shapes * (statuses + A_HISTOGRAM) + 20

    assert series(metrics) <= most
    text = metrics.expose("application/openmetrics-text")[0].decode()
    assert "customer-" not in text
    assert not metrics.live


def test_ten_thousand_random_elements() -> None:
    draw, metrics = random.Random(2), Metrics(["dev"])
    telemetry = Telemetry(metrics, None, Recent())
    metrics.watch_budgets(lambda: {("dev", f"e{number}"): 0.5 for number in range(10_000)})
    metrics.set_instances({("dev", f"e{number}", "active"): 1 for number in range(10_000)})
    for number in range(10_000):
        exchange = call(draw, f"e{number}", f"customer-{number}")
        exchange.upstream_calls, exchange.method, exchange.cache, exchange.status = 0, "GET", "hit", 200
        telemetry.record(exchange)
    metrics.settle()
    found = [sample for family in metrics.registry.collect() for sample in family.samples]
    by_element = 1 + 2 * A_HISTOGRAM + 2 + 5 + 2  # calls, two histograms, two actions, five gauges, signals and retries

    assert len({sample.labels["element"] for sample in found if "element" in sample.labels}) == MAX_ELEMENTS + 1
    assert len(found) <= (MAX_ELEMENTS + 1) * by_element + 20
    (other,) = [sample for sample in found if sample.name == "gateway_requests_total" and sample.labels["element"] == "other"]
    assert other.value == 10_000 - MAX_ELEMENTS


def test_random_calls_over_the_wire(tmp_path: Path) -> None:
    """Through a real gateway: after some hundred random calls a hundred more bring no series."""
    draw = random.Random(3)
    with Origin() as origin, running_gateway(tmp_path / "gateway", {"dev": f"http://{origin.authority}/elements/api-v2"}) as gateway:

        def calls(number: int) -> int:
            for n in range(number):
                named = f"Gateway-Customer: {'acme' if n % 10 else word(draw)}"
                element = (f"Gateway-Element: {word(draw)}",) if n % 10 == 5 else ()
                method = draw.choice(("GET", "PUT", "DELETE", word(draw, LETTERS.upper())))
                path = f"/elements/api-v2/{word(draw)}/{word(draw)}?{word(draw)}"
                ask(gateway.data, method, path, f"X-Api-Key: {gateway.key}", named, *element)
            body = ask(gateway.admin, "GET", "/metrics").body.decode()
            return sum(len(family.samples) for family in parse(body))

        first, then = calls(350), calls(100)
    methods = 4
    assert then == first
    assert first <= (MAX_SHAPES + 1) * (methods + A_HISTOGRAM) + 150
