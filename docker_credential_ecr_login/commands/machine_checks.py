"""The checks of ``doctor`` on this machine: program, configuration files, cache and log."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import stat
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches

from .. import actions, config
from ..cache import storage
from ..cache.tokens import Cache, Entry
from ..errors import BadConfiguration, HelperError
from ..identity import config_file, expand, users_config_file
from ..protocol import NAME, __version__
from ..redaction import one_line
from ..registry import parse
from ..request import unconfigured
from ..resolve import under
from . import executables
from .clients import OWN_NAME, ClientConfiguration, client_path, logins_in, runtime_path
from .files import TextFile
from .findings import CheckContext, Finding
from .installed import described, installed
from .output import iso_time

_REGISTRIES_CONF = ("~/.config/containers/registries.conf", "/etc/containers/registries.conf")
_SHOWN = 3  # of things that there can be many of
_RECENTLY = 24 * 3600  # seconds


def version(_: CheckContext) -> Iterator[Finding]:
    """Say which program this is, and whether it is whole."""
    try:
        libraries = [
            f"{name} {importlib.metadata.version(name)}"
            for name in ("botocore", "filelock", "platformdirs")
        ]
    except importlib.metadata.PackageNotFoundError as error:
        raise BadConfiguration(f"{error.name} is not installed", f"install {NAME} again") from None
    python = f"{platform.python_implementation()} {platform.python_version()} ({sys.executable})"
    yield Finding("version", "passed", ", ".join((f"{NAME} {__version__}", python, *libraries)))
    if not os.path.exists(importlib.util.cache_from_source(actions.__file__)):
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
    else:
        said = one_line(executables.version_of(first)) or "nothing"
        yield Finding(
            "program",
            "failed",
            f"clients run {first}, which is another one: it says {said!r} of its version",
            f"{executables.removal(first)}, then: {remedy}",
        )
    if context.environ.get("SUDO_USER") and context.environ.get("SUDO_UID") and _is_root():
        yield Finding(
            "program",
            "warned",
            f"this is run by sudo: it looks at the files in {expand('~', context.environ)}, not at "
            f"those of {context.environ['SUDO_USER']}",
            "run it without sudo, unless docker is run by sudo, too",
        )
    for path in others:
        if not executables.is_this(path):
            yield Finding(
                "program",
                "warned",
                f"{path}, another one, comes later on PATH, and first perhaps for a client with "
                "another PATH (sudo, services, Docker Desktop)",
                executables.removal(path),
            )


def clients(context: CheckContext) -> Iterator[Finding]:
    """Say which clients there are, and what counts for each."""
    found = list(installed(context.environ))
    served = []
    for client in found:
        with suppress(HelperError):  # of a broken file, which is the finding of another check
            served += [] if client.problem else [described(client, context.environ)]
    if served:
        path = context.environ.get("PATH", "")
        yield Finding("clients", "passed", f"{'; '.join(served)}; their PATH, from here: {path}")
    for client in found:
        if client.problem:
            what = f"{client.path} {client.problem}"
            yield Finding("clients", "warned", what, client.remedy)
    if not found:
        yield Finding("clients", "skipped", "no docker, podman, nerdctl or finch is on PATH")


def docker(context: CheckContext) -> Iterator[Finding]:
    """Say which registries docker asks this helper about."""
    file = ClientConfiguration(client_path(context.environ), context.environ)
    helpers, store = file.helpers, file.store
    named = ["all registries (credsStore)"] if store == OWN_NAME else []
    named += [f"{_listed(file.own_hosts)} (credHelpers)"] if file.own_hosts else []
    asked = helpers.get(context.host, store) if context.host else OWN_NAME if named else store
    if asked == OWN_NAME:
        message = f"{file.shown} names this helper for {' and '.join(named)}"
        yield Finding("docker", "passed", message)
        if file.unused_logins:
            yield Finding(
                "docker",
                "warned",
                f"{file.shown} holds under auths logins that docker does not use, for credsStore "
                f"names this helper: {_listed(file.unused_logins)}",
                f"name registries instead: {NAME} configure --global --remove",
            )
        return
    problem = (
        f"{file.shown} does not exist"
        if not file.exists
        else f"{file.shown} names {one_line(str(asked)) if asked else 'no helper'}"
        f" for {context.host or 'any registry'}"
    )
    if context.host and file.own_hosts:  # names of hosts are compared to the letter
        problem += f", but this one for {_listed(file.own_hosts)}"
    elif file.exists and (key := _misspelt(json.loads(file.text or "{}"))):
        problem += f", for docker knows no {one_line(key)}"
    remedy = f"{NAME} configure {context.host or 'REGISTRY'}"
    misnamed = {host: name for host, name in helpers.items() if parse(host)}
    if not context.host and misnamed:
        host, name = next(iter(misnamed.items()))
        problem = f"{file.shown} names {one_line(str(name))} for {host}"
        remedy = f"{NAME} configure {host}"
    if not (elsewhere := _podmans(context.environ, context.host)):
        yield Finding("docker", "failed", f"{problem}: docker does not ask this helper", remedy)
    elif shutil.which("docker", path=context.environ.get("PATH", "")):
        yield Finding(
            "docker", "warned", f"{problem}; podman uses this helper: {elsewhere}", remedy
        )
    else:
        message = f"docker is not on PATH; podman uses this helper: {elsewhere}"
        yield Finding("docker", "passed", message)


def _misspelt(keys: Iterable[str]) -> str:
    """Return what is nearly a key of docker's configuration for helpers, or ""."""
    known = ("credhelpers", "credsstore")  # whose case docker does not mind
    unknown = (key for key in keys if key.lower() not in known)
    return next((key for key in unknown if get_close_matches(key.lower(), known, 1, 0.85)), "")


def logins(context: CheckContext) -> Iterator[Finding]:
    """Say which tokens of former logins can get in the way of the helper."""
    environ = context.environ
    clean = True
    dockers = client_path(environ)
    podmans = (client_path(environ, podman=True), runtime_path(environ))
    for path in filter(None, dict.fromkeys((dockers, *podmans))):  # they can be one
        try:
            file = ClientConfiguration(path, environ)
        except HelperError:
            if path != dockers:
                raise
            continue  # which is the finding of another check
        if found := logins_in(file.text, file.shown):
            clean = False
            option = "" if path == dockers else " --podman"
            yield Finding(
                "logins",
                "warned",
                f"{file.shown} holds under auths what former logins left, which expires: "
                + _listed(found),
                f"{NAME} configure --clean{option} {' '.join(found)}",
            )
    with suppress(HelperError):  # of what is no JSON, docker itself complains
        text = environ.get("DOCKER_AUTH_CONFIG") or "{}"
        if found := logins_in(text, "DOCKER_AUTH_CONFIG"):
            clean = False
            yield Finding(
                "logins",
                "warned",
                f"DOCKER_AUTH_CONFIG holds logins, which win over the helper: {_listed(found)}",
                "unset DOCKER_AUTH_CONFIG, or take them out of it",
            )
    if clean:
        yield Finding("logins", "passed", "no former login is in the way")


def own_config(context: CheckContext) -> Iterator[Finding]:
    """Say what the helper's own config file says of the registry."""
    path = config_file(context.environ)
    if path is None:
        message = f"there is none at {users_config_file(context.environ)}, and none is needed"
        yield Finding("config", "passed", message)
    else:
        own = config.load(path)
        context.environ = under(own.settings(""), unconfigured("", context.environ)).environ
        message = f"{path} is right"
        if context.host:
            number = own.table(context.host)
            message += (
                f", and has no table for {context.host}"
                if number is None
                else f", and its table {number + 1} is for {context.host}"
            )
        yield Finding("config", "passed", message)
        fallback = own.general.get("fallback")
        if fallback and not shutil.which(f"docker-credential-{fallback}"):
            yield Finding(
                "config",
                "warned",
                f"its fallback, docker-credential-{fallback}, is not on PATH: no other registry "
                "than those of ECR can be used",
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
        raise BadConfiguration(f"{message}, nor can another: every answer waits for AWS", remedy)
    if reason:
        yield Finding("cache", "warned", f"{message}; {directory} is used, more slowly", remedy)
    elif others := _of_others(directory):
        message = f"others own some of what is in {directory}, for example {one_line(others[0])}"
        yield Finding("cache", "warned", message, f"sudo chown -R $(id -u) {directory}")
    entries = list(Cache(directory, "").entries())
    yield Finding("cache", "passed", f"{directory}: {_described(entries, time.time())}")
    # One that is no longer there was erased meanwhile.
    if doubtful := [path for path, entry in entries if not entry and os.path.lexists(path)]:
        yield Finding(
            "cache",
            "warned",
            f"not used, for others own it or can read it, or it is broken: {_listed(doubtful)}",
            "remove it",
        )
    if os.name != "nt" and stat.S_IMODE(os.stat(directory).st_mode) & 0o022:
        yield Finding(
            "cache", "warned", f"others can write to {directory}", f"chmod 700 {directory}"
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
        yield Finding("log", "warned", message, "the checks below say whether it fails still")
    else:
        message = f"without a recent failure of {context.host or 'any registry'}"
        yield Finding("log", "passed", f"{path}, {message if is_writable else 'not begun yet'}")


def first_host(environ: Mapping[str, str]) -> str | None:
    """Return the first registry of ECR that docker asks this helper about by name, if any."""
    with suppress(HelperError):
        hosts = ClientConfiguration(client_path(environ), environ).own_hosts
        return next((host for host in hosts if (found := parse(host)) and found.registry_id), None)
    return None


def _podmans(environ: Mapping[str, str], host: str | None) -> str:
    """Return the file by which podman, skopeo and buildah use this helper, if there is one."""
    with suppress(HelperError, tomllib.TOMLDecodeError, TypeError):
        file = ClientConfiguration(client_path(environ, podman=True), environ)
        if host in file.own_hosts or (file.own_hosts and not host):
            return file.shown
        for path in _REGISTRIES_CONF:
            conf = TextFile(expand(path, environ), environ)
            if OWN_NAME in tomllib.loads(conf.text).get("credential-helpers", []):
                return conf.shown
    return ""


def _described(entries: Iterable[tuple[str, Entry | None]], now: float) -> str:
    """Return how many tokens there are that are alive, which, how old, and until when."""
    alive = [(path, entry) for path, entry in entries if entry and entry.usable(now)]
    ages = [int(now - os.stat(path).st_mtime) // 60 for path, _ in alive if os.path.exists(path)]
    if not ages:
        return "no token that is alive"
    names = _listed(sorted({os.path.basename(path) for path, _ in alive}))
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


def _listed(names: Sequence[str]) -> str:
    shown = [one_line(name) for name in names[:_SHOWN]]
    others = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join(shown + others)
