"""The ways in which people install it, each as the commands that they type."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.installation import NAME

_BASE = Path(sys.executable).resolve()
_PIP = f"{sys.executable} -m pip"


@dataclass(frozen=True)
class Way:
    """One of them. In all commands, {0} is a directory, which holds all that they leave.

    In those that install and upgrade, {1} is what is installed: a name, or a wheel.
    """

    install: tuple[str, ...]
    upgrade: str
    uninstall: str
    executable: str = f"bin/{NAME}"


WAYS: Mapping[str, Way] = {
    "python -m venv, pip": Way(
        (f"{sys.executable} -m venv {{0}}/venv", "{0}/venv/bin/pip install -q {1}"),
        "{0}/venv/bin/pip install -q --upgrade {1}",
        f"{{0}}/venv/bin/pip uninstall -q -y {NAME}",
        f"venv/bin/{NAME}",
    ),
    "a link to a venv": Way(
        (
            f"{sys.executable} -m venv --without-pip {{0}}/opt/aws",
            f"{_PIP} --python {{0}}/opt/aws install -q {{1}}",
            "mkdir {0}/bin",
            f"ln -s {{0}}/opt/aws/bin/{NAME} {{0}}/bin",
        ),
        f"{_PIP} --python {{0}}/opt/aws install -q --upgrade {{1}}",
        f"rm -r {{0}}/opt/aws {{0}}/bin/{NAME}",
    ),
    "pip --target": Way(
        (f"{_PIP} install -q --target {{0}}/target {{1}}",),
        f"{_PIP} install -q --target {{0}}/target --upgrade {{1}}",
        "rm -r {0}/target",
        f"target/bin/{NAME}",
    ),
    "pip --user": Way(
        (f"{_PIP} --python {_BASE} install -q --user --break-system-packages {{1}}",),
        f"{_PIP} --python {_BASE} install -q --user --break-system-packages --upgrade {{1}}",
        f"{_PIP} --python {_BASE} uninstall -q -y --break-system-packages {NAME}",
        f"home/.local/bin/{NAME}",
    ),
    "pipx over pip": Way(
        ("pipx install -q --backend pip {1}",),
        f"pipx upgrade -q {NAME}",
        f"pipx uninstall {NAME}",
    ),
    "pipx over uv, --global": Way(
        ("pipx install -q --backend uv --global {1}",),
        f"pipx upgrade -q --global {NAME}",
        f"pipx uninstall --global {NAME}",
        f"global/bin/{NAME}",
    ),
    "uv tool": Way(
        ("uv tool install -q {1}",), f"uv tool upgrade -q {NAME}", f"uv tool uninstall -q {NAME}"
    ),
    "uv tool --compile-bytecode": Way(
        ("uv tool install -q --compile-bytecode {1}",),
        f"uv tool upgrade -q --compile-bytecode {NAME}",
        f"uv tool uninstall -q {NAME}",
    ),
}


def environ(directory: Path) -> dict[str, str]:
    """Return the environment in which nothing is known and all is kept in the directory."""
    own = {
        "HOME": "home",
        "PIPX_BIN_DIR": "bin",
        "PIPX_COMPLETION_DIR": "share",
        "PIPX_GLOBAL_BIN_DIR": "global/bin",
        "PIPX_GLOBAL_COMPLETION_DIR": "global/share",
        "PIPX_GLOBAL_HOME": "global/pipx",
        "PIPX_GLOBAL_MAN_DIR": "global/man",
        "PIPX_HOME": "pipx",
        "PIPX_MAN_DIR": "man",
        "UV_CACHE_DIR": "cache",
        "UV_TOOL_BIN_DIR": "bin",
        "UV_TOOL_DIR": "tools",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PIP_NO_CACHE_DIR": "1", **{n: str(directory / d) for n, d in own.items()}}


def run(command: str, directory: Path, source: str | Path, **changes: str) -> None:
    """Run one of the commands, in which ``source`` is what is installed."""
    words = [word.format(directory, source) for word in command.split()]
    subprocess.run(words, env={**environ(directory), **changes}, check=True)
