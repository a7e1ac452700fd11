"""The benchmark measures what it says, checks what it measures, and cleans up."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.bench.__main__ import Parameters, parameters
from tests.bench.measure import Failed, run
from tests.bench.table import Measurements, Result, percentile, to_json, to_text
from tests.helper_process import EXECUTABLE, HelperProcess, Outcome, processes_of

ROOT = Path(__file__).parent.parent
DEFAULTS = Parameters(
    peer=None, delay_ms=50, runs=30, rows="", aws_cli=None, json_file=Path("bench.json")
)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, DEFAULTS),
        ({"PEER": "", "RUNS": "", "ROWS": ""}, DEFAULTS),
        (
            {
                "PEER": "bin/peer",
                "DELAY_MS": "2.5",
                "RUNS": "1",
                "ROWS": "hit",
                "AWS_CLI": "/opt/aws",
                "BENCH_JSON": "/opt/numbers",
            },
            Parameters(Path("bin/peer"), 2.5, 1, "hit", "/opt/aws", Path("/opt/numbers")),
        ),
    ],
    ids=["defaults", "empty is unset", "all"],
)
def test_parameters_are_read(environ: Mapping[str, str], expected: Parameters) -> None:
    """Each parameter is an environment variable with a default."""
    assert parameters(environ) == expected


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"RUNS": "many"}, "are numbers"),
        ({"RUNS": "0"}, "at least 1"),
        ({"DELAY_MS": "-1"}, "less than 1000"),
        ({"DELAY_MS": "nan"}, "less than 1000"),
        ({"ROWS": "miss"}, "no row has 'miss' in its name; there are:\n  hit, static keys\n"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_parameters_that_make_no_sense_are_refused(
    environ: Mapping[str, str], message: str
) -> None:
    """The message says what is possible."""
    with pytest.raises(Failed) as caught:
        parameters(environ)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([7.0], 7.0), ([3.0, 1.0, 2.0], 3.0), ([float(n) for n in range(10, 0, -1)], 9.0)],
    ids=["one", "three", "ten"],
)
def test_a_percentile_is_one_of_the_values(values: list[float], expected: float) -> None:
    """The 90th percentile is the smallest value that nine of ten do not exceed."""
    assert percentile(values, 90) == expected


RESULTS = [
    Result(
        "hit",
        "peer",
        Measurements([4.0, 5.0, 60.0], [2.0, 1.0, 3.0], [2.0], [0, 0, 0]),
        Measurements([10.0, 9.0, 123.4], [8.0, 9.0, 7.0], [9.0], [1, 1, 1]),
    ),
    Result("herd", "aws CLI", Measurements([1000.0], [50.0], [45.0], [1], failures=3), None),
]


def test_the_table_is_aligned_markdown() -> None:
    """Medians, ours / theirs, numbers to the right; a dash where a program lacks something."""
    assert to_text({"machine": "a toaster", "RUNS": "3"}, RESULTS) == (
        """\
machine: a toaster; RUNS: 3

|      | against | ours, ms | theirs, ms | ratio | AWS calls |   CPU, ms |   peak MB | failures |
| ---- | ------- | -------: | ---------: | ----: | --------: | --------: | --------: | -------: |
| hit  | peer    |      5.0 |       10.0 |  0.50 |     0 / 1 | 2.0 / 8.0 | 2.0 / 9.0 |    0 / 0 |
| herd | aws CLI |     1000 |          - |     - |     1 / - |    50 / - |    45 / - |    3 / - |
"""
    )


def test_the_json_has_all_numbers() -> None:
    """Beside the medians there are minimum, 90th percentile and each single time."""
    hit, herd = to_json({"RUNS": "3"}, RESULTS)["rows"]
    assert (hit["row"], hit["against"], hit["ratio"]) == ("hit", "peer", 0.5)
    assert hit["ours"] == {
        "median_ms": 5.0,
        "min_ms": 4.0,
        "p90_ms": 60.0,
        "cpu_ms": 2.0,
        "memory_mb": 2.0,
        "aws_calls": 0,
        "failures": 0,
        "runs_ms": [4.0, 5.0, 60.0],
    }
    assert (herd["theirs"], herd["ratio"], herd["ours"]["failures"]) == (None, None, 3)


def test_each_process_of_a_herd_is_heard(helper: HelperProcess, tmp_path: Path) -> None:
    """Each process gets the same input, and the output of each is returned."""
    script = 'read -r line; echo "$line"; echo "$HOME" >&2; exit 3'
    herd = run(tmp_path, ["/bin/sh", "-c", script], helper, "input\n", processes=5)
    assert herd.outcomes == [Outcome("input\n", f"{helper.home}\n", 3)] * 5


def test_a_program_that_cannot_be_started_is_named(helper: HelperProcess, tmp_path: Path) -> None:
    """The message has the path."""
    with pytest.raises(Failed, match="/nowhere/helper: it cannot be run"):
        run(tmp_path, ["/nowhere/helper"], helper, "")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper")
def test_memory_is_that_of_the_program(helper: HelperProcess, tmp_path: Path) -> None:
    """A shell that is started by Python is measured to need less memory than Python."""
    command = ["/bin/sh", "-c", "exit 4"]
    floor = run(tmp_path, command, helper, "")
    exact = run(tmp_path, command, helper, "", for_memory=True)
    assert exact.megabytes < floor.megabytes
    assert exact.outcomes == floor.outcomes == [Outcome("", "", 4)]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The directory for temporary files of a benchmark."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    return directory


def start(temporary: Path, **environ: str) -> "subprocess.Popen[str]":
    """Start a benchmark that keeps its temporary files in ``temporary``."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench"],
        cwd=ROOT,
        env={
            **os.environ,
            "PEER": "",
            "TMPDIR": str(temporary),
            "BENCH_JSON": str(temporary.parent / "bench.json"),
            **environ,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(temporary: Path) -> list[str]:
    """Name the files, and on Linux the processes, that a benchmark has left."""
    return [str(each) for each in (*temporary.iterdir(), *processes_of(temporary))]


def test_a_row_is_measured(temporary: Path) -> None:
    """Ours answers from its cache while the minimal script asks AWS; nothing is left behind."""
    process = start(temporary, RUNS="1", ROWS="symbolic link", DELAY_MS="5")
    output, complaint = process.communicate()
    assert (process.returncode, complaint) == (0, "")
    conditions, _, _, _, row = output.splitlines()
    assert "; boto3 script: boto3 " in conditions
    assert conditions.endswith("; DELAY_MS: 5; RUNS: 1")
    assert row.startswith("| hit, static keys, by symbolic link | boto3 script |")
    assert row.split("|")[6].strip() == "0 / 1"
    (measured,) = json.loads((temporary.parent / "bench.json").read_text())["rows"]
    assert (measured["ours"]["aws_calls"], measured["theirs"]["aws_calls"]) == (0, 1)
    assert left_behind(temporary) == []


def test_a_wrong_answer_ends_the_benchmark(temporary: Path, tmp_path: Path) -> None:
    """A peer that gives a wrong answer is not measured; the message has the row and the answer."""
    nonsense = tmp_path / "docker-credential-nonsense"
    nonsense.write_text("#!/bin/sh\necho '{}'\n")
    nonsense.chmod(0o755)
    process = start(temporary, PEER=str(nonsense), RUNS="1", ROWS="web identity")
    output, complaint = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert complaint.startswith("hit, web identity: peer has not answered as it should: ")
    assert "'{}\\n'" in complaint
    assert left_behind(temporary) == []


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_leaves_nothing_when_it_is_stopped(temporary: Path, number: signal.Signals) -> None:
    """Ctrl-C or a kill during a background refresh leaves no file and no process."""
    process = start(temporary, PEER=str(EXECUTABLE), ROWS="later callers")
    deadline = time.monotonic() + 60
    while not any(is_refresh(pid) for pid in processes_of(temporary)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "waited too long"
    process.send_signal(number)
    output, complaint = process.communicate()
    assert (process.returncode, output, complaint) == (128 + number, "", "")
    assert left_behind(temporary) == []


def is_refresh(pid: int) -> bool:
    """Say whether a process is a refresh in the background."""
    try:
        return b"refresh" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:  # it has just ended
        return False
