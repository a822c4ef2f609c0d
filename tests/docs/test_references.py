"""What the documentation names exists: files, commands and their options, settings, metrics, header fields, slugs, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from gateway import errors
from gateway.config import load
from gateway.server.admin_routes import ROUTES
from gateway.settings import Config
from gateway.telemetry.metrics import Metrics
from tests.docs.blocks import ROOT, anchors, blocks, pages, prose, spans
from tools.docs import every_command

PAGES = pages()
COMMANDS = dict(every_command())
SLUGS = {kind.slug for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)}
SOURCE = "".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py")).lower()
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
FOLDERS = ("gateway", "tests", "tools", "bench", "docs", "grafana", "systemd", ".ci")


def named(pattern: str) -> list[Any]:
    """Each piece of code in the text that is wholly ``pattern``, with its page, once."""
    found = {(page.name, span) for page in PAGES for span in spans(page) if re.fullmatch(pattern, span)}
    assert found, f"nothing looks like {pattern}"
    return [pytest.param(span, id=f"{page}: {span}") for page, span in sorted(found)]


@pytest.mark.parametrize("path", named(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/\S+|[A-Z]+\.md|requirements\.lock|pyproject\.toml"))
def test_a_path_exists(path: str) -> None:
    known = path.partition("<")[0]  # gateway/cache/<technology>.py: the folder
    place = ROOT / known
    assert place.is_dir() if known.endswith("/") else place.is_file()


@pytest.mark.parametrize("line", named(r"gateway [a-z].*"))
def test_a_command_and_its_options_exist(line: str) -> None:
    check_command(line)


def test_commands_in_blocks_exist() -> None:
    lines = [line for page in PAGES for block in blocks(page) for line in block.text.splitlines() if block.language == "bash"]
    found = [match[1] for line in lines for match in re.finditer(r"(?:^|\| )(gateway [a-z][^|>]*)", line)]
    assert len(found) >= 8
    for line in found:
        check_command(line)


def check_command(line: str) -> None:
    """Fails unless the command line names a command and options that it has."""
    words = line.split()[1:]
    verbs = " ".join(takewhile(lambda word: re.fullmatch("[a-z]+", word), words[:2]))
    command = COMMANDS.get(verbs) or COMMANDS.get(words[0])
    assert command is not None, f"no command {verbs}"
    known = {spelling for parameter in command.params for spelling in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known


def test_options_that_stand_alone_exist() -> None:
    known = {spelling for command in COMMANDS.values() for parameter in command.params for spelling in parameter.opts}
    said = {span.split()[0] for page in PAGES for span in spans(page) if span.startswith("--")}
    assert said <= known | {"--check"}


@pytest.mark.parametrize("line", named(r"make [a-z]+"))
def test_a_make_target_exists(line: str) -> None:
    assert line.split()[1] in TARGETS


@pytest.mark.parametrize("name", named(r"gateway_[a-z_]+"))
def test_a_metric_exists(name: str) -> None:
    families = {family.name for family in Metrics().registry.collect()}
    assert re.sub(r"_(total|info)$", "", name) in families


@pytest.mark.parametrize("name", named(r"[A-Z][A-Za-z]*(?:-[A-Z][A-Za-z]*)*-[A-Z][A-Za-z*]*|RateLimit|Via|Age|Cookie|Expires"))
def test_a_header_field_is_known_to_the_code(name: str) -> None:
    assert name.lower().rstrip("*") in SOURCE


@pytest.mark.parametrize("slug", named(r"[a-z]+(?:-[a-z]+)+"))
def test_a_slug_exists(slug: str) -> None:
    assert slug in SLUGS


@pytest.mark.parametrize("name", named(r"GATEWAY__[A-Z_]+=.*|[a-z]+\.[a-z]+_[a-z_]+"))
def test_a_setting_exists(name: str) -> None:
    path = name.partition("=")[0].removeprefix("GATEWAY__").lower().replace("__", ".")
    assert path.replace(".hubspot.", ".") in set(settings(Config, ""))


@pytest.mark.parametrize("call", named(r"(?:GET|POST|PUT|PATCH|DELETE) /admin/v1/\S+"))
def test_a_route_of_the_admin_api_exists(call: str) -> None:
    assert call.partition("?")[0] in {f"{route.method} {route.path}" for route in ROUTES}


@pytest.mark.parametrize("setting", named(r"GATEWAY__[A-Z_]+=.*"))
def test_a_setting_from_the_environment_is_taken(setting: str, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.touch()
    name, _, value = setting.partition("=")
    assert load(path, {name: value}) != load(path, {})


def settings(model: Any, where: str) -> Iterator[str]:
    """The path of every setting, names of elements left out."""
    for name, field in model.model_fields.items():
        yield where + name
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if hasattr(inner, "model_fields"):
                yield from settings(inner, f"{where}{name}.")


LINKS = [
    pytest.param(page, target, id=f"{page.name}: {target}")
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page))
    if "://" not in target
]


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_a_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, fragment = target.partition("#")
    place = page.parent / path if path else page
    assert place.exists()
    assert not fragment or fragment in anchors(place)


def test_the_first_page_leads_to_every_other() -> None:
    linked = set(re.findall(r"\]\(([a-z-]+\.md)\)", (ROOT / "docs" / "README.md").read_text("utf-8")))
    assert linked == {page.name for page in PAGES if page.parent.name == "docs"} - {"README.md"}


def test_every_picture_is_shown_on_a_page() -> None:
    shown = {target for page in PAGES for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", prose(page))}
    assert {place.name for suffix in ("png", "svg") for place in (ROOT / "docs").rglob(f"*.{suffix}")} == shown


def test_every_folder_of_the_code_is_introduced() -> None:
    introduced = set(spans(ROOT / "README.md"))
    folders = [path.parent.name for path in (ROOT / "gateway").glob("*/__init__.py")]
    assert [name for name in folders if f"gateway/{name}/" not in introduced] == []


def test_no_page_speaks_of_this_machine_or_of_a_registry() -> None:
    text = "".join(page.read_text("utf-8") for page in [*PAGES, ROOT / "CHANGELOG.md"])
    assert re.findall(r"/(?:root|home|tmp|work|Users)/\S*|\bpypi\.org\S*|index-url", text) == []
