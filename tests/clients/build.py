"""Builds the clients of catalogue.toml that are not built yet: ``python -m tests.clients.build``.

With ``--all``, those too that take minutes, and the helper to compare with.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
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
        if program.pip:
            _install_by_pip(program.pip, built)
        if program.maven:
            _copy_by_maven(program.maven, built, Path(directory))
            javac = ["javac", "-nowarn", "-cp", f"{built}/*", "-d", str(built)]
            _run(*javac, str(PROGRAMS / program.source), at=built)
        if program.npm:
            _run("npm", "install", "--silent", *program.npm, at=built)
            shutil.copy(PROGRAMS / program.source, built)  # which is where it finds packages
        built.rename(program.directory)


def _build_by_go(package: str, source: str, module: Path, directory: Path) -> None:
    """Build a program of Go, or one of ours from a library; ``go install`` refuses some of them."""
    what = str(PROGRAMS / source) if source else package.partition("@")[0]
    _run("go", "mod", "init", "built", at=module)
    _run("go", "get", package, at=module)
    _run(*_GO_BUILD, f"-o={directory}/", what, at=module)


def _install_by_pip(packages: tuple[str, ...], directory: Path) -> None:
    _run(sys.executable, "-m", "venv", str(directory), at=directory)
    pip = [str(directory / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    _run(*pip, "install", "--quiet", *packages, at=directory)


def _copy_by_maven(artifacts: tuple[str, ...], directory: Path, project: Path) -> None:
    """Have all that artifacts, GROUP:NAME:VERSION, depend on in a directory."""
    names = ("groupId", "artifactId", "version")
    dependencies = "".join(
        f"<dependency>{_elements(names, artifact.split(':'))}</dependency>"
        for artifact in artifacts
    )
    itself = _elements(("modelVersion", *names), ("4.0.0", "built", "built", "1"))
    pom = f"<project>{itself}<dependencies>{dependencies}</dependencies></project>"
    (project / "pom.xml").write_text(pom)
    copy = "dependency:copy-dependencies"
    _run("mvn", "--quiet", "--batch-mode", copy, f"-DoutputDirectory={directory}", at=project)


def _elements(names: Iterable[str], texts: Iterable[str]) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in zip(names, texts, strict=True))


def _run(*command: str, at: Path) -> None:
    completed = subprocess.run(
        command,
        cwd=at,
        env={**os.environ, "CGO_ENABLED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise SystemExit(completed.stdout)


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
