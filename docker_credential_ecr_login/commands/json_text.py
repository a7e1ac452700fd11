"""Edits of a JSON object as text: what is not touched stays as it was, to the byte.

For the configuration of container clients. Those are Go programs, for which the names of
fields are the same in upper and lower case; the keys within a field are not.
"""

import json
import re
from typing import Any, NamedTuple

from ..errors import BadConfiguration

OBJECTS = ("auths", "credHelpers")
"""The fields that are objects; what is in them is addressed by `entries` and the like."""

STRINGS = ("credsStore",)
"""The fields that are texts."""

_PRIVATE = ("auths", "httpheaders", "proxies")  # where clients keep passwords and tokens
_DOCKERS_INDENTATION = "\t"
_BYTE_ORDER_MARK = "\ufeff"
_BLANK = " \t\r\n"
_SPACE = re.compile(rf"[{_BLANK}]*")
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*+")([ \t\r\n]*+:)?', re.DOTALL)
_HINT = "correct it first"


class _Member(NamedTuple):
    """A key and its value, with the positions in the text of both."""

    key: str
    start: int
    key_end: int
    value_start: int
    end: int
    value: Any


class _NotANumber(ValueError):
    """NaN or Infinity, which Python takes for JSON."""


def _refuse_constant(name: str) -> None:
    raise _NotANumber(name)


# Numbers are not looked at; Python refuses those with too many digits.
_DECODER = json.JSONDecoder(
    parse_float=lambda _: 0.0, parse_int=lambda _: 0, parse_constant=_refuse_constant
)


def check(text: str, path: str) -> None:
    """Raise `BadConfiguration`, which names ``path``, unless ``text`` can be edited here."""
    if text.startswith(_BYTE_ORDER_MARK):
        raise _not_json(path, text, 0, "a byte order mark, which docker does not take")
    try:
        top = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _not_json(path, text, error.pos, error.msg) from None
    except _NotANumber as error:
        found = re.search(rf"(?:{_TOKEN.pattern}|[^\"])*?(?={error})", text, re.DOTALL)
        position = found.end() if found else 0
        raise _not_json(path, text, position, f"{error} is no value of JSON") from None
    except RecursionError:
        raise BadConfiguration(
            f"{path}: not JSON that can be read: nested too deeply", _HINT
        ) from None
    if not isinstance(top, dict):
        raise BadConfiguration(f"{path}: the JSON in it is not an object in braces", _HINT)
    members, _ = _members(text, text.index("{"))
    for name in (*OBJECTS, *STRINGS):
        fields = [member for member in members if _is_named(member, name)]
        if len(fields) > 1:
            raise BadConfiguration(f"{path}: {name} stands in it more than once", _HINT)
        kind, description = (dict, "an object") if name in OBJECTS else (str, "a text")
        if fields and not isinstance(fields[0].value, kind | None):
            raise BadConfiguration(f"{path}: {name} is not {description}", _HINT)


def string(text: str, name: str) -> str:
    """Return the value of a field that is a text, empty if it is not there."""
    field = _field(text, name)
    return str(field.value or "") if field else ""


def entries(text: str, name: str) -> dict[str, Any]:
    """Return the value of a field that is an object, empty if it is not there."""
    field = _field(text, name)
    return dict(field.value or {}) if field else {}


def with_string(text: str, name: str, value: str) -> str:
    """Return ``text`` with the field ``name`` set."""
    return _with_member(text, text.index("{"), _field(text, name), name, _quoted(value))


def with_entry(text: str, name: str, key: str, value: str) -> str:
    """Return ``text`` with ``key`` set in the object that is the field ``name``."""
    field = _field(text, name)
    if field is None or field.value is None:  # docker takes null for nothing
        return with_entry(_with_member(text, text.index("{"), field, name, "{}"), name, key, value)
    members, _ = _members(text, field.value_start)
    # Of two that are the same, the last counts, for Go as for Python.
    found = [member for member in members if member.key == key]
    member = found[-1] if found else None
    return _with_member(text, field.value_start, member, key, _quoted(value))


def without_field(text: str, name: str) -> str:
    """Return ``text`` without the field ``name``."""
    members, close = _members(text, text.index("{"))
    for index, member in enumerate(members):
        if _is_named(member, name):
            return _without_member(text, members, index, close)
    return text


def without_entry(text: str, name: str, key: str) -> str:
    """Return ``text`` without ``key`` in the object that is the field ``name``."""
    field = _field(text, name)
    if field is None or field.value is None:
        return text
    members, close = _members(text, field.value_start)
    for index, member in enumerate(members):
        if member.key == key:
            # Once more: a key can stand there twice.
            return without_entry(_without_member(text, members, index, close), name, key)
    return text


def is_login(entry: object) -> bool:
    """Say whether an entry of auths holds credentials; with a helper, docker leaves it empty."""
    return isinstance(entry, dict) and any(
        value for name, value in entry.items() if name.casefold() != "email"
    )


def masked(text: str) -> str:
    """Return ``text`` for people to see: without the values where there can be secrets."""
    members, _ = _members(text, text.index("{"))
    for member in reversed(members):
        if member.key.casefold() in _PRIVATE:
            value = _TOKEN.sub(
                lambda found: found[0] if found[2] else '"***"',
                text[member.value_start : member.end],
            )
            text = text[: member.value_start] + value + text[member.end :]
    return text


def _field(text: str, name: str) -> _Member | None:
    members, _ = _members(text, text.index("{"))
    return next((member for member in members if _is_named(member, name)), None)


def _is_named(member: _Member, name: str) -> bool:
    return member.key.casefold() == name.casefold()


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """Return what is in the object that begins at ``start``, and where its brace closes."""
    found: list[_Member] = []
    position = _after_space(text, start + 1)
    while text[position] != "}":
        key, key_end = _DECODER.raw_decode(text, position)
        value_start = _after_space(text, _after_space(text, key_end) + 1)
        value, end = _DECODER.raw_decode(text, value_start)
        found.append(_Member(key, position, key_end, value_start, end, value))
        position = _after_space(text, end)
        if text[position] == ",":
            position = _after_space(text, position + 1)
    return found, position


def _with_member(text: str, start: int, member: _Member | None, key: str, value: str) -> str:
    """Return ``text`` with a member of the object at ``start`` set: replaced, or as its last.

    ``value`` is JSON. What is new looks like what is there.
    """
    if member:
        return text[: member.value_start] + value + text[member.end :]
    members, close = _members(text, start)
    if members:
        last = members[-1]
        gap = _gap(text, last.start)
        colon = text[last.key_end : last.value_start]
        if not gap and len(members) == 1 and colon.endswith(" "):
            gap = " "  # {"a": 1} goes on with a space, {"a":1} without
        end = last.end
        return f"{text[:end]},{gap}{_quoted(key)}{colon}{value}{text[end:]}"
    outer, inner, colon = _layout(text, start)
    return f"{text[: start + 1]}{inner}{_quoted(key)}{colon}{value}{outer}{text[close:]}"


def _layout(text: str, start: int) -> tuple[str, str, str]:
    """Return what is to stand in an empty object: before its brace closes, before a key, after."""
    top = text.index("{")
    if start == top:
        newline = "\r\n" if "\r\n" in text else "\n"
        return newline, newline + _DOCKERS_INDENTATION, ": "
    members, close = _members(text, top)
    member = next(member for member in members if member.value_start == start)
    gap, colon = _gap(text, member.start), text[member.key_end : member.value_start]
    if "\n" not in gap:
        return "", "", colon
    indentation = gap.rpartition("\n")[2]
    _, _, outer_indentation = _gap(text, close).rpartition("\n")
    unit = indentation.removeprefix(outer_indentation)
    return gap, gap + unit, colon


def _gap(text: str, end: int) -> str:
    """Return the blank text before ``end``: that from the last line break on, if there is one."""
    before = text[:end]
    gap = before[len(before.rstrip(_BLANK)) :]
    head, line_break, indentation = gap.rpartition("\n")
    if not line_break:
        return gap
    return ("\r\n" if head.endswith("\r") else "\n") + indentation


def _without_member(text: str, members: list[_Member], index: int, close: int) -> str:
    if index > 0:
        return text[: members[index - 1].end] + text[members[index].end :]
    if len(members) > 1:
        return text[: members[0].start] + text[members[1].start :]
    opening = text.rindex("{", 0, members[0].start)
    return text[: opening + 1] + text[close:]


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _not_json(path: str, text: str, position: int, reason: str) -> BadConfiguration:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return BadConfiguration(f"{path}: not JSON at line {line}, column {column}: {reason}", _HINT)
