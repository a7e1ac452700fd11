"""The programs that profiles name as credential_process: ended when their time is over.

botocore waits for them without end, and reads all that they print. Our time limit would end the
wait, but programs that hang would stay behind, one more with each pull.
"""

from collections.abc import Sequence
from subprocess import PIPE, TimeoutExpired

from botocore.credentials import ProcessProvider
from botocore.exceptions import CredentialRetrievalError

from ..deadline import Deadline
from ..process import show
from ..redaction import redact
from ..subprocesses import TooMuchOutput, run_to_end


class Program:
    """What botocore uses of a `subprocess.Popen`."""

    returncode: int | None = None
    """Its exit code."""

    def __init__(self, deadline: Deadline, command: Sequence[str], **_: object) -> None:
        self._deadline = deadline
        self._command = command

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what it prints, and what it says on stderr. Raises CredentialRetrievalError."""
        timeout = self._deadline.left() * 0.9  # before we are ended ourselves
        try:
            self.returncode, output, said = run_to_end(
                self._command, timeout, stderr=PIPE, hear=_pass_on
            )
        except TooMuchOutput as error:
            reason = str(error)
        except TimeoutExpired:
            reason = f"it took longer than the time limit of {self._deadline.seconds:g} seconds"
        else:
            return output, said
        raise CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg=reason)


def _pass_on(said: bytes) -> None:
    """Show a person what a program asks them to do: to touch a key, or to open a page."""
    show(redact(said.decode(errors="replace"), keep_queries=True))
