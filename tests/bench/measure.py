"""Run one program, or a herd of it, and say what that took."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.helper_process import HelperProcess, Outcome

_SPAWN = Path(__file__).with_name("spawn.py")
_PATIENCE = 300  # seconds for one measurement: two hundred Pythons on a small machine are slow
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


class Failed(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True)
class Run:
    """What one process took, or a herd of them, and what each of them gave.

    The time is from the start of the first process to the end of the last, the CPU time is that
    of all of them with their children, the memory is the peak of the largest.
    """

    milliseconds: float
    cpu_milliseconds: float
    megabytes: float
    outcomes: Sequence[Outcome]


def run(
    scratch: Path,
    command: Sequence[str],
    helper: HelperProcess,
    stdin: str,
    *,
    processes: int = 1,
    for_memory: bool = False,
) -> Run:
    """Run ``command`` in the home and the environment of ``helper``, as often as is asked at once.

    ``scratch`` is a directory for the streams. ``for_memory`` makes the memory of one small
    process right, and its time wrong.
    """
    (scratch / "stdin").write_text(stdin)
    exact = for_memory and processes == 1 and sys.platform == "linux"
    spawn = subprocess.Popen(
        [
            *(sys.executable, "-IS", str(_SPAWN), str(scratch), str(processes)),
            "exact" if exact else "shared",
            *command,
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=helper.home,
        env=helper.environment(),
        process_group=0,
        text=True,
    )
    try:
        report, complaint = spawn.communicate(timeout=_PATIENCE)
    except BaseException as error:
        # With all that it started: nobody else knows of these.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(spawn.pid, signal.SIGKILL)
        spawn.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise Failed(f"{command[0]}: no end within {_PATIENCE} seconds") from None
        raise
    if spawn.returncode:
        raise Failed(f"{command[0]}: it cannot be run: {complaint.strip().splitlines()[-1]}")
    return _run(scratch, report)


def _run(scratch: Path, report: str) -> Run:
    outcomes = []
    nanoseconds, cpu, memory = [], [], []
    for line in report.splitlines():
        number, status, elapsed, cpu_milliseconds, maxrss = line.split()
        outcomes.append(
            Outcome(
                (scratch / f"{number}.stdout").read_text(errors="replace"),
                (scratch / f"{number}.stderr").read_text(errors="replace"),
                int(status),
            )
        )
        nanoseconds.append(int(elapsed))
        cpu.append(float(cpu_milliseconds))
        memory.append(int(maxrss) * _MAXRSS_UNIT)
    return Run(max(nanoseconds) / 1e6, sum(cpu), max(memory) / 1e6, outcomes)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as the condition holds; raises `Failed` if it does not within 60 seconds."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited too long for {what}")
        time.sleep(0.005)  # the machine is left to what is waited for
