"""``python -m tests.differential QUESTIONS``: as many for each shell that is installed."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.differential.comparison import compare
from tests.differential.machine import SHELLS
from tests.emulator import AwsEmulator


def main() -> None:
    """Ask, and say for each shell how much of it the launcher has answered by itself."""
    number = int(sys.argv[1])
    for shell, command in SHELLS.items():
        if len(sys.argv) > 2 and shell not in sys.argv[2:]:
            continue
        if shutil.which(command[0]) is None:
            print(f"{shell}: NOT INSTALLED, not compared")  # noqa: T201
            continue
        with AwsEmulator() as aws, tempfile.TemporaryDirectory() as directory:
            answered = compare(shell, number, aws, Path(directory))
        print(f"{shell}: {number} questions, {answered} answered by the launcher itself")  # noqa: T201


if __name__ == "__main__":
    main()
