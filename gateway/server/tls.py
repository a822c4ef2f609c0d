"""TLS on a listener: what a certificate, its key and the authorities of client certificates make, from PEM files."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from gateway.callers.certificates import KINDS, Certificate

SOON_S = 14 * 86400.0
"""How long before its end a certificate is worth a warning, in seconds."""
# What OpenSSL calls a key of another certificate (of the same kind, or not), and what is not safe any more.
_MISMATCHES = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})
_WEAKNESSES = frozenset({"EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"})
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2: forward secrecy and authenticated encryption; those of TLS 1.3 all are


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the certificate with its intermediates, its key, and, if clients may show certificates, who signs those."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def named(self) -> dict[str, Path]:
        """The files by the name of their setting."""
        files = {"certificate": self.certificate, "key": self.key}
        return files if self.client_ca is None else {**files, "client_ca": self.client_ca}


class TlsError(Exception):
    """The files cannot be used. ``problems``: each mistake, a line each, ``setting: found …, expected …``."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A context for handshakes, and when its certificate ends (seconds since the epoch)."""

    context: ssl.SSLContext
    ends: float

    def warning(self, now: float) -> str | None:
        """What to say of a certificate that ends soon."""
        if self.ends - now > SOON_S:
            return None
        return f"certificate: ends at {moment(self.ends)}, in {max(self.ends - now, 0) / 86400:.1f} days"


def load(files: TlsFiles, now: float) -> Loaded:
    """The context that ``files`` make at ``now``; ``TlsError`` with every mistake: absent, unreadable, of another form, expired, not
    yet valid, a key that does not fit."""
    problems = [problem for name, file in files.named.items() if (problem := _unreadable(name, file))]
    if problems:
        raise TlsError(problems)
    begins, ends = _validity(files.certificate, problems)
    if not problems and not begins <= now < ends:
        problems.append(f"certificate: found one that is valid from {moment(begins)} to {moment(ends)}, expected one that is valid now")
    context = _context()
    if not problems:
        _take_certificate(context, files, problems)
    if files.client_ca is not None:
        _take_client_ca(context, files.client_ca, problems)
    if problems:
        raise TlsError(problems)
    return Loaded(context, ends)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _unreadable(name: str, file: Path) -> str | None:
    try:
        file.read_bytes()
    except OSError as error:
        return f"{name}: found no readable file {file.name} ({type(error).__name__}), expected a PEM file"
    return None


def _validity(file: Path, problems: list[str]) -> tuple[float, float]:
    """From when until when the first certificate in ``file`` is valid."""
    from cryptography import x509  # noqa: PLC0415 - slow to load, and most gateways speak plain HTTP

    try:
        certificate, *_ = x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        problems.append(f"certificate: found no PEM certificate in {file.name}, expected one and then its intermediates")
        return 0.0, 0.0
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


def _take_certificate(context: ssl.SSLContext, files: TlsFiles, problems: list[str]) -> None:
    def locked() -> NoReturn:
        raise _LockedError

    try:
        context.load_cert_chain(files.certificate, files.key, password=locked)
    except _LockedError:
        problems.append(f"key: found an encrypted key in {files.key.name}, expected one without a passphrase")
    except ssl.SSLError as error:
        if error.reason in _MISMATCHES:
            problems.append(f"key: found one in {files.key.name} that does not fit the certificate, expected the certificate's own")
        elif error.reason in _WEAKNESSES:
            problems.append(f"certificate: found one that is too weak for TLS ({error.reason}), expected RSA of 2048 bits or more, or EC")
        else:
            problems.append(f"key: found no PEM private key in {files.key.name}, expected the certificate's own")
    except OSError as error:
        problems.append(f"key: found no readable file {files.key.name} ({type(error).__name__}), expected a PEM file")


class _LockedError(Exception):
    """OpenSSL asks for the passphrase of a key."""


def _take_client_ca(context: ssl.SSLContext, file: Path, problems: list[str]) -> None:
    try:
        context.load_verify_locations(file)
    except OSError:  # ssl.SSLError is one
        problems.append(f"client_ca: found no PEM certificate in {file.name}, expected those of the authorities")
    context.verify_mode = ssl.CERT_OPTIONAL


def moment(seconds: float) -> str:
    """Seconds since the epoch, as people read them."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def shown(peer: Mapping[str, Any]) -> Certificate:
    """A caller's certificate, from ``peer`` as ``ssl.SSLObject.getpeercert`` describes one that was found good."""
    names = tuple((name[0], name[1]) for name in peer.get("subjectAltName", ()) if name[0] in KINDS)
    return Certificate(names, float(ssl.cert_time_to_seconds(peer["notAfter"])))
