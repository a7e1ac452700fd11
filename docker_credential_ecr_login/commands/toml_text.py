"""Edits of our own config file as text: comments, order and all that is not ours stay.

Where they begin and end is found by lines, and what comes of an edit is compared with what
was meant: of a file that is written in another way than lines can tell, the edit is refused.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..config import parse_text
from ..errors import BadConfiguration

_MARK = "# by docker-credential-ecr-login configure"
_WHO = ("profile", "role_arn")  # the keys that are written, beside match
_HEADER = re.compile(
    r"""^[ \t]*\[\[[ \t]*(?:registry|"registry"|'registry')[ \t]*\]\]"""
    r"[ \t]*(?P<comment>#.*)?\r?$",
    re.MULTILINE,
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TEXT = r"""(?:"(?:[^"\\\r\n]|\\.)*"|'[^'\r\n]*')"""


class _Table(NamedTuple):
    """A ``[[registry]]`` table: its lines in the text, and whether it was written here."""

    lead: int  # the comment above it
    start: int
    end: int  # what blank lines and comments follow belongs to the next
    is_ours: bool


def registry(text: str, path: str, hosts: Sequence[str], who: dict[str, str]) -> tuple[str, str]:
    """Return ``text`` with a table that says ``who`` is to ask for ``hosts``, and what was done.

    ``who`` has a profile, a role_arn or both. Nothing is done if it is in effect already.
    Raises `BadConfiguration`.
    """
    config = parse_text(text, path)
    if all(_who(config.settings(host).values) == who for host in hosts):
        return text, ""
    data = tomllib.loads(text)
    tables = data.setdefault("registry", [])
    places = _tables(text, path, len(tables))
    own = _own(places, tables, hosts)
    if own is None:
        # Of all tables, the first that fits applies.
        numbers = [number for host in hosts if (number := config.table(host)) is not None]
        number = min(numbers, default=len(tables))
        table = {"match": hosts[0] if len(hosts) == 1 else list(hosts), **who}
        tables.insert(number, table)
        edited = _inserted(text, places, number, table)
        done = "added"
    else:
        table = tables[own]
        for key in _WHO:
            table.pop(key, None)
        table.update(who)
        place = places[own]
        lines = _with_who(text[place.start : place.end], who)
        edited = text[: place.start] + lines + text[place.end :]
        done = "changed"
    _verify(edited, path, data)
    for host in hosts:
        if _who(parse_text(edited, path).settings(host).values) != who:
            raise BadConfiguration(
                f"{path}: an earlier [[registry]] table than the one for {host} applies to it",
                "of all tables, the first that fits does: move that one down",
            )
    return edited, done


def without_registry(text: str, path: str, hosts: Sequence[str]) -> tuple[str, str]:
    """Return ``text`` without the table that was written for exactly these ``hosts``.

    And a warning, or "": what somebody has written into it since is not removed. Raises
    `BadConfiguration`.
    """
    parse_text(text, path)
    data = tomllib.loads(text)
    tables = data.get("registry", [])
    if not any(_names(table) & set(hosts) for table in tables):
        return text, ""
    places = _tables(text, path, len(tables))
    own = _own(places, tables, hosts)
    if own is None:
        return text, _still_for(places, tables, hosts)
    others = sorted(set(tables[own]) - {"match", *_WHO})
    if others:
        return text, f"[[registry]] {own + 1} was left, for somebody wrote {others[0]} into it"
    del tables[own]
    if not tables:
        del data["registry"]
    edited = _cut(text, places[own].start, places[own].end)
    _verify(edited, path, data)
    return edited, ""


def fallback(text: str, path: str) -> str:
    """Return the fallback that ``text`` names, or "". Raises `BadConfiguration`."""
    return parse_text(text, path).general.get("fallback", "")


def with_fallback(text: str, path: str, name: str) -> str:
    """Return ``text`` with ``name`` as fallback. Raises `BadConfiguration`."""
    present = fallback(text, path)
    if present == name:
        return text
    if present:
        raise BadConfiguration(
            f'{path}: the fallback is "{present}" already, and the credsStore "{name}"',
            "decide for one: remove fallback there, or credsStore from Docker's configuration",
        )
    data = tomllib.loads(text)
    line = f"fallback = {_quoted(name)}{_newline(text)}"
    top = text[: _end_of_top(text)].rstrip()
    if top:
        before, after = text[: len(top)], text[len(top) :]
        first, newline, rest = after.partition("\n")
        edited = f"{before}{first}{newline or _newline(text)}{line}{rest}"
    else:
        edited = line + (_newline(text) if text else "") + text
    _verify(edited, path, {"fallback": name, **data})
    return edited


def without_fallback(text: str, path: str) -> str:
    """Return ``text`` without a fallback. Raises `BadConfiguration`."""
    if not fallback(text, path):
        return text
    data = tomllib.loads(text)
    del data["fallback"]
    line = re.compile(
        rf"""^[ \t]*(?:fallback|"fallback"|'fallback')[ \t]*=[ \t]*{_TEXT}.*\n?""", re.MULTILINE
    )
    found = line.search(text, 0, _end_of_top(text))
    edited = text
    if found:
        edited = text[: found.start()] + text[found.end() :]
        if not text[: found.start()].strip():
            edited = edited.removeprefix("\r").removeprefix("\n")
    _verify(edited, path, data)
    return edited


def _who(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: settings[key] for key in _WHO if key in settings}


def _is_for(table: dict[str, Any], hosts: Sequence[str]) -> bool:
    return _names(table) == set(hosts)


def _names(table: dict[str, Any]) -> set[str]:
    match = table["match"]
    return {match} if isinstance(match, str) else set(match)


def _still_for(places: list[_Table], tables: list[dict[str, Any]], hosts: Sequence[str]) -> str:
    """Return what to say of a table that was written here for these ``hosts`` and for others."""
    for number, (place, table) in enumerate(zip(places, tables, strict=True), 1):
        if place.is_ours and (names := _names(table).intersection(hosts)):
            return (
                f"[[registry]] {number} still says who asks for {', '.join(sorted(names))}: "
                "remove all its names at once, or edit it"
            )
    return ""


def _own(places: list[_Table], tables: list[dict[str, Any]], hosts: Sequence[str]) -> int | None:
    """Return the number of the table that was written here for exactly these ``hosts``."""
    for number, (place, table) in enumerate(zip(places, tables, strict=True)):
        if place.is_ours and _is_for(table, hosts):
            return number
    return None


def _tables(text: str, path: str, count: int) -> list[_Table]:
    """Return the places of all ``count`` tables. Raises `BadConfiguration` if that is not so."""
    headers = list(_HEADER.finditer(text))
    if len(headers) != count:
        raise _not_editable(path)
    ends = [*(header.start() for header in headers), len(text)][1:]
    return [
        _Table(
            _start_of_comment(text, header.start()),
            header.start(),
            _end_of_table(text, header.start(), end),
            (header["comment"] or "").rstrip() == _MARK,
        )
        for header, end in zip(headers, ends, strict=True)
    ]


def _start_of_comment(text: str, start: int) -> int:
    """Return where the comment lines directly above ``start`` begin."""
    for line in reversed(_LINE.findall(text[:start])):
        if not line.lstrip(" \t").startswith("#"):
            break
        start -= len(line)
    return start


def _end_of_table(text: str, start: int, end: int) -> int:
    """Return where the last line between ``start`` and ``end`` ends that says anything."""
    for line in reversed(_LINE.findall(text[start:end])):
        if line.strip() and not line.lstrip(" \t").startswith("#"):
            break
        end -= len(line)
    return end


def _end_of_top(text: str) -> int:
    """Return where the part that is for all registries ends."""
    header = _HEADER.search(text)
    return _start_of_comment(text, header.start()) if header else len(text)


def _inserted(text: str, places: list[_Table], number: int, table: dict[str, Any]) -> str:
    """Return ``text`` with ``table`` in front of the one with that number, or at the end."""
    newline = _newline(text)
    lines = [f"[[registry]]  {_MARK}"]
    lines += [f"{key} = {_quoted(value)}" for key, value in table.items()]
    block = "".join(line + newline for line in lines)
    if number < len(places):
        start = places[number].lead
        return text[:start] + block + newline + text[start:]
    if not text:
        return block
    return text + ("" if text.endswith("\n") else newline) + newline + block


def _with_who(lines: str, who: dict[str, str]) -> str:
    """Return the ``lines`` of a table with ``who``; a comment behind a value stays."""
    for key in _WHO:
        found = re.search(rf"^([ \t]*{key}[ \t]*=[ \t]*){_TEXT}(.*\n?)", lines, re.MULTILINE)
        if found and key in who:
            line = found[1] + _quoted(who[key]) + found[2]
        elif key in who:
            newline = _newline(lines)
            lines += "" if lines.endswith("\n") else newline
            line = f"{key} = {_quoted(who[key])}{newline}"
        else:
            line = ""
        start, end = found.span() if found else (len(lines), len(lines))
        lines = lines[:start] + line + lines[end:]
    return lines


def _cut(text: str, start: int, end: int) -> str:
    """Return ``text`` without a block, and without the blank line that parted it from others."""
    before, after = text[:start], text[end:]
    for blank in ("\r\n", "\n"):
        if after.strip() and after.startswith(blank):
            return before + after.removeprefix(blank)
        if not after.strip() and before.endswith("\n" + blank):
            return before.removesuffix(blank) + after
    return before + after


def _verify(text: str, path: str, meant: dict[str, Any]) -> None:
    """Raise `BadConfiguration` unless ``text`` says what is ``meant``, and that is allowed."""
    try:
        as_meant = tomllib.loads(text) == meant
    except tomllib.TOMLDecodeError:
        as_meant = False
    if not as_meant:
        raise _not_editable(path)
    parse_text(text, path)


def _not_editable(path: str) -> BadConfiguration:
    return BadConfiguration(
        f"{path}: it is written in a way in which it cannot be edited here",
        "edit it by hand, or head each table with a line [[registry]]",
    )


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _quoted(value: Any) -> str:
    """Return a text, or a list of texts, as TOML has it: as JSON, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
