"""The two forms of bulk files: CSV, and JSON lines (API page 5.1: what is asked for as JSON comes as lines)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator

from gateway.sandbox.call import Answer, ApiError, Row


def as_file(rows: list[Row], accept: str) -> Answer:
    """``rows`` as ``Accept`` wants them, CSV where it leaves the choice. Raises ``ApiError`` 406 where it takes neither."""
    wanted = [kind.partition(";")[0].strip().lower() for kind in (accept or "*/*").split(",")]
    if any(kind in ("text/csv", "text/*", "*/*") for kind in wanted):
        return Answer(raw=_csv(rows), headers={"Content-Type": "text/csv"})
    if any(kind in ("application/json", "application/*") for kind in wanted):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return Answer(raw=lines.encode(), headers={"Content-Type": "application/json"})
    raise ApiError(406, "Not acceptable, expected Accept: text/csv or application/json")


def rows_of(content: bytes, form: str) -> Iterator[Row | str]:
    """The rows of an uploaded file; a text in place of a row says what is wrong with it. Raises ``ApiError`` 400 for another form."""
    if form not in ("csv", "jsonl", "json"):
        raise ApiError(400, f"Invalid value for format: expected csv or jsonl, not {form[:20]}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ApiError(400, "Invalid file: expected UTF-8") from None
    return _csv_rows(text) if form == "csv" else map(_json_row, filter(str.strip, text.splitlines()))


def _csv(rows: Iterable[Row]) -> bytes:
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv_rows(text: str) -> Iterator[Row | str]:
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        names = next(lines, [])
        for cells in lines:
            yield dict(zip(names, cells, strict=True)) if len(cells) == len(names) else f"expected {len(names)} cells, found {len(cells)}"
    except csv.Error as error:
        yield f"no CSV: {error}"


def _json_row(line: str) -> Row | str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return "no JSON"
    return row if isinstance(row, dict) else "expected a JSON object"
