"""Locks that only processes of the same user can hold."""

import os

from filelock import FileLock

from ..cache import is_our_own


def own_lock(path: str, *, thread_local: bool = True) -> FileLock:
    """Return the lock of a file, to be acquired; the file is made if need be.

    Raises OSError where there are no locks, for which versions of filelock either wait, or have
    a substitute that outlives a killed process. And if something else is in that place, or a
    file of somebody else, who could hold its lock for ever.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        if not is_our_own(os.fstat(descriptor)):
            raise PermissionError(path)
        _try_out(descriptor)
    finally:
        os.close(descriptor)
    return FileLock(path, mode=0o600, thread_local=thread_local)


def _try_out(descriptor: int) -> None:
    try:
        from fcntl import LOCK_NB, LOCK_SH, flock
    except ImportError:  # Windows
        return
    try:
        flock(descriptor, LOCK_SH | LOCK_NB)  # until it is closed
    except BlockingIOError:
        pass  # somebody holds it, so there are locks
