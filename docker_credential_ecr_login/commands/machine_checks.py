"""The checks of ``doctor`` on this machine: program, configuration files, cache and log."""

import importlib.metadata
import os
import platform
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .. import actions, config
from ..cache import storage
from ..cache.tokens import Cache, Entry
from ..errors import BadConfiguration
from ..identity import config_file, expand, users_config_file
from ..protocol import NAME, __version__
from ..redaction import one_line
from ..request import unconfigured
from ..resolve import under
from . import executables
from .findings import CheckContext, Finding, listed
from .output import iso_time

_RECENTLY = 24 * 3600  # seconds


def version(_: CheckContext) -> Iterator[Finding]:
    """Say which program this is, and whether it is complete."""
    try:
        libraries = [
            f"{name} {importlib.metadata.version(name)}"
            for name in ("botocore", "filelock", "platformdirs")
        ]
    except importlib.metadata.PackageNotFoundError as error:
        raise BadConfiguration(f"{error.name} is not installed", f"install {NAME} again") from None
    python = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    yield Finding("version", "passed", ", ".join((f"{NAME} {__version__}", python, *libraries)))
    specification = actions.__spec__
    if specification and not os.path.exists(specification.cached or ""):
        directory = os.path.dirname(actions.__file__)
        yield Finding(
            "version",
            "warned",
            f"Python cannot keep its compiled files beside {directory}: each answer is slower",
            f"run as its owner: {sys.executable} -m compileall -q {directory}",
        )


def program(context: CheckContext) -> Iterator[Finding]:
    """Say which executable clients run: the first of this name on PATH."""
    first, *others = executables.on_path(context.environ) or [""]
    remedy = executables.remedy("docker")
    if not first:
        raise BadConfiguration(f"{NAME} is not on PATH, where clients look for it", remedy)
    if executables.is_this(first):
        yield Finding("program", "passed", f"{first} is what clients run, with this PATH")
        directory = os.path.dirname(first)
        if executables.is_for_all_users(directory) and not executables.is_for_all_users(first):
            yield Finding(
                "program",
                "warned",
                f"{directory} is for all users, but {os.path.realpath(first)} is not: services "
                "cannot reach it, or one user can change what all the others run",
                f"sudo rm {first}; {executables.FOR_ALL_USERS}",
            )
    else:
        said = one_line(executables.version_of(first)) or "nothing"
        yield Finding(
            "program",
            "failed",
            f"clients run {first}, which is another program or version: it says {said!r}",
            executables.removal(first)
            + ("" if any(map(executables.is_this, others)) else f", then: {remedy}"),
        )
    if context.environ.get("SUDO_USER") and context.environ.get("SUDO_UID") and _is_root():
        yield Finding(
            "program",
            "warned",
            f"sudo runs this, so it checks the files in {expand('~', context.environ)}, not "
            f"those of {context.environ['SUDO_USER']}",
            "run it without sudo, unless sudo runs docker, too",
        )
    for path in others:
        if not executables.is_this(path):
            yield Finding(
                "program",
                "warned",
                f"{path}, later on PATH, is another program or version, which a client with "
                "another PATH (sudo, services, Docker Desktop) may run",
                executables.removal(path),
            )


def own_config(context: CheckContext) -> Iterator[Finding]:
    """Say what config.toml says about the registry."""
    path = config_file(context.environ)
    if path is None:
        message = f"there is no {users_config_file(context.environ)}, and none is needed"
        yield Finding("config", "passed", message)
    else:
        own = config.load(path)
        context.environ = under(own.settings(""), unconfigured("", context.environ)).environ
        message = f"{path} is valid"
        if context.host:
            number = own.table(context.host)
            access = own.settings(context.host).access
            message += (
                f", and has no table for {context.host}"
                if number is None
                else f", and its table {number + 1} applies to {context.host}"
            ) + (f", with access to {access} only" if access else "")
        yield Finding("config", "passed", message)
        fallback = own.general.get("fallback")
        if fallback and not shutil.which(f"docker-credential-{fallback}"):
            yield Finding(
                "config",
                "warned",
                f"its fallback, docker-credential-{fallback}, is not on PATH: only registries of "
                "ECR can be used",
                f"install it, or correct fallback in {path}",
            )
    if context.host:
        context.ask_about(context.host)


def stored(context: CheckContext) -> Iterator[Finding]:
    """Say where tokens are kept, and whether they can be."""
    environ = context.environ
    if storage.is_disabled(environ):
        yield Finding(
            "cache",
            "warned",
            "AWS_ECR_DISABLE_CACHE is set: every answer waits for AWS",
            "unset AWS_ECR_DISABLE_CACHE",
        )
        return
    default, directory = storage.default_directory(environ), storage.writable_directory(environ)
    reason, remedy = storage.obstacle(default) or ("", "")
    message = f"{default} cannot hold the cache: {reason}"
    if directory is None:
        raise BadConfiguration(
            f"{message}, and no other directory can: every answer waits for AWS", remedy
        )
    if reason:
        yield Finding("cache", "warned", f"{message}; {directory} is used, more slowly", remedy)
    elif others := _of_others(directory):
        message = f"other users own files in {directory}, for example {one_line(others[0])}"
        yield Finding("cache", "warned", message, f"sudo chown -R $(id -u) {directory}")
    entries = list(Cache(directory, "").entries())
    yield Finding("cache", "passed", f"{directory}: {_described(entries, time.time())}")
    # One that is no longer there was erased meanwhile.
    if doubtful := [path for path, entry in entries if not entry and os.path.lexists(path)]:
        yield Finding(
            "cache",
            "warned",
            "not used, because other users own or can read them, or they are damaged: "
            + listed(doubtful),
            "remove them",
        )
    if os.name != "nt" and stat.S_IMODE(os.stat(directory).st_mode) & 0o022:
        yield Finding(
            "cache", "warned", f"other users can write to {directory}", f"chmod 700 {directory}"
        )


def log(context: CheckContext) -> Iterator[Finding]:
    """Say where the log is, and whether it ends with a failure of the registry."""
    directory = storage.writable_directory(context.environ)
    if directory is None:
        yield Finding("log", "skipped", "there is no directory for it")
        return
    path = f"{directory}/log/ecr-login.log"
    lines: list[str] = []
    try:
        is_writable = os.path.isfile(path) and os.access(
            path, os.W_OK
        )  # a pipe would be waited for
        if is_writable:
            about = f" {context.host}: " if context.host else " ERROR "
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line.strip() for line in file if about in line]
    except OSError:
        is_writable = False
    parent = os.path.dirname(path)
    is_closed = os.path.lexists(parent) and not os.access(f"{parent}/", os.W_OK | os.X_OK)
    if not is_writable and (is_closed or os.path.lexists(path)):
        wrong = parent if is_closed else path
        yield Finding("log", "warned", f"{wrong} cannot be written", "remove it")
        return
    last, since = lines[-1] if lines else "", time.gmtime(time.time() - _RECENTLY)
    if " ERROR " in last and last[:19] >= time.strftime("%Y-%m-%dT%H:%M:%S", since):
        message = f"{path} ends with a failure: {one_line(last)}"
        yield Finding("log", "warned", message, "the checks below say whether it still fails")
    else:
        message = f"no recent failure of {context.host or 'any registry'}"
        yield Finding("log", "passed", f"{path}: {message if is_writable else 'not written yet'}")


def _described(entries: Iterable[tuple[str, Entry | None]], now: float) -> str:
    """Return how many valid tokens there are, which ones, how old, and until when."""
    alive = [(path, entry) for path, entry in entries if entry and entry.usable(now)]
    ages = [int(now - os.stat(path).st_mtime) // 60 for path, _ in alive if os.path.exists(path)]
    if not ages:
        return "no valid token"
    names = listed(sorted({os.path.basename(path) for path, _ in alive}))
    age = f"{min(ages)} to {max(ages)}" if min(ages) < max(ages) else f"{ages[0]}"
    end = iso_time(min(entry.expires_at for _, entry in alive))
    count = f"{len(alive)} token{'s' if len(alive) > 1 else ''}"
    return f"{count} ({names}), {age} min old, until {end}{' or later' * (len(alive) > 1)}"


def _of_others(directory: str) -> list[str]:
    """Return the paths of what other users have made in a directory, as root by ``sudo -E``."""
    found = []
    for top, directories, files in os.walk(directory):
        for path in (os.path.join(top, name) for name in (*directories, *files)):
            with suppress(OSError):  # it was removed meanwhile
                if os.name != "nt" and os.lstat(path).st_uid != os.geteuid():
                    found.append(path)
    return found


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
