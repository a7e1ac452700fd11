"""Files of other programs: where they are, and how they are read and replaced."""

import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from ..errors import BadConfiguration
from ..identity import expand
from ..redaction import one_line


class TextFile:
    """A file as it was found: ``text`` is empty if it does not exist.

    ``shown`` is its path for people. Raises `BadConfiguration` if it cannot be read.
    """

    def __init__(self, path: str, environ: Mapping[str, str], *, is_json: bool = True) -> None:
        self.is_json = is_json
        home = expand("~", environ).rstrip("/")
        is_below = home and path.startswith(f"{home}/")
        self.shown = one_line("~" + path[len(home) :] if is_below else path)
        self.target = os.path.realpath(path)  # a link to it stays a link
        try:
            self._state = self._look()
            self.text = self._read() if self._state else ""
        except (OSError, ValueError) as error:
            raise self._failure("read", error) from None

    @property
    def exists(self) -> bool:
        """Whether it was there."""
        return self._state is not None

    def replace(self, text: str) -> None:
        """Write the file, all or nothing. Raises `BadConfiguration`."""
        try:
            self._replace(text.encode())
        except (OSError, ValueError) as error:
            raise self._failure("written", error) from None

    def _look(self) -> os.stat_result | None:
        try:
            return os.stat(self.target)
        except FileNotFoundError:
            return None

    def _read(self) -> str:
        if self._state and not stat.S_ISREG(self._state.st_mode):
            raise BadConfiguration(f"{self.shown}: this is not a file")
        with open(self.target, "rb") as file:
            content = file.read()
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise BadConfiguration(
                f"{self.shown}: not UTF-8, in line {line}", "save it as UTF-8"
            ) from None

    def _replace(self, content: bytes) -> None:
        directory, name = os.path.split(self.target)
        _make_directories(directory)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)  # 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            if self._state:
                _imitate(self._state, temporary)
            self._check_unchanged()
            os.replace(temporary, self.target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        with suppress(OSError):  # Windows has no directories that can be opened
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _check_unchanged(self) -> None:
        states = [
            state and (state.st_ino, state.st_size, state.st_mtime_ns)
            for state in (self._state, self._look())
        ]
        if states[0] != states[1]:
            raise BadConfiguration(
                f"{self.shown}: another program has just written it", "do it once more"
            )

    def _failure(self, verb: str, error: Exception) -> BadConfiguration:
        reason = getattr(error, "strerror", None) or "this cannot be the name of a file"
        is_denied = isinstance(error, PermissionError)
        hint = f"make it yours: sudo chown $(id -u) {self.target}" if is_denied else ""
        return BadConfiguration(f"{self.shown}: it cannot be {verb}: {reason}", hint)


def _make_directories(path: str) -> None:
    """Make a directory for this user only, and those above it that are missing likewise."""
    if not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        with suppress(FileExistsError):  # of another process
            os.mkdir(path, 0o700)


def _imitate(state: os.stat_result, path: str) -> None:
    """Give a new file the owner, if that is allowed, and the mode of the one it replaces."""
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(path, state.st_uid, state.st_gid)
    os.chmod(path, stat.S_IMODE(state.st_mode))
