"""Run the benchmark: ``python -m tests.bench``, with parameters in the environment.

    PEER        a credential helper to compare with (default: a minimal boto3 script)
    DELAY_MS    milliseconds that AWS takes for each call (default: 50)
    RUNS        counted runs of each row (default: 30); herds have three
    ROWS        measure only the rows whose name has this in it (default: all)
    AWS_CLI     the AWS command line interface (default: "aws" on PATH, if it is there)
    BENCH_JSON  where all numbers go (default: bench.json)

Each run is a process of its own that is given its input beforehand; ours and its counterpart
alternate, and change places each round. Each answer is checked, and one that is wrong ends the
benchmark. Prints a table: medians of the wall time, and ours / theirs for calls of AWS (with
those of the metadata service), CPU time (without that of a refresh in the background) and peak
memory.
"""

import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.bench import programs
from tests.bench.measure import Failed
from tests.bench.rows import REGION, ROWS, Row, measure
from tests.bench.table import Result, to_json, to_text
from tests.helper_process import processes_of

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Parameters:
    """What the environment asks for; ``delay_ms`` is in milliseconds."""

    peer: Path | None
    delay_ms: float
    runs: int
    rows: str
    aws_cli: str | None
    json_file: Path


def parameters(environ: Mapping[str, str]) -> Parameters:
    """Read the parameters; what is empty is unset. Raises `Failed` for one that makes no sense."""
    given = {name: value for name, value in environ.items() if value}
    try:
        delay_ms, runs = float(given.get("DELAY_MS", 50)), int(given.get("RUNS", 30))
    except ValueError as error:
        raise Failed(f"DELAY_MS and RUNS are numbers: {error}") from None
    if not 0 <= delay_ms < 1000 or runs < 1:
        raise Failed("DELAY_MS must be less than 1000, and RUNS at least 1")
    rows = given.get("ROWS", "")
    if not any(rows in row.name for row in ROWS):
        names = dict.fromkeys(row.name for row in ROWS)
        raise Failed(f"no row has {rows!r} in its name; there are:\n  " + "\n  ".join(names))
    return Parameters(
        Path(given["PEER"]) if "PEER" in given else None,
        delay_ms,
        runs,
        rows,
        given.get("AWS_CLI"),
        Path(given.get("BENCH_JSON", "bench.json")),
    )


def main() -> int:
    """Measure, print, clean up, and return the exit code."""
    try:
        asked = parameters(os.environ)
        with _temporary_directory() as directory:
            rows = [row for row in ROWS if asked.rows in row.name]
            others = programs.others(asked.peer, asked.aws_cli, REGION)
            used = [others[row.against] for row in rows if row.against in others]
            conditions = _conditions(asked, [programs.ours(), *dict.fromkeys(used)])
            results = _results(asked, rows, others, directory)
    except Failed as failed:
        print(failed, file=sys.stderr)  # noqa: T201
        return 1
    except _Stopped as stopped:
        return 128 + stopped.number
    print(to_text(conditions, results), end="")  # noqa: T201
    asked.json_file.write_text(json.dumps(to_json(conditions, results), indent=1) + "\n")
    return 0


def _results(
    asked: Parameters,
    rows: Sequence[Row],
    others: Mapping[str, programs.Program],
    directory: Path,
) -> list[Result]:
    """Measure one row after the other; those without a counterpart to compare with are left out."""
    results = []
    try:
        for number, row in enumerate(rows, 1):
            _show_progress(f"{number}/{len(rows)} {row.name}")
            if result := measure(row, others, directory, asked.delay_ms / 1000, asked.runs):
                results.append(result)
    finally:
        _show_progress("")
    return results


def _show_progress(text: str) -> None:
    """Show what is measured, in place of what was shown before, if somebody is watching."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)  # noqa: T201


def _conditions(asked: Parameters, used: Sequence[programs.Program]) -> dict[str, str]:
    kernel = f"{platform.system()} {platform.release()}"
    return {
        "machine": f"{os.cpu_count()} cores of {_processor()}, {kernel}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        **{program.name: program.version() for program in used},
        "DELAY_MS": f"{asked.delay_ms:g}",
        "RUNS": f"{asked.runs}",
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def _temporary_directory() -> Iterator[Path]:
    """Make a directory; in the end, leave neither it nor a process that works in it behind."""
    with tempfile.TemporaryDirectory(prefix="ecr-login-bench-") as name:
        directory = Path(name).resolve()
        try:
            for number in _ENDING_SIGNALS:
                signal.signal(number, _stop)
            yield directory
        finally:
            for number in _ENDING_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            # A refresh in the background is nobody's child.
            while pids := processes_of(directory):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)


class _Stopped(BaseException):
    """The user, or the system, wants the benchmark to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stopped(number)


if __name__ == "__main__":
    sys.exit(main())
