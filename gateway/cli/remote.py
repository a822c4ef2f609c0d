"""How a command talks to the admin API of a running gateway.

``with connected(config, url, key_file, ca_file) as gateway: gateway.get("/limits")`` is all that a command needs; its options are
``Url``, ``KeyFile`` and ``CaFile`` beside ``ConfigFile``. What goes wrong is a ``GatewayError`` and so ends the command with 1: nobody
listens there, the key is not let in, or the very problem that the gateway answered.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from socket import gaierror
from types import TracebackType
from typing import Annotated, Any, Self
from urllib.parse import urlencode

import typer

from gateway.cli.output import printable
from gateway.cli.remote_place import Place, place_of
from gateway.config import admin_key
from gateway.errors import GatewayError
from gateway.secret import Secret

Url = Annotated[str | None, typer.Option("--url", help="Of the admin listener, where it is not the one that the configuration names.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(help="Where a key with the scope admin is; - for standard input. Else GATEWAY_ADMIN_KEY, else it is asked for."),
]
CaFile = Annotated[
    Path | None,
    typer.Option(
        help="PEM file of authorities to trust. Else the very certificate that the configuration names; with --url, the system's."
    ),
]

PREFIX = "/admin/v1"
_STDIN = Path("-")
_PATIENCE_S = 15.0


class Unreachable(GatewayError):
    """The gateway does not answer"""

    slug, status, source = "gateway-unreachable", 503, "gateway"


class Remote:
    """The admin API of a running gateway. Use as a context manager; one call after the other."""

    def __init__(self, place: Place, key: Secret) -> None:
        self._place = place
        self._key = key
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; the next call opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def get(self, path: str, query: Mapping[str, object] | None = None, *, wait_s: float = 0.0) -> Any:
        """What ``GET /admin/v1{path}`` answers, parsed; of ``query`` what is not None. ``wait_s``: how long the answer may be held back.

        Raises ``Unreachable``, or a ``GatewayError`` with the slug, status, title and detail of the problem that was answered.
        """
        return self.call("GET", path, query, wait_s=wait_s)

    def call(self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None, *, wait_s: float = 0.0) -> Any:
        """The same for any method; ``body`` goes as JSON unless it is None. None for an answer without a body."""
        said = urlencode({name: value for name, value in (query or {}).items() if value is not None})
        headers = {"Authorization": f"Bearer {self._key.reveal()}", "Accept": "application/json"}
        octets = None
        if body is not None:
            octets, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        target = f"{PREFIX}{path}?{said}" if said else PREFIX + path
        status, answer = self._exchange(method, target, octets, headers, _PATIENCE_S + wait_s)
        return self._understood(status, answer)

    def _exchange(self, method: str, target: str, body: bytes | None, headers: Mapping[str, str], patience_s: float) -> tuple[int, bytes]:
        kept = self._connection is not None
        try:
            if self._connection is None:
                self._connection = self._place.connection(_PATIENCE_S)
            connection = self._connection
            if connection.sock is not None:
                connection.sock.settimeout(patience_s)
            else:
                connection.timeout = patience_s
            connection.request(method, target, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if kept and method == "GET" and isinstance(error, (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
                return self._exchange(method, target, body, headers, patience_s)  # a kept connection that was closed meanwhile
            raise Unreachable(f"{self._place.url}: {_reason(error)}") from None

    def _understood(self, status: int, body: bytes) -> Any:
        try:
            document = json.loads(body) if body else None
        except ValueError:
            document = ...
        if status < 300 and document is not ...:
            return document
        if isinstance(document, dict) and str(document.get("type", "")).startswith("urn:gateway:problem:"):
            raise _problem(document)
        raise Unreachable(f"{self._place.url}: found something else there (status {status}), expected the admin listener of a gateway")


def connected(config: Path, url: str | None, key_file: Path | None, ca_file: Path | None) -> Remote:
    """The gateway at ``url``, or the one that serves ``config``. The key comes from ``key_file`` (- is standard input), from
    ``GATEWAY_ADMIN_KEY``, or is asked for on a terminal.

    Wrong usage where there is no key or no address, ``ConfigError`` where the configuration is needed and cannot be used.
    """
    place = place_of(config, url, ca_file)
    return Remote(place, _key(key_file))


def _key(file: Path | None) -> Secret:
    if file is not None:
        text = _text(file).strip()
    elif (found := admin_key()) is not None:
        text = found.reveal()
    elif sys.stdin.isatty():
        text = str(typer.prompt("Admin key", hide_input=True, err=True)).strip()
    else:
        raise typer.BadParameter("say where the key is: a file, - for standard input, or GATEWAY_ADMIN_KEY", param_hint="--key-file")
    if not text.isascii() or not text.isprintable() or not text or " " in text:
        raise typer.BadParameter("found something that is no caller key, expected gwk_… on one line", param_hint="--key-file")
    return Secret(text)


def _text(file: Path) -> str:
    try:
        octets = sys.stdin.buffer.read() if file == _STDIN else file.read_bytes()
        return octets.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise typer.BadParameter(f"{file} cannot be read ({reason})", param_hint="--key-file") from None


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectionRefusedError, "nobody listens there; does `gateway serve` run, with this configuration? (--url names another address)"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted; --ca-file names who signed it"),
    (ssl.SSLError, "no TLS connection can be made; does it speak plain HTTP?"),
    (TimeoutError, "no answer came in time"),
    (ConnectionError, "the connection was closed before an answer; does it speak HTTPS?"),
    (http.client.HTTPException, "what answers there does not speak HTTP"),
    (gaierror, "there is no host of this name"),
)


def _reason(error: Exception) -> str:
    """Why there is no answer, in our own words: what the peer sent could be anything."""
    return next((text for kind, text in _REASONS if isinstance(error, kind)), "no connection can be made")


_TODO = {
    401: "; give a caller key by --key-file or GATEWAY_ADMIN_KEY (`gateway keys list` shows which there are)",
    403: "; the key needs the scope admin (`gateway keys create --name NAME --scope admin` makes one)",
}
_OF_THE_ERROR = frozenset({"type", "title", "status", "detail", "source", "requestId", "message", "retryAfter"})


def _problem(document: Mapping[str, Any]) -> GatewayError:
    """What the gateway answered, as the error that a command ends with."""
    said = {name: printable(document.get(name, "")) for name in ("type", "title", "detail", "source")}
    status = document.get("status")
    status = status if isinstance(status, int) else 500
    members = {"__doc__": said["title"], "slug": said["type"].rpartition(":")[2], "status": status, "source": said["source"]}
    kind = type("Problem", (GatewayError,), members)
    extra = {name: value for name, value in document.items() if name not in _OF_THE_ERROR}
    error: GatewayError = kind(said["detail"] + _TODO.get(status, ""), retry_after=document.get("retryAfter"), **extra)
    return error
