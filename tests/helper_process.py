"""The executable under test, run as docker runs it."""

import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from tests import installation
from tests.fork_server import LARGEST_INPUT, ForkServer

EXECUTABLE = installation.EXECUTABLE

HOST = "111111111111.dkr.ecr.us-east-1.amazonaws.com"
SECOND_ACCOUNT = "222222222222.dkr.ecr.us-east-1.amazonaws.com"
OTHER_REGION = "111111111111.dkr.ecr.eu-west-1.amazonaws.com"
PUBLIC = "public.ecr.aws"
_BESIDE_TOKENS = (".failure", ".lock", ".prompt", ".refresh")
_NOBODY = 65534
_SHORTEST_SECRET = 12  # characters: tests name things with shorter ones
NOT_FOUND = "credentials not found in native keychain\n"

OVERHEAD = 5
"""Seconds that starting Python and loading an SDK may add to a time limit, on a busy machine."""


@dataclass(frozen=True)
class Outcome:
    """What one run of the executable gave."""

    stdout: str
    stderr: str
    status: int

    @property
    def credentials(self) -> dict[str, str]:
        """The answer to ``get``; fails the test, with all that was said, if there is none."""
        assert self.status == 0, self
        assert self.stderr == "", self
        answer = json.loads(self.stdout)
        assert list(answer) == ["ServerURL", "Username", "Secret"], self
        assert answer["Username"] == "AWS", self
        assert isinstance(answer, dict)
        return answer

    @property
    def secret(self) -> str:
        """The password that ``get`` answered."""
        return self.credentials["Secret"]

    @property
    def hosts(self) -> list[str]:
        """The registries that ``list`` answered."""
        assert self.status == 0, self
        answer = json.loads(self.stdout)
        assert set(answer.values()) <= {"AWS"}, self
        return list(answer)


@dataclass
class HelperProcess:
    """Runs ``docker-credential-ecr-login`` in a home directory of its own.

    ``environ`` is the whole environment of the process but for PATH: nothing of
    the developer's own AWS settings reaches it. Tests add to it. ``prefix`` is the beginning of
    the command line: a program that runs another one. ``may_fork`` lets `run` save the time of
    imports, by `ForkServer`, where nothing needs a Python of its own. ``said`` is all that runs
    wrote, but for the answers that are to hold a password.
    """

    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    executable: Path = EXECUTABLE
    user: int | None = None
    prefix: tuple[str, ...] = ()
    may_fork: bool = False
    said: list[str] = field(default_factory=list)

    def environment(self, changes: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run, with ``changes`` for this one only."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environ,
            **(changes or {}),
        }

    def run(
        self, *arguments: str, stdin: str | bytes = "", changes: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run the executable to its end."""
        frame = stdin.encode() if isinstance(stdin, str) else stdin
        environ = self.environment(changes)
        if self._can_be_forked(frame, environ):
            completed = _fork_server().run(arguments, frame, environ, self.home, timeout=60)
        else:
            completed = subprocess.run(
                [*self.prefix, str(self.executable), *arguments],
                input=frame,
                capture_output=True,
                env=environ,
                cwd=self.home,
                user=self.user,
                start_new_session=True,  # without the terminal of whoever runs the tests
                timeout=60,
                check=False,
            )
        outcome = Outcome(
            completed.stdout.decode(), completed.stderr.decode(), completed.returncode
        )
        answers_secret = not {"get", "kubelet", "--output"}.isdisjoint(arguments)
        self.said += [outcome.stderr] if answers_secret else [outcome.stdout, outcome.stderr]
        return outcome

    def _can_be_forked(self, frame: bytes, environ: Mapping[str, str]) -> bool:
        return (
            self.may_fork
            and (self.executable, self.user, self.prefix) == (EXECUTABLE, None, ())
            and environ.get("HOME", "")[:1] == "/"
            and len(frame) <= LARGEST_INPUT
            and not any(name.startswith(("LANG", "LC_")) for name in environ)
        )

    def get(self, host: str = HOST, **changes: str) -> Outcome:
        """Run ``get`` for a host, with further environment variables."""
        return self.run("get", stdin=host, changes=changes)

    def store(self, host: str, secret: str, username: str = "AWS", **changes: str) -> Outcome:
        """Run ``store`` as ``docker login`` does."""
        frame = json.dumps({"ServerURL": host, "Username": username, "Secret": secret})
        return self.run("store", stdin=frame, changes=changes)

    def erase(self, host: str = HOST, **changes: str) -> Outcome:
        """Run ``erase`` as ``docker logout`` does."""
        return self.run("erase", stdin=host, changes=changes)

    def list(self, **changes: str) -> Outcome:
        """Run ``list``."""
        return self.run("list", changes=changes)

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start the executable and leave it running; its stdin is open."""
        return subprocess.Popen(
            [*self.prefix, str(self.executable), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(),
            cwd=self.home,
            start_new_session=True,
        )

    def ask(self, host: str = HOST) -> "subprocess.Popen[bytes]":
        """Start ``get`` for a host, its whole stdin given, and leave it running."""
        process = self.start("get")
        assert process.stdin is not None
        process.stdin.write(host.encode())
        process.stdin.close()
        process.stdin = None
        return process

    @property
    def cache_directory(self) -> Path:
        """The default directory of tokens and log."""
        return self.home / ".ecr"

    @property
    def log(self) -> str:
        """The text of the log, empty if there is none."""
        path = self.cache_directory / "log" / "ecr-login.log"
        return path.read_text() if path.exists() else ""

    def write_config(self, text: str) -> None:
        """Write ``~/.aws/config``."""
        self._write(".aws/config", text)

    def write_credentials(self, text: str) -> None:
        """Write ``~/.aws/credentials``."""
        self._write(".aws/credentials", text)

    def write_own_config(self, text: str) -> None:
        """Write the helper's own config file."""
        self._write(".config/ecr-login/config.toml", text)

    def _write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@cache
def _fork_server() -> ForkServer:
    return ForkServer(EXECUTABLE, installation.PYTHON, installation.LIBRARY)


def as_nobody(helper: HelperProcess, *paths: Path) -> HelperProcess:
    """The executable, run by another user, who can access the home, and owns these ``paths``."""
    top = Path(tempfile.gettempdir())
    for path in (helper.home, *helper.home.parents):
        if path == top:
            break
        path.chmod(0o755)
    if not all(path.stat().st_mode & stat.S_IXOTH for path in (top, *top.parents)):
        pytest.skip(f"no other user can enter {top}")
    skip_where_others_have_no_python()
    for path in paths:
        os.chown(path, _NOBODY, _NOBODY)
    return replace(helper, user=_NOBODY)


def skip_where_others_have_no_python() -> None:
    """Skip the test if no other user can run this Python, nor has one that the launcher finds."""
    if not _others_have_python():
        pytest.skip(f"no other user can run {installation.PYTHON.resolve()}")


@cache
def _others_have_python() -> bool:
    if installation.is_open(installation.PYTHON):
        return True
    version = [str(EXECUTABLE), "version"]
    completed = subprocess.run(version, user=_NOBODY, stdout=subprocess.DEVNULL, check=False)
    return completed.returncode == 0


def matches(line: str, expected: str) -> bool:
    """Say whether a line is the ``expected`` one, in which ``*`` stands for any text."""
    return re.fullmatch(".*".join(map(re.escape, expected.split("*"))), line) is not None


def told(stderr: str, host: str = HOST) -> str:
    """Return what the one line on stderr says about the host; fails the test if it is not one."""
    prefix = f"ecr-login: {host}: "
    assert stderr.startswith(prefix), stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.endswith("\n"), stderr
    return stderr[len(prefix) : -1]


def leaks(helper: HelperProcess, secrets: Iterable[str]) -> list[str]:
    """Return the places where a secret is found that must not be there."""
    secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    texts = {f"what run {number} said": said for number, said in enumerate(helper.said)}
    for path in helper.cache_directory.rglob("*"):
        name = str(path.relative_to(helper.cache_directory))
        texts[f"the name {name}"] = name
        is_token = name.startswith("logins/") or (
            re.fullmatch(r"tokens/\w+/[^/]*", name) and path.suffix not in _BESIDE_TOKENS
        )
        if path.is_file() and not path.is_symlink() and not is_token:
            lines = path.read_text(errors="replace").splitlines()
            if name.startswith("records/"):
                del lines[2:3]  # the answer
            texts[f"the file {name}"] = "\n".join(lines)
    return [place for place, text in texts.items() if any(each in text for each in secrets)]


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail the test if that takes more than 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.002)  # for what is waited for needs the processor


def users_of(path: Path) -> set[int]:
    """The ids of the other processes that have a file open (Linux).

    Not of those that this one has forked and that have yet to become another program:
    they have all its files.
    """
    own_command = Path("/proc/self/cmdline").read_bytes()
    found = set()
    for process in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError):  # somebody else's, or it has just ended
            if Path("/proc", process, "cmdline").read_bytes() == own_command:
                continue
            descriptors = Path("/proc", process, "fd").iterdir()
            if any(os.readlink(descriptor) == str(path) for descriptor in descriptors):
                found.add(int(process))
    return found


def processes_of(directory: Path) -> list[int]:
    """Return the ids of the processes that have ``directory`` in their environment.

    On Linux; elsewhere there are none to be found.
    """
    found = []
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        with suppress(OSError):  # no process, somebody else's, or it has just ended
            if os.fsencode(directory) in Path("/proc", name, "environ").read_bytes():
                found.append(int(name))
    return found
