"""Mappings in bulk: NDJSON (an object a line) and CSV (a header line; tags as JSON, or separated by semicolons).

An import takes the fields of ``NewInstance``, all lines or none. An export gives the fields of ``MappedInstance`` but ``state``, which
is what was found out and not what somebody said: never a token.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Literal

from pydantic import ValidationError
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.database import instances as rows
from gateway.database.engine import Database
from gateway.errors import BadRequest
from gateway.models import ImportReport, LineError, MappedInstance, NewInstance, mistakes
from gateway.operations.base import Verbs, audit
from gateway.operations.instances import new_row, shown, taken

Format = Literal["ndjson", "csv"]
Progress = Callable[[int, int], None]
"""Told (done, all)."""

_BATCH = 500
_FOUND_OUT = {"state"}
_Line = tuple[int, Any]


class TransferVerbs(Verbs):
    """Import, export."""

    async def import_instances(self, text: str, form: Format, *, actor: str, progress: Progress | None = None) -> ImportReport:
        """All lines of ``text`` as mappings.

        ``BadRequest`` with ``imported=0, errors=[{"line", "error"}]`` if one of them cannot be taken: then none is.
        """
        prepared, errors = await asyncio.to_thread(self._prepared, text, form)
        async with self._database.write() as connection:
            errors += await _conflicts(connection, prepared)
            if errors:
                raise _refusal(errors)
            for start in range(0, len(prepared), _BATCH):
                await rows.add(connection, [row for _, row in prepared[start : start + _BATCH]])
                if progress:
                    progress(min(start + _BATCH, len(prepared)), len(prepared))
        audit(actor, "instance.import", "*", imported=len(prepared))
        return ImportReport(imported=len(prepared), errors=[])

    async def count_instances(self) -> int:
        """How many lines an export will have, its header not counted."""
        async with self._database.read() as connection:
            return await rows.total(connection)

    async def export_instances(self, form: Format) -> AsyncIterator[str]:
        """All mappings, a line at a time, each with its line end."""
        if form == "csv":
            yield _csv_line(name for name in MappedInstance.model_fields if name not in _FOUND_OUT)
        async for row in every_row(self._database):
            instance = shown(row)
            yield instance.model_dump_json(exclude=_FOUND_OUT) + "\n" if form == "ndjson" else _csv_line(_cells(instance))

    def _prepared(self, text: str, form: Format) -> tuple[list[_Line], list[LineError]]:
        prepared: list[_Line] = []
        errors: list[LineError] = []
        now = self._clock()
        for number, value in _read(text.removeprefix("\ufeff"), form):
            if isinstance(value, str):
                errors.append(LineError(line=number, error=value))
                continue
            try:
                new = NewInstance.model_validate(value, strict=form == "ndjson")
            except ValidationError as error:
                errors += [LineError(line=number, error=f"{one['path']}: {one['error']}".removeprefix(": ")) for one in mistakes(error)]
                continue
            if new.environment in self._config.environments:
                prepared.append((number, new_row(new, self._vault, now)))
            else:
                errors.append(LineError(line=number, error="environment: it is not configured"))
        return prepared, errors


async def every_row(database: Database) -> AsyncIterator[RowMapping]:
    """All mappings in their order, read in pages."""
    after: Sequence[str] | None = None
    while True:
        async with database.read() as connection:
            found = await rows.page(connection, where={}, after=after, limit=_BATCH)
        for row in found:
            yield row
        if len(found) < _BATCH:
            return
        after = [found[-1][name] for name in rows.ORDER]


async def _conflicts(connection: AsyncConnection, prepared: Sequence[_Line]) -> list[LineError]:
    errors = []
    there = await rows.identities(connection)
    lines: dict[tuple[str, ...], int] = {}
    for number, row in prepared:
        identity = (row["environment"], row["customer"], row["element"], row["name"])
        first = lines.setdefault(identity, number)
        if first != number:
            errors.append(LineError(line=number, error=f"names the same mapping as line {first}"))
        elif identity in there:
            errors.append(LineError(line=number, error=taken(row)))
    return errors


def _refusal(errors: list[LineError]) -> BadRequest:
    errors.sort(key=lambda error: error.line)
    lines = len({error.line for error in errors})
    detail = f"{lines} {'line is' if lines == 1 else 'lines are'} wrong: nothing was imported"
    return BadRequest(detail, imported=0, errors=[error.model_dump() for error in errors])


def _read(text: str, form: Format) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line number, the object there or what is wrong with it)."""
    return _read_csv(text) if form == "csv" else _read_ndjson(text)


def _read_ndjson(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield number, value if isinstance(value, dict) else "expected a JSON object"


def _read_csv(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    number = 1
    try:
        for cells in reader:
            if header is None:
                header = [cell.strip() for cell in cells]
                unknown = [str(n) for n, name in enumerate(header, 1) if name not in NewInstance.model_fields or header.count(name) > 1]
                if unknown:
                    # Not quoted: without a header line, the first line holds a token.
                    yield number, f"columns {', '.join(unknown)}: expected each of {', '.join(NewInstance.model_fields)} once at most"
                    return
            elif cells:
                yield number, _object(header, cells)
            number = reader.line_num + 1
    except csv.Error:
        yield number, "expected CSV (RFC 4180)"


def _object(header: Sequence[str], cells: Sequence[str]) -> dict[str, Any] | str:
    if len(cells) != len(header):
        return f"expected {len(header)} cells, found {len(cells)}"
    value: dict[str, Any] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    tags = value.get("tags", "")
    if tags.startswith("["):
        try:
            value["tags"] = json.loads(tags)
        except (ValueError, RecursionError):
            return "tags: expected a JSON list, or tags separated by semicolons"
    elif tags:
        value["tags"] = tags.split(";")
    return value


def _cells(instance: MappedInstance) -> list[str]:
    values = instance.model_dump(mode="json", exclude=_FOUND_OUT)
    return [json.dumps(value, ensure_ascii=False) if isinstance(value, (list, bool)) else _cell(value) for value in values.values()]


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _csv_line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
