"""Which of the last calls somebody wants to see."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.cache.policy import Rule, plain
from gateway.exchange import Exchange
from gateway.paths import PREFIX, without_hub


@dataclass(frozen=True, slots=True)
class Selection:
    """The calls to which all applies that is given.

    ``status``: numbers and classes, joined by commas (``429,5xx``); ``min_ms``: that took so long in all; ``path``: a glob, in which
    ``**`` crosses slashes, on the path behind ``/elements/api-v2``, with or without its hub.
    """

    customer: str | None = None
    element: str | None = None
    environment: str | None = None
    caller: str | None = None
    status: str | None = None
    cache: str | None = None
    min_ms: float | None = None
    path: str | None = None
    _statuses: tuple[str, ...] = field(init=False, repr=False)
    _glob: Rule | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_statuses", tuple(part.removesuffix("xx") for part in (self.status or "").lower().split(",") if part))
        object.__setattr__(self, "_glob", None if self.path is None else Rule(self.path))

    def __call__(self, exchange: Exchange) -> bool:
        """Whether ``exchange`` is one of them."""
        return (
            self.customer in (None, exchange.customer)
            and self.element in (None, exchange.element)
            and self.environment in (None, exchange.environment)
            and self.caller in (None, exchange.caller)
            and self.cache in (None, exchange.cache)
            and (self.min_ms is None or exchange.total_seconds * 1000 >= self.min_ms)
            and (not self._statuses or str(exchange.status).startswith(self._statuses))
            and (self._glob is None or _fits(self._glob, exchange.path))
        )


@dataclass(frozen=True, slots=True)
class Carrying:
    """The calls that carry ``id``: as their request id, as Cloud Elements' own, or as the id of their trace."""

    id: str

    def __call__(self, exchange: Exchange) -> bool:
        """Whether ``exchange`` is one of them."""
        return self.id in (exchange.request_id, exchange.elements_request_id, exchange.traceparent[3:35])


def _fits(glob: Rule, path: str) -> bool:
    behind = plain(path.partition(PREFIX)[2] or path)
    return glob.matches(behind) or glob.matches(without_hub(behind))
