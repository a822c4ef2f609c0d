"""Write into the README what its blocks really print: ``python -m tests.docs.refill``. Read the difference before you commit it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.docs.blocks import README, tour
from tests.docs.terminals import Reader, comparable


def refilled(page: Path, folder: Path) -> str:
    """The text of ``page`` with each output that has changed as it is now; ``folder`` is made to follow the page in."""
    text = page.read_text("utf-8")
    reader = Reader(folder)
    try:
        for block in tour(page):
            printed = reader.follow(block)
            if block.output is not None and comparable(printed) != comparable(block.output):
                before = f"```bash\n{block.text}```\n\n```text\n"
                text = text.replace(f"{before}{block.output}```", f"{before}{printed}```")
    finally:
        reader.leave()
    return text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        README.write_text(refilled(README, Path(folder) / "checkout"), "utf-8")
