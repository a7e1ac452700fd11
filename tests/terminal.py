"""A terminal, and a person at it."""

import os
import select
import subprocess
import termios
import time
from typing import Self

from tests.helper_process import HOST, HelperProcess, Outcome

# The first terminal that the leader of a session without one opens becomes its own.
_TAKE_TERMINAL = ("sh", "-c", ': <"$0" && exec "$@"')
_IN_BACKGROUND = ("sh", "-c", 'set -m; "$@" <&0 & wait $!', "sh")
_MARK = b"\x1e"  # which no program prints


class Terminal:
    r"""A pseudo-terminal, for one session of processes at a time; with ``with``, it is closed.

    with Terminal() as terminal:
        process = terminal.ask(helper)
        terminal.wait_for("Enter MFA code")
        terminal.type("123456\n")
        assert outcome(process).secret
    """

    def __init__(self) -> None:
        self._person, self._programs = os.openpty()
        self._seen = b""
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._programs)
        os.close(self._person)  # which hangs up
        for process in self._processes:
            process.kill()
            with process:
                pass

    def start(
        self, helper: HelperProcess, *command: str, stdin: str = "", **changes: str
    ) -> "subprocess.Popen[bytes]":
        """Start a command as the helper is started, as the leader of this terminal's session.

        It runs in the foreground. Its streams are pipes, as those of a helper are.
        """
        process = subprocess.Popen(
            [*_TAKE_TERMINAL, os.ttyname(self._programs), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=helper.environment(changes),
            cwd=helper.home,
            start_new_session=True,
        )
        self._processes.append(process)
        assert process.stdin is not None
        process.stdin.write(stdin.encode())
        process.stdin.close()
        process.stdin = None
        return process

    def ask(
        self, helper: HelperProcess, host: str = HOST, **changes: str
    ) -> "subprocess.Popen[bytes]":
        """Start ``get`` for a host."""
        return self.start(helper, str(helper.executable), "get", stdin=host, **changes)

    def ask_in_background(
        self, helper: HelperProcess, host: str = HOST
    ) -> "subprocess.Popen[bytes]":
        """Start ``get`` for a host as a shell with job control does for ``&``."""
        return self.start(helper, *_IN_BACKGROUND, str(helper.executable), "get", stdin=host)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._person, text.encode("utf-8", "surrogateescape"))

    def wait_for(self, text: str) -> None:
        """Wait until a text is shown; fail the test if that takes more than 30 seconds."""
        self._read_to(text.encode())

    @property
    def shown(self) -> str:
        """All that is shown until now."""
        os.write(self._programs, _MARK)
        self._read_to(_MARK)
        self._seen = self._seen.replace(_MARK, b"")
        return self._seen.decode().replace("\r\n", "\n")

    def echoes(self) -> bool:
        """Say whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self._programs)[3] & termios.ECHO)

    def _read_to(self, end: bytes) -> None:
        deadline = time.monotonic() + 30
        while end not in self._seen:
            left = max(0.0, deadline - time.monotonic())
            assert select.select([self._person], [], [], left)[0], f"not shown: {self._seen!r}"
            self._seen += os.read(self._person, 65536)


def outcome(process: "subprocess.Popen[bytes]") -> Outcome:
    """Wait for a process; return what it gave."""
    stdout, stderr = process.communicate(timeout=30)
    return Outcome(stdout.decode(), stderr.decode(), process.returncode)
