"""Which answers say that the provider's limit is spent."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.elements.preset import shipped
from gateway.exchange import Headers
from gateway.limits.refusal_text import MOST_OCTETS
from gateway.limits.signals import Signal, looked_at, signalled
from gateway.sandbox.catalog import ELEMENTS
from gateway.sandbox.dials import Dials, RateLimit
from gateway.sandbox.limits.forms import FORMS, Breach
from gateway.sandbox.limits.table import TABLE

ANY = Signal(429)
SALESFORCE = (Signal(403, "REQUEST_LIMIT_EXCEEDED"), ANY)
MARKETO = (Signal(200, '"code":"606"'), Signal(200, '"code":"607"', "day"), Signal(200, '"code":"615"'), ANY)
NOTHING = Headers()
KINDS: tuple[Literal["rate", "daily", "concurrency"], ...] = ("rate", "daily", "concurrency")


def failed(*codes: str) -> bytes:
    return json.dumps({"requestId": "7", "success": False, "errors": [{"code": code, "message": "…"} for code in codes]}).encode()


def error(message: str, provider_message: str = "") -> bytes:
    """Cloud Elements' error object (API page 2.1)."""
    return json.dumps(
        {"requestId": "606", "message": message} | ({"providerMessage": provider_message} if provider_message else {})
    ).encode()


def preset_signals(key: str) -> list[Signal]:
    return [Signal(**signal.model_dump()) for signal in shipped()[key].element.limit_signals]


@pytest.mark.parametrize(
    ("signals", "status", "expected"),
    [
        ((), 429, "no"),
        ((ANY,), 200, "no"),
        ((ANY,), 429, "body"),  # one payload may be too large
        ((Signal(503),), 503, "head"),
        ((Signal(503), Signal(503, "throttle")), 503, "body"),
        (SALESFORCE, 403, "body"),
        (SALESFORCE, 200, "no"),
        (MARKETO, 200, "body"),
        (MARKETO, 201, "no"),
    ],
)
def test_whether_to_look(signals: tuple[Signal, ...], status: int, expected: str) -> None:
    assert looked_at(signals, status) == expected


@pytest.mark.parametrize("key", sorted(TABLE.keys() & shipped().keys()))
@pytest.mark.parametrize("kind", KINDS)
def test_the_sandbox_s_refusals_are_what_the_presets_know(key: str, kind: Literal["rate", "daily", "concurrency"]) -> None:
    answer = FORMS[TABLE[key].form](ELEMENTS[key], Breach(kind, 10, 10.0, 1.0), "request-id")
    signals = preset_signals(key)

    assert looked_at(signals, answer.status) == "body"
    assert signalled(signals, answer.status, Headers(answer.headers.items()), answer.encoded()) in signals


@pytest.mark.parametrize("key", sorted(ELEMENTS.keys() & shipped().keys()))
def test_neither_is_a_dial_s_429_missed_nor_an_empty_answer_taken(key: str) -> None:
    dials = Dials()
    dials.set(key, rate_limit=RateLimit(next=1).model_dump())
    met = dials.meet(key, datetime.now(UTC)).error
    assert met is not None
    answer = met.answer("request-id")

    assert signalled(preset_signals(key), answer.status, NOTHING, answer.encoded()) is not None
    for status, body in ((200, b"[]"), (200, b""), (403, error("Forbidden")), (400, error("Bad")), (503, error("Out of order"))):
        assert signalled(preset_signals(key), status, NOTHING, body) is None


@pytest.mark.parametrize(("code", "signal"), [("606", MARKETO[0]), ("607", MARKETO[1]), ("615", MARKETO[2]), ("601", None), ("6061", None)])
def test_marketo_says_so_with_200(code: str, signal: Signal | None) -> None:
    body = failed(code)

    assert signalled(MARKETO, 200, NOTHING, body) == signal
    assert signalled(MARKETO, 200, NOTHING, body.replace(b":", b" : \r\n\t").replace(b"code", b"Code")) == signal
    assert signalled(MARKETO, 400, NOTHING, body) is None


@pytest.mark.parametrize(
    "body", [b'{"errors": [{"code": "606"}]}', b'{"error": {"code": "606"}}', b'\xef\xbb\xbf {"success": false, "code": "606"}']
)
def test_a_success_says_in_several_ways_that_it_is_none(body: bytes) -> None:
    assert signalled(MARKETO, 200, NOTHING, body) == MARKETO[0]


def test_what_closes_for_the_day_goes_first() -> None:
    assert signalled(MARKETO, 200, NOTHING, failed("606", "607")) == MARKETO[1]
    assert signalled(MARKETO, 200, NOTHING, failed("615", "606")) == MARKETO[0]


def test_a_code_that_is_a_number_is_found_where_the_signal_says_so() -> None:
    signals = [Signal(200, '"code": 606')]

    assert signalled(signals, 200, NOTHING, b'{"success": false, "code":606}') == signals[0]
    assert signalled(signals, 200, NOTHING, b'{"success": false, "code":6061}') is None
    assert signalled(signals, 200, NOTHING, failed("606")) is None
    assert signalled([Signal(403, "50100")], 403, NOTHING, b"error 150100") is None


@pytest.mark.parametrize(
    "record",
    [
        {"id": "606", "score": 607, "note": "615"},
        {"code": "606"},
        {"note": '"code":"606"'},
        [{"code": "606"}],
        [{"success": False, "errors": [{"code": "606"}]}],
        {"success": True, "result": [{"code": "607"}]},
        {"success": True, "errors": [], "code": "607"},
    ],
)
def test_a_record_that_holds_the_words_is_no_refusal(record: Any) -> None:
    assert signalled(MARKETO, 200, NOTHING, json.dumps(record).encode()) is None


def test_a_success_without_json_is_taken_at_its_words() -> None:
    signals = [Signal(200, "limit reached")]

    assert signalled(signals, 200, NOTHING, b"<fault>Limit\nreached</fault>") == signals[0]
    assert signalled(signals, 200, NOTHING, b'[{"note": "limit reached"') is None


CODINGS: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("GZIP ", gzip.compress),
]


@pytest.mark.parametrize(("coding", "compress"), CODINGS)
def test_a_coded_body_is_read(coding: str, compress: Callable[[bytes], bytes]) -> None:
    headers = Headers([("Content-Encoding", coding)])

    assert signalled(MARKETO, 200, headers, compress(failed("607"))) == MARKETO[1]
    assert signalled([ANY], 429, headers, compress(error("payload too large"))) is None


BOMB = gzip.compress(b'{"success": false, "code":"606"' + b" " * 10_000_000 + b"}")
UNKNOWN = [
    ("", None),
    ("", failed("606") + b" " * MOST_OCTETS),
    ("br", failed("606")),
    ("gzip, gzip", failed("606")),
    ("gzip", failed("606")),
    ("gzip", gzip.compress(failed("606"))[:-9]),
    ("gzip", gzip.compress(failed("606")) * 2),
    ("gzip", gzip.compress(failed("606") + b" " * MOST_OCTETS)),
    ("gzip", BOMB),
]


@pytest.mark.parametrize(("coding", "body"), UNKNOWN, ids=range(len(UNKNOWN)))
def test_what_cannot_be_read_is_a_signal_where_it_is_429_and_none_else(coding: str, body: bytes | None) -> None:
    headers = Headers([("Content-Encoding", coding)] if coding else [])

    assert len(BOMB) < MOST_OCTETS
    assert signalled(MARKETO, 200, headers, body) is None
    assert signalled([ANY], 429, headers, body) == ANY
    assert signalled([Signal(503)], 503, headers, body) == Signal(503)


def test_the_largest_body_that_is_looked_at() -> None:
    body = failed("606").ljust(MOST_OCTETS)

    assert signalled(MARKETO, 200, NOTHING, body) == MARKETO[0]
    assert signalled(MARKETO, 200, NOTHING, body + b" ") is None
    assert signalled(MARKETO, 200, Headers([("Content-Encoding", "gzip")]), gzip.compress(body)) == MARKETO[0]
    assert signalled(MARKETO, 200, Headers([("Content-Encoding", "gzip")]), gzip.compress(body + b" ")) is None


signals = st.builds(Signal, st.sampled_from([200, 403, 429]), st.none() | st.text(min_size=1, max_size=5), st.sampled_from([None, "day"]))
bodies = st.one_of(
    st.none(),
    st.binary(max_size=80),
    st.text(max_size=80).map(str.encode),
    st.sampled_from(["Payload too large", "Rate limit exceeded", "try again in 2 s", "<"]).map(error),
    st.binary(max_size=80).map(gzip.compress),
    st.sampled_from([b"[" * MOST_OCTETS, b'{"a":' * 3000]),
)


@given(st.lists(signals, max_size=4), st.sampled_from([200, 403, 429]), st.sampled_from(["", "gzip", "deflate", "br"]), bodies)
def test_whatever_comes_it_is_one_of_these_or_none(given: list[Signal], status: int, coding: str, body: bytes | None) -> None:
    found = signalled(given, status, Headers([("Content-Encoding", coding)] if coding else []), body)

    assert found is None or (found in given and found.status == status)
    assert found is None or looked_at(given, status) != "no"
