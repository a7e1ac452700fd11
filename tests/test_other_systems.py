"""What works on every system: here, nothing of POSIX can be imported, as on Windows.

On Windows itself nothing is hidden. No fixture is used, for most of them need POSIX.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from docker_credential_ecr_login import __version__
from tests.emulator import AwsEmulator

NAME = "docker-credential-ecr-login"
PACKAGE = "docker_credential_ecr_login"
HOST = "111111111111.dkr.ecr.us-east-1.amazonaws.com"
ROOT = Path(__file__).parent.parent

WITHOUT_POSIX = f"""
import importlib, pkgutil, sys
import boto3, botocore.session, filelock, platformdirs  # they may know this system

def import_all():
    package = importlib.import_module("{PACKAGE}")
    names = [each.name for each in pkgutil.walk_packages(package.__path__, "{PACKAGE}.")]
    return [importlib.import_module(name) for name in names if ".building" not in name]

import_all()  # and with it, of the standard library, what is imported for this system
for name in [name for name in sys.modules if name.startswith("{PACKAGE}")]:
    del sys.modules[name]
for name in ("fcntl", "grp", "posix", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
sys.platform = "win32"
"""
ACT = f"""{WITHOUT_POSIX}
import json, os
from {PACKAGE}.__main__ import run
host, *actions = sys.argv[1:]
for action in actions:
    print(json.dumps(run([action], dict(os.environ), host.encode().hex() + ".")))
"""


@dataclass
class Machine:
    """A home with a key of the AWS emulator."""

    home: Path
    aws: AwsEmulator
    environ: Mapping[str, str]

    def run(self, *command: str | Path, stdin: str = "") -> str:
        """Run a command that must succeed and say nothing but its answer; return that."""
        completed = subprocess.run(
            list(map(str, command)),
            input=stdin,
            capture_output=True,
            text=True,
            env=dict(self.environ),
            check=False,
        )
        assert (completed.returncode, completed.stderr) == (0, ""), completed
        return completed.stdout

    def act(self, host: str, *actions: str) -> list[str]:
        """Run the package without POSIX; return the answers."""
        lines = self.run(sys.executable, "-c", ACT, host, *actions).splitlines()
        outcomes = [json.loads(line) for line in lines]
        assert [outcome[1:] for outcome in outcomes] == [["", 0]] * len(actions)
        return [outcome[0] for outcome in outcomes]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """One with the variables that Windows sets."""
    with AwsEmulator() as aws:
        user = aws.add_user(arn="arn:aws:iam::111111111111:user/dev")
        kept = ("PATH", "SYSTEMROOT")
        environ = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "AWS_ACCESS_KEY_ID": user.access_key_id,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_SECRET_ACCESS_KEY": user.secret_access_key,
            "HOME": str(tmp_path),
            "LOCALAPPDATA": str(tmp_path / "AppData"),
            "PYTHONPATH": str(ROOT),
            "USERPROFILE": str(tmp_path),
        }
        yield Machine(tmp_path, aws, environ)


def test_every_module_can_be_imported(machine: Machine) -> None:
    """No module of the package needs POSIX to be imported."""
    code = f"{WITHOUT_POSIX}\nprint(*(module.__name__ for module in import_all()))"
    imported = set(machine.run(sys.executable, "-c", code).split())
    files = (path.relative_to(ROOT) for path in (ROOT / PACKAGE).rglob("*.py"))
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert imported == {name for name in modules - {PACKAGE} if ".building" not in name}


def test_a_token_is_answered_until_it_is_erased(machine: Machine) -> None:
    """A token is fetched once, kept, listed, and forgotten."""
    first, second, hosts, erased, third = machine.act(HOST, "get", "get", "list", "erase", "get")
    assert machine.aws.accepts(json.loads(first)["Secret"])
    assert second == first
    assert json.loads(hosts) == {HOST: "AWS"}
    assert erased == ""
    assert third != first
    assert machine.aws.count("GetAuthorizationToken") == 2


def test_the_config_file_is_where_windows_has_it(machine: Machine) -> None:
    """A name that only the config file has is looked up in LOCALAPPDATA."""
    file = machine.home / "AppData" / "ecr-login" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(f'[[registry]]\nmatch = "images.example.com"\nregistry = "{HOST}"\n')
    (answer,) = machine.act("images.example.com", "get")
    assert machine.aws.accepts(json.loads(answer)["Secret"])


def test_the_installed_executable(machine: Machine) -> None:
    """What installing leaves beside Python answers, on any system."""
    executable = shutil.which(NAME, path=sysconfig.get_path("scripts"))
    assert executable
    assert machine.run(executable, "version") == f"{NAME} ({PACKAGE}) {__version__}\n"
    first = machine.run(executable, "get", stdin=HOST)
    assert machine.run(executable, "get", stdin=HOST) == first
    assert machine.aws.count("GetAuthorizationToken") == 1
