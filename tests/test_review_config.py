"""A section of the wrong kind is a mistake like any other: reported, never a fault (contract 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError, load_for_serving


@pytest.mark.parametrize(
    ("text", "environ"),
    [('default_environment = "dev"\nenvironments = 1', {}), ('default_environment = "dev"', {"GATEWAY__ENVIRONMENTS": "1"})],
)
def test_environments_that_are_no_table(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as found:
        load_for_serving(path, environ)
    assert any(problem.startswith("environments:") for problem in found.value.problems)
