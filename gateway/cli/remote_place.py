"""Where the admin listener of a running gateway is, and how its certificate is checked."""

from __future__ import annotations

import http.client
import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import typer

from gateway.config import ConfigError, Problem, load

_URL = re.compile(r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?/?", re.IGNORECASE)
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where one listens on every address, one calls the own one


@dataclass(frozen=True, slots=True)
class Place:
    """An admin listener; ``tls`` is None where it speaks plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """As people write it."""
        return f"{'http' if self.tls is None else 'https'}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def connection(self, patience_s: float) -> http.client.HTTPConnection:
        """A connection that is made by its first request."""
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=patience_s)
        return http.client.HTTPSConnection(self.host, self.port, timeout=patience_s, context=self.tls)


def place_of(config: Path, url: str | None, ca_file: Path | None) -> Place:
    """The listener at ``url``, or where ``config`` says that it is.

    Wrong usage for a URL that is none, for authorities that cannot be read, and where the system chooses the port.
    """
    if url is not None:
        match = _URL.fullmatch(url)
        if not match or int(match["port"] or 1) not in range(1, 65536):
            raise typer.BadParameter("found something else, expected a URL such as http://127.0.0.1:8081", param_hint="--url")
        secure = match["scheme"].lower() == "https"
        return Place(match["host"].strip("[]"), int(match["port"] or (443 if secure else 80)), _trusting(ca_file) if secure else None)
    loaded = load(config)
    host, port = loaded.listen.admin
    if port == 0:
        raise typer.BadParameter(
            "listen.admin lets the system choose the port: say the address that `gateway serve` printed", param_hint="--url"
        )
    section = loaded.listen.admin_tls
    if section is None:
        return Place(_EVERYWHERE.get(host, host), port)
    tls = _pinned(loaded.folder / section.certificate) if ca_file is None else _trusting(ca_file)
    return Place(_EVERYWHERE.get(host, host), port, tls)


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:  # ssl.SSLError is one
        raise typer.BadParameter(
            f"found no PEM certificate in {ca_file}, expected those of the authorities", param_hint="--ca-file"
        ) from None


def _pinned(certificate: Path) -> ssl.SSLContext:
    """Trusts the first certificate in this file and nothing else: it is the listener's own, so it need not name the address."""
    try:
        text = certificate.read_text("ascii", "ignore")
        begin = text.index(_BEGIN)
        context = ssl.create_default_context(cadata=text[begin : text.index(_END, begin) + len(_END)])
    except (OSError, ValueError):
        found = f"listen.admin_tls.certificate: found no readable PEM certificate in {certificate.name}, expected the listener's own"
        raise ConfigError([Problem(found)]) from None
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.check_hostname = False
    return context
