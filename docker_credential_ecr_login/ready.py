"""What the launcher needs to answer by itself: that costs less than starting Python.

``ready/<host>,<profile>,<access key id>`` in the cache directory, for ``get`` of that host, and
``ready/list,<profile>,<access key id>``, for ``list``, hold a line each:

1. the version of this format, and the host or ``list``;
2. the environment that the answer belongs to, as `environment_line` has it;
3. from when the launcher may give it, when Python is to start a refresh meanwhile, and until
   when it may be given (epoch seconds);
4. the answer to ``list``, or that there are no credentials; nothing for a ``get`` that is
   answered with a token, which stays in its own file alone;
5. and on: the state of those of the files below that are there: size, inode, times and so on;
   ended by an empty line;
6. and on: the paths of the files that the answer comes from (the token's file is the first for
   ``get``), and of the configuration files.

The launcher answers if, and only if, all of this is as it was; else Python decides. So nothing
has to be removed here when a token is, and what `identity` compares is compared by the same
facts. A shell cannot tell that the file that it reads is the one that it looked at: so it
answers only where nobody else can write to the directories.
"""

import sys
import time

from .cache import (
    MAX_CLOCK_SKEW,
    MAX_TOKEN_LIFETIME,
    MIN_LIFETIME,
    REFRESH_PAUSE,
    read_text,
    write_text,
)
from .identity import SELECTORS, configuration_files, configured_identity, without_secret
from .protocol import CREDENTIALS_NOT_FOUND, list_answer

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .cache import Cache, Entry
    from .registry import Registry

_MAGIC = "ecr-login/1 ready"
_OUR_SELECTORS = (
    "HOME",
    "AWS_ECR_CACHE_DIR",
    "AWS_ECR_CONFIG",
    "AWS_ECR_PUBLIC_ANONYMOUS",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
)


def prepare_get(
    cache: "Cache", registry: "Registry", entry: "Entry", environ: "Mapping[str, str]", now: float
) -> None:
    """Let the launcher answer ``get`` of ``registry`` with ``entry``, its cached token.

    A refresh that was due before ``now`` (epoch seconds) has just been started, so the next
    one is due when that may be started again. What cannot be written is no failure.
    """
    if registry.settings.get("log_level") == "debug":
        return  # each answer is to be logged, which the launcher cannot
    if registry.host == "list":
        return  # the launcher's name of another question
    path = cache.token_path(registry)
    since = max(int(_modified(path)), entry.expires_at - MAX_TOKEN_LIFETIME - MAX_CLOCK_SKEW)
    due = entry.refresh_at if entry.young(now) else int(now) + REFRESH_PAUSE
    times = (since, due, entry.expires_at - MIN_LIFETIME)
    _prepare(cache, environ, registry.host, "", times=times, sources=[path])


def prepare_refusal(cache: "Cache", host: str, environ: "Mapping[str, str]", now: float) -> None:
    """Let the launcher answer ``get`` of ``host`` with "not found", as the config file has it.

    ``now`` is in epoch seconds. What cannot be written is no failure.
    """
    if host == "list":
        return  # the launcher's name of another question
    path = cache.settings_path(host)
    until = int(now) + MAX_TOKEN_LIFETIME
    times = (int(_modified(path)), until, until)
    _prepare(cache, environ, host, CREDENTIALS_NOT_FOUND, times=times, sources=[path])


def prepare_list(
    cache: "Cache",
    hosts: "Mapping[str, int]",
    resolve: "Callable[[str], Registry | None]",
    environ: "Mapping[str, str]",
    now: float,
) -> None:
    """Let the launcher answer ``list`` with ``hosts``: to each, until when it is right.

    ``resolve`` says which registry a name means. ``now`` (epoch seconds) is before they were
    looked for. What cannot be written is no failure.
    """
    sources = cache.list_sources(resolve)
    since, until = int(max(map(_modified, sources))), min(hosts.values())
    # A change within the same moment as the last one would not show in the directory's time.
    if since < now - 2:
        times = (since, until, until)
        _prepare(cache, environ, "list", list_answer(hosts), times=times, sources=sources)


def environment_line(environ: "Mapping[str, str]") -> str | None:
    """Return all of the environment that selects an identity, as the launcher writes it.

    None where it must not be written down, or where its meaning is not in it.
    """
    if sys.platform != "linux" or "AWS_CONTAINER_AUTHORIZATION_TOKEN" in environ:
        return None
    values = [environ.get(name) for name in (*_OUR_SELECTORS, *SELECTORS)]
    for value in values:
        # A bar ends a value.
        if value and (any(c in value for c in "|\n$") or without_secret(value) != value):
            return None
    fields = ["" if value is None else f"={value}" for value in values]
    # Of these two only whether they are set; the first, as seen above, is not.
    return "|".join([*fields, "", "=" if "AWS_SECRET_ACCESS_KEY" in environ else ""])


def _prepare(
    cache: "Cache",
    environ: "Mapping[str, str]",
    question: str,
    answer: str,
    *,
    times: tuple[int, int, int],
    sources: list[str],
) -> None:
    since, due, until = times
    environment = environment_line(environ)
    name = f"{question},{environ.get('AWS_PROFILE', '')},{environ.get('AWS_ACCESS_KEY_ID', '')}"
    files = sources + configuration_files(environ)
    if environment is None or "/" in name or any(f[:1] != "/" or "\n" in f for f in files):
        return
    try:
        states = [state for path in files if (state := _state(path))]
        is_late = configured_identity(environ) != cache.identity
        if is_late or max(map(_modified, sources)) >= since + 1:
            return  # a file was changed since the answer was looked for
        lines = (f"{_MAGIC} {question}", environment, f"{since} {due} {until}", answer.rstrip())
        text = "\n".join((*lines, *states, "", *files, ""))
        path = f"{cache.directory}/ready/{name}"
        if read_text(path) != text:
            write_text(path, text, durable=False)
    except (OSError, ValueError, OverflowError):  # the last two: times that no calendar has
        pass


def _modified(path: str) -> float:
    try:
        return system.stat(path).st_mtime
    except OSError:
        return 0


def _state(path: str) -> str:
    """Return what stat prints for the launcher, nothing if there is no such file."""
    try:
        state = system.stat(path)
    except OSError:
        return ""
    return (
        f"{path} {state.st_mode:x} {state.st_uid} {state.st_nlink} {state.st_size}"
        f" {state.st_ino} {_moment(state.st_mtime_ns)} {_moment(state.st_ctime_ns)}"
        f" {state.st_mtime_ns // 10**9}"
    )


def _moment(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 10**9)
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{fraction:09d} +0000"
