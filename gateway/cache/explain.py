"""What the cache would do with a request, told to people; nothing is stored, moved or waited for."""

from __future__ import annotations

from math import isfinite
from typing import Any

from gateway.cache.conditional import conditions
from gateway.cache.freshness import Wishes
from gateway.cache.invalidation import Segments, is_write, touched
from gateway.cache.key import path_of
from gateway.cache.looking import Look, Looking, refused, wanted_by
from gateway.cache.policy import Decision
from gateway.exchange import Pair, Request, Target

_OUTCOMES = {"hit": "hit", "stale-while-revalidate": "stale"}


async def explain(looking: Looking, request: Request, target: Target) -> tuple[dict[str, Any], tuple[Pair, ...] | None]:
    """(``outcome``: hit, stale, miss, bypass or refused (``only-if-cached``), with its ``reason``, the ``policy``, and the ``key`` and
    ``stored`` answer where there is one; the conditions that would go up instead of the caller's)."""
    wanted, decision = wanted_by(request), looking.decide(target)
    past = _past(request, target, wanted, decision)
    if past:
        document: dict[str, Any] = {
            "outcome": "refused" if wanted.only_if_cached else "bypass",
            "reason": past,
            "policy": _policy(decision),
        }
        if is_write(request.method):
            document["drops"] = _drops(request, target)
        return document, None
    look = await looking.look(request, target, wanted, decision, use=False)
    outcome = _OUTCOMES.get(look.reason, "miss")
    if outcome == "miss" and ("range" in request.headers or "if-range" in request.headers):
        outcome = "bypass"
    if outcome in ("miss", "bypass") and wanted.only_if_cached:
        outcome = "refused"
    document = {
        "outcome": outcome,
        "reason": {"bypass": "range", "refused": "only-if-cached"}.get(outcome, look.reason),
        "policy": _policy(decision),
        "key": _key(look),
        "variants": len(look.entries),
        "stored": _stored(look),
    }
    return document, conditions(look.entry) or None if look.entry is not None and outcome == "miss" else None


def _past(request: Request, target: Target, wanted: Wishes, decision: Decision) -> str | None:
    return request.method if request.method != "GET" else refused(request, target, wanted, decision)


def _policy(decision: Decision) -> dict[str, Any]:
    """Durations in seconds; ``rule`` is the glob of the first rule that matches, null where none does."""
    return {"enabled": decision.enabled, "rule": decision.rule, **decision.lifetimes._asdict()}


def _key(look: Look) -> dict[str, Any]:
    key = look.key
    named = {"accept": key.accept, "elements-version": key.version, "elements-as-team-member": key.member}
    return {
        "environment": key.environment,
        "instance": key.handle,
        "path": key.path,
        "query": key.query,
        "fields": {name: value for name, value in named.items() if value is not None},
    }


def _stored(look: Look) -> dict[str, Any] | None:
    """Seconds; ``fresh_for`` is negative where it is stale, null where the clock went back and nobody knows."""
    entry = look.entry
    if entry is None:
        return None
    age = entry.age(look.now)
    return {
        "status": entry.status,
        "bytes": len(entry.body),
        "age": round(age, 3) if isfinite(age) else None,
        "fresh_for": round(entry.lifetime - age, 3) if isfinite(age) else None,
        "stale_while_revalidate": entry.while_revalidating,
        "stale_if_error": entry.if_error,
        "etag": entry.etag,
        "last_modified": entry.last_modified,
        "varies": dict(entry.varies),
    }


def _drops(request: Request, target: Target) -> dict[str, list[str]]:
    """Which stored answers the write would take: those ``at`` a path, and those at a path and ``below``."""
    what = touched(request.method, path_of(request, target), element_call=target.instance is not None)
    return {"at": sorted(map(_shown, what.exact)), "below": sorted(map(_shown, what.below))}


def _shown(parts: Segments) -> str:
    return "/" + "/".join(parts)
