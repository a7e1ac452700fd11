"""The config file: TOML text -> what it says of a registry.

A few settings for all, and a ``[[registry]]`` table for each set of hosts, of which the first
whose ``match`` fits applies. All of it is checked before any of it is used: a misspelt key or
a wrong value is an error, never a setting without effect. Read on the slow path only.
"""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase

from .config_values import GENERAL, GLOB, REGISTRY, Check, checked, glob, shown
from .domains import is_anybodys
from .encoding import foreign
from .errors import BadConfiguration
from .redaction import one_line
from .request import Settings

MAX_SIZE = 1024 * 1024
"""Bytes of a config file. One of a thousand tables has a tenth of that."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_NEEDED = {
    "access": "role_arn",
    "external_id": "role_arn",
    "repositories": "access",
    "role_session_name": "role_arn",
}
"""Which keys of a table have an effect only beside which others."""

_HOW_TO_SET = {
    "access": 'set access to "pull" or "push"',
    "role_arn": "set role_arn to the role to assume",
}

_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]")
_POSITION = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)")


class Config:
    """What a config file says, checked. ``general`` are the settings for all registries."""

    __slots__ = ("_path", "_tables", "general")

    def __init__(
        self,
        path: str,
        general: Mapping[str, str],
        tables: list[tuple[list[str], Mapping[str, str]]],
    ) -> None:
        self._path = path
        self.general = general
        self._tables = tables

    @property
    def hosts(self) -> list[str]:
        """The hosts that tables name without a wildcard, in their order."""
        globs = [glob for globs, _ in self._tables for glob in globs]
        return [glob for glob in globs if not set("*?[").intersection(glob)]

    def settings(self, name: str) -> Settings:
        """Return what applies to the registry ``name``: no value has a line break.

        ``name`` is canonical: the host in lower case, with ``:port`` only if that is not 443.
        Those are the general settings, and those of the first table that matches.
        """
        number = self.table(name)
        table = {} if number is None else self._tables[number][1]
        return Settings({**self.general, **table, "config_file": self._path})

    def table(self, name: str) -> int | None:
        """Return the number, from 0, of the table that applies to the registry ``name``."""
        for number, (globs, _) in enumerate(self._tables):
            if any(_fits(glob, name) for glob in globs):
                return number
        return None


def load(path: str) -> Config:
    """Return the config file at ``path``. Raises `BadConfiguration`."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):
            raise BadConfiguration(f"{path}: the config file cannot be read: it is a pipe")
        with open(path, "rb") as file:
            content = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        reason = getattr(error, "strerror", None) or "this cannot be the name of a file"
        raise BadConfiguration(
            f"{path}: the config file cannot be read: {reason}", _reading_hint(error)
        ) from None
    if len(content) > MAX_SIZE:
        raise BadConfiguration(
            f"{path}: the config file is larger than {MAX_SIZE // 1024} KiB",
            "is this the right file?",
        )
    content = content.removeprefix(_BYTE_ORDER_MARK)  # with which editors on Windows begin
    if found := foreign(content, path):
        raise BadConfiguration(f"{path}: the config file is {found[0]}", found[1])
    return parse_text(content.decode(), path)


def parse_text(text: str, path: str) -> Config:
    """Return what ``text``, the content of the file at ``path``, says.

    Raises `BadConfiguration`, which names file, table and key, and never quotes a secret.
    """
    if _CONTROL.search(path):
        raise BadConfiguration(
            f"{path}: the path of the config file holds a control character", "rename it"
        )
    top = _toml(text, path)
    tables = top.pop("registry", [])
    _check_keys(top, GENERAL, f"{path}: ", "registry")
    defaults = _checked(top, GENERAL, f"{path}: ")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadConfiguration(
            f"{path}: registry must be a list of tables",
            "begin each table with [[registry]], in double brackets, not with [registry]",
        )
    return Config(
        path, defaults, [_table(table, number, path) for number, table in enumerate(tables, 1)]
    )


def _table(table: dict[str, object], number: int, path: str) -> tuple[list[str], Mapping[str, str]]:
    """Return the globs of a ``[[registry]]`` table, and its settings."""
    where = f"{path}: [[registry]] {number}"
    match = table.pop("match", None)
    first = match[0] if isinstance(match, list) and match else match
    if isinstance(first, str) and GLOB.fullmatch(first):
        where += f' (match "{one_line(first)}")'
    where += ": "
    _check_keys(table, REGISTRY, where, "match")
    if match is None:
        raise BadConfiguration(
            f"{where}match is missing: a host or a list of hosts, with * for any part",
            'for all registries, write match = "*"',
        )
    if match == []:
        raise BadConfiguration(f"{where}match must name a host, and the list is empty")
    globs = [
        checked(each, glob, f"{where}match")
        for each in (match if isinstance(match, list) else [match])
    ]
    settings = _checked(table, REGISTRY, where)
    _check_together(settings, where)
    for each in globs if "registry" in settings else ():
        if not _names_owner(each):
            raise BadConfiguration(
                f"{where}match must end in a domain of your own where registry is set, such as "
                f'*.images.example.com: anybody can get a name that matches "{each}", and would '
                "receive the token"
            )
    return globs, settings


def _check_together(settings: dict[str, str], where: str) -> None:
    """Refuse settings that would have no effect beside, or without, others of a table."""
    for name, needed in _NEEDED.items():
        if name in settings and needed not in settings:
            raise BadConfiguration(
                f"{where}{name} has no effect without {needed}",
                f"{_HOW_TO_SET[needed]}, or remove {name}",
            )
    if settings.get("anonymous") == "false":
        del settings["anonymous"]
    if "anonymous" in settings:
        for name in ("profile", "role_arn", "endpoint_url", "registry"):
            if name in settings:
                raise BadConfiguration(
                    f"{where}{name} has no effect with anonymous = true",
                    f"remove {name}, or anonymous",
                )


def _names_owner(glob: str) -> bool:
    """Say whether all names that a glob matches have one owner: by what follows its wildcards."""
    labels = glob.partition(":")[0].split(".")
    wild = [number for number, label in enumerate(labels, 1) if set("*?[]").intersection(label)]
    return not wild or not is_anybodys(".".join(labels[wild[-1] :]))


def _check_keys(
    table: Mapping[str, object], checks: Mapping[str, Check], where: str, *others: str
) -> None:
    """Refuse keys that are neither in ``checks`` nor ``others``."""
    allowed = sorted([*checks, *others])
    for key in table:
        if key in checks:
            continue
        if key in GENERAL:
            hint = "write it above the first [[registry]]"
        elif key in REGISTRY or key == "match":
            hint = "write it below a line [[registry]]"
        else:
            nearest = difflib.get_close_matches(key.lower(), allowed, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else ""
        raise BadConfiguration(
            f"{where}there is no key {shown(key)} here, only {', '.join(allowed)}", hint
        )


def _checked(
    table: Mapping[str, object], checks: Mapping[str, Check], where: str
) -> dict[str, str]:
    return {key: checked(value, checks[key], f"{where}{key}") for key, value in table.items()}


def _fits(glob: str, name: str) -> bool:
    """Say whether ``glob`` matches all of ``name``, host by host and port by port."""
    host_glob, glob_colon, port_glob = glob.partition(":")
    host, colon, port = name.partition(":")
    return glob_colon == colon and fnmatchcase(host, host_glob) and fnmatchcase(port, port_glob)


def _toml(text: str, path: str) -> dict[str, object]:
    """Return what the TOML ``text`` says. Raises `BadConfiguration` without a word of it."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Its message can quote the file, which may contain a secret.
        reason = str(error)
    except ValueError:
        raise BadConfiguration(f"{path}: not TOML: a number has too many digits") from None
    except RecursionError:
        raise BadConfiguration(f"{path}: its TOML is nested too deeply") from None
    found = _POSITION.search(reason, reason.rfind("(at "))
    if found:
        line, column = int(found[1]), int(found[2])
    else:  # it says "at end of document"
        before, _, last = text.replace("\r\n", "\n").rpartition("\n")
        line, column = before.count("\n") + ("\n" in text) + 1, len(last) + 1
    if reason.startswith(("Cannot ", "Duplicate ")):
        hint = "a table has each key once, and the table of each registry begins with [[registry]]"
    else:
        hint = 'a line is [[registry]], or key = value, with strings in quotes: profile = "prod"'
    raise BadConfiguration(f"{path}: not TOML at line {line}, column {column}", hint)


def _reading_hint(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "create it, or name one that exists"
    if isinstance(error, IsADirectoryError):
        return "name a file"
    if isinstance(error, PermissionError):
        return "make it readable for the user who runs this"
    return ""
