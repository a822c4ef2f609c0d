"""A process that keeps its memory to itself: no core is written, and no other process of its user may look into it (threats 19)."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # prctl(2)


def keep_memory_private(*, inspectable: bool = False) -> None:
    """For the rest of this process. A core, or a debugger, would hold every secret in plain. ``inspectable``: a debugger or profiler of
    the same user may look, by the operator's leave.

    The limit alone does not hold where ``kernel.core_pattern`` is a pipe (core(5)). Not dumpable, ``/proc/PID/`` belongs to root, and
    ptrace needs a capability (Linux; elsewhere the limit is all there is).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux" and not inspectable:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
