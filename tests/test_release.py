"""What a release needs before anything of it is built, and what its workflow runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docker_credential_ecr_login import __version__
from docker_credential_ecr_login.building.release_notes import complaint, section
from docker_credential_ecr_login.building.standalone import glibc
from tests.recipes import OUR_ACTION, ROOT
from tests.workflows import TARGETS, jobs_of

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.10.0] - 2031-05-06

### Added

- Something.

## [1.1.0] - 2030-01-02

- The first.
"""


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("1.10.0", "### Added\n\n- Something."),
        ("1.1.0", "- The first."),
        ("Unreleased", ""),
        ("1.1", ""),
        ("1x1.0", ""),
    ],
)
def test_the_notes_are_the_section_of_the_version(version: str, text: str) -> None:
    """The notes are the version's section of the changelog; an empty one does not count."""
    assert section(CHANGELOG, version) == text


@pytest.mark.parametrize(
    ("tag", "repository", "reason"),
    [
        ("", "", ""),
        ("v1.2.3", "acme/helper", ""),
        ("v1.2.4", "acme/helper", "the tag is v1.2.4, and the version 1.2.3"),
        ("1.2.3", "acme/helper", "the tag is 1.2.3, "),
        ("v1.2.3", "fork/helper", "pyproject.toml names https://github.com/acme/helper, and this"),
    ],
)
def test_what_a_release_must_agree_in(tag: str, repository: str, reason: str) -> None:
    """A release needs the tag of the version, and the repository that the package names."""
    said = complaint(tag, repository, "1.2.3", "https://github.com/acme/helper")
    assert said.startswith(reason)
    assert bool(said) == bool(reason)


def test_another_tag_ends_the_release() -> None:
    """What is wrong is one line, and the exit code is 1."""
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "docker_credential_ecr_login.building.release_notes"),
            *("v0.0.0", OUR_ACTION),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        f"the tag is v0.0.0, and the version {__version__}: tag v{__version__}, or change "
        "protocol.py\n"
    )


def test_the_glibc_that_a_build_needs(tmp_path: Path) -> None:
    """It is the newest of which machine code names a symbol, by the number and not the text."""
    assert glibc(tmp_path) == ""
    (tmp_path / "python3").write_bytes(b"\x7fELF\0GLIBC_2.4\0GLIBC_2.17\0GLIBC_PRIVATE\0")
    (tmp_path / "library.so.1").write_bytes(b"\x7fELF\0GLIBC_2.3.4\0")
    (tmp_path / "text").write_bytes(b"\0GLIBC_2.99\0")
    assert glibc(tmp_path) == "2.17"


@pytest.fixture
def jobs() -> dict[str, Any]:
    """The jobs of the release's workflow."""
    return jobs_of("release.yml")


def test_the_workflow_runs_targets_that_there_are(jobs: dict[str, Any]) -> None:
    """The workflow builds everything by targets of the Makefile, which also work elsewhere."""
    scripts = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    scripts = re.sub(r'"[^"]*"', '""', scripts)
    called = r"(?:^ *|; |unshare )(?:make|\$MAKE)((?: [^\s';>]+)+)"
    words = {word for line in re.findall(called, scripts, re.MULTILINE) for word in line.split()}
    targets = {word for word in words if re.fullmatch(r"[a-z-]+", word)}
    built = {"build", "sbom", "standalone", "packages", "image", "checksums", "release-notes"}
    assert targets == {*built, "install", "test-standalone"}
    assert targets <= TARGETS


def test_nothing_is_built_before_tag_and_version_agree(jobs: dict[str, Any]) -> None:
    """All jobs wait for the first one, and the publishing jobs for all that build."""
    assert "needs" not in jobs["check"]

    def before(name: str) -> set[str]:
        needs = jobs[name].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(before, direct))

    building = {"check", "distributions", "glibc", "musl", "elsewhere"}
    assert all("check" in before(name) for name in jobs if name != "check")
    assert all(building <= before(name) for name in ("pypi", "image", "github"))


def test_each_job_may_do_what_it_does_and_no_more(jobs: dict[str, Any]) -> None:
    """Only the publishing jobs may write, each to one place."""
    may_write = {
        name: {what for what, access in job["permissions"].items() if access == "write"}
        for name, job in jobs.items()
    }
    assert {name: what for name, what in may_write.items() if what} == {
        "attest": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "image": {"packages", "id-token", "attestations"},
        "github": {"contents"},
    }
