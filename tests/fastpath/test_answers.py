"""Whatever an upstream answers, well or badly, both ways make the same of it, whether or not it came to be known."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from tests.fastpath.asking import AGENT, JSON, SCRIPTS, dated, fresh, get, post
from tests.fastpath.playing import Play, Stage
from tests.fastpath.sides import ORGANIZATION, USER, token_of
from tests.support.cases import BASE
from tests.support.origin import Recorded, chunked, head, script
from tests.support.raw import Caller, Part


def known(number: int, element: str, key: str = "usual") -> list[Play]:
    """Plays after which a caller, and a plain answer to it, are known."""
    agent = AGENT.format(number)
    return [
        *[Play((get(f"/c{number}/{n}/plain", agent, element=element, key=key),)) for n in range(5)],
        *[Play((post(f"/c{number}/{n}/plain", b"{}", agent, element=element, key=key),), ("POST",)) for n in range(5)],
    ]


@pytest.mark.parametrize("element", ["kept", "budgeted"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_answer_is_the_same_each_time(stage: Stage, name: str, element: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    begun = stage.pair.fast.taken["begun"]
    once = Play((get(f"/c{number}/same/{name}", agent, element=element),))
    plays = [
        *known(number, element),
        *[once] * 4,
        *[Play((get(f"/c{number}/{n}/{name}?n={n}", agent, element=element),)) for n in range(4)],
        *[Play((post(f"/c{number}/{n}/{name}", b'{"n":1}', agent, element=element),), ("POST",)) for n in range(4)],
        Play((post(f"/c{number}/{name}", b"", agent, element=element, method="DELETE"),), ("DELETE",)),
        *[once] * 2,
        Play((get(f"/c{number}/plain", agent, element=element),)),
    ]
    stage.compare(plays)
    assert stage.pair.fast.taken["begun"] - begun >= 4
    assert not stage.pair.slow.taken


@pytest.mark.parametrize("name", SCRIPTS)
def test_any_answer_to_a_call_that_took_the_fast_path(stage: Stage, name: str) -> None:
    """Plain calls in between see to it that a connection is at hand, whatever the answer before did to its own."""
    number = fresh()
    agent = AGENT.format(number)
    plain = [Play((get(f"/c{number}/{n}/plain", agent),)) for n in range(5)]
    begun = stage.pair.fast.taken["begun"]
    stage.compare([*plain, Play((get(f"/c{number}/1/{name}", agent),)), *plain, Play((get(f"/c{number}/2/{name}", agent),)), *plain])
    assert stage.pair.fast.taken["begun"] - begun >= 8


@pytest.mark.parametrize("name", ["plain", "fresh", "late", "chunked", "404", "500", "echo"])
def test_several_connections_take_turns(stage: Stage, name: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    calls = [get(f"/c{number}/{n // 2}/{name}", agent, customer="acme" if n % 3 else "globex") for n in range(12)]
    stage.compare([*known(number, "plain"), *[Play((octets,), on=n % 3) for n, octets in enumerate(calls)]])


PIECES: dict[str, tuple[Part, ...]] = {
    "head and body": (b"\r\n\r\n", 0.02),
    "in the request line": (BASE.encode(), 0.02),
    "before the last octet of the head": (b"\r\n\r", 0.02),
}


@pytest.mark.parametrize("where", PIECES)
def test_a_request_in_pieces_is_the_same_request(stage: Stage, where: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    mark, pause = PIECES[where]
    plays = known(number, "plain")
    for n in range(3):
        octets = post(f"/c{number}/{n}/plain", b'{"n":1}', agent)
        at = octets.index(mark) + len(mark)  # type: ignore[arg-type]
        plays.append(Play((octets[:at], pause, octets[at:]), ("POST",)))
    stage.compare([*plays, *known(number, "plain")])


def test_requests_that_come_together_are_answered_in_order(stage: Stage) -> None:
    number = fresh()
    agent = AGENT.format(number)
    one, other, late = (get(f"/c{number}/{name}", agent) for name in ("plain", "fresh", "late"))
    write = post(f"/c{number}/plain", b'{"n":1}', agent)
    stage.compare(
        [
            *known(number, "plain"),
            Play((one + other,), ("GET", "GET")),
            Play((late, 0.01, one), ("GET", "GET")),
            Play((late, 0.01, write, 0.01, one), ("GET", "POST", "GET")),
            Play((late, 0.01, one[:40], 0.05, one[40:]), ("GET", "GET")),
            Play((write + write + one,), ("POST", "POST", "GET")),
            Play((late + b"GARBAGE\r\n\r\n",), ("GET", "GET")),
            Play((late, 0.01, b"GARBAGE\r\n\r\n"), ("GET", "GET")),
            Play((one,)),
        ]
    )


VALUES = (
    b"up-1",
    b"up-1234",
    b"  spaced",
    b"trailing  ",
    b"\ttab",
    b"two words",
    b"",
    b" ",
    b"x" * 100,
    b"M\xfcller",
    b"a\tb",
    b"a\x01b",
    b"up-2",
)


@pytest.mark.parametrize("name", [b"Elements-Request-Id", b"Date", b"Content-Length"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_is_new_in_each_answer_may_be_anything(stage: Stage, name: bytes, method: str) -> None:
    """An answer's form is known; what stands in its place for an id, a date or a length is odd."""
    values = {f"{n}": value for n, value in enumerate(VALUES)}
    plain = {b"Elements-Request-Id": b"up-1", b"Date": b"Sun, 06 Nov 1994 08:49:37 GMT", b"Content-Length": b"2"}

    def answered(request: Recorded) -> bytes:
        which = request.target.split("/")[-2]
        fields = plain | ({name: values[which]} if which in values else {})
        if name == b"Content-Length" and which in values:
            fields[name] = {b"  spaced": b"  2", b"trailing  ": b"2  ", b"": b"", b"x" * 100: b"0" * 99 + b"2", b"up-2": b"02"}.get(
                values[which], b"2"
            )
        lines = b"".join(key + b": " + value + b"\r\n" for key, value in fields.items())
        return b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n" + lines + b"\r\n{}"

    stage.pair.behave(odd=script(answered))
    number = fresh()
    agent = AGENT.format(number)

    def call(item: str) -> Play:
        octets = get(f"/c{number}/{item}/odd", agent) if method == "GET" else post(f"/c{number}/{item}/odd", b"{}", agent)
        return Play((octets,), (method,))

    answered_before = stage.pair.fast.taken["answered"]
    for which in values:
        stage.compare([*[call("plain")] * 6, call(which), call("plain"), call(which)])
    assert stage.pair.fast.taken["answered"] > answered_before


@pytest.mark.parametrize(
    "twin",
    ["Connection: close", "Set-Cookie: a=b", "Transfer-Encoding: chunked", "X-More: 1", "Cache-Control: max-age=86400", "Warning: x"],
)
def test_a_form_that_is_nearly_the_known_one(stage: Stage, twin: str) -> None:
    number = fresh()
    agent = AGENT.format(number)
    stage.pair.behave(nearly=script(dated("200 OK", "Cache-Control: no-store", twin)))
    usual = [Play((get(f"/c{number}/{n}/plain", agent),)) for n in range(6)]
    stage.compare([*usual, *[Play((get(f"/c{number}/{n}/nearly", agent),)) for n in range(5)], *usual])


@pytest.mark.parametrize("where", ["body", "field", "id", "reason"])
@pytest.mark.parametrize("element", ["plain", "kept"])
def test_an_echo_of_a_secret_in_a_known_form_is_masked(stage: Stage, where: str, element: str) -> None:
    """All answers but one are harmless, of one form, and known; the one holds our credential."""
    number = fresh()
    agent = AGENT.format(number)

    def answered(request: Recorded) -> bytes:
        seen = request.values("authorization")[0] if request.target.split("/")[-2] == "9" else "-"
        body = f'{{"seen": "{seen if where == "body" else "-"}"}}'.encode()
        id_, field, reason = (seen if where == one else "-" for one in ("id", "field", "reason"))
        fields = (f"Elements-Request-Id: {id_}", f"X-Seen: {field}", "Date: Sun, 06 Nov 1994 08:49:37 GMT", "Cache-Control: no-store")
        return head(f"200 {reason}", *fields, f"Content-Length: {len(body)}") + body

    stage.pair.behave(seen=script(answered))
    for method in ("GET", "POST"):
        calls = [get(f"/c{number}/{n}/seen", agent, element=element) for n in (1, 2, 3, 4, 5, 9, 6, 9)]
        if method == "POST":
            calls = [post(f"/c{number}/{n}/seen", b"{}", agent, element=element) for n in (1, 2, 3, 4, 5, 9, 6, 9)]
        stage.compare([Play((one,), (method,)) for one in calls])
        with Caller(stage.pair.fast.address) as caller:
            for octets in calls:
                caller.send(stage.pair.fast.filled(octets))
                assert caller.answer() is not None
            for planted in (USER, ORGANIZATION, token_of("acme", element)):
                assert planted.encode() not in caller.received


NEW = """X-Left ETag Last-Modified Expires Age Vary Cache-Control Set-Cookie Server-Timing X-Request-Id Via Warning Content-Type
    Content-Language Content-Encoding Location Content-Location Retry-After Link Connection Keep-Alive RateLimit Cache-Status
    Preference-Applied Content-MD5 elements-next-page-token Access-Control-Allow-Origin Trailer""".split()
IN_TURN = {
    "Cache-Control": ("no-store", "private", "no-store, x=1", "max-age=86400"),
    "Vary": ("accept", "accept-language", "*", "x"),
    "Age": ("1", "2", "3", "4"),
    "Expires": ("0", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2094 08:49:37 GMT", "x"),
    "Connection": ("keep-alive", "x-left", "close", "keep-alive"),
    "Content-Type": ("text/plain", "application/json", "text/html", "a/b"),
}


@pytest.mark.parametrize("element", ["plain", "kept"])
@pytest.mark.parametrize("name", NEW)
def test_a_field_that_is_new_in_each_answer(stage: Stage, name: str, element: str) -> None:
    """Forms learn that a field's value is another one each time; what hangs on its value must hang on it still."""
    number = fresh()
    agent = AGENT.format(number)
    values = IN_TURN.get(name, tuple(f'"value-{n}"' for n in range(4)))

    def answered(request: Recorded) -> bytes:
        which = int(request.target.split("/")[-2])
        control = () if name == "Cache-Control" else ("Cache-Control: no-store",) if element == "plain" or which % 2 else ()
        other = (f"X-Other: {which}", f"{name}: {values[which % 4]}")
        return dated("200 OK", *control, *other)(request)

    stage.pair.behave(changing=script(answered))
    reads = [Play((get(f"/c{number}/{n}/changing", agent, element=element),)) for n in range(12)]
    writes = [Play((post(f"/d{number}/{n}/changing", b"{}", agent, element=element),), ("POST",)) for n in range(12)]
    stage.compare([*reads, *reads[::-1], *writes])


def test_a_chunked_answer_takes_the_fast_path(stage: Stage) -> None:
    """Whether it is in one piece is seen each time; one in pieces, or with a trailer, is finished by the corridor."""
    number = fresh()
    agent = AGENT.format(number)

    def answered(request: Recorded) -> bytes:
        which = int(request.target.split("/")[-2])
        date = f"Date: {formatdate(usegmt=True)}"
        framing = "Transfer-Encoding: chunked"
        body = chunked(*[b"x" * which] * (which % 4), end=b"0\r\nX-End: 1\r\n\r\n" if which % 7 == 6 else b"0\r\n\r\n")
        return head("200 OK", date, JSON, "Cache-Control: no-store", framing) + body

    stage.pair.behave(counted=script(answered))
    for method in ("GET", "POST"):
        calls = [
            get(f"/c{number}/{n}/counted", agent) if method == "GET" else post(f"/c{number}/{n}/counted", b"{}", agent)
            for n in range(1, 15)
        ]
        before = stage.pair.fast.taken["answered"]
        stage.compare([*known(number, "plain"), *[Play((octets,), (method,)) for octets in calls * 2]])
        assert stage.pair.fast.taken["answered"] - before >= 20


def test_a_secret_between_two_chunks_is_masked(stage: Stage) -> None:
    number = fresh()
    agent = AGENT.format(number)
    planted = token_of("acme", "plain").encode()

    def answered(request: Recorded) -> bytes:
        parts = (planted[:9], planted[9:]) if request.target.split("/")[-2] == "9" else (b"nothing", b"to see")
        fields = (f"Date: {formatdate(usegmt=True)}", JSON, "Cache-Control: no-store", "Transfer-Encoding: chunked")
        return head("200 OK", *fields) + chunked(*parts)

    stage.pair.behave(split=script(answered))
    calls = [get(f"/c{number}/{n}/split", agent) for n in (1, 2, 3, 4, 5, 9, 6, 9)]
    before = stage.pair.fast.taken["answered"]
    stage.compare([*known(number, "plain"), *[Play((one,)) for one in calls]])
    assert stage.pair.fast.taken["answered"] - before >= 6
    with Caller(stage.pair.fast.address) as caller:
        for octets in calls:
            caller.send(stage.pair.fast.filled(octets))
            answer = caller.answer()
            assert answer is not None
            assert planted not in answer.body


def test_forms_learn_what_is_new(stage: Stage) -> None:
    number = fresh()
    agent = AGENT.format(number)

    def left(request: Recorded) -> bytes:
        return dated("200 OK", "Cache-Control: no-store", f"X-Left: {len(request.wire._origin.requests)}")(request)

    stage.pair.behave(left=script(left))
    before = stage.pair.fast.taken["answered"]
    stage.compare([Play((get(f"/c{number}/{n}/left", agent),)) for n in range(12)])
    assert stage.pair.fast.taken["answered"] - before >= 4
