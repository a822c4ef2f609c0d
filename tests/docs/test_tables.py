"""The tables in the documentation are those of the code, and a difference is noticed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.models import InstancePatch, InstanceQuery, KeyQuery, PauseQuery
from gateway.server.admin_routes import PREFIX, ROUTES
from tests.docs.blocks import ROOT
from tools import docs

ADMIN = (ROOT / "docs" / "admin-api.md").read_text("utf-8")


@pytest.fixture
def one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A documentation of one page with an empty table."""
    page = tmp_path / "page.md"
    page.write_text("Before.\n\n<!-- begin: elements -->\n<!-- end: elements -->\n\nBehind.\n", "utf-8")
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    monkeypatch.setattr(docs, "pages", lambda: [page])
    return page


def test_the_tables_are_up_to_date() -> None:
    command = [sys.executable, "-m", "tools.docs", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_a_difference_is_shown_and_nothing_is_written(one_page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = one_page.read_text("utf-8")
    assert docs.main(["--check"]) == 1
    assert "+| `hubspot` | `100/10s`, `250000/day` | instance | 60s |" in capsys.readouterr().err
    assert one_page.read_text("utf-8") == before


def test_writing_makes_the_check_pass_and_keeps_what_is_around(one_page: Path) -> None:
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert re.fullmatch(r"Before\.\n\n.*`hubspot`.*\n\nBehind\.\n", one_page.read_text("utf-8"), re.DOTALL)


def test_a_table_that_does_not_exist_is_an_error(one_page: Path) -> None:
    one_page.write_text("<!-- begin: nothing -->\n<!-- end: nothing -->\n", "utf-8")
    with pytest.raises(KeyError):
        docs.main(["--check"])


def test_every_table_stands_somewhere() -> None:
    text = "".join(page.read_text("utf-8") for page in docs.pages())
    assert set(re.findall(r"<!-- begin: (\S+) -->", text)) == docs.TABLES.keys()


def test_every_route_of_the_admin_api_is_described_and_no_other() -> None:
    routes = [(route.method, route.path.removeprefix(PREFIX)) for route in ROUTES if route.scope != "public"]
    assert re.findall(r"^\| `([A-Z]+) (\S+)` \|", ADMIN, re.MULTILINE) == routes


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("PATCH /instances/{handle}", list(InstancePatch.model_fields)),
        ("GET /instances", list(InstanceQuery.model_fields)),
        ("GET /keys", list(KeyQuery.model_fields)),
        ("GET /pauses", list(PauseQuery.model_fields)),
    ],
)
def test_the_fields_of_a_call_are_all_named(call: str, fields: list[str]) -> None:
    (line,) = (line for line in ADMIN.splitlines() if line.startswith(f"| `{call}` |"))
    assert re.findall(r"`([a-z_]+)`", line) == fields
