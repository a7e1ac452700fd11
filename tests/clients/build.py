"""Builds the clients of catalogue.toml that are not built yet: ``python -m tests.clients.build``.

With ``--all``, those too that take minutes, and the helper to compare with.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.clients.catalogue import CLIENTS, GO_HELPER, PROGRAMS, Program

_GO_BUILD = ["go", "build", "-mod=mod", "-ldflags=-s -w", "-tags=containers_image_openpgp"]


def build(program: Program) -> None:
    """Build a program into its directory, which appears when all of it is there."""
    program.directory.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=program.directory.parent) as directory:
        built = Path(directory, "built")
        built.mkdir()
        for package in program.go:
            with TemporaryDirectory(dir=directory) as module:
                _build_by_go(package, program.source, Path(module), built)
        built.rename(program.directory)


def _build_by_go(package: str, source: str, module: Path, directory: Path) -> None:
    """Build a program of Go, or one of ours from a library; ``go install`` refuses some of them."""
    what = str(PROGRAMS / source) if source else package.partition("@")[0]
    for command in (
        ["go", "mod", "init", "built"],
        ["go", "get", package],
        [*_GO_BUILD, f"-o={directory}/", what],
    ):
        environ = {**os.environ, "CGO_ENABLED": "0"}
        completed = subprocess.run(
            command, cwd=module, env=environ, stderr=subprocess.PIPE, text=True, check=False
        )
        if completed.returncode:
            raise SystemExit(completed.stderr)


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
