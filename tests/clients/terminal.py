"""A terminal with somebody at it, who reads what it shows and types."""

import os
import select
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.helper_process import users_of, wait_for

_DEADLINE = 60.0
_SIZE = (24, 200)


class Terminal:
    """One command in the foreground of a pseudo-terminal, which has all of its streams.

    Nothing here waits for time to pass: `read_until` reads until there is what somebody who types
    would wait for. Leaving the ``with`` block hangs up.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], directory: Path) -> None:
        self._shown = b""
        self._keyboard, terminal = os.openpty()
        self._path = Path(os.ttyname(terminal))
        termios.tcsetwinsize(terminal, _SIZE)
        # setsid makes it the controlling terminal, so there need be no Python between fork and
        # exec, which is not safe beside the threads of the emulator.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environ,
            cwd=directory,
        )
        os.close(terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._keyboard)
        self._process.kill()
        self._process.wait()

    @property
    def screen(self) -> str:
        """All that was shown until now."""
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    @property
    def status(self) -> int:
        """The command's, when it has ended."""
        assert self._process.returncode is not None
        return self._process.returncode

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._keyboard)[3] & termios.ECHO)

    def read_until(self, text: str) -> None:
        """Read until the screen shows a text; fail the test if it never does."""
        while text not in self.screen:
            assert self._read(), f"never shown: {text!r}; but:\n{self.screen}"

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C, once more each second, until the screen shows a text.

        Who presses it in the moment between question and reading has to press it again: Python
        looks for signals before it reads, and then reads.
        """
        for _ in range(int(_DEADLINE)):
            self.type("\x03")
            while select.select([self._keyboard], [], [], 1.0)[0]:
                assert self._read(), f"never shown: {text!r}; but:\n{self.screen}"
                if text in self.screen:
                    return
        raise AssertionError(f"never shown: {text!r}; but:\n{self.screen}")

    def type(self, keys: str) -> None:
        """Type; the Enter key is a line feed, and Ctrl-C is the character 3."""
        os.write(self._keyboard, keys.encode())

    def wait_for_the_rest(self) -> None:
        """Wait until nobody but the command itself has the terminal open."""
        wait_for(lambda: users_of(self._path) <= {self._process.pid})

    def finish(self) -> str:
        """Read until nobody has the terminal open any longer; return all that was shown."""
        while self._read():
            pass
        self._process.wait(_DEADLINE)
        return self.screen

    def _read(self) -> bool:
        readable, _, _ = select.select([self._keyboard], [], [], _DEADLINE)
        assert readable, f"nothing more is shown; until then:\n{self.screen}"
        try:
            block = os.read(self._keyboard, 65536)
        except OSError:  # how Linux says that nobody has it open any longer
            return False
        self._shown += block
        return bool(block)
