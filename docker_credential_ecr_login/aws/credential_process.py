"""The programs that profiles name as credential_process: ended when their time is over.

botocore waits for them without end, and reads all that they print. It is the limit that keeps our
answer in time; but what hangs would stay behind, one more with each pull.
"""

from collections.abc import Sequence
from functools import partial
from subprocess import PIPE, TimeoutExpired
from typing import Any

from botocore.credentials import CredentialResolver, ProcessProvider
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session

from ..deadline import Deadline
from ..subprocesses import TooMuchOutput, run_to_end


def end_in_time(chain: CredentialResolver, session: Session, deadline: Deadline) -> None:
    """Let the programs of all profiles that ``chain`` meets end within the ``deadline``."""
    popen: Any = partial(_Program, deadline)
    own: Any = chain.get_provider(ProcessProvider.METHOD)
    own._popen = popen  # noqa: SLF001 - no public way to replace it

    def of_source_profile(profile_name: str) -> ProcessProvider:
        return ProcessProvider(profile_name, lambda: session.full_config, popen=popen)

    roles: Any = chain.get_provider("assume-role")
    builder = roles._profile_provider_builder  # noqa: SLF001 - likewise
    builder._create_process_provider = of_source_profile  # noqa: SLF001


class _Program:
    """What botocore knows of a `subprocess.Popen`."""

    returncode: int | None = None
    """Its exit code."""

    def __init__(self, deadline: Deadline, command: Sequence[str], **_: object) -> None:
        self._deadline = deadline
        self._command = command

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what it prints, and what it says on stderr. Raises CredentialRetrievalError."""
        timeout = self._deadline.left() * 0.9  # before we are ended ourselves
        try:
            self.returncode, output, said = run_to_end(self._command, timeout, stderr=PIPE)
        except TooMuchOutput as error:
            reason = str(error)
        except TimeoutExpired:
            reason = f"it took longer than the time limit of {self._deadline.seconds:g} seconds"
        else:
            return output, said
        raise CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg=reason)
