"""Files of other programs, which are written only if they are still as they were read.

The other programs write them without a lock. So the new file is exchanged with the present one, in
one step, and the present one is compared with what was read: if it differs, it is put back.
"""

import ctypes
import errno
import os
import shlex
import stat
import sys
import tempfile
from codecs import BOM_UTF8
from collections.abc import Mapping
from contextlib import suppress

from ..encoding import foreign
from ..errors import BadConfiguration
from ..identity import expand
from ..redaction import one_line

# A file cannot be replaced in another user's directory, or if it is a mount of its own.
_NOT_REPLACEABLE = (errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS)
_AT_FDCWD = -100  # of linux/fcntl.h
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h, RENAME_SWAP of macOS's stdio.h


class WrittenMeanwhile(BadConfiguration):
    """Another program has written the file since it was read; nothing of that was overwritten."""


class TextFile:
    """A file as it was found: ``text`` is empty if it does not exist.

    ``shown`` is its path for people. Raises `BadConfiguration` if it cannot be read.
    """

    def __init__(self, path: str, environ: Mapping[str, str], *, is_json: bool = True) -> None:
        self.is_json = is_json
        self.shown = shown(path, environ)
        self.target = os.path.realpath(path)  # a link to it stays a link
        self._path, self._home = path, os.path.realpath(_home(environ))
        try:
            self._content = self._look()
        except (OSError, ValueError) as error:
            raise self._failure("read", error) from None
        content = self._content or b""
        # Go, which reads the JSON, takes no byte order mark; we take one in our own file.
        checked = content if is_json else content.removeprefix(BOM_UTF8)
        if found := foreign(checked, self.target):
            raise BadConfiguration(f"{self.shown}: {found[0]}", found[1])
        self.text = content.decode()

    @property
    def exists(self) -> bool:
        """Whether it was there."""
        return self._content is not None

    def replace(self, text: str) -> None:
        """Write the file, all or nothing. Raises `BadConfiguration`, and `WrittenMeanwhile`."""
        content = text.encode()
        try:
            try:
                self._replace(content)
            except OSError as error:
                if not self.exists or error.errno not in _NOT_REPLACEABLE:
                    raise
                self._overwrite(content)
        except (OSError, ValueError) as error:
            raise self._failure("written", error) from None
        self._content = content

    def verify(self) -> None:
        """Raise `WrittenMeanwhile` if it is no longer as it was read, or written, here."""
        if self._look() != self._content:
            raise self._written_meanwhile()

    def _look(self) -> bytes | None:
        try:
            if not stat.S_ISREG(os.stat(self.target).st_mode):
                raise BadConfiguration(f"{self.shown}: this is not a file")
            return _read(self.target)
        except FileNotFoundError:
            return None

    def _replace(self, content: bytes) -> None:
        directory, name = os.path.split(self.target)
        _make_directories(directory)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)  # 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
                if self.exists:
                    _imitate(os.stat(self.target), descriptor)
                else:
                    _give_to_owner(os.stat(directory), descriptor)
            self.verify()
            self._exchange(temporary)
        finally:
            with suppress(OSError):
                os.unlink(temporary)
        with suppress(OSError):  # Windows has no directories that can be opened
            descriptor = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _exchange(self, temporary: str) -> None:
        """Put the file at ``temporary`` in place of what was read, if that is still there."""
        try:
            if not self.exists:
                os.link(temporary, self.target)
                return
            exchange(temporary, self.target)
        except FileExistsError:
            raise self._written_meanwhile() from None
        except (OSError, AttributeError, TypeError):  # not by this system or file system
            os.replace(temporary, self.target)
            return
        if _read(temporary) != self._content:
            exchange(temporary, self.target)
            raise self._written_meanwhile()

    def _overwrite(self, content: bytes) -> None:
        self.verify()
        try:
            _fill(self.target, content)
        except OSError:
            with suppress(OSError):
                _fill(self.target, self._content or b"")
            raise

    def _written_meanwhile(self) -> WrittenMeanwhile:
        return WrittenMeanwhile(
            f"{self.shown}: another program keeps changing it", "try again when that has ended"
        )

    def _failure(self, verb: str, error: Exception) -> BadConfiguration:
        reason = getattr(error, "strerror", None) or "this cannot be the name of a file"
        number = getattr(error, "errno", None)
        hint = self._remedy(number) if number in _NOT_REPLACEABLE else ""
        return BadConfiguration(f"{self.shown}: it cannot be {verb}: {reason}", hint)

    def _remedy(self, number: int) -> str:
        """Return the command that lets this user read and write the file, by the errno."""
        path, target = shlex.quote(self._path), shlex.quote(self.target)
        if os.path.islink(self._path):
            return (
                f"it is a link to {target}: change it where it is managed, or replace the link "
                f"with a copy: cp {target} {path}.new && mv {path}.new {path}"
            )
        if number == errno.EROFS:
            return f"mount {os.path.dirname(target)} as writable"
        if not self.target.startswith(f"{self._home}/") or not hasattr(os, "geteuid"):
            return (
                f"run this as the owner of {target}, or name files of your own with DOCKER_CONFIG, "
                "REGISTRY_AUTH_FILE or AWS_ECR_CONFIG"
            )
        place = self._home
        for name in os.path.relpath(self.target, self._home).split(os.sep):
            place = os.path.join(place, name)
            if os.path.lexists(place) and os.stat(place).st_uid != os.geteuid():
                return f"make it yours: sudo chown -R $(id -u) {shlex.quote(place)}"
        return f"allow yourself to write it: chmod u+rwX {os.path.dirname(target)} {target}"


def shown(path: str, environ: Mapping[str, str]) -> str:
    """Return a path for people, on one line: with ~ for the home directory."""
    home = _home(environ)
    is_below = home and path.startswith(f"{home}/")
    return one_line("~" + path[len(home) :] if is_below else path)


def _home(environ: Mapping[str, str]) -> str:
    return expand("~", environ).rstrip("/")


def exchange(one: str, other: str) -> None:
    """Exchange two files in one step. Raises OSError, and others where the system cannot do it."""
    libc = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        failed = libc.renamex_np(*paths, _EXCHANGE)
    else:
        failed = libc.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _EXCHANGE)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _fill(path: str, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _make_directories(path: str) -> None:
    """Make a directory, and the missing ones above it, for this user only."""
    if not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        with suppress(FileExistsError):  # of another process
            os.mkdir(path, 0o700)
            with suppress(AttributeError):  # Windows
                descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    _give_to_owner(os.stat(os.path.dirname(path)), descriptor)
                finally:
                    os.close(descriptor)


# By descriptors: in the directory of another user, a name can lead elsewhere at any moment.


def _give_to_owner(state: os.stat_result, descriptor: int) -> None:
    """Give a new file to the owner of another, if that is allowed: root works in any home."""
    with suppress(AttributeError, PermissionError):  # Windows has no owners
        os.fchown(descriptor, state.st_uid, state.st_gid)


def _imitate(state: os.stat_result, descriptor: int) -> None:
    """Give a new file the owner, if that is allowed, and the mode of the one it replaces."""
    _give_to_owner(state, descriptor)
    with suppress(AttributeError):  # Windows, before Python 3.13
        os.fchmod(descriptor, stat.S_IMODE(state.st_mode))
