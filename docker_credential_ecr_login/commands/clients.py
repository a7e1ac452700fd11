"""The container clients: where their configuration is, and what it says of this helper."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..identity import expand
from ..registry import parse
from . import json_text
from .files import TextFile

OWN_NAME = "ecr-login"
"""This helper, as the configuration of clients names it."""

_PROGRAMS = frozenset({"buildah", "docker", "nerdctl", "podman", "skopeo"})
_WRITING = frozenset({"context", "login", "logout"})


def client_path(environ: Mapping[str, str], *, podman: bool = False) -> str:
    """Return where docker or podman looks for its configuration."""
    if not podman:
        return f"{environ.get('DOCKER_CONFIG') or expand('~/.docker', environ)}/config.json"
    if path := environ.get("REGISTRY_AUTH_FILE"):
        return path
    directory = environ.get("XDG_CONFIG_HOME", "")
    if not directory.startswith("/"):
        directory = expand("~/.config", environ)
    return f"{directory}/containers/auth.json"


def runtime_path(environ: Mapping[str, str]) -> str:
    """Return where podman keeps logins until the machine restarts, "" if nowhere."""
    if sys.platform != "linux" or environ.get("REGISTRY_AUTH_FILE"):
        return ""
    directory = environ.get("XDG_RUNTIME_DIR") or f"/run/containers/{os.getuid()}"
    suffix = "containers/auth.json" if environ.get("XDG_RUNTIME_DIR") else "auth.json"
    return f"{directory}/{suffix}"


def client_paths(environ: Mapping[str, str]) -> list[str]:
    """Return the paths of all files that can name this helper, Docker's first, each file once."""
    paths = client_path(environ), client_path(environ, podman=True), runtime_path(environ)
    return list({os.path.realpath(path): path for path in paths if path}.values())


def writers(environ: Mapping[str, str]) -> list[str]:
    """Return the running commands of the same home that write back what they read (Linux)."""
    found = []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        with suppress(OSError):  # no process, somebody else's, or it has just ended
            if name.isdecimal() and f"HOME={environ.get('HOME')}" in _texts(name, "environ"):
                program, *words = _texts(name, "cmdline")
                verbs = _WRITING.intersection(words)
                if verbs and os.path.basename(program) in _PROGRAMS:
                    found.append(f"{os.path.basename(program)} {min(verbs)}")
    return found


def _texts(process: str, name: str) -> list[str]:
    with open(f"/proc/{process}/{name}", encoding="utf-8", errors="replace") as file:
        return file.read().split("\0")


class ClientConfiguration(TextFile):
    """The configuration of docker or podman. Raises `BadConfiguration` if it cannot be read."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        super().__init__(path, environ)
        fields = json_text.load(self.text, self.shown)
        self.unused_logins: list[str] = []  # of other registries, while this helper has them all
        self.helpers: dict[str, Any] = json_text.field(fields, "credHelpers")[1]
        self.store: str = json_text.field(fields, "credsStore")[1]
        self.context = str(fields.get("currentContext") or "")
        if self.store == OWN_NAME:
            self.unused_logins = logins_of_others(fields)

    @property
    def own_hosts(self) -> list[str]:
        """The registries that it names this helper for."""
        return [host for host, name in self.helpers.items() if name == OWN_NAME]


def logins_in(text: str, shown: str) -> list[str]:
    """Return the hosts of ECR that the configuration of a client holds a login for.

    ``shown`` is its name for messages. Raises `BadConfiguration`.
    """
    _, logins = json_text.field(json_text.load(text, shown), "auths")
    found = [parse(key) for key, entry in logins.items() if json_text.is_login(entry)]
    return list(dict.fromkeys(registry.host for registry in found if registry))


def logins_of_others(fields: dict[str, Any]) -> list[str]:
    """Return the registries other than ECR that have a login in the configuration of a client."""
    logins = json_text.field(fields, "auths")[1].items()
    return [key for key, entry in logins if json_text.is_login(entry) and not parse(key)]
