"""What the newer cut of http-cache-tests, which is not on npm, asks differently or in addition, over real sockets.

No test waits for an answer to become stale: the origin says by ``Age`` how old it is as it comes, and gives a validator, so that a
stale one is worth storing.
"""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from tests.conformance.turns import Turns, saying
from tests.support.cases import ask
from tests.support.origin import CLOSE, RESET, head
from tests.support.wire import Action


def date(offset: float = 0.0) -> str:
    return formatdate(time.time() + offset, usegmt=True)


@pytest.mark.parametrize(
    ("lines", "reused"),
    [
        (("abc",), True),
        (("-7200",), True),
        (("7200.0",), True),
        (("7200;foo=bar",), True),
        (("0",), True),
        (("7200",), False),
        (("2147483647",), False),
        (("2147483648",), False),
        (("2147483649",), False),
        (("99999999999999999999",), False),
        (("7200, 0",), False),
        (("0, 7200",), True),
        (("0, 0",), True),
        (("7200", "0"), False),
        (("0", "7200"), True),
        (("0", "0"), True),
        (("3599", "3599"), True),
    ],
)
def test_an_age_that_cannot_be_read_is_ignored_and_of_several_the_first_counts(turns: Turns, lines: tuple[str, ...], reused: bool) -> None:
    ages = [f"Age: {line}" for line in lines]
    if lines == ("3599", "3599"):
        assert turns.reused(f"Date: {date()}", "Cache-Control: max-age=10000", *ages)
        assert 3599 <= int(turns.get().value("age")) < 3700
    else:
        assert turns.reused(f"Date: {date()}", "Cache-Control: max-age=3600", *ages) is reused


HINTS = ("Link: </styles.css>; rel=preload; as=style", "X-My-Header: test")


@pytest.mark.parametrize(("status", "fields"), [("102 Processing", ()), ("103 Early Hints", HINTS)])
def test_interim_answers_pass_down_and_are_not_stored(turns: Turns, status: str, fields: tuple[str, ...]) -> None:
    turns.answers(saying("Cache-Control: max-age=100000", interim=head(status, *fields)))
    with turns.lane.caller() as caller:
        turns.lane.send(caller, ask(f"GET ~/{turns.name}"))
        first = caller.answer()
        octets = bytes(caller.received)
    hit = turns.get()

    assert first is not None
    assert (first.status, first.interim) == (200, (int(status[:3]),))
    interim = octets.partition(b"\r\n\r\n")[0].decode()
    assert [field for field in fields if field.lower() not in interim.lower()] == []
    assert hit.value("cache-status").startswith("gateway; hit")
    assert hit.interim == ()
    for answer in (first, hit):
        assert not answer.values("link")
        assert not answer.values("x-my-header")


CDN = "CDN-Cache-Control: "
FRESH = ("Cache-Control: max-age=10000", f"Expires: {date(10_000)}")


@pytest.mark.parametrize(
    ("fields", "reused"),
    [
        ((CDN + "max-age=3600",), True),
        ((CDN + "max-age=2147483648",), True),
        ((CDN + "max-age=99999999999",), True),
        ((CDN + "foobar, max-age=3600",), True),
        ((CDN + 'max-age=3600;note="a, b", c="d, e"',), True),
        ((CDN + "max-age=3600, other=(1 2)",), True),  # RFC 8941 §3.2: a member may be an inner list
        ((CDN + "max-age=3600", "Age: 7200"), False),
        ((CDN + "max-age=0",), False),
        ((CDN + "max-age=3600", f"Expires: {date(-10_000)}", f"Date: {date()}"), True),
        ((CDN + "max-age=3600", "Expires: 0", f"Date: {date()}"), True),
        ((CDN + "max-age=0", f"Expires: {date(10_000)}", f"Date: {date()}"), False),
        ((CDN + "max-age=3600", "Cache-Control: max-age=1", "Age: 50"), True),
        ((CDN + "max-age=1", "Cache-Control: max-age=3600", "Age: 50"), False),
        ((CDN + "max-age =100", "Cache-Control: max-age=1", "Age: 50"), False),
        ((CDN + "max-age= 100", "Cache-Control: max-age=1", "Age: 50"), False),
        ((CDN + "private", *FRESH), False),
        ((CDN + "no-cache", *FRESH), False),
        ((CDN + "no-store", *FRESH), False),
        ((CDN + "max-age=10000", "Cache-Control: no-store"), True),
        ((CDN + "max-age=10000", "Cache-Control: private"), True),
        ((CDN + "max-age=10000, &&&&&", "Cache-Control: no-store"), False),
        ((CDN + 'max-age="10000"', "Cache-Control: no-store"), False),
        ((CDN + "max-age", "Cache-Control: no-store"), False),
        ((CDN + "no-store, &&&&&", *FRESH), True),
        ((CDN + "", *FRESH), True),
        ((CDN + "max-age=3600,", "Cache-Control: no-store"), False),  # RFC 8941 §3.2: no member behind the comma
    ],
)
def test_cdn_cache_control_goes_before_the_others_or_is_ignored_whole(turns: Turns, fields: tuple[str, ...], reused: bool) -> None:
    assert turns.reused(*fields) is reused


def test_stale_while_revalidate_is_answered_stale_and_renewed_in_the_background(turns: Turns) -> None:
    turns.answers(
        saying("Cache-Control: max-age=10, stale-while-revalidate=3600", 'ETag: "a"', "Age: 20"),
        saying("Cache-Control: max-age=3600", 'ETag: "b"', body=b"renewed"),
    )
    turns.get()
    stale = turns.get()

    assert stale.body == b"first"
    assert stale.value("cache-status").endswith("; detail=stale-while-revalidate")
    assert int(stale.value("age")) >= 20
    assert turns.lane.origin.wait(lambda: turns.get().body == b"renewed")
    assert [request.values("if-none-match") for request in turns.arrived] == [[], ['"a"']]


def test_beyond_its_window_nothing_stale_is_given(turns: Turns) -> None:
    turns.answers(
        saying("Cache-Control: max-age=10, stale-while-revalidate=60", 'ETag: "a"', "Age: 71"),
        saying("Cache-Control: max-age=3600", body=b"asked for"),
    )
    turns.get()
    assert turns.get().body == b"asked for"


def test_what_the_renewal_forbids_is_asked_for_each_time(turns: Turns) -> None:
    turns.answers(
        saying("Cache-Control: max-age=10, stale-while-revalidate=3600", 'ETag: "a"', "Age: 20"),
        saying("Cache-Control: no-cache", 'ETag: "b"', body=b"renewed"),
    )
    turns.get()
    assert turns.get().body == b"first"
    assert turns.lane.origin.wait(lambda: turns.get().body == b"renewed")
    before = len(turns.arrived)
    assert turns.get().value("cache-status").startswith("gateway; fwd=stale")
    assert len(turns.arrived) == before + 1


@pytest.mark.parametrize(
    ("status", "control", "reused"),
    [
        ("200 OK", "max-age=3600, no-store, must-understand", True),
        ("404 Not Found", "max-age=3600, no-store, must-understand", True),
        ("599 Whatever", "max-age=3600, no-store, must-understand", False),
        ("299 Whatever", "max-age=3600, must-understand", False),
        ("599 Whatever", "max-age=3600", True),
        ("200 OK", "max-age=3600, no-store", False),
    ],
)
def test_must_understand(turns: Turns, status: str, control: str, reused: bool) -> None:
    assert turns.reused(f"Cache-Control: {control}", status=status) is reused


@pytest.mark.parametrize("ending", [CLOSE, RESET])
@pytest.mark.parametrize("control", ["must-revalidate", "proxy-revalidate", "no-cache", "s-maxage=10"])
def test_a_dropped_connection_never_brings_what_is_forbidden_stale(turns: Turns, control: str, ending: Action) -> None:
    turns.answers(saying(f"Cache-Control: max-age=10, {control}", 'ETag: "a"', "Age: 20"), ending)
    turns.get()
    answer = turns.get()

    assert answer.status == 502
    assert not answer.values("etag")
    assert not answer.values("age")
    assert turns.arrived[-1].values("if-none-match") == ['"a"']


@pytest.mark.parametrize("ending", [CLOSE, RESET])
def test_and_brings_a_stale_one_where_nothing_forbids_it(turns: Turns, ending: Action) -> None:
    turns.answers(saying("Cache-Control: max-age=10", 'ETag: "a"', "Age: 20"), ending)
    turns.get()
    answer = turns.get()

    assert (answer.status, answer.body) == (200, b"first")
    assert answer.value("cache-status") == "gateway; fwd=stale; detail=upstream-unreachable"
    assert int(answer.value("age")) >= 20
