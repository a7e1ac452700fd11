"""The table of clients says what their tests did."""

import datetime as dt
import re
import tomllib
from pathlib import Path

import pytest

from tests.clients.catalogue import CLIENTS, COLUMNS, DEBIAN
from tests.clients.table import BEGIN, END, insert, table

ROOT = Path(__file__).parent.parent
ASKS = tomllib.loads((ROOT / "tests" / "clients" / "asks.toml").read_text())
TODAY = dt.date(2026, 1, 31)


def test_each_client_is_known_to_ask_something() -> None:
    """What each client of the catalogue asks the helper is said for each thing that it can do."""
    assert set(ASKS) == {*DEBIAN, *CLIENTS}
    for name, listed in CLIENTS.items():
        can = {each for each in ("push", "pull", "login", "logout") if getattr(listed, each)}
        assert set(ASKS[name]) - set(listed.ways) == can


def test_a_cell_says_what_the_tests_did() -> None:
    """A cell says how its test ended, and, after a slash, how that was with another helper."""
    ours = {"docker 1.2": {"role": True, "login": True, "reason": False}}
    theirs = {"docker 1.2": {"role": True, "login": False}}
    lines = table(ours, theirs, TODAY).splitlines()
    row = dict(zip(["client", *COLUMNS], re.findall(r"[^|]+", lines[4]), strict=True))
    assert row.pop("client") == "docker 1.2"
    assert {title: sign for title, sign in row.items() if sign != "–"} == {
        "role": "✓",
        "login": "✓/✗",
        "reason": "✗/–",
    }
    assert "2026-01-31" in lines[0]


def test_a_client_that_was_not_tried() -> None:
    """A client that could not be had is in the table all the same, without results."""
    row = f"|skopeo|{'|'.join('?' * len(COLUMNS))}|"
    assert row in table({}, {}, TODAY).splitlines()


def test_the_place_of_the_table() -> None:
    """The table replaces what is between two marks, and nothing else; without them it has none."""
    assert insert(f"a\n{BEGIN}old\n{END}b\n", "new\n") == f"a\n{BEGIN}new\n{END}b\n"
    with pytest.raises(SystemExit):
        insert("a\nb\n", "new\n")
