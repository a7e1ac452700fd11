"""``python -m tests.differential QUESTIONS``: as many for each shell that is installed."""

import os
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.differential.comparison import compare
from tests.differential.machine import SHELLS
from tests.emulator import AwsEmulator


def answered(number: int, shell: str) -> int:
    """Compare, and return how many questions the launcher has answered by itself."""
    with AwsEmulator() as aws, tempfile.TemporaryDirectory() as directory:
        return compare(shell, number, aws, Path(directory))


def main() -> None:
    """Ask, and say for each shell how much of it the launcher has answered by itself."""
    number = int(sys.argv[1])
    shells = [shell for shell, command in SHELLS.items() if shutil.which(command[0])]
    for shell in SHELLS.keys() - shells:
        print(f"{shell}: NOT INSTALLED, not compared")  # noqa: T201
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for shell, count in zip(shells, pool.map(partial(answered, number), shells), strict=True):
            print(f"{shell}: {number} questions, {count} answered by the launcher itself")  # noqa: T201


if __name__ == "__main__":
    main()
