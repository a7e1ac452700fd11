"""What can be answered without AWS: the login, the token, or a failure of some seconds ago."""

from . import storage
from .tokens import Cache

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..request import Request
    from .tokens import Entry

FAILURE_MEMORY = 5
"""Seconds for which a failure is remembered: BuildKit asks again up to 13 times at once."""

REFRESH_PAUSE = 60
"""Seconds between two starts of a background refresh for the same token."""

_APPEARANCE = ("AWS_ECR_LOG_LEVEL", "AWS_ECR_STRICT")  # they change no call's outcome


def recall(cache: Cache, request: "Request", now: float) -> "tuple[Entry, str] | None":
    """Return the token to answer at ``now`` without asking AWS, if there is one, and its kind.

    It may be past its refresh time. ``now`` is in epoch seconds here and elsewhere.
    """
    if login := stored_login(cache, request, now):
        return login, "stored login"
    entry = cache.token(request)
    if entry is None or not entry.usable(now):
        return None
    if cache.settings(request.host) is None:
        note(cache, request)
    return entry, "cached token"


def stored_login(cache: Cache, request: "Request", now: float) -> "Entry | None":
    """Return what ``docker login`` stored, if it is usable at ``now`` (epoch seconds)."""
    login = cache.login(request)
    if login is None and not storage.is_writable(cache.directory):
        # Then `store` puts it elsewhere.
        directories = storage.directories(request.environ)
        found = (Cache(each, cache.identity).login(request) for each in directories)
        login = next((each for each in found if each), None)
    return login if login and login.usable(now) else None


def note(cache: Cache, request: "Request") -> None:
    """Note that a registry was asked for, and what the config file says of it, if possible."""
    try:
        cache.store_settings(request.host, request.settings)
    except OSError:
        pass  # list will not show it, but a pull must not fail for that


def claim_refresh(cache: Cache, request: "Request", now: float) -> bool:
    """Say whether the caller is to start the background refresh of this token.

    That is one caller a minute, however many ask; two, if both find the same old mark at the
    same moment, which costs one call.
    """
    path = f"{cache.token_path(request)}.refresh"
    try:
        if abs(now - system.stat(path).st_mtime) < REFRESH_PAUSE:
            return False
        storage.remove(path)
    except OSError:
        pass
    try:
        storage.make_directory(cache.tokens)
        system.close(system.open(path, storage.CREATE_FLAGS, 0o600))
        system.utime(path, (now, now))  # by the caller's clock, whatever the disk's is
    except OSError:
        return False  # another caller was faster, or nothing can be written here
    return True


def remembered_failure(cache: Cache, request: "Request", since: float, now: float) -> str | None:
    """Return the failure line of the last few seconds for this scope, or None.

    Also one from the time ``since`` the caller asked (epoch seconds). A failure in another
    environment does not count: what people change after a failure may be the remedy.
    """
    text = storage.read_text(f"{cache.token_path(request)}.failure")
    until, _, rest = text.partition("\n")
    message, _, key = rest.partition("\n")
    if not until.isdecimal() or key != f"{_digest(request.environ)}\n{cache.key(request)}":
        return None
    return message if min(since, now) <= int(until) / 1000 <= now + FAILURE_MEMORY else None


def remember_failure(cache: Cache, request: "Request", message: str, until: float) -> None:
    """Remember the one-line ``message`` until then (epoch seconds). Raises OSError."""
    storage.write_text(
        f"{cache.token_path(request)}.failure",
        f"{int(until * 1000)}\n{message}\n{_digest(request.environ)}\n{cache.key(request)}",
    )


def _digest(environ: "Mapping[str, str]") -> str:
    """Return a digest of the environment, in which a secret, a proxy or a time limit may be new.

    It also depends on whether a person can be asked for an MFA code.
    """
    import hashlib

    from ..process import has_terminal

    variables = sorted(each for each in environ.items() if each[0] not in _APPEARANCE)
    text = "\0".join([f"{name}={value}" for name, value in variables] + [str(has_terminal())])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
