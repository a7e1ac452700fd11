"""The executables of this name on PATH: clients run the first."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from subprocess import DEVNULL, TimeoutExpired

from .. import protocol
from ..subprocesses import TooMuchOutput, run_to_end

# The command that names a file's package, where its output has that name, and what removes one.
_PACKAGE_MANAGERS = (
    (("dpkg", "-S"), r"([^\s:,]+)", "apt remove"),
    (("rpm", "-qf", "--queryformat", "%{NAME}"), r"(\S+)", "dnf remove"),
    (("apk", "info", "-q", "--who-owns"), r"(\S+?)(?:-\d\S*)?\s", "apk del"),
    (("pacman", "-Qoq"), r"(\S+)", "pacman -R"),
)
# A part of the paths that an installer uses, and its command that puts its links on PATH.
_INSTALLERS = (("/pipx/venvs/", "pipx ensurepath"), ("/uv/tools/", "uv tool update-shell"))
FOR_ALL_USERS = (
    "for services and sudo, install it for all users instead: sudo pipx install --global"
)
_TIMEOUT = 10  # seconds
_MAX_VERSION_SIZE = 1024  # bytes


def own_path() -> str:
    """Return the path of the executable that belongs to this installation."""
    return os.path.join(os.path.dirname(sys.executable), protocol.NAME)


def on_path(environ: Mapping[str, str]) -> list[str]:
    """Return the paths of all executables of this name on PATH, in its order, each file once."""
    found: dict[str, str] = {}
    for directory in environ.get("PATH", "").split(os.pathsep):
        if directory and (path := shutil.which(protocol.NAME, path=directory)):
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def is_for_all_users(path: str) -> bool:
    """Say whether every user can reach ``path``, and only root can replace it.

    A path through a home directory is not for all users. Raises OSError.
    """
    path = os.path.realpath(path)
    while True:
        status = os.stat(path)
        if status.st_uid != 0 or status.st_mode & 0o023 != 0o001:
            return False
        if path == os.path.dirname(path):
            return True
        path = os.path.dirname(path)


def is_this(path: str) -> bool:
    """Say whether the executable at ``path`` is that of this installation, or does the same."""
    if os.path.realpath(path) == os.path.realpath(own_path()):
        return True
    return version_of(path) == protocol.VERSION


@lru_cache
def version_of(path: str) -> str:
    """Return the version that the executable at ``path`` prints, in one line; "" if none.

    If it cannot be run, return why.
    """
    try:
        _, output, _ = run_to_end([path, "version"], _TIMEOUT, stdin=b"", stderr=DEVNULL)
    except OSError as error:  # for another processor, say
        return error.strerror or ""
    except (TimeoutExpired, TooMuchOutput):
        return ""
    return " ".join(output[:_MAX_VERSION_SIZE].decode(errors="replace").split())


def removal(path: str) -> str:
    """Return the command that removes an executable, or the package that it belongs to."""
    real = os.path.realpath(path)
    if "/Docker.app/" in real:
        note = "each update of Docker Desktop restores it, so put this one earlier on PATH"
        return f"rm {shlex.quote(path)} ({note})"
    if formula := re.search(r"/Cellar/([^/]+)/", real):
        return f"brew uninstall {formula[1]}"
    for query, package, command in _PACKAGE_MANAGERS:
        with suppress(OSError, TimeoutExpired, TooMuchOutput):
            status, output, _ = run_to_end([*query, real], _TIMEOUT, stdin=b"", stderr=DEVNULL)
            found = re.match(package, output.decode(errors="replace"))
            if status == 0 and found:
                return f"sudo {command} {found[1]}"
    return f"rm {shlex.quote(path)}"


def remedy(client: str) -> str:
    """Return how to make ``client`` find this installation on PATH."""
    if not os.path.exists(own_path()):
        return f"link the program that you have just run into a directory that {client} searches"
    if is_for_all_users(own_path()):
        return f"sudo ln -sf {own_path()} /usr/local/bin/"
    for part, command in _INSTALLERS:
        if part in own_path():
            return f"{command}; {FOR_ALL_USERS}"
    return f"add {os.path.dirname(own_path())} to PATH; {FOR_ALL_USERS}"


def not_found(environ: Mapping[str, str], client: str) -> list[str]:
    """Return what to do if ``client`` would not find this program."""
    advice = remedy(client)
    found = next(iter(on_path(environ)), None)
    if found is None:
        return [f"{protocol.NAME} is not on PATH, where {client} looks for it: {advice}"]
    if is_this(found):
        return []
    what = f"{found}, which {client} finds first on PATH, is another program or version"
    return [f"{what}: remove it, then: {advice}"]
