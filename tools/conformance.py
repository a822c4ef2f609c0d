"""Measure the cache by http-cache-tests and write the result into ``docs/cache-conformance.md``: ``python -m tools.conformance [--check]``.

A table stands between ``<!-- measured: NAME -->`` and ``<!-- end of NAME -->``. With ``--check`` nothing is written: what differs is
shown, and the exit status is 1.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

from tests.conformance import suite
from tests.conformance.reasons import NOT_APPLICABLE, ON_PURPOSE, Reasons, listed
from tests.conformance.verdicts import Outcome, Run, by_suite, count
from tools.docs import table

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cache-conformance.md"
KINDS = ("required", "optimal")
# The package names Traffic Server and httpd in short; its other results are of browsers, a delivery network and a fork of HAProxy.
PROXIES = {"nginx": "nginx", "Varnish": "Varnish", "Squid": "Squid", "httpd": "Apache httpd", "ATS": "Traffic Server"}
_SECTION = re.compile(r"<!-- measured: ([a-z]+) -->\n.*?<!-- end of \1 -->", re.DOTALL)

Results = Mapping[str, Mapping[str, Outcome]]


def totals(run: Run, results: Results) -> str:
    """Passed of all that apply, and of all."""
    rows = []
    for name, found in results.items():
        cells = [_share(*count(run.tests, found, kind, without)) for without in (listed(NOT_APPLICABLE), ()) for kind in KINDS]
        rows.append((name, *cells))
    return table(("", "required", "optimal", "required, of all", "optimal, of all"), rows)


def suites(kind: str) -> Callable[[Run, Results], str]:
    """A table of the tests of a kind, a row for each part of the suite."""

    def of_kind(run: Run, results: Results) -> str:
        columns = [by_suite(run.tests, found, kind, listed(NOT_APPLICABLE)) for found in results.values()]
        rows = [(part, str(total), *(str(column[part][0]) for column in columns)) for part, (_, total) in columns[0].items()]
        return table(("part of the suite", "tests", *(name.partition(" (")[0] for name in results)), rows)

    return of_kind


def reasons(why: Reasons) -> Callable[[Run, Results], str]:
    """A table of tests that are not passed, with the reasons."""

    def of_these(run: Run, results: Results) -> str:
        rows = [(", ".join(f"{id} ({run.tests[id].kind})" for id in ids), reason) for reason, ids in why.items()]
        return table(("tests", "why"), rows)

    return of_these


TABLES: dict[str, Callable[[Run, Results], str]] = {
    "totals": totals,
    "required": suites("required"),
    "optimal": suites("optimal"),
    "purpose": reasons(ON_PURPOSE),
    "inapplicable": reasons(NOT_APPLICABLE),
}


def rendered(text: str, run: Run, published: Results) -> str:
    """``text`` with its tables as measured; ``KeyError`` for a name that no table has."""
    results = {"Gateway": run.results, **dict(_proxies(published))}
    return _SECTION.sub(
        lambda found: f"<!-- measured: {found[1]} -->\n\n{TABLES[found[1]](run, results)}\n\n<!-- end of {found[1]} -->", text
    )


def differences(run: Run, published: Results) -> str:
    """How the page differs from what was measured, as a diff; empty where it does not."""
    text = PAGE.read_text("utf-8")
    return "\n".join(unified_diff(text.splitlines(), rendered(text, run, published).splitlines(), PAGE.name, "as measured", lineterm=""))


def _proxies(published: Results) -> Iterator[tuple[str, Mapping[str, Outcome]]]:
    for short, name in PROXIES.items():
        ((version, found),) = ((full.partition(" ")[2], found) for full, found in published.items() if full.startswith(f"{short} "))
        yield f"{name} ({version})", found


def _share(passed: int, total: int) -> str:
    return f"{passed} of {total}, {100 * passed / total:.1f} %"


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    with tempfile.TemporaryDirectory() as folder:
        package = suite.installed()
        run = suite.measured(Path(folder), package)
        published = suite.published(package, run)
    differing = differences(run, published)
    if not differing:
        return 0
    if "--check" not in arguments:
        PAGE.write_text(rendered(PAGE.read_text("utf-8"), run, published), "utf-8")
        return 0
    sys.stderr.write(f"{differing}\n\n`python -m tools.conformance` measures and writes anew.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
