"""What a listener puts up with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListenSettings:
    """What a listener puts up with: seconds, octets and numbers (the ``[listen]`` section of the configuration)."""

    header_timeout: float = 10.0
    body_timeout: float = 30.0
    keep_alive_timeout: float = 75.0
    write_timeout: float = 30.0
    max_connections: int = 10_000
    max_line_bytes: int = 8192
    max_head_bytes: int = 65536
    max_fields: int = 100
    max_body_bytes: int = 6 * 1024**3
    overload_lag: float = 0.1
