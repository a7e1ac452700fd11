"""Runs by the fork server equal those of the executable, without the time for imports."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import fork_server
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, PUBLIC, HelperProcess
from tests.installation import LIBRARY, PYTHON

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is none elsewhere")

# Prints what is read of the environment by the libraries, and where the home has gone.
IMPORTS = f"""
import os, sys
from pathlib import Path
sys.path += ["{LIBRARY}", "{Path(fork_server.__file__).parent}"]
import fork_server
read = set()
class Environ(type(os.environ)):
    def __getitem__(self, name):
        read.add(name)
        return super().__getitem__(name)
os.environ.__class__ = Environ
os.environ["HOME"] = fork_server._HOME
fork_server._import_all(Path("{LIBRARY}", "docker_credential_ecr_login"))
print(sorted(read), "docker_credential_ecr_login.__main__" in sys.modules)
"""


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["version"], ""),
        (["get"], HOST),
        (["get"], f"{HOST}\0"),
        (["get"], "ghcr.io"),
        (["get"], PUBLIC),
        (["list"], ""),
        (["erase"], HOST),
        (["erase"], ""),
        (["bögus"], ""),
        (["store"], '{"ServerURL": "ghcr.io"}'),
        (["doctor", HOST], ""),
        (["configure", "--dry-run", HOST], ""),
        ([], ""),
    ],
)
def test_the_same_is_said(
    signed_in: HelperProcess, aws: AwsEmulator, arguments: list[str], stdin: str
) -> None:
    """Output and exit status are those of the executable, with an answer that is cached."""
    assert aws.accepts(signed_in.get().secret)
    signed_in.environ |= {"AWS_ECR_LOG_LEVEL": "debug", "EMPTY": "", "TWO": "lines\n="}
    executable = replace(signed_in, may_fork=False)
    assert signed_in.run(*arguments, stdin=stdin) == executable.run(*arguments, stdin=stdin)


def test_the_launcher_comes_first(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The launcher answers what it can by itself, and otherwise hands on what it has read."""
    secret = signed_in.get().secret
    for name in (HOST, f"{HOST}/{'x' * 200}"):
        assert signed_in.get(name).secret == secret
    assert aws.count("GetAuthorizationToken") == 1


def test_imports_are_not_configured_by_the_environment() -> None:
    """Imports read nothing of the environment but HOME, and do not include the main module."""
    completed = subprocess.run(
        [str(PYTHON), "-EIS", "-c", IMPORTS], env={}, capture_output=True, text=True, check=True
    )
    assert completed.stdout == "['ANDROID_DATA', 'HOME'] False\n"
