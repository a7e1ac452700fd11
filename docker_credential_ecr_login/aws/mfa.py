"""The code of an MFA device, which is asked for only once for all processes.

It comes from, in this order: ``AWS_ECR_MFA_CODE``, the profile's ``mfa_process`` (a command that
prints the code, as in aws-vault), the person at the controlling terminal.
"""

import getpass
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Protocol, Self

from ..cache.locks import Lock
from ..deadline import Deadline
from ..errors import BadConfiguration, MfaCodeRefused
from ..process import has_terminal
from ..redaction import one_line
from ..subprocesses import TooMuchOutput, run_to_end
from .attempt import Attempt
from .worker import Worker

if TYPE_CHECKING:
    from .sessions import SessionCache

_CODE_LENGTH = 6  # AWS STS API reference, AssumeRole, TokenCode


class LookAgain(Exception):
    """Another process has got the session while this one waited for its turn to ask."""


class Turn(Protocol):
    """The turn of this process to ask AWS, for which others wait."""

    @property
    def directory(self) -> str | None:
        """The directory with the locks of processes that ask, None if there is none."""

    @property
    def patience(self) -> float:
        """Seconds without a sign of life after which another process may be overtaken."""

    def give_way(self) -> None:
        """Tell others that a person is asked, for whom not all of them wait."""


class MfaCodes:
    """Gives botocore MFA codes. Used by ``with``: until its end, no other process asks likewise.

    ``sessions`` is where botocore keeps what a code gets.
    """

    def __init__(self, attempt: Attempt, worker: Worker, turn: Turn | None) -> None:
        self._attempt = attempt
        self._worker = worker
        self._turn = turn
        self.sessions: SessionCache | None = None
        self._held = ExitStack()
        self._is_our_turn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def __call__(self, prompt: str) -> str:
        """Return the code for the device that botocore's ``prompt`` names.

        Raises `LookAgain` and `HelperError`.
        """
        serial = prompt.removeprefix("Enter MFA code for ").rstrip(": ")
        attempt = self._attempt
        profile = attempt.profile_of_device(serial)
        process = attempt.profiles.get(profile, {}).get("mfa_process")
        code = attempt.environ.get("AWS_ECR_MFA_CODE")
        if not attempt.may_ask or not (code or process or has_terminal()):
            raise attempt.mfa_needed()
        if not self._is_our_turn:
            # Codes that need no person do not wait for one, who may take any time.
            by_person = not (code or process)
            self._worker.without(lambda: self._take_turn(by_person=by_person))
            if self.sessions and self.sessions.has_last():
                raise LookAgain
        if code:
            return _checked(code, "the value of AWS_ECR_MFA_CODE")
        if process:
            return _checked(
                _run(process, profile, self._worker.deadline),
                f'the output of mfa_process of profile "{profile}"',
            )
        question = one_line(f'Enter MFA code for {serial} (profile "{profile}")') + ": "
        return _checked(self._worker.without(lambda: _ask(question)), "what was typed")

    def _take_turn(self, *, by_person: bool) -> None:
        if self._turn and self._turn.directory:
            with suppress(OSError):  # a prompt too many is better than none
                if by_person:
                    self._turn.give_way()
                name = "mfa" if by_person else "mfa-process"
                lock = Lock(f"{self._turn.directory}/{name}.lock")
                self._held.callback(lock.release)
                lock.acquire(self._turn.patience)
        self._is_our_turn = True


def _ask(question: str) -> str:
    try:
        return getpass.getpass(question)
    except (EOFError, UnicodeDecodeError):
        return ""


def _run(command: str, profile: str, deadline: Deadline) -> str:
    """Return what the user's ``command`` prints. Raises `BadConfiguration`."""
    # Neither the command line nor what it printed is quoted: either can hold a secret.
    try:
        status, output, _ = run_to_end(command, deadline.left() * 0.9, stdin=b"")
    except subprocess.TimeoutExpired:
        reason = f"it took longer than the time limit of {deadline.seconds:g} seconds"
    except (OSError, TooMuchOutput) as error:
        reason = str(error)
    else:
        if status == 0:
            return output.decode(errors="replace")
        reason = f"it ended with exit code {status}"
    raise BadConfiguration(
        f'mfa_process of profile "{profile}" failed: {one_line(reason)}',
        "run the command by hand to see why",
    )


def _checked(code: str, origin: str) -> str:
    code = code.strip()
    if len(code) != _CODE_LENGTH or not (code.isascii() and code.isdecimal()):
        raise MfaCodeRefused(f"{origin} is not an MFA code, which has six digits", "try again")
    return code
