"""The clients that catalogue.toml lists, and where those are that have been built."""

import re
import shutil
import subprocess
import tomllib
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Literal

Way = Literal["credHelpers", "credsStore", "credential-helpers"]
"""How a client can be told to use the helper: docker's two, and that of registries.conf."""

_HERE = Path(__file__).parent
_BUILT = _HERE.parent.parent / ".clients"
PROGRAMS = _HERE / "programs"
_FILE = tomllib.loads((_HERE / "catalogue.toml").read_text())
_LEAST: dict[str, str] = _FILE["needs"]


@dataclass(frozen=True)
class Program:
    """Something that is built to try the helper with, or to compare it with."""

    name: str
    go: list[str]
    source: str = ""

    @property
    def release(self) -> str:
        """The number of its release."""
        return self.go[0].partition("@v")[2]

    @property
    def directory(self) -> Path:
        """Where it is, once it is built; another release of it is elsewhere."""
        made_of = repr(self.go).encode()
        if self.source:
            made_of += (PROGRAMS / self.source).read_bytes()
        return _BUILT / f"{self.name}-{sha256(made_of).hexdigest()[:12]}"

    @property
    def lack(self) -> str | None:
        """What this machine lacks to build it, None if it has all that it takes."""
        return _lack("go")


@dataclass(frozen=True)
class Listed(Program):
    """A client, and what a person types to use it: see catalogue.toml."""

    ways: list[Way] = field(default_factory=list)
    push: str = ""
    pull: str = ""
    login: str = ""
    logout: str = ""
    cheap: bool = False
    own_logins: bool = False
    own_helper: bool = False
    fails: dict[str, str] = field(default_factory=dict)
    pulls: str = "team/app:1"


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
