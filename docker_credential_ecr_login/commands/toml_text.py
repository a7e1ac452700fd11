"""Edits of config.toml as text: whatever was not written here stays, byte for byte.

What is written here has one form, by which it is found again. The result of an edit is parsed and
compared with what was meant: where a line is not what it looks like, the edit is refused.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from ..config import parse_text
from ..errors import BadConfiguration

_HEAD = "[[registry]]  # by docker-credential-ecr-login configure"
_WHO = ("profile", "role_arn", "access")  # the keys that are written, beside match
_VALUE = r'(?:"(?:[^"\\\r\n]|\\.)*"|\[[^\]\r\n]*\])'
_TABLE = re.compile(
    rf"^{re.escape(_HEAD)}\r?\n"
    rf"(?:(?:match|{'|'.join(_WHO)}) = {_VALUE}\r?\n)++"
    r"(?!(?:[ \t\r]*(?:#.*)?\n)*+[ \t\r]*[^\s#\[])",  # unless somebody wrote more into it
    re.MULTILINE,
)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")


def with_registry(
    text: str, path: str, hosts: Sequence[str], who: Mapping[str, str]
) -> tuple[str, str]:
    """Return ``text`` with a table that says ``who`` is to ask for ``hosts``, and what was done.

    ``who`` has a profile, a role_arn, perhaps with access, or both. Nothing is done if it is in
    effect already. Raises `BadConfiguration`.
    """
    config = parse_text(text, path)
    if all(_who(config.settings(host).values) == who for host in hosts):
        return text, ""
    others = _without_table(text, path, hosts)
    table = {"match": hosts[0] if len(hosts) == 1 else list(hosts), **who}
    lines = [f"{key} = {_quoted(value)}" for key, value in table.items()]
    # The first table that matches applies, so this one comes first.
    start = _start_of_tables(others)
    edited = _with_block(others, start, "".join(line + _newline(text) for line in [_HEAD, *lines]))
    data = tomllib.loads(others)
    data["registry"] = [table, *data.get("registry", ())]
    _verify(edited, path, data, f"write by hand, above all others: [[registry]] {'; '.join(lines)}")
    return edited, "added" if others == text else "changed"


def without_registry(text: str, path: str, hosts: Sequence[str] | None) -> tuple[str, str]:
    """Return ``text`` without the table that was written for exactly these ``hosts``, or all of it.

    Also return a warning, or "": a table that was written for more hosts, or that somebody has
    edited since, is not removed. Raises `BadConfiguration`.
    """
    parse_text(text, path)
    edited = _without_table(text, path, hosts)
    for number, table in enumerate(tomllib.loads(edited).get("registry", ()), 1):
        names = sorted(_names(table).intersection(hosts or _names(table)))
        if names and _who(table) and _HEAD in edited:
            return edited, (
                f"[[registry]] {number} still applies to {', '.join(names)}: "
                "name all its registries at once, or edit it by hand"
            )
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
            f'{path}: the fallback is already "{present}", but credsStore is "{name}"',
            "choose one: remove fallback there, or credsStore from Docker's configuration",
        )
    line = f"fallback = {_quoted(name)}"
    edited = line + _newline(text) + text
    _verify(edited, path, {"fallback": name, **tomllib.loads(text)}, f"write by hand: {line}")
    return edited


def without_fallback(text: str, path: str) -> str:
    """Return ``text`` without a fallback. Raises `BadConfiguration`."""
    if not fallback(text, path):
        return text
    edited = re.sub(r"^[ \t]*fallback[ \t]*=.*\n?", "", text, count=1, flags=re.MULTILINE)
    data = tomllib.loads(text)
    del data["fallback"]
    _verify(edited, path, data, "remove fallback by hand")
    return edited


def _who(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: settings[key] for key in _WHO if key in settings}


def _names(table: Mapping[str, Any]) -> set[str]:
    match = table["match"]
    return {match} if isinstance(match, str) else set(match)


def _start_of_tables(text: str) -> int:
    """Return where the first table begins, with the comment lines directly above it."""
    found = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    if not found:
        return len(text)
    start = found.start()
    for line in reversed(_LINE.findall(text[:start])):
        if not line.lstrip(" \t").startswith("#"):
            break
        start -= len(line)
    return start


def _with_block(text: str, start: int, block: str) -> str:
    """Return ``text`` with lines at ``start``, and a blank line between them and the others.

    `_without_table` removes both.
    """
    before, after, newline = text[:start], text[start:], _newline(text)
    if before and not before.endswith("\n"):
        before += newline
    if after:
        return before + block + newline + after
    return before + newline * bool(before) + block


def _without_table(text: str, path: str, hosts: Sequence[str] | None) -> str:
    """Return ``text`` without the table that was written for exactly these ``hosts``, or any."""
    data = tomllib.loads(text)
    for found in _TABLE.finditer(text):
        (table,) = tomllib.loads(found[0])["registry"]
        if hosts is not None and _names(table) != set(hosts):
            continue
        before, after = text[: found.start()], text[found.end() :]
        if after:
            after = re.sub(r"\A\r?\n", "", after)
        else:
            before = re.sub(r"(?<=\n)\r?\n\Z", "", before)
        data["registry"].remove(table)
        if not data["registry"]:
            del data["registry"]
        hint = f"remove the table for {', '.join(_names(table))} by hand"
        _verify(before + after, path, data, hint)
        return before + after if hosts else _without_table(before + after, path, hosts)
    return text


def _verify(text: str, path: str, meant: Mapping[str, Any], hint: str) -> None:
    """Raise `BadConfiguration` unless ``text`` says what is ``meant``, and that is allowed."""
    try:
        as_meant = tomllib.loads(text) == meant
    except tomllib.TOMLDecodeError:
        as_meant = False
    if not as_meant:
        raise BadConfiguration(f"{path}: configure cannot edit it, because of its layout", hint)
    parse_text(text, path)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _quoted(value: str | list[str]) -> str:
    """Return a string, or a list of strings, in TOML: the same as JSON except one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
