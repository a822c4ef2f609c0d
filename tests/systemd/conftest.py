"""A folder to serve, and somebody who plays systemd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.origin import Origin
from tests.systemd.manager import Manager
from tests.tls.served import Template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template.make(tmp_path_factory.mktemp("systemd") / "template", usual=())


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture
def folder(template: Template, origin: Origin, tmp_path: Path) -> Path:
    return template.copy(tmp_path / "g", f"http://{origin.authority}")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()
