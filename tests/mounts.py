"""File systems that are mounted for a test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helper_process import HelperProcess


@contextmanager
def mounted(
    helper: HelperProcess, place: Path, script: str
) -> Iterator[tuple[HelperProcess, Path]]:
    """Mount a file system at ``place`` by a shell ``script`` that has it as $0.

    Gives the executable with that, and where it is seen from here. It lives in a mount
    namespace, which ends with the process that holds it.
    """
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("a file system of one's own needs Linux, root and nsenter")
    with subprocess.Popen(
        ["unshare", "--mount", "/bin/sh", "-c", f"{script} && echo mounted && exec cat", place],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as holder:
        assert holder.stdout is not None
        if holder.stdout.readline() != b"mounted\n":
            pytest.skip("file systems cannot be mounted here")
        seen = Path(f"/proc/{holder.pid}/root") / place.relative_to("/")
        yield replace(helper, prefix=("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--")), seen
        assert holder.stdin is not None
        holder.stdin.close()
