"""What callers do to the data listener: good calls, every problem that can be provoked, hostile octets. Secrets in all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from tests.canary.planted import secret
from tests.canary.scene import PROVIDER_FIELDS, Scene, request
from tests.canary.upstream import ECHOES

CONTACTS = "/hubs/crm/contacts"


def provider_query(scene: Scene) -> str:
    """Provider secrets as API page 7.1 has them in a query: half of them percent-encoded."""
    values = [scene.planted.plant(f"provider's {name} in a query") for name in PROVIDER_FIELDS]
    return "&".join(
        f"{name}={quote(value, safe='') if n % 2 else value}" for n, (name, value) in enumerate(zip(PROVIDER_FIELDS, values, strict=True))
    )


def provider_fields(scene: Scene) -> dict[str, str]:
    """Header fields that hold secrets of a provider or of the caller."""
    plant = scene.planted.plant
    return {
        "Cookie": f"session={plant('cookie')}",
        "X-Provider-Secret": plant("provider's header"),
        "Proxy-Authorization": f"Basic {plant('proxy credential')}",
        "Elements-User-Password": plant("user password in a header"),
    }


def provider_body(scene: Scene) -> bytes:
    """A body that creates an instance."""
    secrets = {name: scene.planted.plant(f"provider's {name} in a body") for name in PROVIDER_FIELDS}
    return json.dumps({"element": {"key": "rawelement"}, "providerData": secrets, "configuration": secrets}).encode()


def good_calls(scene: Scene) -> None:
    """Calls that reach the origin, and what it gives back of them."""
    query, fields, body = provider_query(scene), provider_fields(scene), provider_body(scene)
    for customer in ("commanded", "filed", "posted", "patched", "lines", "columns"):
        scene.call(f"call for {customer}", f"{CONTACTS}?{query}", fields, customer=customer)
    for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        scene.call(f"{method} with secrets", f"{CONTACTS}/1?{query}", fields, body, method=method, customer="commanded")
    for name in (*ECHOES, "json-cached", "etag"):
        scene.call(f"echo {name}", f"/{name}?{query}", fields, customer="commanded")
    scene.call("echo by HEAD", "/header", method="HEAD", customer="commanded")
    scene.call("echo of a conditional call", "/etag", {"If-None-Match": '"other"'}, customer="commanded")
    for path in (
        "/instances",
        "/instances?tags%5B%5D=x",
        "//instances",
        "/%69nstances",
        "/elements/rawelement/instances",
        "/users",
        "/users.json",
    ):
        scene.call(f"platform GET {path}", path, fields, key="platform")
    scene.call("platform POST /instances", f"/instances?{query}", fields, body, method="POST", key="platform")
    for path in (
        "/users/broken-users",
        "/users/gzip-users",
        "/organizations/header",
        "/organizations/error-page",
        "/users/reason",
    ):
        scene.call(f"platform GET {path}", path, key="platform")


def problems(scene: Scene) -> None:
    """Calls that end early, each with secrets where it can hold them."""
    query, fields, body = provider_query(scene), provider_fields(scene), provider_body(scene)
    path = f"{CONTACTS}?{query}"

    def call(
        label: str, target: str, more: dict[str, str] | None = None, *, method: str = "GET", key: str = "service", customer: str = ""
    ) -> None:
        scene.call(label, target, fields | (more or {}), body, method=method, key=key, customer=customer)

    user, organization, token = secret("user secret"), secret("organization secret"), secret("token by command")
    own = scene.keys["service"]
    for key in ("", "wrong", "revoked", "rotated away"):
        call(f"key {key or 'none'}", path, key=key, customer="commanded")
    call("unknown environment", path, {"Gateway-Environment": organization})
    call("real credentials", path, {"Authorization": f"User {user}, Organization {organization}, Element {token}"}, key="")
    call("real organization", path, {"Authorization": f"User {own}, Organization {organization}, Element {token}"}, key="")
    call("real token", path, {"Authorization": f"User {own}, Organization dev, Element {token}"}, key="")
    call("real token as instance", path, {"Gateway-Instance": token, "Gateway-Environment": "dev"})
    call("key as instance", path, {"Gateway-Instance": own, "Gateway-Environment": "dev"})
    call("key as customer", path, {"Gateway-Customer": own, "Gateway-Environment": "dev"})
    call("key as element", path, {"Gateway-Element": own, "Gateway-Customer": "commanded", "Gateway-Environment": "dev"})
    call("key as environment", path, {"Gateway-Environment": own, "Gateway-Customer": "commanded"})
    call("key as request id", path, {"X-Request-Id": own}, customer="commanded")
    call("key as traceparent", path, {"traceparent": own}, customer="commanded")
    call("key in the path", f"/contacts/{own}", customer="commanded")
    call("key in the path, encoded", f"/contacts/{own.replace('gwk', '%67wk')}", customer="commanded")
    call("key in the path of a limited call", f"/contacts/{own}", customer="limited")
    call("key in the path of a limited call again", f"/contacts/{own}", customer="limited")
    for _ in range(2):
        call("key in the path of a cached call", f"/{own}/json-cached", customer="commanded")
    call("key as method", path, method=own, customer="commanded")
    for prefix in (f"/e/{own}", f"/c/{own}", f"/c/commanded/{own}", f"/e/dev/c/{own}", f"/{own}"):
        scene.send(
            f"key in the prefix {prefix.count('/')}", request("GET", f"{prefix}/elements/api-v2{path}", {"X-Api-Key": own, **fields})
        )
    call("no such instance", path, customer="nobody")
    call("ambiguous instance", path, customer="twice")
    call("disabled instance", path, customer="disabled")
    call("corrupted row", path, customer="corrupted")
    call("swapped row", path, customer="swapped")
    call("budget spent", path, customer="limited")
    call("other environment", path, {"Gateway-Environment": "refused"}, key="narrow", customer="commanded")
    call("other customer", path, key="narrow", customer="commanded")
    call("other method", path, method="POST", key="narrow", customer="narrowed")
    call("no platform scope", "/instances")
    call("dot segment", f"/x/%2e%2e/y?{query}", customer="commanded")
    call("TRACE", path, method="TRACE", customer="commanded")
    scene.send("no such path", request("GET", f"/elsewhere?{query}", {"X-Api-Key": own, **fields}))
    scene.send("absolute target", request("GET", f"http://{user}@127.0.0.1/elements/api-v2{path}", {"X-Api-Key": own, **fields}))
    pairs = (("X-Api-Key", own), ("Gateway-Environment", "dev"), ("Gateway-Customer", "commanded"), *fields.items())
    scene.send("too large", request("POST", f"/elements/api-v2{path}", (*pairs, ("Content-Length", "99999999999"))))
    scene.send("field given twice", request("GET", f"/elements/api-v2{path}", (*pairs, ("X-Api-Key", own))))
    scene.send("underscores", request("GET", f"/elements/api-v2{path}", (*pairs, ("Gateway_Customer", own))))
    scene.send("expectation", request("GET", f"/elements/api-v2{path}", (*pairs, ("Expect", own))))


def failures(scene: Scene) -> None:
    """An upstream that fails in the ways that are cheap to make."""
    query, fields, body = provider_query(scene), provider_fields(scene), provider_body(scene)
    for environment in ("refused", "untrusted", "unknown"):
        scene.call(
            f"upstream {environment}",
            f"{CONTACTS}?{query}",
            {**fields, "Gateway-Environment": environment, "Gateway-Customer": "everywhere"},
        )
    works = [
        lambda name=name: scene.call(f"upstream does {name}", f"/{name}?{query}", fields, body, method="POST", customer="commanded")
        for name in ("stall", "reset", "half", "half-stall", "early")
    ]
    scene.at_once(*works)


def hostile(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """(what it is, octets) of requests that no proper client sends, for either listener."""
    own, hidden = scene.keys["service"], scene.planted.plant("secret in hostile octets")
    start = f"GET /elements/api-v2/x?password={hidden} HTTP/1.1\r\nHost: gateway\r\n"
    head = f"{start}Authorization: Bearer {own}\r\nGateway-Environment: dev\r\nGateway-Customer: commanded\r\nX-Secret: {hidden}\r\n"
    post = head.replace("GET", "POST", 1)
    chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
    texts = {
        "name with a blank": f"{head}X {hidden}: {hidden}\r\n\r\n",
        "line without a colon": f"{head}{hidden}\r\n\r\n",
        "empty name": f"{head}: {hidden}\r\n\r\n",
        "folded line": f"{head}X-Fold: a\r\n {hidden}\r\n\r\n",
        "NUL in a value": f"{head}X-Nul: {hidden}\0{own}\r\n\r\n",
        "octets beyond ASCII": f"{head}X-High: \xff{hidden}\xfe\r\nGateway-Element: \xff{hidden}\r\n\r\n",
        "bare line feeds": head.replace("\r\n", "\n") + f"X-Bare: {hidden}\n\n",
        "bare carriage return": f"{head}X-Bare: a\r{hidden}\r\n\r\n",
        "oversized field": f"{head}X-Large: {hidden * 500}\r\n\r\n",
        "oversized line": start.replace(hidden, hidden * 500) + f"X-Api-Key: {own}\r\n\r\n",
        "too many fields": head + "".join(f"X-{n}: {hidden}\r\n" for n in range(300)) + "\r\n",
        "two blanks in the line": start.replace("GET ", "GET  ") + "\r\n",
        "blank in the target": start.replace("?", f"? {own}") + "\r\n",
        "only a key": f"{own}\r\n\r\n",
        "key as method": start.replace("GET", own) + "\r\n",
        "key as version": start.replace("HTTP/1.1", own) + "\r\n",
        "version 9": start.replace("1.1", "9.9") + f"X-Api-Key: {own}\r\n\r\n",
        "key as host": start.replace("Host: gateway", f"Host: {own}/{hidden}") + "\r\n",
        "no host": start.replace("Host: gateway", f"X-Api-Key: {own}") + "\r\n",
        "length that is none": f"{post}Content-Length: {hidden}\r\n\r\n",
        "two lengths": f"{post}Content-Length: 5\r\nContent-Length: 5, {hidden}\r\n\r\nhello",
        "coding that is none": f"{post}Transfer-Encoding: {hidden}\r\n\r\n",
        "secret in a chunk extension": f"{chunked}5;a={hidden}\r\nhello\r\n0;b={own}\r\n\r\n",
        "oversized chunk extension": f"{chunked}5;a={hidden * 500}\r\nhello\r\n0\r\n\r\n",
        "secret as chunk size": f"{chunked}{hidden}\r\nhello\r\n0\r\n\r\n",
        "chunk without its end": f"{chunked}5\r\nhello{hidden}\r\n0\r\n\r\n",
        "secret in a trailer": f"{chunked}5\r\nhello\r\n0\r\nX-Secret: {hidden}\r\n{hidden}\r\n\r\n",
        "garbage behind a call": f"{head}\r\n{hidden} {own}\r\n\r\n",
        "garbage behind a body": f"{post}Content-Length: 5\r\n\r\nhello{hidden} {own} x\r\n\r\n",
        "half a head": head,
        "half a body": f"{post}Content-Length: 5000\r\n\r\n{hidden}",
        "HTTP/2": f"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{hidden}",
        "upgrade": f"{head}Connection: upgrade, {hidden}\r\nUpgrade: {hidden}\r\n\r\n",
        "content type that is none": f"{post}Content-Type: {hidden}; charset={hidden}\r\nContent-Length: 2\r\n\r\n{{}}",
        "coding of the content": f"{post}Content-Encoding: gzip\r\nContent-Length: {len(hidden)}\r\n\r\n{hidden}",
        "asterisk": f"OPTIONS * HTTP/1.1\r\nHost: gateway\r\nX-Api-Key: {own}\r\nX-Secret: {hidden}\r\n\r\n",
        "authority": f"CONNECT {own}:443 HTTP/1.1\r\nHost: gateway\r\nX-Api-Key: {own}\r\n\r\n",
    }
    for label, text in texts.items():
        yield label, text.encode("latin-1")
    yield "TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + own.encode() + hidden.encode()


def throw(scene: Scene) -> None:
    """All of ``hostile`` at both listeners, as they stand and an octet at a time."""
    works = []
    for label, octets in hostile(scene):
        for name, where in (("data", scene.gateway.data), ("admin", scene.gateway.admin)):
            works.append(
                lambda label=label, octets=octets, name=name, where=where: scene.send(f"{name}: {label}", octets, where=where, within=1.5)
            )
    scene.at_once(*works)
