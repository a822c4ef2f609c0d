"""How this machine reaches Debian and PyPI, written down for a container build: ``python3 tools/mirrors.py FOLDER SUITE``.

Written into FOLDER, which the caller throws away after the build: ``ca`` (the CA bundle), ``apt``, ``sources`` and ``netrc`` (apt's
settings), ``pip`` (pip's), ``volumes`` (a line ``HOST:CONTAINER`` for each folder that pip's settings name) and ``mirror`` (where
debootstrap finds SUITE). What this machine does not set is left empty. Standard library only, so that any Python 3 runs it.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SECRETS = "/run/secrets"
"""Where the build sees the files of FOLDER, by name."""
DEBIAN = "http://deb.debian.org/debian"
_PLACES = {"index-url", "extra-index-url", "find-links"}
_PIP_KEYS = _PLACES | {"trusted-host", "proxy", "timeout", "default-timeout", "retries", "no-index"}
_APT_KEYS = re.compile(r"Acquire::(https?::(proxy|timeout|verify|allowredirect)|retries|check-|forceipv)", re.IGNORECASE)


def main(folder: Path, suite: str) -> None:
    """Write the files. Raises ``OSError`` where FOLDER cannot be written."""
    authority = ca_bundle(os.environ)
    found = list(sources(_texts("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"), suite))
    pip, volumes = pip_settings(_output(sys.executable, "-m", "pip", "config", "list").splitlines(), bool(authority))
    files = {
        "ca": authority,
        "apt": apt_settings(_output("apt-config", "dump").splitlines(), bool(authority), bool(found)),
        "sources": "".join(f"deb {uri} {name} main\n" for uri, name in found),
        "netrc": "\n".join(_texts("/etc/apt/auth.conf", "/etc/apt/auth.conf.d/*.conf")),
        "pip": pip,
        "volumes": "".join(f"{host}:{inside}\n" for host, inside in volumes.items()),
        "mirror": next((uri for uri, name in found if name == suite), DEBIAN),
    }
    for name, text in files.items():
        path = folder / name
        path.touch(0o600)
        path.write_text(text, "utf-8")


def ca_bundle(environ: Mapping[str, str]) -> str:
    """The text of the first CA bundle that is there; empty where none is."""
    named = [environ.get(name, "") for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")]
    for path in map(Path, [*filter(None, named), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]):
        if path.is_file():
            return path.read_text("utf-8")
    return ""


def sources(texts: Iterable[str], suite: str) -> Iterator[tuple[str, str]]:
    """(URI, suite) of each Debian archive of ``suite``, its updates and its security, from files of either form (sources.list(5))."""
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    for text in texts:
        for line in re.findall(r"^deb\s+(.+)$", text, re.MULTILINE):
            uri, name, *components = re.sub(r"\[[^]]*\]", "", line).split()
            if name in wanted and "main" in components:
                yield uri, name
        for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
            fields = {key.lower(): value.split() for key, value in re.findall(r"^([A-Za-z-]+):((?:.|\n[ \t])*)$", stanza, re.MULTILINE)}
            if "deb" in fields.get("types", ()) and "main" in fields.get("components", ()) and fields.get("enabled") != ["no"]:
                yield from ((uri, name) for name in fields["suites"] if name in wanted for uri in fields["uris"])


def apt_settings(dump: Iterable[str], has_ca: bool, has_sources: bool) -> str:
    """apt.conf(5) with what ``apt-config dump`` says of the network, and the files beside it; empty where there is nothing to say."""
    lines = [line for line in dump if _APT_KEYS.match(line) and not line.endswith('"";')]
    if has_ca:
        lines.append(f'Acquire::https::CaInfo "{SECRETS}/ca";')
    if has_sources:
        lines += [f'Dir::Etc::SourceList "{SECRETS}/sources";', 'Dir::Etc::SourceParts "/dev/null";', f'Dir::Etc::Netrc "{SECRETS}/netrc";']
    return "".join(line + "\n" for line in lines)


def pip_settings(listing: Iterable[str], has_ca: bool) -> tuple[str, dict[str, str]]:
    """pip.conf with what ``pip config list`` says of the network, and the folders to be mounted for it: path here to path in the build.

    A later line of the listing overrides an earlier one, as environment over user over global does in pip; places add up.
    """
    settings: dict[str, list[str]] = {}
    volumes: dict[str, str] = {}
    for line in listing:
        name, separator, value = line.partition("=")
        key = name.rpartition(".")[2]
        if not separator or key not in _PIP_KEYS:
            continue
        words = str(ast.literal_eval(value)).split()
        if key not in _PLACES:
            settings[key] = words
        elif key == "index-url":
            settings[key] = [_inside(words[-1], key, volumes)]
        else:
            known = settings.setdefault(key, [])
            known += [place for word in words if (place := _inside(word, key, volumes)) not in known]
    if has_ca:
        settings["cert"] = [f"{SECRETS}/ca"]
    return "[global]\n" + "".join(f"{key} = {' '.join(words)}\n" for key, words in settings.items()) if settings else "", volumes


def _inside(place: str, key: str, volumes: dict[str, str]) -> str:
    """How the build reaches ``place``: a URL as it is, a folder under a mount of its own."""
    path = place.removeprefix("file://")
    if not path.startswith("/"):
        return place
    folder = Path(path)
    # Pages of a simple index link to files beside it (PEP 503), so what is above has to come along.
    mounted = folder if key == "find-links" else folder.parent
    inside = volumes.setdefault(str(mounted), f"/run/mirrors/{len(volumes)}")
    target = Path(inside, folder.relative_to(mounted))
    return str(target) if key == "find-links" else f"file://{target}"


def _texts(*patterns: str) -> list[str]:
    return [path.read_text("utf-8") for pattern in patterns for path in sorted(Path("/").glob(pattern.lstrip("/")))]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S603 - our own words
    except (OSError, subprocess.SubprocessError):
        return ""  # not Debian, or a Python without pip: nothing to hand on


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
