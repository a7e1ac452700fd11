"""The log: misses, refreshes and failures, and hits at level debug.

``log/ecr-login.log`` in the cache directory, 0600, rotated at 1 MiB, three old
ones kept. A log that cannot be written is skipped.
"""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import lru_cache
from io import FileIO

from .cache.storage import is_our_own, make_directory, writable_directory
from .errors import BadInput, HelperError, RememberedFailure, is_lack_of_resources
from .protocol import NAME
from .redaction import one_line, redact

MAX_SIZE = 1024 * 1024
"""Bytes after which a new log is begun."""

KEPT = 3
"""How many old logs are kept."""

_MAX_RECORD_LENGTH = 64 * 1024  # characters: an error can quote what a proxy has answered

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def logger(environ: Mapping[str, str]) -> logging.Logger:
    """Return the log to write to, at the level of ``AWS_ECR_LOG_LEVEL`` (default info)."""
    level = environ.get("AWS_ECR_LOG_LEVEL", "").lower()
    return _open(writable_directory(environ), _LEVELS.get(level, logging.INFO))


def failure_line(error: Exception, subject: str, environ: "Mapping[str, str]") -> str:
    """Log ``error`` with what caused it, and return the line for a person; both are one line."""
    if isinstance(error, BadInput):
        return str(error)
    is_lack = is_lack_of_resources(error)
    try:
        origin = "" if isinstance(error, RememberedFailure) else _origin(error)
        logger(environ).error("%s: %s%s", subject, error, origin)
    except Exception:
        pass  # an answer does not depend on the log
    if isinstance(error, HelperError):
        return str(error)
    if is_lack:
        return one_line(
            "the system gives this process no more memory, processes or open files"
            f" ({type(error).__name__}: {error}); raise its limits: see ulimit -a"
        )
    if isinstance(error, ImportError):
        return one_line(f"the installation is not complete ({error}); install {NAME} again")
    return one_line(f"internal error, please report it: {type(error).__name__}: {error}")


def _origin(error: BaseException) -> str:
    """Return where an error was raised, and what caused it, as the end of a line."""
    place, step = "", error.__traceback__
    while step:
        place = f" ({os.path.basename(step.tb_frame.f_code.co_filename)}:{step.tb_lineno})"
        step = step.tb_next
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is None:
        return place
    text = one_line("; ".join([str(cause), *getattr(cause, "__notes__", ())]))
    return f"{place}; caused by {type(cause).__name__}: {text}{_origin(cause)}"


class _RedactingFormatter(logging.Formatter):
    """ISO time in UTC, process, level and message; no secrets."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, cut off if it is very long."""
        return redact(super().format(record)[:_MAX_RECORD_LENGTH])


class _Handler(logging.Handler):
    """Appends each record to a file at once, so that those of several processes do not mix."""

    def __init__(self, file: FileIO) -> None:
        super().__init__()
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; skip what cannot be written: a full disk is no failure."""
        with suppress(OSError):
            self._file.write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


@lru_cache(maxsize=1)
def _open(directory: str | None, level: int) -> logging.Logger:
    log = logging.getLogger("ecr-login")
    log.setLevel(level)
    log.propagate = False
    handler = _file_handler(f"{directory}/log") if directory else logging.NullHandler()
    handler.setFormatter(_RedactingFormatter())
    log.handlers[:] = [handler]
    return log


def _file_handler(directory: str) -> logging.Handler:
    path = f"{directory}/ecr-login.log"
    try:
        make_directory(directory)
        if os.path.exists(path) and os.stat(path).st_size >= MAX_SIZE:
            _rotate(path)
        return _Handler(_opened(path))
    except OSError:
        return logging.NullHandler()


def _opened(path: str) -> FileIO:
    """Open a log to write at its end. Raises OSError, also if it may be somebody else's."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    if not is_our_own(os.fstat(descriptor)):
        os.close(descriptor)
        raise PermissionError(path)
    return FileIO(descriptor, "a")


def _rotate(path: str) -> None:
    """Rename a log that has grown too large; processes that have it open continue in it.

    If several processes find it too large, one of them renames it. Raises OSError.
    """
    with ExitStack() as held:
        with suppress(ImportError):  # Windows
            from fcntl import LOCK_EX, LOCK_NB, flock

            file = held.enter_context(_opened(path))
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                return
            except OSError:
                pass  # locks do not work here
            state = os.fstat(file.fileno())
            if state.st_size < MAX_SIZE or not os.path.samestat(os.stat(path), state):
                return
        for number in range(KEPT - 1, 0, -1):
            if os.path.exists(f"{path}.{number}"):
                os.replace(f"{path}.{number}", f"{path}.{number + 1}")
        os.replace(path, f"{path}.1")
