"""The configuration of container clients, in JSON: read, and written in the layout that it has.

The clients are Go programs: for them, the case of a field's name makes no difference, but the case
of the keys within a field does.
"""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from ..errors import BadConfiguration
from ..redaction import one_line

_KINDS: dict[str, tuple[type, str]] = {
    "auths": (dict, "an object"),
    "credHelpers": (dict, "an object"),
    "credsStore": (str, "a string"),
}
_PRIVATE = ("auths", "httpheaders", "proxies")  # where clients keep passwords and tokens
_TOO_DEEP = "its JSON is nested too deeply"
_MARK = uuid.uuid4().hex
_TEXT = r'"(?:[^"\\]|\\.)*+"'


class _Number:
    """A number whose digits are kept: `dump` writes it as a string with a mark, for a while."""

    def __init__(self, digits: str) -> None:
        self.marked = _MARK + digits


def load(text: str, path: str) -> dict[str, Any]:
    """Return the fields in ``text``, a configuration of docker or podman; it may be empty.

    Raises `BadConfiguration`, which names ``path``, for what docker does not accept, and for a
    key that occurs twice in one object.
    """

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
            _refuse(path, f"it has the key {one_line(twice)} more than once")
        return found

    if not text.strip():
        return {}
    try:
        fields = json.loads(
            text,
            object_pairs_hook=as_dict,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=lambda name: _refuse(path, f"not JSON: {name} is not a JSON value"),
        )
    except json.JSONDecodeError as error:
        _refuse(path, f"not JSON at line {error.lineno}, column {error.colno}: {error.msg}")
    except RecursionError:
        _refuse(path, _TOO_DEEP)
    if not isinstance(fields, dict):
        _refuse(path, "its JSON is not an object in braces")
    for name, (kind, description) in _KINDS.items():
        values = [value for key, value in fields.items() if key.casefold() == name.casefold()]
        if len(values) > 1:
            _refuse(path, f"it has the key {name} more than once")
        if values and not isinstance(values[0], kind | None):
            _refuse(path, f"{name} is not {description}")
    return fields


def field(fields: dict[str, Any], name: str) -> tuple[str, Any]:
    """Return auths, credHelpers or credsStore as the file spells it, and its value, if any."""
    key = next((key for key in fields if key.casefold() == name.casefold()), name)
    return key, fields.get(key) or _KINDS[name][0]()


def is_login(entry: object) -> bool:
    """Say whether an entry of auths holds credentials; with a helper, docker leaves it empty."""
    return isinstance(entry, dict) and any(
        value for name, value in entry.items() if name.casefold() != "email"
    )


def dump(fields: dict[str, Any], text: str, path: str) -> str:
    """Return ``fields`` as JSON in the layout of ``text``; in docker's if that has none.

    Layout that `json` cannot write is lost, as it is when docker writes: blank lines, columns,
    short lists on one line. Raises `BadConfiguration`, which names ``path``, for what is nested
    too deeply.
    """
    body = text.strip()
    indentation = re.search(r'\n([ \t]*)"', text)
    is_line = '"' in body and "\n" not in body
    key = re.search(rf"{_TEXT}([ \t]*:[ \t]*)", text)
    colon = key[1] if key else ": "
    escapes = set(re.findall(r"\\(u[0-9a-f]{4}|.)", text))
    try:
        written = json.dumps(
            fields,
            default=lambda number: number.marked,
            ensure_ascii=any(re.match("u(?!00[0-3])", each) for each in escapes),
            indent=None if is_line else indentation[1] if indentation else "\t",
            separators=(", " if is_line and colon.endswith(" ") else ",", colon),
        )
    except RecursionError:
        _refuse(path, _TOO_DEEP)
    written = re.sub(f'"{_MARK}([^"]*)"', r"\1", written)
    if escapes & {"u003c", "u003e", "u0026"}:  # Go's way, where text is for web pages, too
        written = re.sub("[<>&]", lambda found: rf"\u{ord(found[0]):04x}", written)
    if "\r\n" in text:
        written = written.replace("\n", "\r\n")
    return text.replace(body, written, 1) if body else f"{written}\n"


def masked(text: str, path: str) -> str:
    """Return ``text`` for people to see: without the values where there can be secrets.

    Raises `BadConfiguration`, which names ``path``, as `load` does.
    """
    fields = load(text, path)
    private = [value for name, value in fields.items() if name.casefold() in _PRIVATE]
    secrets = set(_texts(private))
    return re.sub(
        rf"({_TEXT})(\s*:)?",
        lambda found: found[0] if found[2] or json.loads(found[1]) not in secrets else '"***"',
        text,
    )


def _refuse(path: str, reason: str) -> NoReturn:
    raise BadConfiguration(f"{path}: {reason}", "correct it first") from None


def _texts(value: object) -> Iterator[str]:
    """Return all texts in what was loaded, but for the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
