"""``python -m tests.differential QUESTIONS``: so many questions for each installed shell."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

from tests.differential.comparison import compare
from tests.differential.shells import SHELLS, alike
from tests.emulator import AwsEmulator


def answered(shells: Sequence[str], number: int) -> Counter[str]:
    """Compare, and return how many questions the launcher has answered by itself in each shell."""
    with AwsEmulator() as aws, tempfile.TemporaryDirectory() as directory:
        return Counter(compare(shells, number, aws, Path(directory)))


def main() -> None:
    """Ask, and say for each shell how much of it the launcher has answered by itself."""
    number, processes = int(sys.argv[1]), os.cpu_count() or 1
    shells = [shell for shell, command in SHELLS.items() if shutil.which(command[0])]
    for shell in SHELLS.keys() - shells:
        print(f"{shell}: NOT INSTALLED, not compared")  # noqa: T201
    shares = [len(range(first, number, processes)) for first in range(min(number, processes))]
    with ProcessPoolExecutor(processes) as pool:
        counts = sum(
            pool.map(answered, *zip(*product(alike(shells), shares), strict=True)), Counter()
        )
    for shell in shells:
        print(f"{shell}: {number} questions, {counts[shell]} answered by the launcher itself")  # noqa: T201


if __name__ == "__main__":
    main()
