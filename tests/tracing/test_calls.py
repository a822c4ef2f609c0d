"""What a collector gets of each kind of call: the tree of spans, their ids, times, attributes and decisions."""

from __future__ import annotations

import re
import time

import pytest

from tests.support.origin import CLOSE, RESET, STALL, ok, script
from tests.support.raw import Caller
from tests.tracing.conftest import Traced
from tests.tracing.receiver import Trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def check_shape(trace: Trace) -> None:
    """What holds for every call: one trace, ids of their own, every step inside of the call and none of them across another."""
    server, steps = trace.server, trace.steps
    assert server.kind == "server"
    assert {span.trace_id for span in steps} <= {server.trace_id}
    ids = [server.id, *(span.id for span in steps)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{16}", one) and int(one, 16) for one in ids)
    assert server.start_ns <= server.end_ns
    assert abs(server.start_ns / 1e9 - time.time()) < 60
    moments = [server.start_ns, *(moment for span in steps for moment in (span.start_ns, span.end_ns)), server.end_ns]
    assert moments == sorted(moments)
    assert all(span.start_ns <= when <= span.end_ns for span in steps for _, when, _ in span.events)
    assert server.resource["service.name"] == "gateway"
    assert server.scope == "gateway"


def test_a_miss_has_a_span_for_each_step(traced: Traced) -> None:
    answer, trace = traced.trace("GET ~/hubs/crm/kept/one?secret=in-the-query")
    check_shape(trace)

    assert trace.names == ["identify", "resolve", "cache", "limits", "GET /kept/{id}", "settle", "answer"]
    assert (trace.server.name, trace.server.parent, trace.server.error) == ("GET /kept/{id}", "", None)
    environment = {"gateway.environment": "dev", "gateway.customer": "acme", "gateway.element": "rawelement"}
    assert trace.server.attributes == environment | {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/kept/{id}",
        "url.path": "/elements/api-v2/hubs/crm/kept/one",
        "url.scheme": "http",
        "gateway.request.id": answer.value("x-request-id"),
        "gateway.caller": traced.gateway.key.split("_")[1],
        "gateway.instance": traced.gateway.handles["acme"],
        "gateway.cache": "miss",
        "gateway.outcome": "ok",
        "gateway.upstream.calls": 1,
        "gateway.bytes.down": len(answer.body),
    }
    client = trace.step("GET /kept/{id}")
    host, port = traced.origin.address
    assert (client.kind, client.error) == ("client", None)
    assert client.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": host,
        "server.port": port,
        "url.full": f"http://{host}:{port}/elements/api-v2/hubs/crm/kept/one",
    }
    assert {span.kind for span in trace.steps if span is not client} == {"internal"}


def test_what_goes_up_carries_the_span_of_the_attempt(traced: Traced) -> None:
    _, trace = traced.trace("GET ~/onward")

    assert traced.arrived("onward") == [f"00-{trace.server.trace_id}-{trace.attempts[0].id}-01"]


def test_decisions_stand_on_the_step_that_made_them(traced: Traced) -> None:
    _, trace = traced.trace("GET ~/plain")
    cache, limits = trace.step("cache"), trace.step("limits")

    assert cache.attributes == {"gateway.decision": "bypass", "gateway.reason": "policy"}
    assert [(name, told) for name, _, told in cache.events] == [("cache: bypass", cache.attributes)]
    assert limits.attributes["gateway.decision"] == "allowed"
    assert str(limits.attributes["gateway.reason"]).startswith('"100000/day";r=')


def test_a_hit_leaves_no_span_upstream(traced: Traced) -> None:
    traced.origin.behaviours["twice"] = script(ok(b"{}", "ETag: 1"))
    traced.call("GET ~/kept/twice")
    _, trace = traced.trace("GET ~/kept/twice")
    check_shape(trace)

    assert trace.names == ["identify", "resolve", "cache", "answer"]
    assert trace.server.attributes["gateway.cache"] == "hit"
    assert trace.step("cache").attributes == {"gateway.decision": "hit", "gateway.reason": "fresh"}


def test_a_callers_trace_goes_on(traced: Traced) -> None:
    _, trace = traced.trace("GET ~/continued", f"traceparent: 00-{TRACE}-{SPAN}-01", "tracestate: vendor=1")
    check_shape(trace)
    (request,) = [found for found in traced.origin.requests if found.target.endswith("/continued")]

    assert (trace.server.trace_id, trace.server.parent) == (TRACE, SPAN)
    assert request.values("traceparent") == [f"00-{TRACE}-{trace.attempts[0].id}-01"]
    assert request.values("tracestate") == ["vendor=1"]


def test_of_the_callers_flags_only_the_defined_one_goes_up(traced: Traced) -> None:
    """W3C Trace Context §3.2.2.5.2."""
    traced.trace("GET ~/flags", f"traceparent: 00-{TRACE}-{SPAN}-ff")

    assert traced.arrived("flags")[0].endswith("-01")


@pytest.mark.parametrize("traceparent", [None, f"00-{'0' * 32}-{SPAN}-01", "nonsense", f"00-{TRACE}-{SPAN}-01-more"])
def test_a_trace_that_begins_here_has_no_state_of_another(traced: Traced, traceparent: str | None) -> None:
    """W3C Trace Context §3.3: without a valid traceparent, tracestate is nobody's."""
    fields = ("tracestate: vendor=1", *([f"traceparent: {traceparent}"] if traceparent else []))
    traced.origin.forget()
    _, trace = traced.trace("GET ~/begun", *fields)

    assert (trace.server.parent, trace.server.trace_id == TRACE) == ("", False)
    assert traced.origin.requests[0].values("tracestate") == []


def test_what_the_caller_does_not_sample_is_passed_on_and_not_delivered(traced: Traced) -> None:
    unsampled = f"00-{TRACE[::-1]}-{SPAN}-00"
    traced.call("GET ~/unsampled", f"traceparent: {unsampled}", "tracestate: vendor=1")
    traced.trace("GET ~/sampled-later")

    assert traced.arrived("unsampled") == [unsampled]
    assert TRACE[::-1] not in {span.trace_id for span in traced.receiver.spans()}


def test_a_refusal_of_ours_is_no_error_of_ours(traced: Traced) -> None:
    _, trace = traced.trace("GET ~/x", key="gwk_000000000000_wrong")
    check_shape(trace)

    assert trace.names == ["identify", "answer"]
    assert (trace.server.name, trace.server.error) == ("GET", None)
    told = {name: trace.server.attributes[name] for name in ("http.response.status_code", "gateway.problem", "gateway.outcome")}
    assert told == {"http.response.status_code": 401, "gateway.problem": "unauthenticated", "gateway.outcome": "unauthenticated"}
    assert trace.step("identify").attributes["gateway.decision"] == "unauthenticated"


def test_an_error_of_the_upstream_is_seen_in_both(traced: Traced) -> None:
    traced.origin.behaviours["broken"] = script(b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
    _, trace = traced.trace("GET ~/broken")

    assert trace.attempts[0].attributes["http.response.status_code"] == 500
    assert trace.attempts[0].attributes["error.type"] == trace.attempts[0].error == "500"
    assert trace.server.attributes["error.type"] == trace.server.error == "500"


def test_a_missing_record_is_an_error_of_the_client_span_alone(traced: Traced) -> None:
    traced.origin.behaviours["gone"] = script(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")
    _, trace = traced.trace("GET ~/gone")

    assert (trace.attempts[0].error, trace.server.error) == ("404", None)


def test_an_upstream_that_cannot_be_reached(traced: Traced) -> None:
    _, trace = traced.trace("GET ~/x", "Gateway-Environment: dead")
    check_shape(trace)

    assert trace.names == ["identify", "resolve", "cache", "limits", "GET /x", "limits", "GET /x", "answer"]
    assert trace.server.error == trace.attempts[1].error == trace.server.attributes["error.type"] == "upstream-unreachable"
    assert [attempt.error for attempt in trace.attempts] == ["connection-closed", "upstream-unreachable"]
    assert "http.response.status_code" not in trace.attempts[0].attributes
    assert [name for name, _, _ in trace.attempts[1].events] == ["upstream: upstream-unreachable"]


def test_an_attempt_that_is_made_again_has_a_span_and_an_id_of_its_own(traced: Traced) -> None:
    # Answers and closes at once, so that the kept connection is dead when it is used next.
    traced.origin.behaviours["dies"] = script(CLOSE)
    traced.origin.behaviours["revived"] = lambda wire, request: script(CLOSE if request.index else ok())(wire, request)
    traced.call("GET ~/warm")
    _, trace = traced.trace("GET ~/revived")
    check_shape(trace)

    assert trace.names == ["identify", "resolve", "cache", "limits", "GET /revived", "limits", "GET /revived", "settle", "answer"]
    assert [attempt.error for attempt in trace.attempts] == ["connection-closed", None]
    assert [attempt.attributes.get("http.request.resend_count") for attempt in trace.attempts] == [None, 1]
    assert [parent.split("-")[2] for parent in traced.arrived("revived")] == [attempt.id for attempt in trace.attempts]
    assert trace.server.attributes["gateway.upstream.calls"] == 2


def test_a_caller_who_left(traced: Traced) -> None:
    traced.origin.behaviours["awaited"] = script(STALL)
    with Caller(traced.gateway.data) as caller:
        caller.send(traced.octets("GET ~/awaited", "left-1"))
        assert traced.origin.wait(lambda: bool(traced.arrived("awaited")))
        caller.reset()
    trace = traced.receiver.trace("left-1")
    check_shape(trace)

    assert trace.names == ["identify", "resolve", "cache", "limits", "GET /awaited"]
    assert (trace.server.error, trace.attempts[0].error) == (None, None)
    assert trace.server.attributes["http.response.status_code"] == 499
    assert trace.server.attributes["gateway.outcome"] == trace.attempts[0].attributes["gateway.outcome"] == "caller-left"


def test_an_answer_that_breaks_off_is_an_error_whatever_its_status(traced: Traced) -> None:
    traced.origin.behaviours["half"] = script(ok(b"half", length=1000), RESET)
    with Caller(traced.gateway.data) as caller:
        caller.send(traced.octets("GET ~/half", "half-1"))
        caller.drain(3)
    trace = traced.receiver.trace("half-1")
    check_shape(trace)

    assert trace.server.attributes["http.response.status_code"] == 200
    assert trace.server.error == trace.step("answer").error == "upstream-unreachable"


def test_an_unknown_method_is_not_repeated(traced: Traced) -> None:
    _, trace = traced.trace("PROPFIND ~/x")

    assert trace.server.name == "HTTP /x"
    assert trace.server.attributes["http.request.method"] == trace.attempts[0].attributes["http.request.method"] == "_OTHER"


def test_a_prefix_is_not_part_of_the_upstreams_url(traced: Traced) -> None:
    _, trace = traced.trace(f"GET /c/acme/rawelement{'/elements/api-v2'}/prefixed")

    assert trace.server.attributes["url.path"] == "/c/acme/rawelement/elements/api-v2/prefixed"
    assert trace.attempts[0].attributes["url.full"] == f"http://{traced.origin.authority}/elements/api-v2/prefixed"


def test_no_secret_is_delivered(traced: Traced) -> None:
    """Whatever a call brings: fields, query, bodies both ways, a key in the path or in place of a method."""
    canary, key = "CANARY-provider-3f6d5a", traced.gateway.key
    echo = script(lambda request: ok(request.head + bytes(request.payload)))
    traced.origin.behaviours["echo"] = echo
    traced.trace(f"POST ~/echo?apiSecret={canary}", f"X-Own: {canary}", "Content-Length: 22", body=canary.encode())
    traced.trace(f"GET ~/contacts/{key}?token={canary}", f"Cookie: {canary}")
    traced.call(f"{key} ~/contacts")
    traced.trace("GET ~/contacts", f"traceparent: {key}", f"tracestate: {canary}")
    secrets = [canary, key.split("_")[2], *traced.gateway.canaries.all]
    taken = b"".join(traced.receiver.bodies)

    assert b"/contacts" in taken
    assert not [secret for secret in secrets if secret.encode() in taken]


def test_deliveries_are_plain_otlp(traced: Traced) -> None:
    _, trace = traced.trace("GET ~/delivered")

    assert set(traced.receiver.paths) == {"/v1/traces"}
    assert traced.receiver.fields[0]["content-type"] == "application/x-protobuf"
    names = {
        "service.name",
        "service.version",
        "service.instance.id",
        "telemetry.sdk.language",
        "telemetry.sdk.name",
        "telemetry.sdk.version",
    }
    assert trace.server.resource.keys() == names


def test_a_call_over_its_budget(traced: Traced) -> None:
    fields = ("Gateway-Element: limited",)
    traced.trace("GET ~/rationed", *fields)
    answer, trace = traced.trace("GET ~/rationed", *fields)
    check_shape(trace)

    assert answer.status == 429
    assert trace.names == ["identify", "resolve", "cache", "limits", "answer"]
    assert trace.server.error is None
    assert (trace.server.attributes["gateway.limited"], trace.server.attributes["gateway.problem"]) == ("rejected", "rate-limited")
    told = trace.step("limits").attributes
    assert told == {"gateway.decision": "refused", "gateway.reason": "limited for acme allows 1 call in 1 h"}
