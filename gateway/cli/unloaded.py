"""What libraries load because it happens to be there, and a gateway that serves does not use: megabytes for as long as it runs.

Of some packages it uses a part, and importing any module of a package runs the package's own file, which loads all the others: with
aiohttp's server comes its client (4 MiB), with SQLAlchemy's asynchronous engine the sessions of the ORM (6 MiB). Such a package is
``deferred``: its own file runs when somebody asks for what only that can give, and nobody can tell the difference but by the memory.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from threading import get_ident
from types import ModuleType
from typing import Any

_NAMES = "_names_known_to_its_modules"
_running: set[tuple[str, int]] = set()
"""Packages whose own file is running, and in which thread."""

USED_IN_PART: Mapping[str, Mapping[str, str]] = {
    "aiohttp": {"ClientError": "client_exceptions", "ClientPayloadError": "client_exceptions", "ServerTimeoutError": "client_exceptions"},
    "sqlalchemy.ext.asyncio": {"AsyncConnection": "engine", "AsyncEngine": "engine", "create_async_engine": "engine"},
}
"""What a gateway that serves asks of packages, and in which of their modules it is. A name that is missing here costs memory, no more."""


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


def defer(package: str, names: Mapping[str, str]) -> None:
    """From now on, modules of ``package`` can be imported without it, and ``names`` from the modules of it that they are in.

    All else that it has it has still, loaded as a whole when it is first asked for. A package that is loaded already stays as it is.
    """
    if package in sys.modules:
        return
    spec = find_spec(package)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    module = module_from_spec(spec)
    module.__dict__[_NAMES] = names
    module.__class__ = _Deferred
    sys.modules[package] = module
    above, _, own = package.rpartition(".")
    if above:
        setattr(sys.modules[above], own, module)


class _Deferred(ModuleType):
    """A package whose own file has not run."""

    def __getattr__(self, name: str) -> Any:
        known = self.__dict__[_NAMES]
        if name == "__version__":
            from importlib.metadata import version  # noqa: PLC0415 - takes longer to load than most commands to run

            return version(self.__name__)
        if name in known:
            return getattr(_imported(f"{self.__name__}.{known[name]}"), name)
        if not name.startswith("__") and find_spec(f"{self.__name__}.{name}"):
            return _imported(f"{self.__name__}.{name}")
        _run(self, name)
        return getattr(self, name)


def _run(package: ModuleType, asked: str) -> None:
    """Run its own file; after that it is a module like any other. Threads that come at once each do: it imports, no more."""
    here = (package.__name__, get_ident())
    if here in _running or package.__spec__ is None or package.__spec__.loader is None:
        raise AttributeError(f"module {package.__name__!r} has no attribute {asked!r}")
    _running.add(here)
    try:
        package.__spec__.loader.exec_module(package)
    finally:
        _running.discard(here)
    package.__class__ = ModuleType


def _imported(name: str) -> ModuleType:
    __import__(name)  # unlike importlib.import_module, python -X importtime tells of it
    return sys.modules[name]
