"""The values of the config file: each checked, and as it is kept."""

import re
from collections.abc import Callable

from .errors import BadConfiguration
from .redaction import one_line
from .registry import is_region, parse

_LOG_LEVELS = ("debug", "info", "warn", "warning", "error")
_HELPER_PREFIX = "docker-credential-"  # of all helpers' executables
_OWN_NAME = "ecr-login"
_DEFAULT_PORT = "443"

# Globs for the host, and for the port if it is given, of characters that a name can have. A name
# has at most 253 (RFC 1035), and fnmatch takes minutes for some globs of 40,000.
GLOB = re.compile(r"[\w.*?!\[\]-]{1,512}(?::[0-9*?!\[\]-]{1,64})?", re.ASCII)
_FALLBACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLACEHOLDER = r"\{(?:registry_id|region|namespace|service_account)\}"
# "IAM identifiers" and CreateRole in the IAM documentation: a path has any printable ASCII.
_ROLE_ARN = re.compile(
    r"arn:aws(?:-[a-z]+)*:iam::(?:[0-9]{12}|\{registry_id\})"
    r":role/(?:[!-z|~]|{0})*(?:[\w+=,.@-]|{0})".replace("{0}", _PLACEHOLDER),
    re.ASCII,
)
# AssumeRole in the STS API reference.
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_ROLE_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
# CreateRepository in the ECR API reference, and the wildcards of IAM.
_REPOSITORY = re.compile(r"(?!.*//)[a-z0-9*?](?:[a-z0-9*?._/-]{0,254}[a-z0-9*?])?", re.ASCII)
_ENDPOINT_URL = re.compile(
    r"https?://(?:[a-z0-9][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:/[^\s?#]*)?",
    re.ASCII | re.IGNORECASE,
)

ACCESS = ("pull", "push")
"""What the session of a role can be restricted to."""

Check = Callable[[object], str]
"""Returns a value as it is kept, or raises `_Unfit`, which `checked` makes a message of."""


def checked(value: object, check: Check, where: str) -> str:
    """Return a value of the file as it is kept; ``where`` is what a message begins with.

    Raises `BadConfiguration`, which never quotes a secret.
    """
    try:
        return check(value)
    except _Unfit as unfit:
        raise BadConfiguration(
            f"{where} must be {unfit.allowed}, not {shown(value)}", unfit.hint
        ) from None


class _Unfit(Exception):
    """A value is not what is ``allowed``; ``hint``, if not empty, says what to write."""

    def __init__(self, allowed: str, hint: str = "") -> None:
        self.allowed = allowed
        self.hint = hint
        super().__init__(allowed)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Unfit("a string in quotes")
    if not value.isprintable():
        raise _Unfit("a string on one line, without control characters")
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


def glob(value: object) -> str:
    """Return a glob in the form of the canonical names that it is compared with."""
    allowed = "a host, with * for any part of it, or a list of hosts, each in quotes"
    if not isinstance(value, str):
        raise _Unfit(allowed)
    if not GLOB.fullmatch(value):
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
            "the account is 12 digits or {registry_id}; the placeholders in the name can be"
            " {registry_id}, {region} and, for kubelet, {namespace} and {service_account}",
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


def _access(value: object) -> str:
    access = _text(value)
    if access not in ACCESS:
        raise _Unfit('"pull" or "push"')
    return access


def _repositories(value: object) -> str:
    allowed = "names of repositories, with * for any part of them, each in quotes"
    names: list[str] = []
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str) or not _REPOSITORY.fullmatch(name):
            hint = "a name is the part between host and tag, in lower case"
            raise _Unfit(allowed, f"{shown(name)} is not one: {hint}")
        names.append(name)
    if not names:
        raise _Unfit(allowed, "the list is empty")
    return " ".join(names)


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
            "user, password, query and fragment are not allowed, because it is written to disk",
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


GENERAL: dict[str, Check] = {
    "fallback": _fallback,
    "log_level": _log_level,
    "strict": _boolean,
    "timeout": _timeout,
}
"""The keys for all registries, and their checks."""

REGISTRY: dict[str, Check] = {
    "access": _access,
    "anonymous": _boolean,
    "endpoint_url": _endpoint_url,
    "external_id": _external_id,
    "profile": _profile,
    "region": _region,
    "registry": _registry,
    "repositories": _repositories,
    "role_arn": _role_arn,
    "role_session_name": _role_session_name,
}
"""The keys of a ``[[registry]]`` table but for ``match``, and their checks."""


def shown(value: object) -> str:
    """Return a value from the file as a message quotes it: short, and without secrets."""
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
        return str(value) if abs(value) < 10**15 else "such a large number"
    if isinstance(value, dict):
        return "a table"
    return "a list" if isinstance(value, list) else "a date or time"
