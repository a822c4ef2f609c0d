"""Contract 2.4, 3: limits."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.acceptance.world import Mapped, World, check_problem
from tests.support.answers import Answer
from tests.support.origin import head, script


def at_once(mapped: list[Mapped], count: int) -> list[Answer]:
    """``count`` calls in turn for each of ``mapped``, all of them begun together."""
    start = threading.Barrier(50)

    def some(worker: int) -> list[Answer]:
        start.wait()
        return [mapped[n % len(mapped)].get(f"/contacts?n={n}") for n in range(worker, count, 50)]

    with ThreadPoolExecutor(50) as pool:
        return [answer for answers in pool.map(some, range(50)) for answer in answers]


def test_exactly_n_of_200_concurrent_calls_pass(world: World) -> None:
    acme = world.customer("exact50", environment="raw")
    world.raw.forget()
    answers = at_once([acme], 200)
    assert Counter(answer.status for answer in answers) == {200: 50, 429: 150}
    assert len(world.raw.requests) == 50
    refused = next(answer for answer in answers if answer.status == 429)
    problem = check_problem(refused, 429, "rate-limited", "gateway")
    assert problem["detail"] == f"exact50 for {acme.customer} allows 50 calls in 60 s"
    assert problem["title"] == "The element's budget is spent"
    assert 1 <= problem["retryAfter"] <= 60


@pytest.mark.parametrize(
    ("element", "shared"),
    [("bycustomer", "customer"), ("byelement", "element"), ("bygroup", "group"), ("window5", "instance")],
)
def test_scopes(world: World, element: str, shared: str) -> None:
    """Two instances of one customer, one of another in the same group, one alone: who shares five calls."""
    tag = f"{element}-group"
    one = world.customer(element, environment="raw", group=tag)
    two = world.customer(element, environment="raw", customer=one.customer, name="second", group="other" if shared == "customer" else tag)
    three = world.customer(element, environment="raw", group=tag)
    four = world.customer(element, environment="raw")
    passed = Counter(mapped.handle for mapped in (one, two, three, four) for n in range(6) if mapped.get(f"/contacts?n={n}").status == 200)
    found = [passed[mapped.handle] for mapped in (one, two, three, four)]
    assert found == {"customer": [5, 0, 5, 5], "element": [5, 0, 0, 0], "group": [5, 0, 0, 5], "instance": [5, 5, 5, 5]}[shared]


def test_environments_have_budgets_of_their_own(world: World) -> None:
    here = world.customer("bycustomer", environment="raw")
    there = world.customer("bycustomer", like="sfdc", customer=here.customer)
    assert [here.get(f"/contacts?n={n}").status for n in range(6)] == [200] * 5 + [429]
    assert there.get("/contacts").status == 200


def test_the_window_slides(world: World) -> None:
    """`never more than N calls in any stretch of that length`; waiting Retry-After is enough."""
    acme = world.customer("window5", environment="raw")
    passed: list[tuple[float, float]] = []
    started = time.monotonic()
    while time.monotonic() - started < 3.2:
        before = time.monotonic()
        answer = acme.get(f"/contacts?n={before}")
        if answer.status == 200:
            passed.append((before, time.monotonic()))
        time.sleep(0.03)
    assert len(passed) == 10
    for first, sixth in zip(passed, passed[5:], strict=False):
        assert sixth[1] - first[0] >= 2.0, "six calls within two seconds"


def test_retry_after_is_enough(world: World) -> None:
    acme = world.customer("window5", environment="raw")
    while (answer := acme.get(f"/contacts?n={time.monotonic()}")).status == 200:
        pass
    time.sleep(int(answer.value("retry-after")))
    assert acme.get("/contacts?again").status == 200


def test_fields_on_calls_that_pass_and_that_do_not(world: World) -> None:
    """draft-ietf-httpapi-ratelimit-headers."""
    acme = world.customer("bycustomer", environment="raw")
    left = []
    for n in range(6):
        answer = acme.get(f"/contacts?n={n}")
        policy = re.fullmatch(r'"([^"]+)";q=5;w=60', answer.value("ratelimit-policy"))
        limit = re.fullmatch(r'"([^"]+)";r=(\d+);t=(\d+)', answer.value("ratelimit"))
        assert policy
        assert limit
        assert policy[1] == limit[1]
        assert 1 <= int(limit[3]) <= 60
        left.append(int(limit[2]))
    assert left == [4, 3, 2, 1, 0, 0]


def test_several_limits_at_once(world: World) -> None:
    acme = world.customer("exact50", environment="raw")
    answer = acme.get("/contacts")
    policies = answer.value("ratelimit-policy").split(", ")
    assert [re.sub(r'^"[^"]+";', "", one) for one in policies] == ["q=50;w=60", "q=100000;w=86400"]


def test_a_burst(world: World) -> None:
    """`N a period evenly, at most B at once`: 3 at once, then one a second."""
    acme = world.customer("bursting", environment="raw")
    assert [acme.get(f"/contacts?n={n}").status for n in range(5)] == [200, 200, 200, 429, 429]
    time.sleep(1.05)
    assert [acme.get(f"/contacts?m={n}").status for n in range(2)] == [200, 429]


@pytest.mark.parametrize(("element", "period"), [("fewaday", "day"), ("fewamonth", "month")])
def test_calendar_periods(world: World, element: str, period: str) -> None:
    acme = world.customer(element, environment="raw")
    answers = [acme.get(f"/contacts?n={n}") for n in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    problem = check_problem(answers[-1], 429, "rate-limited", "gateway")
    assert period in problem["detail"]
    assert 1 <= problem["retryAfter"] <= (86400 if period == "day" else 31 * 86400)


def test_hits_and_refusals_cost_nothing(world: World) -> None:
    acme = world.customer("window5", like="sfdc")
    for _ in range(20):
        assert acme.get("/contacts").status == 200
    for _ in range(20):
        assert acme.get("/..").status == 400
    used = [row for row in world.admin("GET", "/limits").json()["items"] if row["key"] == acme.handle]
    assert [row["used"] for row in used] == [1]


def test_a_hit_carries_no_spent_budget_away(world: World) -> None:
    """After the budget is gone, what is cached is still served."""
    acme = world.customer("window5", like="sfdc")
    statuses = [acme.get(f"/contacts?pageSize={n}").status for n in range(1, 8)]
    assert statuses == [200] * 5 + [429] * 2
    for n in range(1, 6):
        hit = acme.get(f"/contacts?pageSize={n}")
        assert (hit.status, hit.value("cache-status")[:12]) == (200, "gateway; hit")


def saying(status: str, body: bytes) -> bytes:
    """A JSON answer."""
    return head(status, "Content-Type: application/json", f"Content-Length: {len(body)}") + body


def used(world: World, mapped: Mapped) -> int:
    """What is spent of a budget of one quota."""
    return sum(int(row["used"]) for row in world.admin("GET", "/limits").json()["items"] if row["key"] == mapped.handle)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 501])
def test_upstream_errors_cost(world: World, status: int) -> None:
    """What leaves is spent, whatever comes back. (Cloud Elements' own 429 says so of a payload: no limit of a provider.)"""
    acme = world.customer("erring", environment="raw")
    world.raw.behaviours["told"] = script(saying(f"{status} Their Words", b'{"message":"Request payload too large"}'))
    world.raw.forget()
    answers = [acme.get("/told") for _ in range(7)]
    assert [(answer.status, answer.reason) for answer in answers[:5]] == [(status, "Their Words")] * 5
    for answer in answers[5:]:
        check_problem(answer, 429, "rate-limited", "gateway")
    assert (len(world.raw.requests), used(world, acme)) == (5, 5)


def test_what_is_sent_once_more_costs_once_more(world: World) -> None:
    acme = world.customer("erring", environment="raw")
    world.raw.behaviours["away"] = script(saying("503 Service Unavailable", b"{}"))
    world.raw.forget()
    assert [acme.get("/away").status for _ in range(4)] == [503, 503, 503, 429]
    assert (len(world.raw.requests), used(world, acme)) == (5, 5)


def test_refused_connections_cost_nothing(world: World) -> None:
    """A call that provably never left gives back what it took."""
    acme = world.customer("erring", environment="dead")
    assert [acme.get("/contacts").status for _ in range(12)] == [502] * 12
    assert used(world, acme) == 0


def test_platform_calls_are_free(world: World) -> None:
    for n in range(7):
        answer = world.call("GET", f"/elements?n={n}")
        assert answer.status == 200
        assert answer.values("ratelimit") == []


def test_an_element_without_limits(world: World) -> None:
    acme = world.customer("plain", environment="raw")
    assert {acme.get("/contacts").status for _ in range(30)} == {200}


def test_limits_are_shown(world: World) -> None:
    """4: `every live budget: used, remaining, resets, waiting, learned`."""
    acme = world.customer("exact50", environment="raw")
    for n in range(3):
        acme.get(f"/contacts?n={n}")
    answer = world.admin("GET", "/limits")
    rows = [row for row in answer.json()["items"] if row["element"] == "exact50" and row.get("key") == acme.handle]
    assert sorted((row["used"], row["remaining"]) for row in rows) == [(3, 47), (3, 99997)]
    for row in rows:
        assert row["environment"] == "raw"
        assert {"waiting", "learned"} <= row.keys()
        assert any(name.startswith("reset") for name in row)


@pytest.mark.parametrize("element", ["hubspot", "sfdc", "servicenowoauth", "sapc4chd", "closeio"])
def test_first_presets(world: World, element: str) -> None:
    answer = world.customer(element, environment="raw").get("/contacts")
    assert answer.value("ratelimit-policy")
    if element == "hubspot":
        policies = answer.value("ratelimit-policy").split(", ")
        assert [re.sub(r'^"[^"]+";', "", one) for one in policies] == ["q=100;w=10", "q=250000;w=86400"]
