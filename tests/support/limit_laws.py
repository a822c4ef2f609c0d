"""How the laws of the limits are looked for: the same examples each time, no clock of this machine in it."""

from __future__ import annotations

from hypothesis import Phase, settings

LAW = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
