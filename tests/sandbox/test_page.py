"""``docs/sandbox.md`` says what is so: its tables are those of the code, and its commands work."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from gateway.sandbox.catalog import ELEMENTS, HUBS
from gateway.sandbox.control import ROUTES
from gateway.sandbox.dials import Dial
from gateway.sandbox.limits.forms import FORMS
from gateway.sandbox.limits.table import TABLE

from .conftest import Api

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text("utf-8")
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    ")]


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first column has this heading."""
    body = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in body]


def test_hubs_with_their_elements_and_resources() -> None:
    expected = [
        [hub, ", ".join(element.key for element in ELEMENTS.values() if element.hub == hub), ", ".join(resources)]
        for hub, resources in HUBS.items()
    ]
    assert table("hub") == expected


def test_routes() -> None:
    assert table("route") == [[f"`{route}`", text] for route, text in ROUTES.items()]


def test_dials() -> None:
    assert [row[0] for row in table("dial")] == list(Dial.model_fields)


def test_forms_and_limits() -> None:
    shown = {
        key.strip(): (limits.replace("–", ""), at_once.replace("–", "0"), form)
        for keys, limits, at_once, form in table("elements")
        for key in keys.split(",")
    }

    assert [row[0] for row in table("form")] == list(FORMS)
    assert shown == {key: (", ".join(limit.limits), str(limit.concurrency), limit.form) for key, limit in TABLE.items()}


def test_every_command_is_a_call_that_fails_loudly() -> None:
    assert len(COMMANDS) > 10
    assert all(re.match(r"curl -sf? ", command) and "127.0.0.1:9000" in command for command in COMMANDS)


@pytest.mark.skipif(not shutil.which("curl"), reason="the page's commands need curl: apt-get install curl")
async def test_the_commands_work_one_after_the_other(api: Api) -> None:
    for command in COMMANDS:
        typed = command.replace("127.0.0.1:9000", api.origin.removeprefix("http://")).replace("curl -s ", "curl -sf ")
        process = await asyncio.create_subprocess_shell(typed, stdout=asyncio.subprocess.PIPE)
        await process.communicate()
        assert process.returncode == 0, command
