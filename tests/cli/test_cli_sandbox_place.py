"""``gateway sandbox -c``: the stand-in listens where a configuration calls, if that is a place of this machine."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from gateway.cli.standin import address_in
from gateway.config import ConfigError

ENVIRONMENT = '[environments.{name}]\nbase_url = "{url}"\nuser_secret = "env:U"\norganization_secret = "env:O"\n'


def written(folder: Path, head: str, *environments: tuple[str, str]) -> Path:
    path = folder / "gateway.toml"
    path.write_text(head + "\n" + "".join(ENVIRONMENT.format(name=name, url=url) for name, url in environments))
    return path


@pytest.mark.parametrize(
    ("head", "environments", "found"),
    [
        ("", [("dev", "http://127.0.0.1:9000/elements/api-v2")], ("127.0.0.1", 9000)),
        ("", [("dev", "http://[::1]:9001/elements/api-v2/")], ("::1", 9001)),
        (
            'default_environment = "two"',
            [("one", "https://api.cloud-elements.com/elements/api-v2"), ("two", "http://localhost:7/elements/api-v2")],
            ("localhost", 7),
        ),
    ],
)
def test_it_is_where_the_default_environment_calls(
    tmp_path: Path, head: str, environments: list[tuple[str, str]], found: tuple[str, int]
) -> None:
    assert address_in(written(tmp_path, head, *environments)) == found


@pytest.mark.parametrize(
    "url",
    [
        "https://api.cloud-elements.com/elements/api-v2", "https://127.0.0.1:9000/elements/api-v2", "http://127.0.0.1/elements/api-v2",
        "http://127.0.0.1:9000/else", "http://10.0.0.1:9000/elements/api-v2", "http://localhost.example:9000/elements/api-v2",
    ],
)  # fmt: skip
def test_it_stands_in_for_no_place_elsewhere(bare, url: str) -> None:
    written(bare.folder, "", ("dev", url))
    result = bare.here("sandbox", status=2)

    assert result.stderr.startswith("environments.dev.base_url: found another place, expected http://127.0.0.1:PORT/elements/api-v2")
    assert url not in result.stderr


def test_which_environment_must_be_clear(tmp_path: Path) -> None:
    for environments, said in (((), "no environment"), ((("a", "http://h"), ("b", "http://h")), "a, b")):
        with pytest.raises(ConfigError, match=f"^default_environment: found none and {said}, expected"):
            address_in(written(tmp_path, "", *environments))


def test_two_places_are_wrong_usage(bare) -> None:
    assert "expected one of them" in bare.here("sandbox", "--listen", "127.0.0.1:0", status=2).output


def test_it_listens_there(bare) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written(bare.folder, "", ("dev", f"http://127.0.0.1:{port}/elements/api-v2"))
        assert bare.here("sandbox", status=1).stderr.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    with bare.started("sandbox", "-c", "gateway.toml", "--json", stdin=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        process.terminate()
        assert process.wait(20) == 0
    assert said["url"] == f"http://127.0.0.1:{port}/elements/api-v2"
