"""The log: misses, refreshes and failures, and hits at level debug.

``log/ecr-login.log`` in the cache directory, 0600, rotated at 1 MiB, three old
ones kept. A log that cannot be written is skipped.
"""

import logging
import os
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TextIO

from .cache import make_directory, writable_directory
from .errors import redact

MAX_SIZE = 1024 * 1024
"""Bytes after which a log is put aside."""

KEPT = 3
"""How many old logs are kept."""

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


class _RedactingFormatter(logging.Formatter):
    """ISO time in UTC, process, level and message; no secret, in tracebacks neither."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(process)d %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return redact(super().format(record))


class _SilentHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name
        """Skip what cannot be written: a full disk must not put a traceback on stderr."""


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
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    try:
        make_directory(directory)
        _rotate(path)
        descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o600)
    except OSError:
        return logging.NullHandler()
    return _SilentHandler(os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace"))


def _rotate(path: str) -> None:
    """Put a log aside that has grown too large; processes that hold it write on in it."""
    if not os.path.exists(path) or os.stat(path).st_size < MAX_SIZE:
        return
    for number in range(KEPT - 1, 0, -1):
        if os.path.exists(f"{path}.{number}"):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")
    os.replace(path, f"{path}.1")
