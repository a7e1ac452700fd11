"""The clients that catalogue.toml lists, and where those are that have been built."""

import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

Way = Literal["credHelpers", "credsStore", "credential-helpers"]
"""How a client can be told to use the helper: docker's two, and that of registries.conf."""

_HERE = Path(__file__).parent
_BUILT = _HERE.parent.parent / ".clients"
_FILE = tomllib.loads((_HERE / "catalogue.toml").read_text())
_LEAST: dict[str, str] = _FILE["needs"]


@dataclass(frozen=True)
class Program:
    """Something that is built to try the helper with, or to compare it with."""

    name: str
    go: str = ""

    @property
    def version(self) -> str:
        """The release that it is."""
        return self.go.partition("@")[2]

    @property
    def release(self) -> str:
        """Its number alone."""
        return self.version.removeprefix("v")

    @property
    def directory(self) -> Path:
        """Where it is, once it is built; another release of it is elsewhere."""
        return _BUILT / f"{self.name}-{sha256(self.go.encode()).hexdigest()[:12]}"

    @property
    def lack(self) -> str | None:
        """What this machine lacks to build it, None if it has all that it takes."""
        return _lack("go")


@dataclass(frozen=True)
class Listed(Program):
    """A client, and what a person types to use it: see catalogue.toml."""

    ways: tuple[Way, ...] = ()
    push: str = ""
    pull: str = ""
    login: str = ""
    logout: str = ""
    cheap: bool = False
    own_logins: bool = False


DEBIAN: list[str] = _FILE["debian"]
COLUMNS: list[str] = _FILE["columns"]
GO_HELPER = Program("go-helper", **_FILE["helper"])
CLIENTS = {name: Listed(name, **table) for name, table in _FILE["client"].items()}


@cache
def _lack(tool: str) -> str | None:
    least = _LEAST[tool]
    if shutil.which(tool):
        shown = subprocess.run([tool, "version"], capture_output=True, text=True, check=True)
        found = re.search(r"\d+(\.\d+)+", shown.stdout)
        if found and _numbers(found[0]) >= _numbers(least):
            return None
    return f"{tool} {least} or later is needed"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
