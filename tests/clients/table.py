"""The table of clients: what each did with this helper and with another, in columns by test.

Tests that each client goes through are marked with the column that they are about. `Results` is a
plugin of pytest that writes down how they ended, and ``python -m tests.clients.table OURS THEIRS
FILE`` puts the table of two such runs in its place in a Markdown file. No cell says more than a
test did: a client that was not tried has question marks.
"""

import datetime as dt
import json
import sys
from pathlib import Path

import pytest

from docker_credential_ecr_login import __version__
from tests.clients.catalogue import CLIENTS, COLUMNS, DEBIAN, GO_HELPER

BEGIN, END = "<!-- clients: begin -->\n", "<!-- clients: end -->\n"

Rows = dict[str, dict[str, bool]]
"""Whether a test passed, by client with version and by column."""

in_each_way = pytest.mark.in_each_way
"""Marks a test that runs with each configuration that a client reads, not with the first alone."""


def column(title: str, takes: str = "") -> pytest.MarkDecorator:
    """Mark a test that a column is about, for the clients that have a command that it takes.

    In the title, ``{way}`` is how the client was configured.
    """
    return pytest.mark.column(title, takes=takes)


class Results:
    """Writes down how the tests that are about a column ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: Rows = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take notice of a test."""
        cell = dict(report.user_properties).get("cell")
        if isinstance(cell, tuple) and (report.when == "call" or report.failed):
            client, title = cell
            self._rows.setdefault(client, {})[title] = report.passed

    def pytest_sessionfinish(self) -> None:
        """Write all that was noticed."""
        self._path.write_text(json.dumps(self._rows))


def table(ours: Rows, theirs: Rows, today: dt.date) -> str:
    """Return the table in Markdown, and what was run."""
    lines = [["client", *COLUMNS], ["---", *[":-:"] * len(COLUMNS)]]
    lines += [
        [client, *(_signs(ours, theirs, client, title) for title in COLUMNS)] for client in ours
    ]
    tried = {client.partition(" ")[0] for client in ours}
    lines += [[name, *["?"] * len(COLUMNS)] for name in [*DEBIAN, *CLIENTS] if name not in tried]
    remarks = [
        f"{name}, {title}: {reason}."
        for name, listed in CLIENTS.items()
        for title, reason in listed.fails.items()
    ]
    remarks += [
        f"{name}: {listed.lack or 'it is not built'}."
        for name, listed in CLIENTS.items()
        if name not in tried
    ]
    return (
        f"Run on {today} with {__version__} and, after a slash where it differs, with Amazon's"
        f" helper {GO_HELPER.release}: ✓ works, ✗ does not, – does not apply, ? not tried.\n\n"
        + "".join(f"|{'|'.join(cells)}|\n" for cells in lines)
        + "\n{}\n".format("\n".join(remarks))
    )


def _signs(ours: Rows, theirs: Rows, client: str, title: str) -> str:
    """Say how it went here and, where that differs, there."""
    here, there = (_sign(rows.get(client, {}).get(title)) for rows in (ours, theirs))
    return here if here == there else f"{here}/{there}"


def _sign(passed: bool | None) -> str:
    return "–" if passed is None else "✓" if passed else "✗"


def insert(text: str, section: str) -> str:
    """Return a Markdown text with a section between the two marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"a place for the table is missing: {BEGIN}{END}")
    return f"{before}{begin}{section}{end}{after}"


if __name__ == "__main__":
    ours, theirs = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
    file = Path(sys.argv[3])
    today = dt.datetime.now(tz=dt.UTC).date()
    file.write_text(insert(file.read_text(), table(ours, theirs, today)))
