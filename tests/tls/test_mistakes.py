"""What is wrong with certificates is told before anything is served, together with all other mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.config import ConfigError, load, load_for_serving, without_effect
from gateway.listeners import ending_soon, tls_mistakes
from tests.acceptance.commands import environ, run
from tests.tls.authority import DAY, HERE, NOW, Authority
from tests.tls.served import Template

TLS = '[listen.data_tls]\ncertificate = "server.pem"\nkey = "server.key"\nclient_ca = "clients.pem"'


@pytest.fixture
def folder(template: Template, tmp_path: Path) -> Path:
    authority = Authority()
    authority.certificate(HERE).store(tmp_path, "server")
    (tmp_path / "clients.pem").write_bytes(authority.pem)
    return template.copy(tmp_path, "http://127.0.0.1:9", TLS)


def mistakes(folder: Path) -> list[str]:
    try:
        load_for_serving(folder / "gateway.toml", environ())
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_good_files(folder: Path) -> None:
    assert mistakes(folder) == []


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("server.pem", None, "certificate: found no readable file server.pem (FileNotFoundError), expected a PEM file"),
        ("server.key", None, "key: found no readable file server.key (FileNotFoundError), expected a PEM file"),
        ("clients.pem", None, "client_ca: found no readable file clients.pem (FileNotFoundError), expected a PEM file"),
        ("server.pem", b"", "certificate: found no PEM certificate in server.pem, expected one and then its intermediates"),
        (
            "server.pem",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate: found no PEM certificate in server.pem",
        ),
        ("server.key", b"SECRETtext", "key: found no PEM private key in server.key, expected the certificate's own"),
        ("clients.pem", b"SECRETtext", "client_ca: found no PEM certificate in clients.pem, expected those of the authorities"),
        ("server.key", Authority().certificate(HERE).key, "key: found one in server.key that does not fit the certificate"),
        (
            "server.key",
            Authority().certificate(HERE).locked(),
            "key: found an encrypted key in server.key, expected one without a passphrase",
        ),
    ],
)
def test_a_file_that_cannot_be_used(folder: Path, file: str, content: bytes | None, told: str) -> None:
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    (found,) = mistakes(folder)
    assert found.startswith(f"listen.data_tls.{told}")
    assert "SECRET" not in found


def test_a_key_of_another_kind(folder: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.key").write_bytes(key.private_bytes(*form))
    assert "does not fit the certificate" in mistakes(folder)[0]


@pytest.mark.parametrize(("begins", "ends"), [(NOW - 9 * DAY, NOW - DAY), (NOW + DAY, NOW + 9 * DAY)])
def test_a_certificate_of_another_time(folder: Path, begins: object, ends: object) -> None:
    Authority().certificate(HERE, begins=begins, ends=ends).store(folder, "server")  # type: ignore[arg-type]
    (found,) = mistakes(folder)
    assert found.startswith("listen.data_tls.certificate: found one that is valid from 20")
    assert found.endswith("expected one that is valid now")


def test_all_mistakes_at_once(folder: Path) -> None:
    """Also those that are none of TLS, in the order of the file's own; the command says the same and ends with 2."""
    text = (folder / "gateway.toml").read_text("utf-8").replace("env:CE_USER", "env:NOT_THERE")
    text += '[listen.admin_tls]\ncertificate = "nothing.pem"\nkey = "server.key"\n[callers.certificates]\n"*.shop.test" = "abcdefghijkl"\n'
    text += '"orders.shop.test" = "gwk_abcdefghijkl_SECRET"\n'
    (folder / "gateway.toml").write_text(text, "utf-8")
    (folder / "server.key").unlink()
    done = run(folder, "serve", "-c", "gateway.toml")
    assert done.returncode == 2
    for told in (
        "callers.certificates.*.shop.test: found '*.shop.test', expected a name as in a certificate: \"spiffe://shop/orders\"",
        "callers.certificates.orders.shop.test: found a value of another form, expected the id of a key",
        "environments.dev.user_secret: found no environment variable NOT_THERE",
        "listen.data_tls.key: found no readable file server.key",
        "listen.admin_tls.certificate: found no readable file nothing.pem",
    ):
        assert told in done.stderr, done.stderr
    assert "SECRET" not in done.stderr


def test_half_a_section(folder: Path) -> None:
    text = (folder / "gateway.toml").read_text("utf-8").replace('key = "server.key"\n', "")
    (folder / "gateway.toml").write_text(text, "utf-8")
    assert mistakes(folder) == ["listen.data_tls.key: found nothing, expected a value"]


def test_the_end_is_near(folder: Path) -> None:
    """Fourteen days before, ``check`` says so, and stays fine; time is what it is asked about."""
    config = load(folder / "gateway.toml", environ())
    now = NOW.timestamp()
    assert ending_soon(config, now + 75.9 * 86400) == []
    (line,) = ending_soon(config, now + 76.1 * 86400)
    assert line.startswith("listen.data_tls.certificate: ends at 20")
    assert line.endswith("in 13.9 days")
    assert tls_mistakes(config, now + 91 * 86400)
    Authority().certificate(HERE, ends=NOW + 3 * DAY).store(folder, "server")
    done = run(folder, "check", "-c", "gateway.toml")
    assert done.returncode == 0, done.stderr
    assert "listen.data_tls.certificate: ends at" in done.stderr
    assert json.loads(run(folder, "check", "-c", "gateway.toml", "--json").stdout)["warnings"][0].startswith("listen.data_tls")


def test_names_without_authorities_have_no_effect(folder: Path) -> None:
    toml = folder / "gateway.toml"
    toml.write_text(toml.read_text("utf-8") + '[callers.certificates]\n"a.test" = "abcdefghijkl"\n', "utf-8")
    assert "callers.certificates" not in without_effect(load(toml, environ()))
    toml.write_text(toml.read_text("utf-8").replace('client_ca = "clients.pem"', ""), "utf-8")
    assert "callers.certificates" in without_effect(load(toml, environ()))
