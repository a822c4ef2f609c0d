"""Write Grafana's dashboards from their one source: ``python -m tools.dashboards [--check]``.

With ``--check`` nothing is written: what differs is shown, and the exit status is 1.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import unified_diff

from tools.dashboards import FOLDER, texts


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    differing: list[str] = []
    for name, fresh in texts().items():
        path = FOLDER / name
        text = path.read_text("utf-8") if path.exists() else ""
        if fresh == text:
            continue
        if "--check" in arguments:
            differing += unified_diff(text.splitlines(), fresh.splitlines(), str(path), "as the source has it", lineterm="")
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            path.write_text(fresh, "utf-8")
    if not differing:
        return 0
    sys.stderr.write("\n".join([*differing, "", "`python -m tools.dashboards` writes these files anew.", ""]))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
