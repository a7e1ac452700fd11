"""What holds for a cache whatever was done to it."""

import re
from pathlib import Path

from docker_credential_ecr_login.cache.tokens import Cache
from docker_credential_ecr_login.log import KEPT, MAX_SIZE
from tests.helper_process import HelperProcess, processes_of

_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \d+ (DEBUG|INFO|WARNING|ERROR) .+")
_START_OF_RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\dT)", re.MULTILINE)
_LOG_SLACK = 64 * 1024  # bytes: of those who opened it before it was put aside


class BrokenPromise(Exception):
    """Something that must never be; the text says what, and of which run."""


def demand(condition: object, what: object) -> None:
    """Raise `BrokenPromise` unless ``condition`` holds."""
    if not condition:
        raise BrokenPromise(str(what))


def check_files(helper: HelperProcess) -> int:
    """Demand that each file of the cache is whole, but for what a killed writer left beside it.

    Returns how many files there are. For when nobody erases anything.
    """
    directory = helper.cache_directory
    files = [path for path in directory.rglob("*") if path.is_file()]
    entries = [entry for entry in Cache(str(directory), "").entries() if Path(entry[0]).exists()]
    torn = [path for path, entry in entries if entry is None]
    torn += [str(path) for path in files if path.parent.name == "records" and _is_torn(path)]
    demand(not torn, f"not whole: {torn}")
    return len(files)


def _is_torn(path: Path) -> bool:
    return path.suffix != ".tmp" and not path.read_text().endswith("\n")


def check_end(helper: HelperProcess) -> None:
    """Demand that nobody is at work any more, has left anything half-done, or wrote too much."""
    demand(not processes_of(helper.home), "processes are left")
    unfinished = list(helper.home.rglob("*.tmp"))
    demand(not unfinished, f"left behind: {unfinished}")
    check_files(helper)
    logs = list((helper.cache_directory / "log").iterdir())
    demand(len(logs) <= KEPT + 1, logs)
    for log in logs:
        demand(log.stat().st_size <= MAX_SIZE + _LOG_SLACK, f"{log}: {log.stat().st_size} bytes")
        for record in re.split(_START_OF_RECORD, log.read_text())[1:]:
            _check_record(record, log)


def _check_record(record: str, log: Path) -> None:
    """Demand that a record is whole; of failures, only that of a list in a crowd is allowed."""
    demand(_LOG_LINE.fullmatch(record.rstrip("\n")), f"{log}: {record!r}")
    if " ERROR " in record:
        message = record.partition(" ERROR list: ")[2]
        demand(message.startswith("no answer within 3 seconds"), f"{log}: {record!r}")
