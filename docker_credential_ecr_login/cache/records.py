"""What the launcher needs to repeat an answer of Python without Python.

``records/<question>,<profile>,<access key id>`` in the cache directory holds, a line each:

1. the version of this format, the question, and the environment in which it was asked;
2. from when until when the answer is valid (epoch seconds), and the exit status;
3. the answer;
4. and following: the files on which the answer depends: the token, and the place of a login, which
   would win over it, or the module that knows the names of ECR; and the configuration files. Each
   line is a path, a bar, and what stat prints for the file. For a missing file, the path is that
   of the first directory or file on the way that is missing, and nothing follows the bar;
5. a full stop.

The question is the content of stdin in hexadecimal, byte for byte, and a full stop for its end. The
launcher answers if, and only if, all of this is unchanged: so nothing has to be removed here when a
token is replaced or a file is changed.

A file that changes twice within a tick of its file system's clock looks the same after the second
change; git calls that racily clean. So no record depends on a file that has just been changed, nor
on one whose time is a whole second: there a tick is long, or the time is made up.
"""

import sys
import time

from ..identity import (
    SECRETS,
    SELECTORS,
    configuration_files,
    configured_identity,
    expand,
    is_absent,
    without_secret,
)
from ..protocol import LONGEST_QUESTION
from . import storage
from .tokens import Cache

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAX_RECORDS = 500
"""How many records are kept; before another one is added, all are removed."""

OUR_SELECTORS = (
    "AWS_ECR_CACHE_DIR",
    "AWS_ECR_CONFIG",
    "AWS_ECR_DISABLE_CACHE",
    "AWS_ECR_LOG_LEVEL",
    "AWS_ECR_PUBLIC_ANONYMOUS",
    "HOME",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
)
"""The variables that select an answer beside those that select an identity."""

_SECOND = 10**9  # nanoseconds
_TICK = _SECOND // 20  # more than a tick of Linux's clock of files
_HEXADECIMAL = frozenset("0123456789abcdef")


def keep_record(
    cache: Cache,
    environ: "Mapping[str, str]",
    frame: bytes,
    line: str,
    *,
    status: int,
    times: tuple[int, int],
    sources: "Sequence[str]" = (),
    absent: "Sequence[str]" = (),
    still_holds: "Callable[[], bool]" = lambda: True,
) -> None:
    """Let the launcher answer ``line`` to the same question, ``frame`` on stdin, in ``environ``.

    ``status`` is the exit status; the answer is valid between the two ``times`` (epoch seconds).
    ``sources`` are the paths of the files that it comes from, besides the configuration, and
    ``absent`` of those that must not exist; ``still_holds`` is asked after the record is written.
    If no record can be kept, that is no failure. Raises `BadConfiguration` if a configuration file
    can no longer be read.
    """
    environment = environment_line(environ)
    question = f"{frame.hex()}."
    profile, key = environ.get("AWS_PROFILE", ""), environ.get("AWS_ACCESS_KEY_ID", "")
    if environment is None or len(frame) > LONGEST_QUESTION or "/" in f"{profile}{key}":
        return
    answer = line.rstrip("\n")
    if not (answer.isascii() and answer.isprintable()) or "\\" in answer:
        return  # not every shell's echo prints it unchanged
    try:
        looks = _looks(sources, (*absent, *configuration_files(environ)))
        is_changed = configured_identity(environ) != cache.identity
        if not looks or is_changed or not all(map(is_absent, absent)):
            return
        head = f"ecr-login/1 record {question} {environment}\n{times[0]} {times[1]} {status}"
        path = f"{cache.directory}/records/{question},{profile},{key}"
        _store(path, "\n".join([head, answer, *looks, ".\n"]))
        if not still_holds():  # asked now, so that after a logout there is no record
            storage.remove(path)
    except (OSError, ValueError, OverflowError):  # the last two: times that no calendar has
        pass


def _store(path: str, text: str) -> None:
    """Write a record, and keep their number limited."""
    if storage.read_text(path) == text:
        return
    kept = record_paths(path.rpartition("/records/")[0])
    if len(kept) >= MAX_RECORDS and path not in kept:
        storage.remove_all(kept, [])
    storage.write_text(path, text)


def record_paths(directory: str) -> list[str]:
    """Return the paths of the records in a cache directory, including those being written."""
    found = []
    for name in storage.names_here(f"{directory}/records"):
        question, *others = name.split(",", 2)
        if question[-1:] == "." and len(others) == 2 and _HEXADECIMAL.issuperset(question[:-1]):
            found.append(f"{directory}/records/{name}")
    return found


def login_elsewhere(cache: Cache, host: str, environ: "Mapping[str, str]") -> str:
    """Return where a login is when the cache's directory cannot be written (on Linux).

    That is in platformdirs' directory. (Importing platformdirs takes longer than an answer.)
    """
    directory = environ.get("XDG_CACHE_HOME") or expand("~/.cache", environ)
    return Cache(f"{directory}/ecr-login", cache.identity).login_path(host)


def environment_line(environ: "Mapping[str, str]") -> str | None:
    """Return the part of the environment that selects an answer, as the launcher writes it.

    None if it has a secret, a character that the line cannot hold, or something to expand, and
    where the launcher does not answer.
    """
    if sys.platform != "linux" or SECRETS[0] in environ:
        return None
    values = [environ.get(name) for name in (*SELECTORS, *OUR_SELECTORS)]
    for value in values:
        # A bar ends a value.
        if value and (any(c in value for c in "|\n$") or without_secret(value) != value):
            return None
    fields = ["=" if name in environ else "" for name in SECRETS]
    return "|".join([*fields, *("" if value is None else f"={value}" for value in values)])


def _looks(sources: "Sequence[str]", files: "Sequence[str]") -> list[str]:
    """Return the state of all files, a line each; nothing if it cannot be relied on.

    ``sources`` are never changed in place: after a change, each is another inode.
    """
    now = time.time_ns()
    lines = []
    for path in (*sources, *files):
        if path[:1] != "/" or "|" in path or "\n" in path:
            return []
        if is_absent(path):
            lines.append(f"{_first_missing(path)}|")
            continue
        state = system.stat(path)
        changed = state.st_ctime_ns
        if changed % _SECOND == 0 or (path not in sources and changed + _TICK > now):
            return []
        lines.append(f"{path}|{_printed(state)}")
    return list(dict.fromkeys(lines))


def _first_missing(path: str) -> str:
    parent = path.rpartition("/")[0]
    return _first_missing(parent) if parent and is_absent(parent) else path


def _printed(state: "system.stat_result") -> str:
    """Return what stat prints for the launcher."""
    seconds, fraction = divmod(state.st_ctime_ns, _SECOND)
    changed = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return (
        f"{state.st_mode:x} {state.st_uid} {state.st_nlink} {state.st_size} {state.st_ino}"
        f" {changed}.{fraction:09d} +0000 {state.st_mtime_ns // _SECOND}"
    )
