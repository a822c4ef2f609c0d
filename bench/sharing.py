"""The scene with the providers' real figures, through the gateway and through bare pass-throughs: one table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from bench import peers, report
from bench.scene import HASTY, WAIT_S, Played, kinds, play
from bench.scene_stage import REAL, behind_bare, behind_gateway

_HUNDREDS = 200

Step = Callable[[str], None]


def scene(folder: Path, step: Step) -> report.Section:
    """Bars: through the gateway the sandbox refuses nothing, and every call that waits succeeds; through the other hundreds fail."""
    played: dict[str, Played] = {}
    for name, stage in (("gateway", behind_gateway), ("bare pass-through", behind_bare)):
        step(f"scene: through the {name}")
        own = folder / name.partition(" ")[0]
        own.mkdir()
        with stage(own, REAL, *peers.cores()) as scenery:
            played[name] = asyncio.run(play(scenery.addresses, scenery.sandbox, scenery.fields))
    ours, bare = played.values()
    bars = {
        "scene, the sandbox refuses calls of the gateway": ours.refused == 0,
        f"scene, calls that wait {WAIT_S} s fail": ours.good(waits=True) == len(ours.ended) - HASTY,
        "scene, the bare pass-through fails hundreds of times": bare.refused >= _HUNDREDS,
    }
    columns = (
        "through",
        "calls",
        "succeeded",
        "of those that wait",
        "refused by the sandbox",
        "other ends",
        "longest, s",
        "in all, s",
        "HubSpot's last call of sync, orders, reports",
    )
    remark = (
        f"Three services (`sync` makes most of the calls, `reports` is batch work), HubSpot {REAL.hubspot}, NetSuite one call at a time, "
        f"Marketo {REAL.marketo} and a day that has ten calls fewer than are made: the last {HASTY} do not wait and meet its end. The last "
        "column is the order: which of HubSpot's calls each service's last one was; `sync` began first."
    )
    rows = tuple(_row(name, one) for name, one in played.items())
    missed = tuple(name for name, met in bars.items() if not met)
    return report.Section("scene: three services share what their providers allow", columns, rows, missed, remark)


def _row(name: str, played: Played) -> tuple[str, ...]:
    waiting = len(played.ended) - HASTY
    others = {kind: count for kind, count in kinds(played.ended).items() if kind != "good" and not kind.endswith("by the sandbox")}
    places = [played.last_place(service, "hubspot") for service in ("sync", "orders", "reports")]
    return (
        name,
        f"{len(played.ended)}",
        f"{played.good()}",
        f"{played.good(waits=True)} of {waiting}",
        f"{played.refused}",
        ", ".join(f"{count} × {kind}" for kind, count in sorted(others.items())) or "none",
        f"{played.longest():.1f}",
        f"{played.seconds:.1f}",
        ", ".join(f"{place}" for place, _ in places) + f" of {places[0][1]}",
    )
