"""Authorities and certificates, made in the test."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
HERE = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
_PLAIN = serialization.NoEncryption()


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes
    serial: int

    def store(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Write ``name.pem`` and ``name.key``, each in one go."""
        written = []
        for suffix, octets in (("pem", self.certificate), ("key", self.key)):
            (fresh := folder / f".{name}.{suffix}").write_bytes(octets)
            written.append(fresh.rename(folder / f"{name}.{suffix}"))
        return written[0], written[1]

    def locked(self) -> bytes:
        """The key under a passphrase."""
        key = serialization.load_pem_private_key(self.key, None)
        form = serialization.BestAvailableEncryption(b"secret")
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form)


class Authority:
    """Signs certificates; ``pem`` is its own."""

    def __init__(self, name: str = "ours") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self._name, self._key, NOW - 90 * DAY, NOW + 400 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def certificate(
        self,
        *names: x509.GeneralName,
        begins: datetime.datetime = NOW - DAY,
        ends: datetime.datetime = NOW + 90 * DAY,
        common_name: str = "",
    ) -> Pair:
        """A certificate for ``names`` and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
        builder = self._builder(subject, key, begins, ends)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not common_name)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        signed = builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        octets = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, _PLAIN)
        return Pair(signed.public_bytes(serialization.Encoding.PEM), octets, signed.serial_number)

    def trusting(self, *shown: Path) -> ssl.SSLContext:
        """A client's context that trusts this authority, and shows the certificate in the files ``shown``, if any."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if shown:
            context.load_cert_chain(shown[0], shown[1])
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: datetime.datetime, ends: datetime.datetime
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        return builder.not_valid_before(begins).not_valid_after(ends)
