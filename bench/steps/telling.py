"""Steps at the end of a call: the answer's octets, and the record of what happened."""

from __future__ import annotations

import time
from functools import partial

from bench.steps.house import House, answer
from bench.steps.step import Act, Step
from gateway.exchange import Exchange
from gateway.server.answer import whole
from gateway.telemetry.access_log import line
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.recent import Recent


def _hit(house: House) -> Exchange:
    exchange = house.exchange()
    exchange.status, exchange.cache, exchange.cache_status = 200, "hit", "gateway; hit; ttl=3599"
    exchange.answering, exchange.total_seconds = time.monotonic(), 0.0001
    return exchange


def _forwarded(house: House) -> Exchange:
    exchange = _hit(house)
    exchange.cache, exchange.cache_status, exchange.upstream_status, exchange.upstream_calls = "miss", "gateway; fwd=uri-miss", 200, 1
    exchange.upstream_seconds, exchange.elements_request_id = 0.00008, "5f3c1e0aab12cd34ef567890"
    exchange.rate_limit = (("RateLimit-Policy", '"default";q=5000000;w=10'), ("RateLimit", '"default";r=4999999;t=10'))
    return exchange


def _answer(exchange: Exchange) -> Act:
    return partial(whole, answer(), exchange)


def _counted(exchange: Exchange) -> Act:
    return partial(Metrics(["dev"]).count, exchange)


STEPS = (
    Step("answer-hit", "the octets of an answer from the cache, 1 KB", lambda house: _answer(_hit(house))),
    Step("answer-forwarded", "the octets of a forwarded answer, 1 KB", lambda house: _answer(_forwarded(house))),
    Step("count-hit", "a hit in the metrics", lambda house: _counted(_hit(house))),
    Step("count-forwarded", "a forwarded call in the metrics", lambda house: _counted(_forwarded(house))),
    Step("access-line", "the line of the access log", lambda house: partial(line, _forwarded(house))),
    Step("recent", "one of the last calls, remembered", lambda house: partial(Recent().add, _forwarded(house))),
)
