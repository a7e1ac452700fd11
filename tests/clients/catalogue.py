"""The clients that catalogue.toml lists, and where those are that have been built."""

import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

Way = Literal["credHelpers", "credsStore", "credential-helpers"]
"""How a client can be told to use the helper: docker's two, and that of registries.conf."""

_HERE = Path(__file__).parent
_BUILT = _HERE.parent.parent / ".clients"
PROGRAMS = _HERE / "programs"
_FILE = tomllib.loads((_HERE / "catalogue.toml").read_text())


@dataclass(frozen=True)
class Program:
    """Something that is built to try the helper with, or to compare it with."""

    name: str
    go: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    maven: tuple[str, ...] = ()
    npm: tuple[str, ...] = ()
    source: str = ""

    @property
    def release(self) -> str:
        """The number of its release."""
        return re.split("@v?|==|:(?=[0-9])", self._parts[0])[1]

    @property
    def _parts(self) -> tuple[str, ...]:
        return self.go + self.pip + self.maven + self.npm

    @property
    def directory(self) -> Path:
        """Where it is, once it is built; another release of it is elsewhere."""
        made_of = " ".join(self._parts).encode()
        if self.source:
            made_of += (PROGRAMS / self.source).read_bytes()
        return _BUILT / f"{self.name}-{sha256(made_of).hexdigest()[:12]}"

    @property
    def lack(self) -> str | None:
        """What this machine lacks to build it, None if it has all that it takes."""
        tools = {"go": self.go, "maven": self.maven, "npm": self.npm}
        return next(filter(None, (_lack(tool) for tool, parts in tools.items() if parts)), None)


@dataclass(frozen=True)
class Listed(Program):
    """A client, and what a person types to use it: see catalogue.toml."""

    ways: tuple[Way, ...] = ()
    push: str = ""
    pull: str = ""
    login: str = ""
    logout: str = ""
    server: Literal["", "engine", "buildkit"] = ""
    cheap: bool = False
    own_logins: bool = False
    own_helper: bool = False
    fails: dict[str, str] = field(default_factory=dict)
    pulls: str = "team/app:1"


def _immutable(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(each) if isinstance(each, list) else each for key, each in table.items()}


DEBIAN: list[str] = _FILE["debian"]
COLUMNS: list[str] = _FILE["columns"]
GO_HELPER = Program("go-helper", **_immutable(_FILE["helper"]))
CLIENTS = {name: Listed(name, **_immutable(table)) for name, table in _FILE["client"].items()}


_SHOW_VERSION = {
    "go": ["go", "version"],
    "maven": ["mvn", "--version"],
    "npm": ["npm", "--version"],
}


@cache
def _lack(tool: str) -> str | None:
    least, command = _FILE["needs"][tool], _SHOW_VERSION[tool]
    if shutil.which(command[0]):
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"\d+(\.\d+)+", shown)
        if found and _numbers(found[0]) >= _numbers(least):
            return None
    return f"{tool} {least} or later is needed"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]
