"""``docs/troubleshooting.md`` has a section for each type of problem, and quotes only what the code says."""

from __future__ import annotations

import re

import pytest

from gateway import errors
from tests.docs.blocks import ROOT, titles

PAGE = ROOT / "docs" / "troubleshooting.md"
PARTS = ["What the caller sees.", "Why.", "How to look.", "What to do."]
SOURCE = "".join(path.read_text("utf-8") for path in (ROOT / "gateway").rglob("*.py"))


def sections() -> dict[str, str]:
    """The text of each section, by its title."""
    _, *rest = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(rest[::2], rest[1::2], strict=True))


def quoted() -> list[str]:
    """What the tables of details quote."""
    cells = re.findall(r"^\| (`.+`) \| .+ \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [text for cell in cells for text in re.findall(r"`([^`]+)`", cell)]


def test_every_type_of_problem_has_its_section_in_the_order_of_the_table() -> None:
    kinds = {kind.slug: kind.status for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)}
    in_order = sorted(kinds, key=lambda slug: (kinds[slug], slug))
    assert [title.strip("`") for title in titles(PAGE) if title.startswith("`")] == in_order


@pytest.mark.parametrize("title", [title for title in sections() if title.startswith("`")])
def test_a_section_says_what_why_how_and_what_to_do(title: str) -> None:
    text = sections()[title]
    assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == PARTS
    slug = title.strip("`")
    (status,) = {kind.status for kind in vars(errors).values() if getattr(kind, "slug", None) == slug}
    assert f"**What the caller sees.** {status}" in text


@pytest.mark.parametrize("detail", quoted())
def test_a_quoted_detail_is_what_the_code_says(detail: str) -> None:
    assert [part for part in detail.split("…") if part.strip(" ()") and part not in SOURCE] == []


def test_details_are_quoted() -> None:
    assert len(quoted()) > 25
