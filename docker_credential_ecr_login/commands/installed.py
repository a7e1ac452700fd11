"""The container clients on PATH: which file each of them reads, and where it looks for helpers."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..protocol import NAME
from ..redaction import one_line
from .clients import ClientConfiguration, client_path
from .files import shown

_CLIENTS = ("docker", "docker.exe", "podman", "nerdctl", "nerdctl.lima", "colima", "finch")
REGISTRIES_CONF = (
    'write credential-helpers = ["containers-auth.json", "ecr-login"]'
    " into /etc/containers/registries.conf"
)
"""How to make podman ask this helper for all registries."""

_IN_A_MACHINE = "a virtual machine, with its own home and PATH"

# Clients that do not read what `configure` writes, or do not look for helpers on this PATH: a
# pattern for the executable, what it is, and what to do.
_OTHERS = (
    (  # https://github.com/canonical/docker-snap/issues/18 and /10
        r"/snap/bin/docker$",
        (
            "is the snap package: it reads ~/snap/docker/current/.docker/config.json, and cannot "
            "run helpers of this machine"
        ),
        (
            "install another docker (https://docs.docker.com/engine/install), or hand this one "
            f"each token: {NAME} login REGISTRY --output password | docker login --username AWS "
            "--password-stdin REGISTRY"
        ),
    ),
    (  # https://docs.docker.com/desktop/features/wsl
        r"\.exe$",
        (
            r"is the Windows program: it reads %USERPROFILE%\.docker\config.json, and runs helpers "
            "on the PATH of Windows"
        ),
        (
            "switch on Docker Desktop's WSL integration for this distribution, or install and "
            "configure this helper in Windows"
        ),
    ),
    (  # https://github.com/rancher-sandbox/rancher-desktop/issues/1367, /7047 and /10323
        r"(?:/\.rd/bin|Rancher Desktop\.app/.*)/nerdctl$",
        (
            "is Rancher Desktop's, which reads ~/.docker/config.json, but has its own PATH with "
            "another docker-credential-ecr-login on it"
        ),
        "use docker, with dockerd as the container engine of Rancher Desktop",
    ),
    (  # https://github.com/containerd/nerdctl/issues/429
        r"/nerdctl\.lima$",
        f"runs in {_IN_A_MACHINE}",
        (
            f"install this helper there, and configure it there: limactl shell default {NAME} "
            "configure"
        ),
    ),
    (
        r"/colima$",
        f"runs its nerdctl in {_IN_A_MACHINE}; docker, used with its context, runs here",
        f"use docker, or install this helper there: colima ssh -- {NAME} configure",
    ),
    (  # https://github.com/runfinch/finch/pull/462
        r"/finch$",
        "reads ~/.finch/config.json, and runs the helpers in ~/.finch/cred-helpers",
        "write creds_helpers: [ecr-login] into ~/.finch/finch.yaml, which brings AWS's own helper",
    ),
)


class Client(NamedTuple):
    """A client on PATH. ``problem`` and ``remedy`` are "" where what is configured here counts."""

    name: str
    path: str
    problem: str = ""
    remedy: str = ""


def installed(environ: Mapping[str, str]) -> Iterator[Client]:
    """Yield the clients on PATH, docker and podman first."""
    for name in _CLIENTS:
        if path := shutil.which(name, path=environ.get("PATH", "")):
            others = (words for pattern, *words in _OTHERS if re.search(pattern, path))
            yield Client(name, path, *next(others, ()))


def misled(environ: Mapping[str, str], name: str, *, for_all: bool) -> list[str]:
    """Return the warnings if what was configured for the client ``name`` does not reach it.

    ``for_all`` is whether credsStore was set.
    """
    found = list(installed(environ))
    named = [client for client in found if client.name == name]
    if not named and all(client.problem for client in found):
        named = found
    if for_all:
        named = [
            client._replace(problem="is podman, which ignores credsStore", remedy=REGISTRIES_CONF)
            if is_podman(client)
            else client
            for client in named
        ]
    return [f"{each.path} {each.problem}: {each.remedy}" for each in named if each.problem]


def is_podman(client: Client) -> bool:
    """Say whether it is podman, by docker's name too: a link, or the script of podman-docker."""
    if os.path.basename(os.path.realpath(client.path)).startswith("podman"):
        return True
    try:
        with open(client.path, "rb") as file:
            beginning = file.read(1024)
    except OSError:
        return False
    return beginning.startswith(b"#!") and b"podman" in beginning


def described(client: Client, environ: Mapping[str, str]) -> str:
    """Return which file a client reads, and which daemon it talks to if that is configured."""
    podmans = is_podman(client)
    file = ClientConfiguration(client_path(environ, podman=podmans), environ)
    read = [file.shown]
    if podmans and not environ.get("REGISTRY_AUTH_FILE"):
        read.append(shown(client_path(environ), environ))
    is_another = ", which is podman," if podmans and client.name != "podman" else ""
    endpoint = environ.get("DOCKER_HOST") or environ.get("DOCKER_CONTEXT") or file.context
    talks = f" (uses {one_line(endpoint)})" if endpoint and not podmans else ""
    return f"{client.path}{is_another}{talks} reads {', then '.join(read)}"
