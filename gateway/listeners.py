"""What the configuration says of the listeners' TLS: where the files are, what is wrong with them, what will soon be."""

from __future__ import annotations

from gateway.server.tls import Loaded, TlsError, TlsFiles, load
from gateway.settings import Config

_NAMES = ("data", "admin")


def tls_files(config: Config, listener: str) -> TlsFiles | None:
    """The files of the listener ``data`` or ``admin``; None where it speaks plain HTTP."""
    section = config.listen.data_tls if listener == "data" else config.listen.admin_tls
    if section is None:
        return None
    client_ca = None if section.client_ca is None else config.folder / section.client_ca
    return TlsFiles(config.folder / section.certificate, config.folder / section.key, client_ca)


def tls_mistakes(config: Config, now: float) -> list[str]:
    """Every mistake in these files at ``now`` (seconds since the epoch), a line each."""
    problems: list[str] = []
    for _, loaded in _loaded(config, now):
        problems += loaded if isinstance(loaded, list) else []
    return problems


def ending_soon(config: Config, now: float) -> list[str]:
    """A line for each certificate that ends within two weeks of ``now``."""
    good = [(name, loaded) for name, loaded in _loaded(config, now) if isinstance(loaded, Loaded)]
    return [f"listen.{name}_tls.{warning}" for name, loaded in good if (warning := loaded.warning(now))]


def _loaded(config: Config, now: float) -> list[tuple[str, Loaded | list[str]]]:
    """By listener that speaks TLS, what its files make, or what is wrong with them."""
    found: list[tuple[str, Loaded | list[str]]] = []
    for name in _NAMES:
        files = tls_files(config, name)
        if files is None:
            continue
        try:
            found.append((name, load(files, now)))
        except TlsError as error:
            found.append((name, [f"listen.{name}_tls.{line}" for line in error.problems]))
    return found
