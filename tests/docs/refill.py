"""Write into the pages what their blocks really print: ``python -m tests.docs.refill``. Read the difference before you commit it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.docs.blocks import README
from tests.docs.scene import followed, scene
from tests.docs.terminals import Reader, comparable


def refilled(pages: Sequence[Path], folder: Path) -> dict[Path, str]:
    """The text of each page with every output that has changed as it is now; ``folder`` is made to follow them in, one after the other."""
    texts = {}
    reader = Reader(folder)
    try:
        for page in pages:
            text = page.read_text("utf-8")
            for block, printed in followed(page, reader):
                if block.output is not None and comparable(printed) != comparable(block.output):
                    before = f"```bash\n{block.text}```\n\n```text\n"
                    text = text.replace(f"{before}{block.output}```", f"{before}{printed}```")
            texts[page] = text
    finally:
        reader.leave()
    return texts


if __name__ == "__main__":
    for tour in ([README], scene()):
        with tempfile.TemporaryDirectory() as folder:
            for page, text in refilled(tour, Path(folder) / "checkout").items():
                page.write_text(text, "utf-8")
