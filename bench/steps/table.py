"""All steps, in the order of a call's walk."""

from __future__ import annotations

from bench.steps import caching, incoming, leaving, telling

STEPS = (*incoming.STEPS, *caching.STEPS, *leaving.STEPS, *telling.STEPS)
