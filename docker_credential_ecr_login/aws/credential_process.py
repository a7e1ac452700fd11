"""The programs that profiles name as credential_process: ended when their time is over.

botocore waits for them without end, and reads all that they print. It is the limit that keeps our
answer in time; but what hangs would stay behind, one more with each pull.
"""

import subprocess
from collections.abc import Sequence
from functools import partial
from threading import Thread, Timer
from typing import Any

from botocore.credentials import CredentialResolver, ProcessProvider
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session

from ..processes import end, has_own_group
from .answers import MAX_SIZE
from .limit import Limit


def end_in_time(chain: CredentialResolver, session: Session, limit: Limit) -> None:
    """Let the programs of all profiles that ``chain`` meets end within the ``limit``."""
    popen: Any = partial(_Program, limit)
    own: Any = chain.get_provider(ProcessProvider.METHOD)
    own._popen = popen  # noqa: SLF001 - no public way to replace it

    def of_source_profile(profile_name: str) -> ProcessProvider:
        return ProcessProvider(profile_name, lambda: session.full_config, popen=popen)

    roles: Any = chain.get_provider("assume-role")
    builder = roles._profile_provider_builder  # noqa: SLF001 - likewise
    builder._create_process_provider = of_source_profile  # noqa: SLF001


class _Program:
    """What botocore knows of a `subprocess.Popen`."""

    def __init__(self, limit: Limit, command: Sequence[str], **_: object) -> None:
        self._limit = limit
        self._is_group = has_own_group()
        self._process = subprocess.Popen(  # noqa: S603 - the user's own choice
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0 if self._is_group else None,
        )

    @property
    def returncode(self) -> int | None:
        """Its exit code."""
        return self._process.returncode

    def communicate(self) -> tuple[bytes, bytes]:
        """Return what it prints, and what it says on stderr. Raises CredentialRetrievalError."""
        outputs = [b"", b""]
        is_late = False

        def end_late() -> None:
            nonlocal is_late
            is_late = True
            self._end()

        def read(number: int, stream: Any) -> None:
            outputs[number] = stream.read(MAX_SIZE + 1)
            if len(outputs[number]) > MAX_SIZE:
                self._end()

        streams = enumerate((self._process.stdout, self._process.stderr))
        readers = [Thread(target=read, args=each, daemon=True) for each in streams]
        timer = Timer(self._limit.left() * 0.9, end_late)  # before we are ended ourselves
        timer.daemon = True
        for thread in (timer, *readers):
            thread.start()
        for reader in readers:
            reader.join()
        self._process.wait()
        timer.cancel()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        if max(map(len, outputs)) > MAX_SIZE:
            raise _failed(f"it prints more than {MAX_SIZE // 1024**2} MiB")
        if is_late:
            raise _failed(f"it took longer than the time limit of {self._limit.seconds:g} seconds")
        return outputs[0], outputs[1]

    def _end(self) -> None:
        if self._process.returncode is None:  # or else its number may be another's by now
            end(self._process, is_group=self._is_group)


def _failed(reason: str) -> CredentialRetrievalError:
    return CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg=reason)
