"""Programs of the user's choice that are asked for something, and may hang."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .turn import has_terminal


def has_own_group() -> bool:
    """Say whether a program is to start in a process group of its own, to be ended as a whole.

    What hangs is ended with all that it started, or that would hold our stderr, whose end the
    caller may wait for. Not at a terminal: only our own group can ask the person.
    """
    return os.name != "nt" and not has_terminal()


def end(process: "subprocess.Popen[bytes]", *, is_group: bool) -> None:
    """End a program at once, with its group if it has one of its own."""
    with suppress(OSError):  # it has just ended
        if is_group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def run_to_end(
    command: str | Sequence[str],
    timeout: float,
    *,
    stdin: bytes = b"",
    environ: Mapping[str, str] | None = None,
) -> tuple[bytes, int]:
    """Return what a program prints, and its exit code; a text is for the shell.

    It has our stderr, and our environment unless ``environ`` is another. After ``timeout`` (in
    seconds) it is ended. Raises OSError and `subprocess.TimeoutExpired`.
    """
    is_group = has_own_group()
    with subprocess.Popen(  # noqa: S603 - the user's own choice
        command,
        shell=isinstance(command, str),  # nosec B602 - a command that the user wrote for a shell
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
        process_group=0 if is_group else None,
    ) as process:
        try:
            output, _ = process.communicate(stdin, timeout=timeout)
        except BaseException:  # its time is over, or ours: Ctrl-C
            end(process, is_group=is_group)
            raise  # what it started may still hold the pipe: its end is not waited for
        finally:
            process.kill()
    return output, process.returncode
