"""Work with a time limit, in which the time that a person takes does not count."""

import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from ..deadline import Deadline

Result = TypeVar("Result")


class Worker:
    """Runs work in a thread until the ``deadline``; what needs a person, in the caller's thread."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self._messages: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._is_left = False  # by the thread that takes calls
        self._handing_over = Lock()

    def run(self, function: Callable[[], Result]) -> Result:
        """Return what ``function`` returns, or raise, in time: even if it hangs.

        If it hangs, it is left behind in its thread, and ends with the process, or when it
        next needs a person.
        """

        def run() -> None:
            try:
                self._messages.put(("result", function()))
            except BaseException as error:  # handed to the waiting thread
                self._messages.put(("error", error))

        Thread(target=run, daemon=True).start()
        try:
            while True:
                try:
                    kind, content = self._messages.get(timeout=self.deadline.left())
                except Empty:
                    raise self.deadline.exceeded() from None
                if kind == "result":
                    result: Result = content
                    return result
                if kind == "error":
                    raise content
                content()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        """Accept no more calls, so that no thread waits for one while it holds locks."""
        with self._handing_over:
            self._is_left = True
        with suppress(Empty):
            while True:
                kind, content = self._messages.get_nowait()
                if kind == "call":
                    content()

    def without(self, function: Callable[[], Result]) -> Result:
        """Return what ``function``, which waits for a person, returns; its time does not count.

        Called by the work that `run` runs. ``function`` runs in the thread that called `run`:
        that is where Ctrl-C arrives, so that the terminal gets back its echo. Raises what
        ``function`` raises.
        """
        results: list[Result] = []
        errors: list[BaseException] = []
        done = Event()

        def call() -> None:
            started = time.monotonic()
            try:
                if self._is_left:
                    raise self.deadline.exceeded()
                results.append(function())
            except Exception as error:  # handed back
                errors.append(error)
            except BaseException as error:  # Ctrl-C: both threads end
                errors.append(error)
                raise
            finally:
                self.deadline.extend(time.monotonic() - started)
                done.set()

        with self._handing_over:
            if self._is_left:
                raise self.deadline.exceeded()
            self._messages.put(("call", call))
        done.wait()
        if errors:
            raise errors[0]
        return results[0]
