"""A home with a cached token, and the two ways to ask for it."""

import array
import fcntl
import os
import pty
import shutil
import socket
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.differential.shells import LEAVE_IT_TO_PYTHON, SHELLS
from tests.faults import prefix
from tests.helper_process import EXECUTABLE, HelperProcess, wait_for
from tests.installation import LIBRARY

_VERSION = f"python3.{sys.version_info.minor}"
_MAIN = """import sys
sys.path.append(sys.argv.pop(1))
from docker_credential_ecr_login.__main__ import main
main()"""
_END_OF_FILE = b"\x04"  # of a terminal
_TIMEOUT = 60  # seconds


@dataclass(frozen=True)
class Question:
    """What is asked, and how: the ``pieces`` of stdin, each read before the next is written.

    ``through`` is a pipe, file, socket or terminal, ``blocking`` or not. ``changes`` are made to
    the environment, None for a variable that is not set. ``before`` is a command line that
    becomes the helper.
    """

    pieces: tuple[bytes, ...]
    through: str = "pipe"
    blocking: bool = True
    changes: tuple[tuple[str, str | None], ...] = ()
    before: tuple[str, ...] = ()


NO_PROCESS = prefix("fork=EAGAIN")
"""Becomes a command that can start no process."""

REAPER = ("/bin/sh", "-c", 'head -c 99999 /dev/zero >/dev/null & : & exec "$@"', "sh")
"""Becomes a command that has children which it did not start."""


IGNORER = ("/bin/sh", "-c", "trap '' HUP INT TERM PIPE CHLD ALRM; exec \"$@\"", "sh")
"""Becomes a command that is not told of signals, nor of the end of its children."""


class Machine:
    """A home of ``helper``, and an installation that notes each start of Python.

    ``can_answer`` is whether the launcher answers anything by itself in this shell.
    """

    def __init__(self, helper: HelperProcess, directory: Path, shell: str) -> None:
        self._helper = helper
        self.can_answer = shell not in LEAVE_IT_TO_PYTHON
        program, *options = SHELLS[shell]
        found = shutil.which(program)
        assert found
        if shell == "bash as sh":
            link = directory / "sh"
            link.symlink_to(found)
            found = str(link)
        self.launcher = self._install(directory)
        self._by_launcher = (found, *options, str(self.launcher), "get")
        library = f"{self.launcher.parent}/../lib/{_VERSION}/site-packages"
        self._by_python = (sys.executable, "-IS", "-c", _MAIN, library, "get")
        self._starts = directory / "starts"
        self._starts.touch()

    def _install(self, directory: Path) -> Path:
        programs = directory / "bin"
        programs.mkdir()
        launcher = Path(shutil.copy(EXECUTABLE, programs))
        python = programs / _VERSION
        python.write_text(f'#!/bin/sh\necho >>"{directory}/starts"\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        library = directory / "lib" / _VERSION
        library.mkdir(parents=True)
        (library / "site-packages").symlink_to(LIBRARY)
        return launcher

    @property
    def starts(self) -> int:
        """How often the launcher has become Python."""
        return len(self._starts.read_bytes())

    @contextmanager
    def own_records(self) -> Iterator[Callable[[], set[tuple[str, int]]]]:
        """Put the records of this machine into the home, and keep them for the next time.

        Yields a function that says which there are; one that is written anew is another one.
        """
        records = self._helper.cache_directory / "records"
        kept = self._starts.with_name("records")
        kept.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(records, ignore_errors=True)  # Python's
        kept.rename(records)
        yield lambda: {(entry.name, entry.stat().st_ctime_ns) for entry in os.scandir(records)}
        records.rename(kept)

    def by_launcher(self, question: Question) -> tuple[bytes, int]:
        """Return what the launcher writes to stdout, and its exit status."""
        return self._answer(self._by_launcher, question)

    def by_python(self, question: Question) -> tuple[bytes, int]:
        """Return what Python alone writes to stdout, and its exit status."""
        return self._answer(self._by_python, question)

    def asking(self, question: Question) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        """Start the launcher, which has its whole stdin; it does not outlive the block."""
        return self._asking(self._by_launcher, question)

    def _answer(self, command: Sequence[str], question: Question) -> tuple[bytes, int]:
        with self._asking(command, question) as process:
            stdout, _ = process.communicate(timeout=_TIMEOUT)
        return stdout, process.returncode

    @contextmanager
    def _asking(
        self, command: Sequence[str], question: Question
    ) -> Iterator["subprocess.Popen[bytes]"]:
        theirs, ours = _OPENERS[question.through](b"".join(question.pieces))
        os.set_blocking(theirs, question.blocking)
        process = subprocess.Popen(
            [*question.before, *command],
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environ(question.changes),
            cwd=self._helper.home,
            start_new_session=True,
        )
        try:
            if ours is not None and question.through != "terminal":
                for piece in question.pieces:
                    os.write(ours, piece)
                    wait_for(lambda: _unread(theirs) == 0 or process.poll() is not None)
                os.close(ours)
                ours = None
            yield process
        finally:
            process.kill()
            process.communicate()
            for descriptor in (theirs, ours):
                if descriptor is not None:
                    os.close(descriptor)

    def _environ(self, changes: Sequence[tuple[str, str | None]]) -> Mapping[str, str]:
        environ: dict[str, str | None] = {**self._helper.environment(), **dict(changes)}
        return {name: value for name, value in environ.items() if value is not None}


def _unread(descriptor: int) -> int:
    """Return how many bytes have not been read yet."""
    size = array.array("i", [0])
    fcntl.ioctl(descriptor, termios.FIONREAD, size)
    return size[0]


# Each returns what the process is to read from, and what is to be written to meanwhile, if
# anything is.


def _pipe(content: bytes) -> tuple[int, int | None]:
    theirs, ours = os.pipe()
    fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, max(4096, len(content)))
    return theirs, ours


def _socket(_: bytes) -> tuple[int, int | None]:
    theirs, ours = socket.socketpair()
    return theirs.detach(), ours.detach()


def _file(content: bytes) -> tuple[int, int | None]:
    descriptor = os.memfd_create("stdin")
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor, None


def _terminal(content: bytes) -> tuple[int, int | None]:
    ours, theirs = pty.openpty()
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~(termios.ECHO | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    ends = 1 if content.endswith(b"\n") or not content else 2
    os.write(ours, content.replace(_END_OF_FILE, b"") + ends * _END_OF_FILE)
    return theirs, ours


_OPENERS = {"pipe": _pipe, "socket": _socket, "file": _file, "terminal": _terminal}
