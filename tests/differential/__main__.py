"""``python -m tests.differential QUESTIONS``: as many for each shell that is installed."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.differential.comparison import compare
from tests.differential.machine import SHELLS, alike
from tests.emulator import AwsEmulator


def answered(number: int, shells: Sequence[str]) -> dict[str, int]:
    """Compare, and return how many questions the launcher has answered by itself in each shell."""
    with AwsEmulator() as aws, tempfile.TemporaryDirectory() as directory:
        return compare(shells, number, aws, Path(directory))


def main() -> None:
    """Ask, and say for each shell how much of it the launcher has answered by itself."""
    number = int(sys.argv[1])
    groups = alike(shell for shell, command in SHELLS.items() if shutil.which(command[0]))
    for shell in SHELLS.keys() - {shell for group in groups for shell in group}:
        print(f"{shell}: NOT INSTALLED, not compared")  # noqa: T201
    parts = -(-(os.cpu_count() or 1) // len(groups))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        counts = sum(
            map(Counter, pool.map(partial(answered, -(-number // parts)), groups * parts)),
            Counter(),
        )
    for shell, count in counts.items():
        print(f"{shell}: {number} questions, {count} answered by the launcher itself")  # noqa: T201


if __name__ == "__main__":
    main()
