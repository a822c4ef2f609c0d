"""A value that can be used but not shown: the one place where a secret may be revealed is a line one can grep for."""

from __future__ import annotations

from hmac import compare_digest
from typing import NoReturn


class Secret:
    """A secret text. ``reveal()`` is the only way to its value; printing, formatting, pickling and copying are not.

    Equality is in constant time, hashing is refused (a secret is no dictionary key).
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not travel")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self
