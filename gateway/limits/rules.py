"""What holds for the calls of one element: its budgets, and what they cost, how long they may wait, and what refuses them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.globs import compiled
from gateway.limits.store import Policy


@dataclass(frozen=True, slots=True)
class Cost:
    """Calls whose path matches ``path`` (a glob; ``**`` crosses slashes) and whose method is one of ``methods`` (empty: any)
    cost ``cost``."""

    path: str
    cost: int
    methods: frozenset[str] = frozenset()

    def matches(self, method: str, path: str) -> bool:
        return (not self.methods or method in self.methods) and _pattern(self.path).fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class Rules:
    """``wait_s``: how long a call may wait whose caller does not say; ``shadow``: count what would be refused, and let it pass; of
    ``costs`` the first that matches counts, one call costs 1 otherwise."""

    policy: Policy = field(default_factory=Policy)
    wait_s: float = 0.0
    shadow: bool = False
    costs: Sequence[Cost] = ()

    def cost_of(self, method: str, path: str) -> int:
        """What a call of ``method`` to ``path`` (without ``/hubs/{hub}``) costs."""
        return next((one.cost for one in self.costs if one.matches(method, path)), 1)


@lru_cache(maxsize=512)
def _pattern(path: str) -> re.Pattern[str]:
    return compiled(path)
