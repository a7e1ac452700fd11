"""The workflow that tries each change, as far as text can be checked against text."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.workflows import TARGETS, jobs_of

ROOT = Path(__file__).parent.parent


@pytest.fixture
def jobs() -> dict[str, Any]:
    """Its jobs."""
    return jobs_of("ci.yml")


def test_each_environment_of_tox_is_tried(jobs: dict[str, Any]) -> None:
    """Its matrix is that of `make pythons`, and no Python that is missing is skipped there."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    (environments,) = tools["tox"]["env_list"]
    matrix = jobs["pythons"]["strategy"]["matrix"]
    assert [matrix["python"], matrix["dependencies"]] == environments["product"]
    (variables,) = (step["env"] for step in jobs["pythons"]["steps"] if "env" in step)
    assert variables["TOX_SKIP_MISSING_INTERPRETERS"] == "false"
    assert variables["TOXENV"] == "${{ matrix.python }}-${{ matrix.dependencies }}"


def test_it_runs_targets_that_there_are(jobs: dict[str, Any]) -> None:
    """Whatever it runs, a target of the Makefile does, and can do elsewhere."""
    scripts = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    words = [script.split() for script in scripts]
    assert {command for command, *_ in words} == {"make", "$MAKE"}
    targets = {word for _, *rest in words for word in rest if "=" not in word}
    assert targets <= TARGETS
    assert {"test", "lint", "types", "pythons", "installers"} <= targets


def test_it_runs_the_tests_on_every_system(jobs: dict[str, Any]) -> None:
    """The tests run on Linux, macOS and Windows."""
    systems = {each["runner"] for each in jobs["systems"]["strategy"]["matrix"]["include"]}
    assert {runner.partition("-")[0] for runner in systems} == {"ubuntu", "macos", "windows"}
