"""From the measurements to text and JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

_HEAD = (
    "",
    "against",
    "ours, ms",
    "theirs, ms",
    "ratio",
    "AWS calls",
    "CPU, ms",
    "peak MB",
    "failures",
)
_TEXT_COLUMNS = 2  # all others hold numbers
_NOTHING = "-"


@dataclass
class Measurements:
    """What was measured of one program in one row: a value for each counted run.

    ``megabytes`` has a value for each run that tells the memory. A run is one process, or one
    herd; ``failures`` counts processes.
    """

    milliseconds: list[float] = field(default_factory=list)
    cpu_milliseconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    failures: int = 0

    def summary(self) -> dict[str, Any]:
        """Return what goes into the JSON: milliseconds, megabytes and counts."""
        return {
            "median_ms": median(self.milliseconds),
            "min_ms": min(self.milliseconds),
            "p90_ms": percentile(self.milliseconds, 90),
            "cpu_ms": median(self.cpu_milliseconds),
            "memory_mb": median(self.megabytes),
            "aws_calls": median(self.calls),
            "failures": self.failures,
            "runs_ms": self.milliseconds,
        }


@dataclass(frozen=True)
class Result:
    """One row: ours and its counterpart, None where that does not support it."""

    name: str
    against: str
    ours: Measurements
    theirs: Measurements | None

    @property
    def ratio(self) -> float | None:
        """Our median time as a multiple of theirs."""
        if self.theirs is None:
            return None
        return median(self.ours.milliseconds) / median(self.theirs.milliseconds)


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest of the values that ``percent`` of them do not exceed."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def to_json(conditions: Mapping[str, str], results: Sequence[Result]) -> dict[str, Any]:
    """Return what goes into the JSON file: the conditions, and each row with all its numbers."""
    return {
        "conditions": dict(conditions),
        "rows": [
            {
                "row": result.name,
                "against": result.against,
                "ratio": result.ratio,
                "ours": result.ours.summary(),
                "theirs": None if result.theirs is None else result.theirs.summary(),
            }
            for result in results
        ],
    }


def to_text(conditions: Mapping[str, str], results: Sequence[Result]) -> str:
    """Return a line on the conditions, and a table for a terminal that is Markdown as well."""
    lines = [_HEAD, *(_cells(result) for result in results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [_line(cells, widths) for cells in lines]
    rule = (
        "-" * width if column < _TEXT_COLUMNS else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    )
    text.insert(1, f"| {' | '.join(rule)} |")
    said = "; ".join(f"{name}: {value}" for name, value in conditions.items())
    return "\n".join([said, "", *text, ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.ljust(width) if column < _TEXT_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"


def _cells(result: Result) -> tuple[str, ...]:
    """Return the cells of a row; a pair is ours / theirs."""
    ours = result.ours.summary()
    theirs = result.theirs.summary() if result.theirs else {}

    def measures(key: str) -> str:
        return f"{_measure(ours[key])} / {_measure(theirs.get(key))}"

    def counts(key: str) -> str:
        return f"{ours[key]:g} / {theirs[key]:g}" if theirs else f"{ours[key]:g} / {_NOTHING}"

    return (
        result.name,
        result.against,
        _measure(ours["median_ms"]),
        _measure(theirs.get("median_ms")),
        _NOTHING if result.ratio is None else f"{result.ratio:.2f}",
        counts("aws_calls"),
        measures("cpu_ms"),
        measures("memory_mb"),
        counts("failures"),
    )


def _measure(value: float | None) -> str:
    """Write a measured value with as many digits as mean something: "7.4", "74"."""
    if value is None:
        return _NOTHING
    return f"{value:.1f}" if value < 20 else f"{value:.0f}"
