"""The README's table of clients is that of the catalogue."""

from tests.clients.catalogue import CLIENTS, COLUMNS, DEBIAN
from tests.clients.table import BEGIN, END
from tests.documents import README


def test_the_readme_has_the_catalogues_clients_and_columns() -> None:
    """The README's table has each client, in the release that is tried, and each column."""
    section = README.partition(BEGIN)[2].partition(END)[0]
    head, _, *rows = (line.strip("|").split("|") for line in section.splitlines() if "|" in line)
    assert head == ["client", *COLUMNS]
    assert all(len(row) == len(head) for row in rows)
    names = [row[0] for row in rows]
    assert {name.partition(" ")[0] for name in names} == {*DEBIAN, *CLIENTS}
    releases = {f"{name} {listed.release}" for name, listed in CLIENTS.items()}
    not_tried = {name for name in names if " " not in name}
    assert releases - set(names) == {f"{name} {CLIENTS[name].release}" for name in not_tried}
