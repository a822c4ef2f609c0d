"""For whom is this call? What the path, the ``Gateway-*`` headers and the Authorization parts say, in this order (contract 2.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gateway.errors import BadRequest
from gateway.exchange import Request
from gateway.paths import canonical

HANDLE = re.compile(r"gwi_[a-z0-9]{8,64}")
_CREATES_INSTANCE = re.compile(r"/instances|/elements/[^/]+/instances")
_NAME = re.compile(r"[^/\x00-\x1f\x7f]{1,128}")


@dataclass(frozen=True, slots=True, repr=False)
class Address:
    """What a caller named; ``None`` where nothing was. A ``handle`` stands alone. Not shown: callers mistake secrets for names."""

    environment: str | None = None
    customer: str | None = None
    element: str | None = None
    handle: str | None = None

    @property
    def names_instance(self) -> bool:
        return self.customer is not None or self.handle is not None


def address_of(request: Request, organization: str | None, element: str | None) -> Address:
    """Read the address; ``organization`` and ``element`` are the parts of Cloud Elements' own Authorization form.

    The path wins over headers, headers over Authorization parts. Raises ``BadRequest`` for names that cannot be and for a
    ``Gateway-Instance`` beside a ``Gateway-Customer`` or ``Gateway-Element``.
    """
    environment, customer, key = request.prefix
    header = request.headers.index.get
    environment = environment or _text(header("gateway-environment"))
    if customer is None:
        named = _text(header("gateway-instance"))
        customer, key = _text(header("gateway-customer")), header("gateway-element")
        if named is not None:
            if customer is not None or key is not None:
                raise BadRequest("Gateway-Instance stands for customer and element; name one or the other")
            return _instance(named, environment, "Gateway-Instance")
        if customer is None and element is not None:
            return _instance(element, environment or organization, "the Element part of Authorization")
    elif key is None:
        key = header("gateway-element")
    for what, name in (("environment", environment), ("customer", customer), ("element", key)):
        if name is not None:
            _check(what, name)
    return Address(environment or organization, customer, key)


def _text(value: str | None) -> str | None:
    """A name in a header as people write it: UTF-8 where the octets are, as in a path; else Latin-1."""
    if value is None or value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def _instance(text: str, environment: str | None, where: str) -> Address:
    """An instance named by its handle, or as ``env/customer/element``. The text is not repeated: it may be a real token."""
    if HANDLE.fullmatch(text):
        return Address(environment, handle=text)
    parts = text.split("/")
    if len(parts) == 3 and all(parts):
        if environment is not None and environment != parts[0]:
            raise BadRequest(f"{where} and another header name two environments")
        for what, name in zip(("environment", "customer", "element"), parts, strict=True):
            _check(what, name)
        return Address(*parts)
    # Cannot be one of ours; let the look-up say so.
    return Address(environment, handle="")


def _check(what: str, name: str) -> None:
    if "gwk_" in name:
        raise BadRequest(f"a caller key stands where the {what} should")
    if not _NAME.fullmatch(name):
        raise BadRequest(f"the {what} is not a name: 1 to 128 characters, no slash, no control characters")


def creates_instance(method: str, path: str) -> bool:
    """Whether this call makes an instance: always a platform call, whoever is named in it (contract 2.2)."""
    return method == "POST" and bool(_CREATES_INSTANCE.fullmatch(canonical(path)))
