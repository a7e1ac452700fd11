"""The programs that are run: this helper, and those that it is compared with."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Failed
from tests.helper_process import EXECUTABLE

_SCRIPT = Path(__file__).with_name("minimal_boto3.py")

LIST = "list"
NOT_FOUND = "the answer for a registry that is not ECR"
LARGE_HERD = "a herd that fits into the memory of a small machine"


@dataclass(frozen=True)
class Program:
    """A program that gives the password of a registry.

    A credential helper gets the action as a further argument; another program prints the bare
    password. ``version_command`` prints what it is. ``lacks`` names what it is known not to
    support.
    """

    name: str
    command: tuple[str, ...]
    version_command: tuple[str, ...]
    is_credential_helper: bool = True
    lacks: frozenset[str] = frozenset()

    def arguments(self, action: str) -> tuple[str, ...]:
        """Return the command line for an action of the credential helper protocol."""
        return (*self.command, action) if self.is_credential_helper else self.command

    def version(self) -> str:
        """Return what the program says of itself. Raises `Failed` if it cannot be run."""
        try:
            completed = subprocess.run(
                self.version_command, stdin=subprocess.DEVNULL, capture_output=True, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Failed(f"{self.name}: {error}") from None
        return completed.stdout.decode(errors="replace").strip()


def ours() -> Program:
    """Return the executable that is installed beside this Python."""
    return _credential_helper("ours", EXECUTABLE)


def others(peer: Path | None, aws_cli: str | None, region: str) -> Mapping[str, Program]:
    """Return what ours is compared with: "peer", and where they differ from it "boto3" and "aws".

    Without a ``peer`` that is the minimal script. ``aws_cli`` is where the AWS command line
    interface is, None for the one on PATH, if there is one.
    """
    script = Program(
        "boto3 script",
        (sys.executable, str(_SCRIPT)),
        (sys.executable, "-c", "import boto3; print('boto3', boto3.__version__)"),
        lacks=frozenset({LIST, NOT_FOUND, LARGE_HERD}),
    )
    found = (
        {"peer": _credential_helper("peer", peer), "boto3": script} if peer else {"peer": script}
    )
    if aws := aws_cli or shutil.which("aws"):
        command = (aws, "ecr", "get-login-password", "--region", region)
        found["aws"] = Program("aws CLI", command, (aws, "--version"), is_credential_helper=False)
    return found


def _credential_helper(name: str, path: Path) -> Program:
    executable = str(path.absolute())
    return Program(name, (executable,), (executable, "version"))
