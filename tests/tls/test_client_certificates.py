"""Client certificates as an identity (``[callers.certificates]``), in a real gateway."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.commands import command
from tests.support.cases import BASE
from tests.tls.authority import DAY, HERE, NOW, Authority
from tests.tls.conftest import TLS, Scene
from tests.tls.served import Reply, ask, ask_on, serving, until

URI, MAIL, DNS = x509.UniformResourceIdentifier, x509.RFC822Name, x509.DNSName


def call(scene: Scene, context: ssl.SSLContext, *fields: str, path: str = "/x") -> Reply:
    who = f"Gateway-Instance: {scene.template.handle}"
    return ask(scene.served.listeners["data"], context, "GET", f"{BASE}{path}", who, *fields)


def showing(
    scene: Scene, folder: Path, *names: x509.GeneralName, signed_by: Authority | None = None, common_name: str = ""
) -> ssl.SSLContext:
    """A client's context with a certificate for ``names``."""
    pair = (signed_by or scene.clients).certificate(*names, common_name=common_name)
    return scene.authority.trusting(*pair.store(folder, "client"))


def caller_of(scene: Scene) -> str:
    """The id of the key that the last call was counted for."""
    key = scene.template.keys["admin"][1]
    target = "/admin/v1/exchanges?limit=1"
    answer = ask(scene.served.listeners["admin"], scene.authority.trusting(), "GET", target, f"Authorization: Bearer {key}")
    return str(json.loads(answer.body)["items"][0]["caller"])


@pytest.mark.parametrize(
    ("names", "key"),
    [
        ([URI("spiffe://shop/orders")], "usual"),
        ([MAIL("orders@shop.test")], "other"),
        ([DNS("orders.shop.test")], "usual"),
        ([DNS("elsewhere.test"), URI("spiffe://shop/orders")], "usual"),
        ([DNS("orders.shop.test"), URI("spiffe://shop/orders")], "usual"),
    ],
)
def test_a_name_stands_for_a_key(scene: Scene, tmp_path: Path, names: list[x509.GeneralName], key: str) -> None:
    assert call(scene, showing(scene, tmp_path, *names)).status == 200
    assert caller_of(scene) == scene.template.keys[key][0]


@pytest.mark.parametrize(
    "names",
    [
        [],
        [URI("spiffe://shop/orders/")],
        [URI("spiffe://shop/Orders")],
        [URI("spiffe://shop/unknown")],
        [DNS("*.shop.test")],
        [DNS("more.orders.shop.test")],
        [DNS("spiffe://shop/orders")],
        [URI("orders.shop.test")],
        [DNS("orders@shop.test")],
        [MAIL("orders@shop.test"), URI("spiffe://shop/orders")],
    ],
    ids=lambda names: " ".join(f"{type(name).__name__}:{name.value}" for name in names) or "none",
)
def test_names_that_stand_for_none_or_for_two(scene: Scene, tmp_path: Path, names: list[x509.GeneralName]) -> None:
    """Of a key that does not exist, of another kind, only nearly the same, of two keys; a common name says nothing."""
    reached = len(scene.origin.requests)
    context = showing(scene, tmp_path, *names, common_name="orders.shop.test")
    assert call(scene, context).status == 401
    assert len(scene.origin.requests) == reached


def test_a_key_that_is_shown_wins(scene: Scene, tmp_path: Path) -> None:
    context = showing(scene, tmp_path, URI("spiffe://shop/orders"))
    other_id, other = scene.template.keys["other"]
    for shown in (f"X-Api-Key: {other}", f"Authorization: Bearer {other}", f"Authorization: User {other}"):
        assert call(scene, context, shown).status == 200
        assert caller_of(scene) == other_id
    for wrong in ("X-Api-Key: gwk_wrong", "X-Api-Key: ", "Authorization: Bearer ", "Authorization: Basic b3JkZXJz"):
        assert call(scene, context, wrong).status == 401, "what is shown counts, not what else is there"


def test_the_rest_of_the_header_still_names_the_instance(scene: Scene, tmp_path: Path) -> None:
    context = showing(scene, tmp_path, URI("spiffe://shop/orders"))
    target, fields = f"{BASE}/x", f"Authorization: Organization dev, Element {scene.template.handle}"
    assert ask(scene.served.listeners["data"], context, "GET", target, fields).status == 200


def test_without_a_certificate_keys_work_and_headers_are_no_certificate(scene: Scene) -> None:
    assert scene.ask("GET", "/x").status == 200
    assert scene.ask("GET", "/x", key="").status == 401
    forged = [
        "X-Forwarded-Client-Cert: URI=spiffe://shop/orders",
        "X-SSL-Client-Verify: SUCCESS",
        "X-Client-Certificate: spiffe://shop/orders",
        "Client-Cert: :MIIB:",
        "SSL-Client-SAN: spiffe://shop/orders",
    ]
    for line in forged:
        assert scene.ask("GET", "/x", line, key="").status == 401


def test_a_page_cannot_make_a_browser_show_it(scene: Scene, tmp_path: Path) -> None:
    context = showing(scene, tmp_path, URI("spiffe://shop/orders"))
    assert call(scene, context, "Origin: https://elsewhere.test").status == 401
    assert call(scene, context, "Sec-Fetch-Site: cross-site").status == 401
    assert call(scene, context, "Origin: https://elsewhere.test", f"X-Api-Key: {scene.template.keys['other'][1]}").status == 200


def test_strangers_do_not_get_through_the_handshake(scene: Scene, tmp_path: Path) -> None:
    """Signed by another authority, even the server's own; or expired."""
    expired = scene.clients.certificate(URI("spiffe://shop/orders"), begins=NOW - 9 * DAY, ends=NOW - DAY)
    contexts = [
        showing(scene, tmp_path, URI("spiffe://shop/orders"), signed_by=Authority("theirs")),
        showing(scene, tmp_path, URI("spiffe://shop/orders"), signed_by=scene.authority),
        scene.authority.trusting(*expired.store(tmp_path, "expired")),
    ]
    for context in contexts:
        with pytest.raises((OSError, http.client.HTTPException)):
            call(scene, context)
    assert scene.ask("GET", "/x").status == 200


def test_the_admin_listener(scene: Scene, tmp_path: Path) -> None:
    admin = scene.served.listeners["admin"]
    assert ask(admin, showing(scene, tmp_path, DNS("admin.shop.test")), "GET", "/admin/v1/keys").status == 200
    assert ask(admin, showing(scene, tmp_path, DNS("orders.shop.test")), "GET", "/admin/v1/keys").status == 403
    assert ask(admin, showing(scene, tmp_path, DNS("nobody.test")), "GET", "/admin/v1/keys").status == 401
    assert ask(admin, scene.authority.trusting(), "GET", "/admin/v1/keys").status == 401


@contextmanager
def another(scene: Scene, folder: Path, name: str, key: str, *lines: str) -> Iterator[Scene]:
    """A gateway beside the scene's, where ``name`` stands for the key; ``lines`` are further ones of its configuration."""
    scene.authority.certificate(HERE).store(folder, "server")
    (folder / "clients.pem").write_bytes(scene.clients.pem)
    mapped = f'"{name}" = "{scene.template.keys[key][0]}"'
    scene.template.copy(folder, f"http://{scene.origin.authority}", *lines, *TLS, "[callers.certificates]", mapped)
    with serving(folder) as served:
        yield replace(scene, folder=folder, served=served)


def test_a_certificate_is_asked_anew_for_each_call(scene: Scene, tmp_path: Path) -> None:
    """On one connection: while the key lives it works, once it is revoked it does not; the log has neither names nor certificate."""
    key_id, _ = scene.template.keys["other"]
    context = showing(scene, tmp_path, MAIL("orders@shop.test"))
    with another(scene, tmp_path, "orders@shop.test", "other") as own:
        connection = http.client.HTTPSConnection(*own.served.listeners["data"], timeout=10, context=context)
        target, who = f"{BASE}/x", f"Gateway-Instance: {scene.template.handle}"
        try:
            assert ask_on(connection, "GET", target, who).status == 200
            sock = connection.sock
            command(own.folder, "keys", "revoke", key_id)
            until(lambda: ask_on(connection, "GET", target, who).status == 401, 5.0)
            assert connection.sock is sock, "another connection"
        finally:
            connection.close()
        assert "orders@shop.test" not in own.served.text


def test_nor_where_pages_of_some_origins_may_call(scene: Scene, tmp_path: Path) -> None:
    context = showing(scene, tmp_path, URI("spiffe://shop/orders"))
    with another(scene, tmp_path, "spiffe://shop/orders", "usual", 'cors.allowed_origins = ["https://app.test"]') as open_to_pages:
        assert call(open_to_pages, context).status == 200
        for origin in ("https://app.test", "https://elsewhere.test", "null"):
            assert call(open_to_pages, context, f"Origin: {origin}").status == 401
