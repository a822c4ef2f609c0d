"""What the origin does: answers that give back our own credentials, platform answers full of secrets, and failures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote

from tests.canary.planted import Planted
from tests.support.origin import CLOSE, RESET, STALL, Origin, Recorded, chunked, head, ok, script

Answer = Callable[[str], bytes]


def _unicode(text: str, form: str = "04X") -> str:
    """As encoders write that escape whatever is not alphanumeric (System.Text.Json does so with ``+``)."""
    return "".join(one if one.isalnum() else f"\\u{ord(one):{form}}" for one in text)


def _lower(percent: str) -> str:
    """Percent-encoded octets in lower case, as .NET's HttpUtility writes them."""
    return re.sub(r"%\w\w", lambda found: found[0].lower(), percent)


def _page(text: str, *fields: str, status: str = "200 OK") -> bytes:
    body = text.encode()
    return head(status, f"Content-Length: {len(body)}", *fields) + body


def _pieces(text: str, size: int) -> tuple[bytes, ...]:
    return tuple(text[start : start + size].encode() for start in range(0, len(text), size))


_TYPED = head("200 OK", "Content-Type: application/json", "Transfer-Encoding: chunked")

# Each is told the Authorization value that reached it.
ECHOES: dict[str, Answer] = {
    "json": lambda seen: ok(json.dumps({"headers": {"Authorization": seen}}).encode()),
    "json-slashes": lambda seen: ok(json.dumps({"seen": seen}).replace("/", "\\/").encode()),
    "json-unicode": lambda seen: ok(f'{{"seen": "{_unicode(seen)}"}}'.encode()),
    "json-unicode-lower": lambda seen: ok(f'{{"seen": "{_unicode(seen, "04x")}"}}'.encode()),
    "json-chunks": lambda seen: _TYPED + chunked(*_pieces(json.dumps({"seen": seen}), 7)),
    "json-cached": lambda seen: ok(json.dumps({"seen": seen}).encode(), "Cache-Control: max-age=60", 'ETag: "1"'),
    "json-identity": lambda seen: ok(json.dumps({"seen": seen}).encode(), "Content-Encoding: Identity"),
    "text": lambda seen: _page(f"you sent {seen}\n", "Content-Type: text/plain"),
    "untyped": lambda seen: _page(f"you sent {seen}\n"),
    "error-page": lambda seen: _page(f"<pre>{seen}</pre>", "Content-Type: text/html", status="500 Internal Server Error"),
    "percent": lambda seen: _page(quote(seen, safe=""), "Content-Type: text/plain"),
    "percent-lower": lambda seen: _page(_lower(quote(seen, safe="")), "Content-Type: text/plain"),
    "header": lambda seen: ok(b"{}", f"X-Seen: {seen}", f"Elements-Error: {seen}"),
    "header-percent-lower": lambda seen: ok(b"{}", f"X-Seen: {_lower(quote(seen, safe=''))}"),
    "redirect": lambda seen: _page("", f"Location: https://elsewhere.example/?seen={quote(seen)}", status="302 Found"),
    "reason": lambda seen: _page("", status=f"400 {seen}"),
    "request-id": lambda seen: ok(b"{}", f"Elements-Request-Id: {seen.rpartition(' ')[2]}"),
    "request-id-long": lambda seen: ok(b"{}", f"Elements-Request-Id: {'x' * 40}{seen.rpartition(' ')[2]}"),
    "etag": lambda seen: ok(b"{}", f'ETag: "{seen.rpartition(" ")[2]}"', "Cache-Control: max-age=60"),
    "trailer": lambda seen: _TYPED + chunked(b"{}", end=f"0\r\nX-Seen: {seen}\r\n\r\n".encode()),
    "interim": lambda seen: head(f"103 {seen}", f"Link: </{quote(seen)}>") + ok(b"{}"),
    "cookie": lambda seen: ok(b"{}", f"Set-Cookie: seen={quote(seen)}"),
    "broken-field": lambda seen: head("200 OK", f"X Bad {seen}: {seen}", "Content-Length: 0"),
    "broken-length": lambda seen: head("200 OK", f"Content-Length: {seen}"),
    "broken-chunk": lambda seen: _TYPED + b"2\r\n{}\r\n" + seen.encode() + b"\r\n",
    "broken-status": lambda seen: f"HTTP/1.1 {seen}\r\n\r\n".encode(),
    "not-http": lambda seen: f"{seen}\r\n\r\n".encode(),
    "surplus": lambda seen: ok(b"{}") + seen.encode() * 3,
}


def behave(origin: Origin, planted: Planted) -> None:
    """Teach ``origin`` everything; ``planted`` learns the secrets that only the upstream knows."""
    for name, answer in ECHOES.items():
        origin.behaviours[name] = script(_seen(answer), CLOSE)
    origin.behaviours |= {
        "instances": script(ok(_instances(planted))),
        "users": script(ok(_users(planted))),
        "broken-users": script(ok(_users(planted)[:-9])),
        "gzip-users": script(ok(_users(planted), "Content-Encoding: br")),
        "stall": script(STALL),
        "reset": script(RESET),
        "half": script(ok(b'{"seen": ', length=100), RESET),
        "half-stall": script(ok(b'{"seen": ', length=100), STALL),
        "early": script(_seen(ECHOES["error-page"]), CLOSE, reads_body=False),
    }
    origin.behaviours["users.json"] = origin.behaviours["users"]


def _seen(answer: Answer) -> Callable[[Recorded], bytes]:
    return lambda request: answer(", ".join(request.values("authorization")))


def _instances(planted: Planted) -> bytes:
    plant = planted.plant
    unmapped = {
        "id": 7,
        "token": plant("token of an unmapped instance"),
        "configuration": {
            "password": plant("configured password"),
            "oauth.api.secret": plant("configured oauth.api.secret"),
            "oauth.api.key": plant("configured oauth.api.key"),
            "oauth.user.token": plant("configured oauth.user.token"),
            "oauth.user.refresh_token": plant("configured oauth.user.refresh_token"),
        },
    }
    return json.dumps([unmapped, {"id": 8, "token": planted.plant("token by command")}]).encode()


def _users(planted: Planted) -> bytes:
    return json.dumps([{"email": "a@b.example", "secret": planted.plant("secret of a user"), "password": "x" * 30}]).encode()
