"""Whose turn it is to ask AWS: one caller asks, and the others wait for its token."""

import time

from .cache import storage
from .cache.locks import MIN_PATIENCE, Lock
from .cache.recall import remembered_failure
from .cache.tokens import Cache
from .process import has_terminal

TYPE_CHECKING = False  # of typing, whose import would cost more than what waiters do
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self, TypeVar

    from .deadline import Deadline
    from .request import Request

    Found = TypeVar("Found")


class Turn:
    """The turn to ask AWS, which one of all callers for a scope has at a time; used by ``with``.

    Without a ``cache``, or if locks do not work, every caller has it: a superfluous call is better
    than none. The others wait until the ``deadline``. ``patience`` are the seconds without a sign
    of life after which another process may be overtaken.
    """

    def __init__(self, cache: Cache | None, request: "Request", deadline: "Deadline") -> None:
        self.cache = cache
        self.request = request
        self.deadline = deadline
        self.patience = max(deadline.seconds / 3, MIN_PATIENCE)
        self._since = time.time() - deadline.elapsed()
        self._lock: Lock | None = None

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock:
            self._lock.release()

    def wait(self, look: "Callable[[], Found | None]") -> "Found | None":
        """Return what ``look`` finds through the work of others, or None when it is our turn.

        Raises `HelperError`: the failure of the others, or that the time is over.
        """
        try:
            return self._wait(self.cache, look) if self.cache else None
        except OSError:
            return None

    def _wait(self, cache: Cache, look: "Callable[[], Found | None]") -> "Found | None":
        overtaken: set[str] = set()  # the paths of locks whose holders are stopped
        while True:
            path = self._next_path(overtaken)
            lock, is_for_person = Lock(path), path == self._prompt_path
            if not is_for_person and lock.acquire_now():
                self._lock = lock
                storage.touch(cache.tokens)  # so that no sweep takes the lock away
                found = self._looked(look)
                if found is None and self._next_path(overtaken) == path:
                    lock.show_life()
                    return None
                lock.release()
                self._lock = None
                if found is not None:
                    return found
                continue
            started = time.monotonic()
            is_free = lock.wait(self.patience, self.deadline.left())
            if is_for_person:
                self.deadline.extend(time.monotonic() - started)
            found = self._looked(look)
            if found is not None:
                return found
            if self.deadline.left() == 0:
                raise self.deadline.exceeded()
            if not is_free and lock.silence() >= self.patience:
                overtaken.add(path)

    def _looked(self, look: "Callable[[], Found | None]") -> "Found | None":
        found = look()
        if found is not None or self.cache is None:
            return found
        if line := remembered_failure(self.cache, self.request, self._since, time.time()):
            from .errors import RememberedFailure

            raise RememberedFailure(line)
        return None

    @property
    def _prompt_path(self) -> str:
        return f"{self._path}.prompt"

    @property
    def _path(self) -> str:
        return self.cache.token_path(self.request) if self.cache else ""

    def _next_path(self, overtaken: set[str]) -> str:
        """Return the path of the lock to take, or to wait for.

        Raises `MfaCodeNeeded` while a person is asked for a code, if there is no terminal here:
        only callers with a terminal wait for that.
        """
        if self._prompt_path not in overtaken and Lock(self._prompt_path).is_held():
            if has_terminal():
                return self._prompt_path
            if not self.request.environ.get("AWS_ECR_MFA_CODE"):
                from .errors import MfaCodeNeeded

                raise MfaCodeNeeded(
                    "another process is asking for an MFA code, and there is no terminal here",
                    "type the code at the terminal of that process, and try again",
                )
        path = f"{self._path}.lock"
        while path in overtaken:
            path = f"{path.removesuffix('.lock')}+.lock"
        return path

    @property
    def directory(self) -> str | None:
        """The directory with the locks of processes that ask a person, None if there is none."""
        return self.cache.directory if self.cache else None

    def give_way(self) -> None:
        """Tell others that a person is asked for an MFA code, for which not all of them wait."""
        if self._lock is None:
            return
        prompt = Lock(self._prompt_path)
        if prompt.acquire(self.patience):
            self._lock.release()
            self._lock = prompt
