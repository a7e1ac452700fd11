"""Taking turns at asking AWS, for as little as a cached answer costs.

That only one process asks is the work of filelock's lock, in `aws.fetch`. But all
that is imported to ask takes longer than to ask, and of many callers that start at
once each would import it before the first could ask. So they queue here for it.
Nothing depends on that: where it does not work, they meet at filelock's lock.
"""

import time

from .cache import is_our_own, make_directory

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from .cache import Entry

DEFAULT_TIMEOUT = 15.0
"""Seconds that an answer may take in all, unless AWS_ECR_TIMEOUT says otherwise."""

_LONGEST_TIMEOUT = 24 * 3600.0  # seconds: as good as none, and no clock is too small for it
_MIN_PAUSE, _MAX_PAUSE = 0.01, 0.1  # seconds between two looks at what another process does
_APPEARANCE = ("AWS_ECR_LOG_LEVEL", "AWS_ECR_STRICT")  # they change no call's outcome


class Turn:
    """The turn of one of all processes that name the same file; with ``with``, it ends.

    It ends with the process too, in whatever way. ``paused`` are the seconds of waiting in which
    a person was asked for an MFA code.
    """

    def __init__(self, path: str) -> None:
        self.paused = 0.0
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            from posix import close

            close(self._descriptor)

    def wait(
        self,
        deadline: float,
        look: "Callable[[], Entry | None]",
        is_prompting: "Callable[[], bool]",
    ) -> "Entry | None":
        """Return what ``look`` finds, by the work of others, before it is our turn; else None.

        None also when it is not our turn until ``deadline`` (of `time.monotonic`), which is
        put off while a person ``is_prompting``.
        """
        started = now = time.monotonic()
        while not self._is_ours():
            before, now = now, time.monotonic()
            if is_prompting():
                self.paused += now - before
            if (found := look()) or now > deadline + self.paused:
                return found
            # The more wait, the longer it takes, and the less may they disturb.
            time.sleep(min(max(_MIN_PAUSE, (now - started) / 10), _MAX_PAUSE))
        return look()

    def _is_ours(self) -> bool:
        """Say whether it is our turn, or there is no taking turns here."""
        try:
            import posix
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:  # Windows
            return True
        try:
            if self._descriptor < 0:
                make_directory(self._path.rpartition("/")[0])
                flags = posix.O_RDWR | posix.O_CREAT | posix.O_NOFOLLOW
                self._descriptor = posix.open(self._path, flags, 0o600)
            if not is_our_own(posix.fstat(self._descriptor)):
                return True  # others could hold it for ever
            flock(self._descriptor, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True


def circumstances(environ: "Mapping[str, str]") -> str:
    """Return a digest of the environment: a secret, a proxy or a time limit may be new.

    And of whether there is somebody who can be asked for an MFA code.
    """
    import hashlib

    variables = sorted(each for each in environ.items() if each[0] not in _APPEARANCE)
    text = "\0".join([f"{name}={value}" for name, value in variables] + [str(has_terminal())])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def has_terminal() -> bool:
    """Say whether a person can be asked at the controlling terminal.

    Not if this process runs in its background, where to read from it would stop us.
    """
    import os

    try:
        descriptor = os.open("CONIN$" if os.name == "nt" else "/dev/tty", os.O_RDWR)
    except OSError:
        return False
    try:
        return os.name == "nt" or os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)


def answer_timeout(environ: "Mapping[str, str]") -> float:
    """Return ``AWS_ECR_TIMEOUT`` in seconds, or the default. Raises `BadConfiguration`."""
    text = environ.get("AWS_ECR_TIMEOUT")
    if not text:
        return DEFAULT_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        from .errors import BadConfiguration

        raise BadConfiguration(
            f"AWS_ECR_TIMEOUT must be a number of seconds above 0, not {text!r}",
            "unset it or set it to, say, 15",
        )
    return min(seconds, _LONGEST_TIMEOUT)
