"""``gateway tail`` and what it follows, on a real gateway under real traffic."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.tail_lines import line, printing
from tests.acceptance.commands import exchange, initialize, serving, toml
from tests.cli.followed import BASE, Watched, environ, tailing, watched
from tests.support.raw import Caller
from tools import tail_picture


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("tail")) as scene:
        yield scene


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["request_id"] for item in items]


def crowd(scene: Watched, number: int, prefix: str) -> list[str]:
    """The request ids of that many calls, made one behind the other on one connection."""
    names = [f"{prefix}-{n}" for n in range(number)]
    with Caller(scene.gateway.data, patience=60) as caller:
        for start in range(0, number, 50):
            some = names[start : start + 50]
            fields = f"Host: g\r\nX-Api-Key: {scene.gateway.key}\r\nGateway-Customer: nobody\r\n"
            caller.send("".join(f"GET {BASE}/x HTTP/1.1\r\n{fields}X-Request-Id: {name}\r\n\r\n" for name in some).encode())
            for _ in some:
                answer = caller.answer("GET")
                assert answer is not None
                assert answer.status == 404
    return names


def test_each_call_comes_once_in_the_api_s_shape(scene: Watched) -> None:
    scene.call("/shape/filtered", "X-Request-Id: shape-1")
    with scene.tail("--json", "--last", "1") as tail:
        first = json.loads(tail.line())
        scene.call("/shape/filtered", "X-Request-Id: shape-2")
        made = ["shape-2", *crowd(scene, 150, "shape-many"), "shape-3"]
        scene.call("/bad", "X-Request-Id: shape-3")
        found = [json.loads(tail.line()) for _ in made]
        assert tail.interrupt() == 0

    assert first["request_id"] == "shape-1"
    assert ids(found) == made
    by_api = {item["request_id"]: item for item in scene.api("/exchanges?limit=1000")["items"]}
    assert [first, *found] == [by_api[item["request_id"]] for item in (first, *found)]
    assert by_api["shape-2"]["cache"] == "hit"
    assert tail.notices.empty()


FILTERS = [
    ("customer=bravo", {"f-bravo"}),
    ("element=rawelement&customer=acme", {"f-ok", "f-hit", "f-bad", "f-slow"}),
    ("element=nothing", set()),
    ("environment=dev&customer=bravo", {"f-bravo"}),
    ("environment=prod", set()),
    ("status=404", {"f-bad", "f-nobody"}),
    ("status=401,2XX&customer=acme", {"f-ok", "f-hit", "f-slow"}),
    ("status=5xx", set()),
    ("cache=hit", {"f-hit"}),
    ("min_ms=150&customer=acme", {"f-slow"}),
    ("path=/hubs/*/filtered", {"f-ok", "f-hit"}),
    ("path=/filtered", {"f-ok", "f-hit"}),
    ("path=**/bad&customer=acme", {"f-bad"}),
    ("path=/f*d&status=2xx", {"f-ok", "f-hit"}),
]


@pytest.fixture(scope="module")
def filtered(scene: Watched) -> dict[str, Any]:
    """Where following began, and calls of many kinds since then."""
    began = scene.api("/exchanges:follow")
    for path in ("ok", "hit"):
        scene.call("/hubs/crm/filtered", f"X-Request-Id: f-{path}")
    scene.call("/hubs/crm/bad", "X-Request-Id: f-bad")
    scene.call("/hubs/crm/slow", "X-Request-Id: f-slow")
    scene.call("/hubs/crm/other", "X-Request-Id: f-bravo", customer="bravo")
    scene.call("/hubs/crm/other", "X-Request-Id: f-nobody", customer="nobody")
    return dict(began)


@pytest.mark.parametrize(("query", "expected"), FILTERS)
def test_a_filter_means_the_same_everywhere(scene: Watched, filtered: dict[str, Any], query: str, expected: set[str]) -> None:
    news = scene.api(f"/exchanges:follow?cursor={filtered['next_cursor']}&{query}")
    listed = scene.api(f"/exchanges?limit=1000&{query}")["items"]

    assert {one for one in ids(news["items"]) if one.startswith("f-")} == expected
    assert {one for one in ids(listed) if one.startswith("f-")} == expected
    assert (news["missed"], news["restarted"]) == (0, False)


def test_a_caller_is_one_of_the_filters(scene: Watched, filtered: dict[str, Any]) -> None:
    caller = scene.gateway.key.split("_")[1]
    items = scene.api(f"/exchanges?limit=1000&caller={caller}")["items"]
    assert "f-ok" in ids(items)
    assert {item["caller"] for item in items} == {caller}
    assert scene.api("/exchanges?caller=nobody00nobo")["items"] == []


def test_the_command_s_options_are_these_filters(scene: Watched, filtered: dict[str, Any]) -> None:
    options = (
        "--customer",
        "acme",
        "--element",
        "rawelement",
        "--environment",
        "dev",
        "--status",
        "2xx",
        "--cache",
        "hit",
        "--min-ms",
        "0",
    )
    with scene.tail("--json", "--last", "1000", *options, "--path", "/hubs/**", "--caller", scene.gateway.key.split("_")[1]) as tail:
        assert json.loads(tail.line())["request_id"] == "f-hit"
        scene.call("/hubs/crm/filtered", customer="bravo")
        scene.call("/hubs/crm/filtered", "X-Request-Id: f-again")
        assert json.loads(tail.line())["request_id"] == "f-again"


def test_pages_of_a_filtered_list_hold_every_call_once(scene: Watched, filtered: dict[str, Any]) -> None:
    whole = scene.api("/exchanges?limit=1000&customer=acme")["items"]
    found, cursor = [], ""
    while True:
        page = scene.api(f"/exchanges?limit=2&customer=acme{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == whole
    assert len(found) > 3


def test_an_answer_is_held_back_until_there_is_a_call(scene: Watched) -> None:
    cursor = scene.api("/exchanges:follow")["next_cursor"]
    started = time.monotonic()
    assert scene.api(f"/exchanges:follow?cursor={cursor}&wait=0.7")["items"] == []
    assert 0.6 < time.monotonic() - started < 15

    with Caller(scene.gateway.admin, patience=40) as caller:
        key = f"Authorization: Bearer {scene.admin_key}"
        caller.send(f"GET /admin/v1/exchanges:follow?cursor={cursor}&wait=30 HTTP/1.1\r\nHost: g\r\n{key}\r\n\r\n".encode())
        started = time.monotonic()
        scene.call("/held", "X-Request-Id: held-1")
        answer = caller.answer("GET")
    assert answer is not None
    assert ids(answer.json()["items"]) == ["held-1"]
    assert time.monotonic() - started < 20


def test_a_follower_who_left_is_forgotten_and_calls_go_on(scene: Watched) -> None:
    with Caller(scene.gateway.admin) as caller:
        caller.send(
            f"GET /admin/v1/exchanges:follow?wait=30 HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {scene.admin_key}\r\n\r\n".encode()
        )
        time.sleep(0.2)
    assert scene.call("/after").status == 200


def test_who_comes_too_late_is_told_how_many_calls_were_missed(scene: Watched) -> None:
    cursor = scene.api("/exchanges:follow")["next_cursor"]
    made = crowd(scene, 1100, "late")
    shown: list[str] = []
    missed = 0
    while len(shown) + missed < len(made):
        news = scene.api(f"/exchanges:follow?cursor={cursor}&limit=400")
        shown, missed, cursor = shown + ids(news["items"]), missed + news["missed"], news["next_cursor"]
        assert news["items"]
    assert missed == 100
    assert shown == made[100:]


def test_a_follower_that_stood_still_says_what_it_missed(scene: Watched) -> None:
    scene.call("/x", "X-Request-Id: still-0", customer="nobody")
    with scene.tail("--json", "--last", "1") as tail:
        assert json.loads(tail.line())["request_id"] == "still-0"
        tail.process.send_signal(signal.SIGSTOP)
        made = crowd(scene, 1300, "still")  # 200 at most are on their way to it, 1000 are remembered
        tail.process.send_signal(signal.SIGCONT)
        said = re.fullmatch(r"… (\d+) calls missed", tail.notice())
        assert said
        shown = [json.loads(tail.line())["request_id"] for _ in range(len(made) - int(said[1]))]
    assert shown == [name for name in made if name in set(shown)]
    assert shown[-1] == made[-1]


def test_a_pipe_gets_plain_lines_with_all_that_matters(scene: Watched) -> None:
    scene.call("/hubs/crm/bad", "X-Request-Id: plain-1234567")
    with scene.tail("--last", "1", "-v") as tail:
        line, decisions = tail.line(), tail.line()
    assert re.match(r"\d\d:\d\d:\d\d\.\d{3} GET     /hubs/crm/bad +404 acme/rawelement +miss +- +\d+\.\d ms +\(\d+\.\d\) plain-12$", line)
    assert re.match(r' +cache miss uri-miss · limits allowed "100000/h";r=\d+;t=\d+ · cache not stored status$', decisions)
    assert "\x1b" not in line + decisions


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_it_wants_none(scene: Watched, more: dict[str, str], coloured: bool) -> None:
    scene.call("/hubs/crm/bad", "X-Request-Id: tty-1")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "gateway", "tail", "--last", "1", "-c", str(scene.gateway.folder / "gateway.toml")]
    env = scene.environ(TERM="xterm-256color", COLUMNS="140", **more)
    with subprocess.Popen(words, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        seen = b""
        while b"tty-1" not in seen:
            seen += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(ours)
    os.close(theirs)
    text = seen.decode()
    assert ("\x1b[33m404" in text) is coloured
    assert ("\x1b[3" in text) is coloured
    assert " 404 " in re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_restart_is_said_once_and_survived(tmp_path: Path) -> None:
    # Bound and not listening: the gateway may take the port, both times, and nobody else gets it.
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        admin = kept.getsockname()
        text = toml({"dev": "http://127.0.0.1:9/elements/api-v2"}).replace(
            'listen.admin = "127.0.0.1:0"', f'listen.admin = "127.0.0.1:{admin[1]}"'
        )
        key = initialize(tmp_path, text)
        env = environ(admin, key)
        with serving(tmp_path) as first:
            exchange(first.listeners["data"], "GET", BASE + "/x", "X-Request-Id: run-1")
            with tailing(tmp_path, env, "--json", "--last", "1") as tail:
                assert json.loads(tail.line())["request_id"] == "run-1"
                stopping = time.monotonic()
                first.terminate()
                assert first.ended(30) == 0
                assert time.monotonic() - stopping < 15
                assert "were cut" not in first.text, "a follower holds up the end, or is cut off"
                assert tail.notice() == "… the gateway does not answer; waiting for it"
                with serving(tmp_path) as second:
                    assert tail.notice().startswith("… the gateway has started anew")
                    for name in ("run-2", "run-3"):
                        exchange(second.listeners["data"], "GET", BASE + "/x", f"X-Request-Id: {name}")
                    assert [json.loads(tail.line())["request_id"] for _ in range(2)] == ["run-2", "run-3"]
                    assert tail.interrupt() == 0
                assert tail.notices.empty()


@pytest.mark.parametrize(
    "words",
    [
        ("--status", "6xx"), ("--status", "x"), ("--cache", "warm"), ("--min-ms", "-1"), ("--min-ms", "nan"), ("--last", "1001"),
        ("--last", "-1"), ("--path", "contacts"), ("--nonsense",), ("extra",), ("--url", "ftp://127.0.0.1"), ("--key", "gwk_x"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_before_anybody_is_asked(bare, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_KEY", "gwk_abcdefghijkl_x")
    bare.run("tail", *words, *(() if "--url" in words else ("--url", "http://127.0.0.1:9")), status=2)


def test_what_others_have_worded_cannot_steer_a_terminal() -> None:
    item = {"time": "2026-11-22T07:36:17.120+00:00", "status": 200, "ms": 1.0, "request_id": "\x1b]0;x\x07", "path": "/a\x1b[2J\u202e"}
    item |= {"customer": "\x9b31m", "decisions": [{"room": "a", "decision": "b\r\n", "reason": "\x1b[31m[bold]"}]}
    stream = io.StringIO()
    printing(verbose=True, console=Console(file=stream, force_terminal=True, color_system=None, width=150, _environ={}))([item])
    assert [sign for sign in stream.getvalue() if not sign.isprintable()] == ["\n", "\n"]
    assert "[bold]" in stream.getvalue()


@pytest.mark.parametrize("width", [40, 118, 132, 200])
def test_a_line_fits_a_wide_terminal_and_keeps_the_end_of_a_path(width: int) -> None:
    item: dict[str, Any] = {
        "time": "2026-11-22T07:36:17.120+00:00",
        "method": "OPTIONS",
        "status": 504,
        "ms": 120003.14,
        "upstream_ms": 99999.9,
    }
    item |= {"path": BASE + "/hubs/crm" + "/contacts" * 30 + "/4711", "customer": "c" * 60, "element": "hubspot", "request_id": "r" * 90}
    item |= {"cache": "revalidated", "limited": "rejected", "ms": 120003.14, "upstream_ms": 99999.9}
    text = line(item, max(20, width - 98)).plain
    assert len(text) <= max(118, width)
    assert re.search(r" /hubs/\S*…\S*/4711 504 ", text)
    assert item["path"].removeprefix(BASE) in line(item).plain


def test_the_picture_in_the_documentation_is_what_the_command_shows() -> None:
    """``python -m tools.tail_picture`` draws it anew."""
    assert tail_picture.PICTURE.read_text("utf-8") == tail_picture.drawn()
