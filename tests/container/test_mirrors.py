"""What the build is told of this machine's mirrors: tools/mirrors.py on settings as apt and pip have them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tools.mirrors import apt_settings, ca_bundle, pip_settings, sources

ONE_LINE = """\
# deb http://old.test/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://mirror.test/debian bookworm main contrib
deb http://mirror.test/debian bookworm-updates main
deb-src http://mirror.test/debian bookworm main
deb http://mirror.test/debian trixie main
deb http://other.test/apt bookworm stable
"""
STANZAS = """\
Types: deb deb-src
# URIs: http://old.test/debian
URIs: http://a.test/debian
 http://b.test/debian
Suites: bookworm bookworm-security sid
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
Enabled: no
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(
            ONE_LINE, [("http://mirror.test/debian", "bookworm"), ("http://mirror.test/debian", "bookworm-updates")], id="one-line"
        ),
        pytest.param(
            STANZAS,
            [(f"http://{host}.test/debian", suite) for suite in ("bookworm", "bookworm-security") for host in "ab"],
            id="stanzas",
        ),
        pytest.param("Types: deb\nURIs: http://ubuntu.test/\nSuites: noble\nComponents: main\n", [], id="another system"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_the_mirrors_of_this_release_and_no_other(text: str, found: list[tuple[str, str]]) -> None:
    assert list(sources([text], "bookworm")) == found


def test_apt_gets_what_concerns_the_network() -> None:
    dump = [
        'Acquire::http::Proxy "http://proxy.test:3128";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::https::Timeout "";',
        'Acquire::IndexTargets::deb::Packages::MetaKey "x";',
        'DPkg::Post-Invoke:: "rm -rf /";',
    ]
    assert apt_settings(dump, has_ca=True, has_sources=False).splitlines() == [
        'Acquire::http::Proxy "http://proxy.test:3128";',
        'Acquire::Check-Valid-Until "false";',
        'Acquire::https::CaInfo "/run/secrets/ca";',
    ]
    assert apt_settings([], has_ca=False, has_sources=False) == ""
    assert 'Dir::Etc::SourceList "/run/secrets/sources";' in apt_settings([], has_ca=False, has_sources=True)


def test_pip_gets_its_places_and_folders_get_mounts() -> None:
    listing = [
        "global.index-url='https://first.test/simple'",
        "global.extra-index-url='file:///srv/pypi/simple\\nhttps://more.test/simple'",
        "global.find-links='/srv/wheels'",
        "install.no-cache-dir='1'",
        ":env:.index-url='https://user:word@second.test/simple'",
        ":env:.find-links='/srv/wheels'",
        ":env:.cert='/etc/ca.pem'",
    ]
    text, volumes = pip_settings(listing, has_ca=True)
    assert text.splitlines() == [
        "[global]",
        "index-url = https://user:word@second.test/simple",
        "extra-index-url = file:///run/mirrors/0/simple https://more.test/simple",
        "find-links = /run/mirrors/1",
        "cert = /run/secrets/ca",
    ]
    assert volumes == {"/srv/pypi": "/run/mirrors/0", "/srv/wheels": "/run/mirrors/1"}
    assert pip_settings([], has_ca=False) == ("", {})


def test_the_bundle_that_is_named_comes_first(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("ours", "utf-8")
    assert ca_bundle({"PIP_CERT": str(bundle), "SSL_CERT_FILE": str(tmp_path / "none")}) == "ours"


def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools/mirrors.py", tmp_path, "bookworm"], check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"apt", "ca", "mirror", "netrc", "pip", "sources", "volumes"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert (tmp_path / "mirror").read_text("utf-8").startswith("http")
