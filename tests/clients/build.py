"""Builds the clients of catalogue.toml that are not built yet: ``python -m tests.clients.build``.

With ``--all``, those too that take minutes, and the helper to compare with.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.clients.catalogue import CLIENTS, GO_HELPER, Program


def build(program: Program) -> None:
    """Build a program into its directory, which appears when all of it is there."""
    program.directory.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=program.directory.parent) as directory:
        built = Path(directory, "built")
        built.mkdir()
        _install_by_go(program.go, built)
        built.rename(program.directory)


def _install_by_go(package: str, directory: Path) -> None:
    environ = {**os.environ, "GOBIN": str(directory), "CGO_ENABLED": "0"}
    subprocess.run(["go", "install", "-ldflags=-s -w", package], env=environ, check=True)


def _main(*, everything: bool) -> None:
    cheap = [each for each in CLIENTS.values() if each.cheap]
    wanted = [*CLIENTS.values(), GO_HELPER] if everything else cheap
    for program in wanted:
        if program.directory.exists():
            continue
        if program.lack:
            print(f"NOT TRIED: {program.name}: {program.lack}")  # noqa: T201
            continue
        began = time.monotonic()
        build(program)
        seconds = time.monotonic() - began
        print(f"{program.name} {program.release}: built in {seconds:.0f} s")  # noqa: T201


if __name__ == "__main__":
    _main(everything="--all" in sys.argv[1:])
