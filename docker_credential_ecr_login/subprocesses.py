"""Runs programs that the user has chosen, which may hang, or print without end."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread, current_thread, main_thread
from typing import IO

from .process import has_terminal

MAX_OUTPUT = 1024 * 1024
"""Bytes: what a program is asked for has some kilobytes."""

_PART = 64 * 1024  # bytes: what a pipe holds
_PAUSE = 100  # milliseconds: output that pauses within a line may be a question


class TooMuchOutput(Exception):
    """A program has printed more than `MAX_OUTPUT`."""

    def __init__(self) -> None:
        super().__init__(f"it prints more than {MAX_OUTPUT // 1024**2} MiB")


def run_to_end(
    command: str | Sequence[str],
    timeout: float,
    *,
    stdin: bytes | None = None,
    stderr: int | None = None,
    environ: Mapping[str, str] | None = None,
    hear: Callable[[bytes], None] | None = None,
) -> tuple[int, bytes, bytes]:
    """Return a program's exit code, what it prints, and what it says on ``stderr`` if that is PIPE.

    A ``command`` that is a string is run by the shell. stdin, stderr and environment are ours
    unless they are given. ``hear`` gets what is said on stderr at once, in another thread, in whole
    lines or up to a pause. After ``timeout`` (in seconds), or too much output, the program is ended
    with everything that it started: that would keep our stderr open, and our caller may wait for
    its end. Raises OSError, `subprocess.TimeoutExpired` and `TooMuchOutput`.
    """
    deadline = time.monotonic() + timeout
    # Not at a terminal: only our own process group can ask the person there.
    is_group = os.name != "nt" and not has_terminal()
    with _interrupts_held() as let_go:
        process = subprocess.Popen(  # noqa: S603 - the user's own choice
            command,
            bufsize=0,
            shell=isinstance(command, str),  # nosec B602 - a command that the user wrote for a shell
            stdin=None if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environ,
            process_group=0 if is_group else None,
        )
        end = partial(_end, process, is_group=is_group)
        streams = ((process.stdout, None), (process.stderr, hear))
        readers = [_Reader(stream, end, heard) for stream, heard in streams if stream]
        try:
            if process.stdin:
                Thread(target=_write, args=(process.stdin, stdin), daemon=True).start()
            for reader in readers:
                reader.start()
            let_go()
            for reader in readers:
                reader.join(max(0.0, deadline - time.monotonic()))
            if any(len(reader.output) > MAX_OUTPUT for reader in readers):
                raise TooMuchOutput
            if any(reader.is_alive() for reader in readers):
                raise subprocess.TimeoutExpired(command, timeout)
            process.wait(max(0.0, deadline - time.monotonic()))
        except BaseException:  # the time is over, or Ctrl-C
            end()
            raise
        finally:
            process.wait()
    said = readers[1].output if process.stderr else b""
    return process.returncode, bytes(readers[0].output), bytes(said)


@contextmanager
def _interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C back while a program is started, when nobody could end it yet.

    Yields the function that stops doing so, and raises KeyboardInterrupt if Ctrl-C came meanwhile.
    """
    heard: list[int] = []
    is_heard = (
        current_thread() is main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )

    def let_go() -> None:
        if is_heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if heard:
            raise KeyboardInterrupt

    if is_heard:
        signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield let_go
    finally:
        if is_heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)


class _Reader(Thread):
    """Reads what a program prints, until that is all, or too much."""

    def __init__(
        self, stream: IO[bytes], end: Callable[[], None], hear: Callable[[bytes], None] | None
    ) -> None:
        super().__init__(daemon=True)  # something else may hold the stream for ever
        self.output = bytearray()
        self._stream = stream
        self._end = end
        self._hear = hear

    def run(self) -> None:
        """Read; end the program after too much output, or it would wait for it to be read."""
        heard = 0
        with self._stream:
            while len(self.output) <= MAX_OUTPUT and (part := self._stream.read(_PART)):
                self.output += part
                if self._hear and (part.endswith(b"\n") or self._pauses()):
                    self._hear(bytes(self.output[heard:]))
                    heard = len(self.output)
        if self._hear and heard < len(self.output):
            self._hear(bytes(self.output[heard:]))
        if len(self.output) > MAX_OUTPUT:
            self._end()

    def _pauses(self) -> bool:
        """Say whether the output pauses for a moment; always on Windows, where poll is missing."""
        if os.name == "nt":
            return True
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        return not poll.poll(_PAUSE)


def _write(stream: IO[bytes], rest: bytes) -> None:
    with suppress(OSError), stream:  # it need not read
        while rest:
            rest = rest[stream.write(rest) :]


def _end(process: "subprocess.Popen[bytes]", *, is_group: bool) -> None:
    with suppress(OSError):  # it has just ended
        if is_group and process.returncode is None:  # or else its number may be another's
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
