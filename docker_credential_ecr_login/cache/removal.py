"""Removes tokens at ``docker logout``, and files that can only belong to expired tokens."""

from . import storage
from .records import record_paths
from .tokens import (
    BESIDE,
    IN_USE,
    MAGIC,
    MAX_TOKEN_LIFETIME,
    Cache,
    file_name,
    identities,
    token_names,
)

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from ..request import Request

SWEEP_PAUSE = 3600
"""Seconds between two searches for what can be removed."""

_GRAVE_AGE = MAX_TOKEN_LIFETIME + 3600  # seconds after which no token can be alive


def erase(directory: str, request: "Request | None") -> tuple[int, int]:
    """Forget the login, and the tokens of every identity that serve a registry.

    Tokens of other identities are removed, too: ``docker logout`` must leave none that opens this
    registry. None stands for all registries. Returns how many logins and tokens there were.
    Raises OSError if something cannot be removed; everything else is removed then.
    """
    logins = Cache(directory, "").logins
    unfinished = _unfinished(logins)  # also of writers that were killed, or are late
    endpoints = request.endpoints if request else []
    login_paths = [f"{logins}/{file_name(request.host)}"] if request else _ours(logins)
    if request:
        unfinished = [path for path in unfinished if path.rsplit(".", 3)[0] == login_paths[0]]
    others = unfinished
    tokens: list[str] = []
    for identity in identities(directory):
        hosts = f"{identity}/hosts"
        host_names = [file_name(request.host)] if request else storage.names_here(hosts)
        others += [f"{hosts}/{name}" for name in host_names]
        for name in token_names(identity):
            endpoint = ".".join(name.split(".")[:3])
            is_meant = not request or endpoint in endpoints
            if is_meant and not name.endswith(IN_USE):
                is_token = not name.endswith(BESIDE)
                (tokens if is_token else others).append(f"{identity}/{name}")
    failures: list[OSError] = []
    counts = [storage.remove_all(paths, failures) for paths in (login_paths, tokens, others)]
    # Those of all registries, which is simple, and costs the next answers some milliseconds. Last,
    # because until then another process may write some.
    storage.remove_all(record_paths(directory), failures)
    if failures:
        raise failures[0]
    return counts[0], counts[1]


def sweep(directory: str, now: float) -> None:
    """Remove what can only belong to expired tokens at ``now`` (epoch seconds).

    These are files that nobody has written for 13 hours. They are looked for once an hour. What
    cannot be removed stays, and does not keep the rest from being removed.
    """
    last = f"{directory}/swept"
    try:
        # A clock that was set back must not prevent it.
        if abs(now - system.stat(last).st_mtime) < SWEEP_PAUSE:
            return
    except OSError:
        pass
    try:
        storage.write_text(last, "")
    except OSError:
        pass  # then it is done more often
    # Others may keep files here: only what looks like ours is removed.
    logins = Cache(directory, "").logins
    _sweep(_unfinished(logins) + _ours(logins) + record_paths(directory), now)
    _sweep([path for path in _unfinished(directory) if path.startswith(last)], now)
    for tokens in identities(directory):
        paths = [f"{tokens}/{name}" for name in token_names(tokens)]
        hosts = f"{tokens}/hosts"
        if _is_older(tokens, _GRAVE_AGE, now):
            paths += [f"{hosts}/{name}" for name in storage.names_here(hosts)]
            for path in (*paths, hosts, tokens):
                _bury(path)  # directories, unless another process has just stored something
            continue
        # Locks may be held, and hosts are known for as long as the identity is.
        _sweep([path for path in paths if not path.endswith((".lock", ".prompt"))], now)
        _sweep(_unfinished(hosts), now)


def _sweep(paths: "list[str]", now: float) -> None:
    """Remove those files that nobody has written for 13 hours."""
    for path in paths:
        if _is_older(path, _GRAVE_AGE, now):
            _bury(path)


def _bury(path: str) -> None:
    """Remove a file, or an empty directory, if possible."""
    try:
        try:
            storage.remove(path)
        except (IsADirectoryError, PermissionError):  # the second on macOS and Windows
            system.rmdir(path)
    except OSError:
        pass


def _unfinished(directory: str) -> list[str]:
    """Return the paths of unfinished files in a directory, whether or not their writers run."""
    found = []
    for name in storage.names_here(directory):
        parts = name.rsplit(".", 3)  # as `write_text` names them
        if len(parts) == 4 and parts[3] == "tmp" and parts[1].isdecimal() and parts[2].isdecimal():
            found.append(f"{directory}/{name}")
    return found


def _ours(directory: str) -> list[str]:
    """Return the paths of those files in a directory that this program has written."""
    paths = [f"{directory}/{name}" for name in storage.names(directory)]
    return [path for path in paths if storage.read_text(path).startswith(f"{MAGIC} ")]


def _is_older(path: str, age: int, now: float) -> bool:
    """Say whether what is at ``path`` was not written for ``age`` seconds, or is not there."""
    try:
        return system.stat(path).st_mtime < now - age
    except OSError:
        return True
