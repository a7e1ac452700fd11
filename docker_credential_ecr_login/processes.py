"""Programs of the user's choice that are asked for something, and may hang."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress

from .turn import has_terminal


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
    # What hangs is ended with all that it started, or that would hold our stderr, whose end the
    # caller may wait for. Not at a terminal: only our own group can ask the person.
    is_group = os.name != "nt" and not has_terminal()
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
            if is_group:
                with suppress(OSError):  # it has just ended
                    os.killpg(process.pid, signal.SIGKILL)
            raise  # what it started may still hold the pipe: its end is not waited for
        finally:
            process.kill()
    return output, process.returncode
