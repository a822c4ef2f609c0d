"""Heads as octets: where they are cut, what is believed of what was cut out, and which heads are the same head."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.exchange import Headers
from gateway.server.heads import OF_ANSWERS, OF_REQUESTS, Cuts, cuts_of, headers_in, ids_of, is_one_head, is_understood, told_by

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LINE = b"GET /elements/api-v2/contacts HTTP/1.1\r\n"
NAMES = [b"X-Request-Id", b"x-request-id", b"traceparent", b"Traceparent", b"Content-Length", b"Host", b"Accept", b"X-Odd"]
ANSWER_NAMES = [b"Date", b"date", b"Elements-Request-Id", b"Content-Length", b"Cache-Control", b"X-Odd"]
VALUES = st.one_of(
    st.sampled_from([b"", b"7", b"0", b"given", TRACE, b"gwk_abc", b"two words", b" lead", b"trail ", b"\t", b"a\tb", b"\xff", b"a\x00b"]),
    st.sampled_from([b"a\nb", b"a\rb", b"1" * 13]),
    st.binary(max_size=6).filter(lambda value: b"\r\n" not in value),
)


def head(*fields: tuple[bytes, bytes], line: bytes = LINE, blank: bytes = b" ") -> bytes:
    return line + b"".join(name + b":" + blank + value + b"\r\n" for name, value in fields) + b"\r\n"


def cut(*fields: tuple[bytes, bytes]) -> Cuts:
    """Where a head with ``fields`` is cut whose values are as long as these, and innocent."""
    cuts = cuts_of(head(*((name, b"x" * len(value)) for name, value in fields)), OF_REQUESTS | OF_ANSWERS)
    assert cuts is not None
    return cuts


heads = st.builds(
    lambda fields, blank: head(*fields, blank=blank),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=5),
    st.sampled_from([b" ", b"", b"  "]),
)
answer_heads = st.builds(
    lambda fields: head(*fields, line=b"HTTP/1.1 200 OK\r\n"), st.lists(st.tuples(st.sampled_from(ANSWER_NAMES), VALUES), max_size=5)
)


def test_a_head_is_cut_at_its_ids() -> None:
    octets = head((b"Host", b"x"), (b"X-Request-Id", b"one"), (b"traceparent", TRACE), (b"Accept", b"*/*"))
    cuts = cuts_of(octets)
    assert cuts is not None
    assert cuts.names == (b"x-request-id", b"traceparent")
    assert cuts.rest(octets) == head((b"Host", b"x"), (b"X-Request-Id", b""), (b"traceparent", b""), (b"Accept", b"*/*"))
    assert ids_of(cuts, octets) == (b"one", TRACE, None)


def test_cuts_are_counted_from_the_end_so_that_paths_do_not_matter() -> None:
    fields = ((b"X-Request-Id", b"one"), (b"Content-Length", b"17"))
    one, other = head(*fields), head(*fields, line=b"POST /elements/api-v2/a/much/longer/path?q=1 HTTP/1.1\r\n")
    cuts = cuts_of(one)
    assert cuts == cuts_of(other)
    assert cuts is not None
    assert ids_of(cuts, other) == (b"one", None, 17)


def test_what_is_said_twice_is_not_cut() -> None:
    assert cuts_of(head((b"X-Request-Id", b"one"), (b"x-request-id", b"two"))) is None
    assert cuts_of(head((b"Host", b"x"))) is None
    assert cuts_of(head((b"Date", b"x"), (b"Date", b"y")), OF_ANSWERS) is None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_number_of_cuts(count: int) -> None:
    fields = ((b"X-Request-Id", b"one"), (b"traceparent", TRACE), (b"Content-Length", b"0"))[:count]
    octets = head(*fields)
    cuts = cuts_of(octets)
    assert cuts is not None
    assert len(cuts.names) == count
    assert cuts.rest(octets) == head(*((name, b"") for name, _ in fields))


def sameness(one: bytes, other: bytes, *, answer: bool) -> None:
    new = OF_ANSWERS if answer else OF_REQUESTS
    cuts = cuts_of(one, new)
    if cuts is None or cuts_of(other, new) is None or not (len(other) > -min(cuts.places)):
        return
    if cuts.rest(one) != cuts.rest(other):
        return
    read = told_by(cuts, other) if answer else ids_of(cuts, other)
    if read is None:
        return
    # All that may differ are the values: put those of the one where those of the other are, and it is the one.
    filled, places = other, cuts.places
    for at in range(len(places) - 2, -1, -2):
        end = len(filled) + places[at + 1] if places[at + 1] else len(filled)
        start = len(other) + places[at]
        filled = filled[:start] + one[len(one) + places[at] : len(one) + places[at + 1]] + filled[end:]
    assert filled == one
    lines, others = one.split(b"\r\n"), other.split(b"\r\n")
    assert len(lines) == len(others), "a value holds a line"
    for line, against in zip(lines, others, strict=True):
        name = line.partition(b":")[0]
        assert line == against or (name == against.partition(b":")[0] and name.lower() in cuts.names)


@settings(deadline=None, max_examples=1500, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(heads, st.data())
def test_heads_with_equal_rests_and_cuts_differ_in_the_values_alone(one: bytes, data: st.DataObject) -> None:
    sameness(one, data.draw(heads), answer=False)
    cuts = cuts_of(one)
    if cuts is not None:  # one that is as like as can be: the same, with other octets at its cuts
        sameness(one, _disturbed(one, cuts, data), answer=False)


@settings(deadline=None, max_examples=1500, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(answer_heads, st.data())
def test_so_do_answers(one: bytes, data: st.DataObject) -> None:
    cuts = cuts_of(one, OF_ANSWERS)
    if cuts is not None:
        sameness(one, _disturbed(one, cuts, data), answer=True)


def _disturbed(one: bytes, cuts: Cuts, data: st.DataObject) -> bytes:
    other = bytearray(one)
    at = data.draw(st.integers(0, len(cuts.names) - 1)) * 2
    start, end = len(one) + cuts.places[at], len(one) + cuts.places[at + 1]
    other[start:end] = data.draw(
        st.one_of(VALUES, st.just(b"x" * (end - start)), st.sampled_from([b"a\r\nX: b", b"\r\n\r\n", b"a\r", b"\n"]))
    )
    return bytes(other)


@settings(deadline=None, max_examples=1000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([b"x-request-id", b"traceparent", b"content-length"]), st.binary(min_size=1, max_size=60))
def test_no_value_with_a_line_end_passes(name: bytes, value: bytes) -> None:
    if ids_of(cut((name, value)), head((name, value))) is not None:
        assert not re.search(rb"[\r\n\x00-\x20\x7f-\xff]", value)


@settings(deadline=None, max_examples=1000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([b"date", b"elements-request-id"]), st.binary(max_size=60))
def test_nor_does_one_of_an_answer(name: bytes, value: bytes) -> None:
    fields = ((name, value), (b"Content-Length", b"5"))
    told = told_by(cut(*fields), head(*fields, line=b"HTTP/1.1 200 OK\r\n"))
    if told is not None:
        assert not re.search(rb"[\r\n\x00\x7f-\xff]", value)
        assert told == ([value], 5)


@pytest.mark.parametrize("value", [b"", b"x", b"+1", b"-1", b" 1", b"1 ", b"0x1", b"1_0", b"1" * 13, b"\xb2", b"1,1"])
def test_a_length_is_digits(value: bytes) -> None:
    octets = head((b"Content-Length", value))
    cuts = cut((b"Content-Length", value))
    assert ids_of(cuts, octets) is None
    assert told_by(cuts, octets) is None


@pytest.mark.parametrize(
    "value", [TRACE.replace(b"00-", b"01-"), TRACE.upper(), TRACE + b"-x", TRACE[:-1], b"00-" + b"0" * 32 + TRACE[35:]]
)
def test_a_traceparent_is_one(value: bytes) -> None:
    octets = head((b"traceparent", value))
    assert ids_of(cut((b"traceparent", value)), octets) is None


@pytest.mark.parametrize("value", [b"", b"a b", b"gwk_abcdefghijkl_secret", b"xgwk_", b"\xe4", b"a" * 129])
def test_a_request_id_is_one(value: bytes) -> None:
    octets = head((b"X-Request-Id", value))
    assert ids_of(cut((b"X-Request-Id", value)), octets) is None


def test_an_answer_without_a_length_tells_the_rest() -> None:
    octets = head((b"Date", b"today"), line=b"HTTP/1.1 200 OK\r\n")
    cuts = cuts_of(octets, OF_ANSWERS)
    assert cuts is not None
    assert told_by(cuts, octets) == ([b"today"], -1)


@settings(deadline=None, max_examples=1000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(heads)
def test_what_is_read_in_a_head_is_all_that_is_in_it(octets: bytes) -> None:
    found = headers_in(octets)
    if found is not None:
        again = b"".join(f"{name}: {value}\r\n".encode() for name, value in found.pairs)
        assert again.replace(b": ", b":") == octets[len(LINE) : -2].replace(b": ", b":")
        assert all(value == value.strip() and value.isascii() for _, value in found.pairs)


@pytest.mark.parametrize(
    "line", [b"X Y: 1", b"X : 1", b": 1", b"X", b"X: a\x01", b"X:  a", b"X: a ", b" folded", b"X: \xe4", b"X: a\rb", b"X: a\nb"]
)
def test_what_is_spelled_oddly_is_not_read(line: bytes) -> None:
    assert headers_in(LINE + b"Host: x\r\n" + line + b"\r\n\r\n") is None


@pytest.mark.parametrize(
    ("octets", "one"),
    [
        (head(), True),
        (head() + b"x", False),
        (head() + head(), False),
        (head()[:-1], False),
        (b"", False),
        (b"\r\n\r\n", True),
        (head((b"X", b"a" * 9000)), False),
    ],
)
def test_one_head_and_nothing_else(octets: bytes, one: bool) -> None:
    assert is_one_head(octets) is one


HARMFUL = """cache-control pragma if-modified-since if-match if-unmodified-since if-range range prefer gateway-timeout gateway-explain
    idempotency-key expect upgrade origin transfer-encoding te trailer cookie keep-alive proxy-connection x-forwarded-for forwarded
    x_api_key gateway_customer elements-async-request x-odd x-http-method-override""".split()


@pytest.mark.parametrize("name", HARMFUL)
def test_a_field_that_is_not_known_to_be_harmless_is_not_understood(name: str) -> None:
    assert not is_understood(Headers([("Host", "x"), (name, "1")]))
    assert not is_understood(Headers([("Host", "x"), (name.title(), "1")]), body=True)


def test_what_is_understood() -> None:
    assert is_understood(Headers([("Host", "x"), ("Accept", "*/*"), ("Connection", "keep-alive")]))
    assert not is_understood(Headers([("Host", "x"), ("Connection", "close")]))
    assert not is_understood(Headers([("Host", "x"), ("Connection", "keep-alive, accept")]))
    assert not is_understood(Headers([("Accept", "a"), ("accept", "b")]))
    assert not is_understood(Headers([("Content-Length", "1")]))
    assert is_understood(Headers([("Content-Length", "1")]), body=True)
