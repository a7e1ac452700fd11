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
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from .errors import BadConfiguration, one_line
from .registry import is_region, parse

MAX_SIZE = 1024 * 1024
"""Bytes of a config file. One of a thousand tables has a tenth of that."""

_LOG_LEVELS = ("debug", "info", "warn", "warning", "error")
_HELPER_PREFIX = "docker-credential-"  # of all helpers' executables
_OWN_NAME = "ecr-login"
_DEFAULT_PORT = "443"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# Of host, and of port if it is given. What no name can hold, no glob needs; a name has at most
# 253 characters (RFC 1035), and fnmatch takes minutes for some globs of 40,000.
_GLOB = re.compile(r"[\w.*?!\[\]-]{1,512}(?::[0-9*?!\[\]-]{1,64})?", re.ASCII)
_FALLBACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# "IAM identifiers" and CreateRole in the IAM documentation: a path has any printable ASCII.
_ROLE_ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:iam::(?:[0-9]{12}|\{registry_id\})"
    r":role/(?:[!-z|~]|\{registry_id\}|\{region\})*(?:[\w+=,.@-]|\{registry_id\}|\{region\})",
    re.ASCII,
)
# AssumeRole in the STS API reference.
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ROLE_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_ENDPOINT_URL = re.compile(
    r"https?://(?:[a-z0-9][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:/[^\s?#]*)?",
    re.ASCII | re.IGNORECASE,
)
_CONTROL = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]")
_POSITION = re.compile(r"\(at line ([0-9]+), column ([0-9]+)\)")

_Check = Callable[[object], str]


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

    def settings(self, name: str) -> dict[str, str]:
        """Return what applies to the registry ``name``, of which no value has a line break.

        ``name`` is canonical: the host in lower case, with ``:port`` only if that is not 443.
        In the result are the settings for all that are set, then those of the first table
        that matches, without its ``match``, then ``config_file``, the path. ``strict`` is
        "true" or "false"; ``anonymous`` is "true" or left out.
        """
        number = self.table(name)
        table = {} if number is None else self._tables[number][1]
        return {**self.general, **table, "config_file": self._path}

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
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadConfiguration(
            f"{path}: the config file is not UTF-8, in line {line}", "save it as UTF-8"
        ) from None
    return parse_text(text, path)


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
    _check_keys(top, _DEFAULTS, f"{path}: ", "registry")
    defaults = _checked(top, _DEFAULTS, f"{path}: ")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadConfiguration(
            f"{path}: registry must be tables",
            "head each of them with [[registry]], in double brackets, not with [registry]",
        )
    return Config(
        path, defaults, [_table(table, number, path) for number, table in enumerate(tables, 1)]
    )


def _table(table: dict[str, object], number: int, path: str) -> tuple[list[str], Mapping[str, str]]:
    """Return the globs of a ``[[registry]]`` table, and its settings."""
    where = f"{path}: [[registry]] {number}"
    match = table.pop("match", None)
    first = match[0] if isinstance(match, list) and match else match
    if isinstance(first, str) and _GLOB.fullmatch(first):
        where += f' (match "{one_line(first)}")'
    where += ": "
    _check_keys(table, _REGISTRY, where, "match")
    if match is None:
        raise BadConfiguration(
            f"{where}match is missing: a host or a list of hosts, with * for any part",
            'for all registries, write match = "*"',
        )
    if match == []:
        raise BadConfiguration(f"{where}match must name a host, and the list is empty")
    globs = [
        _value(glob, _glob, f"{where}match")
        for glob in (match if isinstance(match, list) else [match])
    ]
    settings = _checked(table, _REGISTRY, where)
    _check_together(settings, where)
    if "registry" in settings and not all(map(_names_owner, globs)):
        raise BadConfiguration(
            f"{where}match must end in a domain of yours where registry is set, for example "
            "*.images.example.com: whatever it matches gets the token"
        )
    return globs, settings


def _check_together(settings: dict[str, str], where: str) -> None:
    """Refuse settings that would have no effect beside, or without, others of a table."""
    for name in ("external_id", "role_session_name"):
        if name in settings and "role_arn" not in settings:
            raise BadConfiguration(
                f"{where}{name} has no effect without role_arn",
                f"name the role to assume with role_arn, or remove {name}",
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
    """Say whether there is no wildcard in the last two labels of a glob, or in any of fewer."""
    host = glob.partition(":")[0]
    return not set("*?[").intersection("".join(host.split(".")[-2:]))


def _check_keys(
    table: Mapping[str, object], checks: Mapping[str, _Check], where: str, *others: str
) -> None:
    """Refuse keys that are neither in ``checks`` nor ``others``."""
    allowed = sorted([*checks, *others])
    for key in table:
        if key in checks:
            continue
        if key in _DEFAULTS:
            hint = "write it above the first [[registry]]"
        elif key in _REGISTRY or key == "match":
            hint = "write it below a line [[registry]]"
        else:
            nearest = difflib.get_close_matches(key.lower(), allowed, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else ""
        raise BadConfiguration(
            f"{where}there is no key {_shown(key)} here, only {', '.join(allowed)}", hint
        )


def _checked(
    table: Mapping[str, object], checks: Mapping[str, _Check], where: str
) -> dict[str, str]:
    return {key: _value(value, checks[key], f"{where}{key}") for key, value in table.items()}


def _value(value: object, check: _Check, where: str) -> str:
    try:
        return check(value)
    except _Unfit as unfit:
        raise BadConfiguration(
            f"{where} must be {unfit.allowed}, not {_shown(value)}", unfit.hint
        ) from None


class _Unfit(Exception):
    """A value is not what is ``allowed``; ``hint``, if not empty, says what to write."""

    def __init__(self, allowed: str, hint: str = "") -> None:
        self.allowed = allowed
        self.hint = hint
        super().__init__(allowed)


# Each returns a value as it is kept, or raises _Unfit.


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Unfit("a text in quotes")
    if not value.isprintable():
        raise _Unfit("a text on one line, without control characters")
    return value


def _boolean(value: object) -> str:
    if not isinstance(value, bool):
        quoted = isinstance(value, str) and value.lower() in ("true", "false")
        raise _Unfit("true or false", "leave the quotes out" if quoted else "")
    return "true" if value else "false"


def _fallback(value: object) -> str:
    name = _text(value)
    short = name.removeprefix(_HELPER_PREFIX)
    allowed = "the name of another credential helper"
    if short.lower() == _OWN_NAME:
        raise _Unfit(allowed, "that is this helper itself")
    if short != name:
        hint = f"leave {_HELPER_PREFIX} out"
        raise _Unfit(allowed, f'{hint}: "{short}"' if _FALLBACK.fullmatch(short) else hint)
    if not _FALLBACK.fullmatch(name):
        raise _Unfit(
            f"{allowed}, of letters, digits, dots, hyphens and underscores",
            f'"desktop" stands for the program {_HELPER_PREFIX}desktop',
        )
    return name


def _log_level(value: object) -> str:
    level = _text(value).lower()
    if level not in _LOG_LEVELS:
        raise _Unfit(f"one of {', '.join(_LOG_LEVELS)}")
    return level


def _timeout(value: object) -> str:
    seconds = 0.0
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            pass  # as infinite as inf
    if not 0 < seconds < float("inf"):
        is_number = isinstance(value, str) and re.fullmatch(r"[0-9.]+", value)
        raise _Unfit("a number of seconds above 0", "leave the quotes out" if is_number else "")
    return repr(seconds).removesuffix(".0")


def _glob(value: object) -> str:
    """Return a glob as `_fits` has it: in the form of a canonical name."""
    allowed = "a host, with * for any part of it, or a list of hosts, each a text in quotes"
    if not isinstance(value, str):
        raise _Unfit(allowed)
    if not _GLOB.fullmatch(value):
        hint = ""
        if "://" in value:
            hint = "leave the scheme out"
        elif "@" in value:
            hint = "leave user and password out"
        elif "/" in value:
            hint = "leave the path out"
        elif " " in value or "," in value:
            hint = 'write several hosts as a list: ["one", "two"]'
        raise _Unfit(allowed, hint)
    host, _, port = value.lower().partition(":")
    host = host.removesuffix(".")
    return host if port in ("", _DEFAULT_PORT) else f"{host}:{port}"


def _profile(value: object) -> str:
    name = _text(value)
    if not name.strip():
        raise _Unfit("the name of a profile of the AWS configuration")
    return name


def _role_arn(value: object) -> str:
    role_arn = _text(value)
    if not _ROLE_ARN.fullmatch(role_arn):
        raise _Unfit(
            "arn:<partition>:iam::<account>:role/<name>",
            "the account is 12 digits or {registry_id}, which can also stand in the name,"
            " as can {region}, and no other placeholder",
        )
    return role_arn


def _external_id(value: object) -> str:
    external_id = _text(value)
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise _Unfit("2 to 1224 letters, digits or any of _+=,.@:/-")
    return external_id


def _role_session_name(value: object) -> str:
    name = _text(value)
    if not _ROLE_SESSION_NAME.fullmatch(name):
        raise _Unfit("2 to 64 letters, digits or any of _+=,.@-")
    return name


def _region(value: object) -> str:
    region = _text(value)
    if not is_region(region):
        lower = region.lower()
        raise _Unfit("a region, such as eu-west-1", f'"{lower}"' if is_region(lower) else "")
    return region


def _endpoint_url(value: object) -> str:
    url = _text(value)
    if not _ENDPOINT_URL.fullmatch(url) or not _has_valid_host(url):
        raise _Unfit(
            "http:// or https:// with a host",
            "user, password, query and fragment are not allowed: it is written to disk",
        )
    return url


def _has_valid_host(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _registry(value: object) -> str:
    registry = parse(_text(value))
    if registry is None:
        raise _Unfit("a host of Amazon ECR", "such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com")
    return registry.host


_DEFAULTS: dict[str, _Check] = {
    "fallback": _fallback,
    "log_level": _log_level,
    "strict": _boolean,
    "timeout": _timeout,
}

_REGISTRY: dict[str, _Check] = {
    "anonymous": _boolean,
    "endpoint_url": _endpoint_url,
    "external_id": _external_id,
    "profile": _profile,
    "region": _region,
    "registry": _registry,
    "role_arn": _role_arn,
    "role_session_name": _role_session_name,
}


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
        # Of what it says, some quotes the file, where a secret can stand.
        reason = str(error)
    except ValueError:
        raise BadConfiguration(f"{path}: not TOML: a number has too many digits") from None
    except RecursionError:
        raise BadConfiguration(f"{path}: not TOML that can be read: nested too deeply") from None
    found = _POSITION.search(reason, reason.rfind("(at "))
    if found:
        line, column = int(found[1]), int(found[2])
    else:  # it says "at end of document"
        before, _, last = text.replace("\r\n", "\n").rpartition("\n")
        line, column = before.count("\n") + ("\n" in text) + 1, len(last) + 1
    if reason.startswith(("Cannot ", "Duplicate ")):
        hint = "a key stands once in its table, and each registry's table is headed [[registry]]"
    else:
        hint = 'a line is [[registry]], or a key, = and a value; texts are in quotes: "prod"'
    raise BadConfiguration(f"{path}: not TOML at line {line}, column {column}", hint)


def _shown(value: object) -> str:
    """Return a value from the file as a message quotes it: in short, and no secret."""
    if isinstance(value, str):
        start, at, end = value.rpartition("@")
        if at and ":" in start:  # user and password, whatever is wrong with the URL
            value = f"***@{re.split('[?#]', end)[0]}"
        return f'"{one_line(value)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else "so large a number"
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date or time"


def _reading_hint(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "make it, or name one that exists"
    if isinstance(error, IsADirectoryError):
        return "name a file"
    if isinstance(error, PermissionError):
        return "let the user who runs this read it"
    return ""
