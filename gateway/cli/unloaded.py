"""What libraries load because it happens to be there, and a gateway that serves does not use: megabytes for as long as it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*modules: str) -> Iterator[None]:
    """Inside, ``modules`` count as not installed, but for those that are loaded already; afterwards they can be imported as ever."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: whoever imports it gets an ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
