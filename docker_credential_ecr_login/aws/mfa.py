"""The code of an MFA device: where it comes from, and that it is asked for once.

In this order: ``AWS_ECR_MFA_CODE``, the profile's ``mfa_process`` (a command that prints the
code, as aws-vault has it), the person at the controlling terminal.
"""

import getpass
import subprocess
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

from ..cache import Cache
from ..errors import BadConfiguration, MfaCodeRefused, one_line
from ..processes import TooMuchOutput, run_to_end
from ..registry import Registry
from ..turn import has_terminal
from .failures import Circumstances
from .limit import Limit
from .locks import own_lock

if TYPE_CHECKING:
    from .sessions import SessionCache

_CODE_LENGTH = 6  # AWS STS API reference, AssumeRole, TokenCode


class LookAgain(Exception):
    """Another process has got the session while this one waited for its turn to ask."""


class MfaCodes:
    """botocore's prompter. With ``with``: until its end, no other process asks in that way.

    ``cache`` is where processes meet, None if they cannot. Whoever waits for the token of
    ``registry`` waits for the person, too. ``sessions`` is where botocore keeps what it gets
    for a code.
    """

    def __init__(
        self, registry: Registry, circumstances: Circumstances, limit: Limit, cache: Cache | None
    ) -> None:
        self._registry = registry
        self._circumstances = circumstances
        self._limit = limit
        self._cache = cache
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
        circumstances = self._circumstances
        profile = circumstances.profile_of_device(serial)
        process = circumstances.profiles.get(profile, {}).get("mfa_process")
        code = circumstances.environ.get("AWS_ECR_MFA_CODE")
        if not circumstances.may_ask or not (code or process or has_terminal()):
            raise circumstances.mfa_needed()
        if not self._is_our_turn:
            # Who needs no person does not wait for one, who takes as long as they like.
            by_person = not (code or process)
            self._limit.without(lambda: self._take_turn(by_person=by_person))
            if self.sessions and self.sessions.has_last():
                raise LookAgain
        if code:
            return _checked(code, "what AWS_ECR_MFA_CODE is set to")
        if process:
            return _checked(
                _run(process, profile, self._limit), f'what mfa_process of profile "{profile}" says'
            )
        question = one_line(f'Enter MFA code for {serial} (profile "{profile}")') + ": "
        return _checked(self._limit.without(lambda: _ask(question)), "what was typed")

    def _take_turn(self, *, by_person: bool) -> None:
        if self._cache:
            with suppress(OSError, NotImplementedError):  # a prompt too many is better than none
                self._cache.set_prompting(self._registry, on=True)
                self._held.callback(self._cache.set_prompting, self._registry, on=False)
                # Not of one thread: it is taken in one, and given back in another.
                path = self._cache.mfa_lock_path(by_person=by_person)
                self._held.enter_context(own_lock(path, thread_local=False))
        self._is_our_turn = True


def _ask(question: str) -> str:
    try:
        return getpass.getpass(question)
    except (EOFError, UnicodeDecodeError):
        return ""


def _run(command: str, profile: str, limit: Limit) -> str:
    """Return what the user's ``command`` prints. Raises `BadConfiguration`."""
    # Neither the command line nor what it printed is quoted: either can hold a secret.
    try:
        status, output, _ = run_to_end(command, limit.left() * 0.9, stdin=b"")
    except subprocess.TimeoutExpired:
        reason = f"it took longer than the time limit of {limit.seconds:g} seconds"
    except (OSError, TooMuchOutput) as error:
        reason = str(error)
    else:
        if status == 0:
            return output.decode(errors="replace")
        reason = f"it ended with status {status}"
    raise BadConfiguration(
        f'mfa_process of profile "{profile}" failed: {one_line(reason)}',
        "run the command by hand to see why",
    )


def _checked(code: str, origin: str) -> str:
    code = code.strip()
    if len(code) != _CODE_LENGTH or not (code.isascii() and code.isdecimal()):
        raise MfaCodeRefused(f"{origin} is no MFA code: that has six digits", "try again")
    return code
