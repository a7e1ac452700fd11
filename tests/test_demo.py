"""The demonstration shows what it promises, can fail, and cleans up."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helper_process import processes_of

ROOT = Path(__file__).parent.parent


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The directory for temporary files of a demonstration."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with what the launcher needs, and without any client or registry."""
    directory = tmp_path / "programs"
    directory.mkdir()
    for name in ("sh", "readlink"):
        if program := shutil.which(name):
            (directory / name).symlink_to(program)
    return str(directory)


def start(temporary: Path, *arguments: str, **environ: str) -> "subprocess.Popen[str]":
    """Start a demonstration that keeps its temporary files in ``temporary``."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


def finish(process: "subprocess.Popen[str]") -> str:
    """Wait for a demonstration to end, and return all that it printed since."""
    output, _ = process.communicate(timeout=100)
    return output


def left_behind(temporary: Path) -> Iterator[str]:
    """Name the files, and on Linux the processes, that a demonstration has left."""
    yield from (str(path) for path in temporary.iterdir())
    yield from (f"process {number}" for number in processes_of(temporary))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a demonstration prints, in whose steps nothing is wrong."""
    temporary = tmp_path_factory.mktemp("demonstration")
    process = start(temporary)
    output = finish(process)
    assert process.returncode == 0, output
    assert "WRONG" not in output
    assert output.endswith("steps gave what they should. Nothing is left behind.\n")
    assert list(left_behind(temporary)) == []
    return output


def can_push() -> bool:
    """Say whether the programs for a push are here, and namespaces allowed."""
    programs = ("docker-registry", "unshare")
    clients = ("skopeo", "podman")
    return (
        all(map(shutil.which, programs))
        and any(map(shutil.which, clients))
        and subprocess.run(["unshare", "-r", "--mount", "true"], check=False).returncode == 0
    )


def steps(output: str) -> list[str]:
    """Return what each step of the output shows, from its sentence to its last line."""
    return [part for part in output.split("\n\n") if part[:1].isdigit()]


def test_shows_the_helper_at_work(output: str) -> None:
    """Every step has the right result, says what AWS saw, and shortens passwords."""
    first, again, second_account, known, not_ecr, expired, denied, *login = steps(output)
    assert "2 AWS calls: AssumeRole, GetAuthorizationToken" in first
    assert "0 AWS calls" in again
    assert "222222222222.dkr.ecr.us-east-1.amazonaws.com" in second_account
    assert "0 AWS calls" in second_account
    assert "docker-credential-ecr-login list" in known
    assert "credentials not found in native keychain" in not_ecr
    assert "run: aws sso" in expired
    assert "ecr:GetAuthorizationToken is denied to" in denied
    assert "docker-credential-ecr-login store" in login[0]
    assert "docker-credential-ecr-login erase" in login[2]
    assert "(1968 characters)" in output
    assert max(len(word) for word in output.split()) < 200


def test_says_why_no_image_is_pushed(temporary: Path, bare_path: str) -> None:
    """Without a registry and a client, one sentence says what pushing an image would need."""
    process = start(temporary, PATH=bare_path)
    output = finish(process)
    assert process.returncode == 0, output
    assert "Left out: pushing and pulling an image. " in output
    assert list(left_behind(temporary)) == []


@pytest.mark.skipif(
    not can_push(),
    reason="needs docker-registry, skopeo or podman, and namespaces",
)
def test_pushes_and_pulls_an_image(output: str) -> None:
    """Where registry and client are installed, an image goes there and back."""
    push, pull = steps(output)[-2:]
    assert "pushes an image" in push
    assert "pulls it again" in pull
    assert "exit 0" in push
    assert "exit 0" in pull


def test_fails_if_a_step_does_not_give_what_it_should(temporary: Path, tmp_path: Path) -> None:
    """With a helper that gives wrong answers, it says which steps are wrong, and exits 1."""
    nonsense = tmp_path / "docker-credential-ecr-login"
    nonsense.write_text("#!/bin/sh\necho '{}'\n")
    nonsense.chmod(0o755)
    process = start(temporary, "--helper", str(nonsense), PATH="/usr/bin:/bin")
    output = finish(process)
    assert process.returncode == 1, output
    assert "WRONG  expected: a password and exit code 0" in output
    assert "Not as it should be: steps 1, 2, 3, " in output
    assert list(left_behind(temporary)) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_leaves_nothing_when_it_is_stopped(temporary: Path, number: signal.Signals) -> None:
    """Ctrl-C, a kill or a closed terminal in the middle: no file and no process is left."""
    process = start(temporary)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("1. "):
            break
    process.send_signal(number)
    output = finish(process)
    assert process.returncode == 128 + number, output
    assert output.endswith(f"Stopped by {number.name}. Nothing is left behind.\n")
    # A command that the signal caught while it was being started ends by itself.
    deadline = time.monotonic() + 10
    while left := list(left_behind(temporary)):
        assert time.monotonic() < deadline, left


def test_a_reader_that_goes_away_is_no_traceback(temporary: Path) -> None:
    """``make demo | head`` ends it quietly, with nothing left behind."""
    process = start(temporary)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=100) == 1
    assert list(left_behind(temporary)) == []


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "dumb"],
)
def test_colours_are_for_terminals(
    temporary: Path, environ: dict[str, str], coloured: bool
) -> None:
    """A terminal shows colours, unless NO_COLOR is set or it has none."""
    import pty

    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.demo"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary), "TERM": "xterm", **environ},
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=subprocess.STDOUT,
        )
        try:
            first_line = os.read(master, 1000)
        finally:
            process.terminate()
            process.wait()
    finally:
        os.close(slave)
        os.close(master)
    assert (b"\x1b[" in first_line) == coloured
