"""Locks between the processes of a user: one holds a lock, and all who wait for it wake at once.

On Unix, a lock is that of flock(2) on a whole file, as in filelock; elsewhere it is filelock's.
Waiting needs no polling, and imports neither filelock nor threading, which would take longer than a
cached answer. A holder shows that it is at work by updating the time of the file; one that is
stopped (Ctrl-Z, ``docker pause``) does not, and may be overtaken.
"""

import time

from . import storage

try:
    import posix as system
except ImportError:  # Windows
    import os as system  # type: ignore[no-redef]

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable

_BEAT = 0.25  # seconds between two signs of life
_GRACE = 0.5  # seconds for a new holder to give the first
MIN_PATIENCE = 4 * _BEAT
"""The least number of seconds without a sign of life after which a holder counts as stopped."""

_OPEN_FLAGS = (
    system.O_RDWR
    | system.O_CREAT
    | getattr(system, "O_NOFOLLOW", 0)
    | getattr(system, "O_NONBLOCK", 0)
)


class Lock:
    """A lock on a file, which is created if need be. It also ends with the process.

    All methods but `release` and `is_held` raise OSError where locks do not work, or if the path
    is not that of a file, or the file is another user's, who could hold its lock for ever.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._release: Callable[[], None] | None = None
        self._stop: Callable[[], None] | None = None

    def acquire_now(self) -> bool:
        """Hold the lock from now on, unless another process does; say whether it is held."""
        self._release = _acquired(self._path)
        if self._release is None:
            return False
        storage.touch(self._path)  # the first sign of life
        return True

    def release(self) -> None:
        """Let the lock go, if it is held."""
        if self._stop:
            self._stop()
        if self._release:
            self._release()
        self._release = self._stop = None

    def is_held(self) -> bool:
        """Say whether another process holds the lock, without being in anybody's way."""
        return _is_held(self._path)

    def acquire(self, patience: float) -> bool:
        """Wait for the lock, and hold it; say whether it is held.

        It is not if its holder shows no sign of life for the seconds of ``patience``.
        """
        while not self.acquire_now():
            if not self.wait(patience, float("inf")) and self.silence() >= patience:
                return False
        self.show_life()
        return True

    def wait(self, patience: float, left: float) -> bool:
        """Wait until the holder lets the lock go; say whether it has.

        It waits at most for the seconds ``left``, and at most until there may have been no sign of
        life for the seconds of ``patience``.
        """
        return _wait(self._path, min(max(_GRACE, patience - self.silence()), left))

    def silence(self) -> float:
        """Return the seconds since the last sign of life, which has the time of the holder."""
        descriptor = _opened(self._path)  # which on NFS asks anew for the time
        try:
            return abs(time.time() - system.fstat(descriptor).st_mtime)
        finally:
            system.close(descriptor)

    def show_life(self) -> None:
        """Give a sign of life now and then, until the lock is let go."""
        from _thread import allocate_lock, start_new_thread

        is_held = allocate_lock()
        is_held.acquire()
        self._stop = is_held.release

        def beat() -> None:
            while True:
                try:
                    storage.touch(self._path)
                except OSError:
                    pass  # then others do not wait as long
                if is_held.acquire(timeout=_BEAT):
                    return

        start_new_thread(beat, ())


def _opened(path: str) -> int:
    storage.make_directory(path.rpartition("/")[0])
    descriptor = system.open(path, _OPEN_FLAGS, 0o600)
    if storage.is_our_own(system.fstat(descriptor)):
        return descriptor
    system.close(descriptor)
    raise PermissionError(path)


try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock
except ImportError:  # Windows

    def _acquired(path: str) -> "Callable[[], None] | None":
        from filelock import FileLock, Timeout

        lock = FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock.release

    def _is_held(path: str) -> bool:
        release = _acquired(path)
        if release:
            release()
        return release is None

    def _wait(path: str, seconds: float) -> bool:
        from filelock import FileLock, Timeout

        try:
            FileLock(path, mode=0o600).acquire(timeout=min(seconds, 3600)).lock.release()
        except Timeout:
            return False
        return True

else:

    def _acquired(path: str) -> "Callable[[], None] | None":
        """Return what lets the lock go, or None if another process holds it."""
        descriptor = _opened(path)
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            system.close(descriptor)
            return None
        except OSError:
            system.close(descriptor)
            raise
        return lambda: system.close(descriptor)

    def _is_held(path: str) -> bool:
        try:
            descriptor = system.open(path, _OPEN_FLAGS & ~system.O_CREAT)
        except OSError:
            return False
        try:
            flock(descriptor, LOCK_SH | LOCK_NB)  # as others who ask can have it at once
        except BlockingIOError:
            return storage.is_our_own(system.fstat(descriptor))
        except OSError:
            pass
        finally:
            system.close(descriptor)
        return False

    def _wait(path: str, seconds: float) -> bool:
        """Return whether nobody holds the lock any more, after so many seconds at the latest."""
        from _thread import TIMEOUT_MAX, allocate_lock, start_new_thread

        descriptor = _opened(path)
        is_over = allocate_lock()
        is_over.acquire()

        def wait() -> None:  # where no signal ends it, and nobody else has to wait for it
            try:
                flock(descriptor, LOCK_SH)
            except OSError:
                pass
            finally:
                system.close(descriptor)
                is_over.release()

        start_new_thread(wait, ())
        return is_over.acquire(timeout=min(seconds, TIMEOUT_MAX))
