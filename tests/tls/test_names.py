"""Names in certificates and the keys that they stand for: the rules."""

from __future__ import annotations

import pytest

from gateway.callers import Callers
from gateway.callers.certificates import Certificate, Certificates, name_of
from gateway.callers.keys import CallerKey
from gateway.errors import Unauthenticated
from gateway.exchange import Headers
from gateway.server.tls import shown

NOW = 1_700_000_000.0
NONE = Headers()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("spiffe://shop/orders", "URI"),
        ("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "URI"),
        ("mailto:orders@shop.test", "URI"),
        ("orders@shop.test", "email"),
        ("orders.shop.internal", "DNS"),
        ("orders", "DNS"),
    ],
)
def test_the_kind_of_a_name(text: str, kind: str) -> None:
    assert name_of(text) == (kind, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "*.shop.test",
        "a..b",
        ".a",
        "a.",
        "a b",
        "a@b@c@",
        "@shop",
        "spiffe://a b",
        "\n",
        "a\n",
        "x" * 254,
        "ä.test",
        "10.0.0.1",
        "7",
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match="a name as in a certificate"):
        name_of(text)


def test_what_the_loop_says_of_a_certificate() -> None:
    names = (("DNS", "a.test"), ("URI", "spiffe://a"), ("DirName", ((("commonName", "x"),),)), ("IP Address", "10.0.0.1"), ("email", "a@b"))
    peer = {"subjectAltName": names, "notAfter": "Nov 14 22:13:20 2023 GMT"}
    assert shown(peer) == Certificate((("DNS", "a.test"), ("URI", "spiffe://a"), ("email", "a@b")), NOW)
    assert shown({"notAfter": "Nov 14 22:13:20 2023 GMT"}) == Certificate((), NOW)
    assert "a.test" not in repr(shown(peer))


def test_it_ends_while_its_connection_stands() -> None:
    certificates = Certificates({"a.test": "k"})
    assert certificates.key_id(Certificate((("DNS", "a.test"),), NOW), NONE, NOW - 0.1) == "k"
    assert certificates.key_id(Certificate((("DNS", "a.test"),), NOW), NONE, NOW) is None


class Table:
    """A ``KeyStore`` of one key."""

    generation = 0

    def __init__(self, key: CallerKey) -> None:
        self.key = key
        self.uses: list[tuple[str, float]] = []

    async def by_id(self, key_id: str) -> CallerKey | None:
        return self.key if key_id == self.key.id else None

    def used(self, key_id: str, now: float) -> None:
        self.uses.append((key_id, now))


async def test_an_expired_key_and_one_that_lives() -> None:
    certificate = Certificate((("DNS", "a.test"),), NOW + 9)
    for expires_at, good in ((None, True), (NOW + 1, True), (NOW, False)):
        table = Table(CallerKey("k", "n", b"", expires_at=expires_at))
        room = Callers(table, lambda: NOW, Certificates({"a.test": "k"}))
        if good:
            assert (await room.identify(NONE, certificate)).key is table.key
            assert table.uses == [("k", NOW)]
        else:
            with pytest.raises(Unauthenticated):
                await room.identify(NONE, certificate)
            assert table.uses == []
