"""Web origins as browsers write them into ``Origin`` (RFC 6454 §6.2, Fetch "serializing a request origin").

A browser sends one spelling of each origin, and origins are compared octet by octet: any other spelling in the configuration would
look right and never match, so it is refused.
"""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f:]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::([1-9]\d{0,4}))?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
EXPECTED = (
    'an exact origin such as "https://app.example.com" or "http://localhost:3000": http or https, a host in lower case, '
    'a port unless it is the usual one, nothing behind it; neither "*" nor "null"'
)


def parse_origin(value: object) -> str:
    """``value`` if it is an origin as browsers send it, ``scheme://host[:port]``; else ``ValueError`` with what was expected."""
    match = _ORIGIN.fullmatch(value) if isinstance(value, str) else None
    if match is None or not isinstance(value, str):
        raise ValueError(EXPECTED)
    scheme, host, port = match.groups()
    if port is not None and (int(port) > 65535 or port == _DEFAULT_PORTS[scheme]):
        raise ValueError(EXPECTED)
    if not _is_serialized(host):
        raise ValueError(EXPECTED)
    return value


def _is_serialized(host: str) -> bool:
    """Whether browsers would leave ``host`` as it is: addresses have one spelling, names no empty label."""
    try:
        if host.startswith("["):
            return str(IPv6Address(host[1:-1])) == host[1:-1]
        if host.rpartition(".")[2].isdigit():
            return str(IPv4Address(host)) == host
    except AddressValueError:
        return False
    return ".." not in host
