"""The ``where`` clause (API page 4.3): a useful subset of CEQL, parsed to a tree of tests on one row.

::

    either     = both { OR both }
    both       = test { AND test }
    test       = "(" either ")" | field comparison
    comparison = ( "=" | "!=" | "<" | ">" | "<=" | ">=" ) value | LIKE text | IN "(" value { "," value } ")" | IS [ NOT ] NULL

Words are case-insensitive, text stands in single quotes (two of them are one inside). Chosen by us where the page is silent: a
field is found in any case when not in its own; text equals exactly, LIKE ignores case; a null differs from every value and is
neither smaller nor larger; numbers compare as numbers and ISO dates as times, else text by code point; an unknown field is null.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.call import ApiError

Test = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?: (?P<text>'(?:[^']|'')*')
           | (?P<number>-?\d+(?:\.\d+)?)(?![\w.])
           | (?P<sign><=|>=|!=|=|<|>|\(|\)|,)
           | (?P<word>[A-Za-z_][\w.\-]*) )""",
    re.VERBOSE | re.ASCII,
)
_KEYWORDS = frozenset({"AND", "OR", "LIKE", "IN", "IS", "NOT", "NULL"})
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_MAX_DEPTH = 50


def parse_where(text: str) -> Test:
    """The test that ``text`` states; an empty one holds for each row. Raises ``ApiError`` 400 where the syntax is wrong."""
    if not text.strip():
        return lambda row: True
    return _Parser(_tokens(text)).whole()


def field_of(row: Mapping[str, Any], name: str) -> Any:
    """The value at ``name`` (``a.b`` goes inside), in any case when not in its own; None where there is none."""
    if name in row:
        return row[name]
    for key, value in row.items():
        if key.lower() == name.lower():
            return value
    head, _, rest = name.partition(".")
    inner = row.get(head)
    return field_of(inner, rest) if rest and isinstance(inner, dict) else None


def _wrong(found: str) -> ApiError:
    return ApiError(400, f"Invalid where clause: did not expect {found}")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if not match:
            raise _wrong(repr(text[at : at + 20].strip()))
        kind = match.lastgroup or ""
        value = match[kind]
        if kind == "word" and value.upper() in _KEYWORDS:
            kind, value = "keyword", value.upper()
        tokens.append((kind, value))
        at = match.end()
    return [*tokens, ("end", "")]


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Test:
        test = self._either()
        self._expect("end")
        return test

    def _either(self) -> Test:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise ApiError(400, "Invalid where clause: nested too deeply")
        tests = [self._both()]
        while self._take("keyword", "OR"):
            tests.append(self._both())
        self._depth -= 1
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _both(self) -> Test:
        tests = [self._test()]
        while self._take("keyword", "AND"):
            tests.append(self._test())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _test(self) -> Test:
        if self._take("sign", "("):
            test = self._either()
            self._expect("sign", ")")
            return test
        name = self._expect("word")
        kind, value = self._next()
        if kind == "sign" and value in _SIGNS:
            return _compare(name, value, self._value())
        match kind, value:
            case "keyword", "LIKE":
                return _like(name, self._value())
            case "keyword", "IN":
                return _one_of(name, self._values())
            case "keyword", "IS":
                negated = self._take("keyword", "NOT")
                self._expect("keyword", "NULL")
                return lambda row: (field_of(row, name) is None) != negated
        raise _wrong(_shown(kind, value))

    def _values(self) -> list[str]:
        self._expect("sign", "(")
        values = [self._value()]
        while self._take("sign", ","):
            values.append(self._value())
        self._expect("sign", ")")
        return values

    def _value(self) -> str:
        kind, value = self._next()
        if kind == "text":
            return value[1:-1].replace("''", "'")
        if kind == "number" or (kind == "word" and value.lower() in ("true", "false")):
            return value.lower()
        raise _wrong(_shown(kind, value))

    def _next(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _take(self, kind: str, value: str) -> bool:
        taken = self._tokens[self._at] == (kind, value)
        self._at += taken
        return taken

    def _expect(self, kind: str, value: str | None = None) -> str:
        found = self._next()
        if found[0] != kind or value not in (None, found[1]):
            raise _wrong(_shown(*found))
        return found[1]


def _shown(kind: str, value: str) -> str:
    return "its end" if kind == "end" else repr(value[:40])


def _compare(name: str, sign: str, literal: str) -> Test:
    holds = _SIGNS[sign]

    def test(row: Mapping[str, Any]) -> bool:
        value = field_of(row, name)
        if value is None:
            return sign == "!="
        pair = _comparable(value, literal)
        return sign == "!=" if pair is None else holds(*pair)

    return test


def _comparable(value: Any, literal: str) -> tuple[Any, Any] | None:
    """Both sides as the kind of thing that ``value`` is; None where ``literal`` is no such thing."""
    if isinstance(value, bool):
        return ("true" if value else "false", literal.lower())
    if isinstance(value, (int, float)):
        try:
            return (value, float(literal))
        except ValueError:
            return None
    if not isinstance(value, str):
        return None
    times = (_time(value), _time(literal))
    return (value, literal) if None in times else times


def _time(text: str) -> datetime | None:
    if not text[:4].isdigit() or text[4:5] != "-":
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _like(name: str, pattern: str) -> Test:
    # Atomic groups: each piece is found once, so a pattern of many % cannot take exponential time.
    first, *rest = (re.escape(piece).replace("_", ".") for piece in pattern.split("%"))
    middle = "".join(f"(?>.*?{piece})" for piece in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    compiled = re.compile(first + middle + last, re.IGNORECASE | re.DOTALL)

    def test(row: Mapping[str, Any]) -> bool:
        value = field_of(row, name)
        return value is not None and compiled.fullmatch(str(value)) is not None

    return test


def _one_of(name: str, literals: list[str]) -> Test:
    tests = [_compare(name, "=", literal) for literal in literals]
    return lambda row: any(test(row) for test in tests)
