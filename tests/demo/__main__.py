"""Run the demonstration: ``python -m tests.demo [--helper PATH]``."""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.demo.show import Presentation
from tests.demo.steps import present
from tests.emulator import AwsEmulator
from tests.helper_process import EXECUTABLE, HelperProcess

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AWS_DELAY = 0.05  # seconds, about what AWS takes to answer


def main() -> int:
    """Show all steps, clean up, and return the exit code."""
    arguments = _arguments()
    show = Presentation(sys.stdout)
    ended_by = None
    with contextlib.ExitStack() as cleaning:
        try:
            for number in _ENDING_SIGNALS:
                signal.signal(number, _stop)
            directory = cleaning.enter_context(
                tempfile.TemporaryDirectory(prefix="ecr-login-demo-")
            )
            home = Path(directory).resolve() / "home"
            home.mkdir()
            aws = cleaning.enter_context(AwsEmulator(delay=_AWS_DELAY))
            helper = HelperProcess(
                home, {"AWS_ENDPOINT_URL": aws.url}, Path(arguments.helper).absolute()
            )
            present(show, helper, aws)
        except _Stopped as stopped:
            ended_by = stopped.number
        finally:
            # A second Ctrl-C must not leave half of it behind.
            for number in _ENDING_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
    if ended_by is not None:
        with contextlib.suppress(OSError):  # of a terminal that was closed
            show.line()
            show.line(f"Stopped by {ended_by.name}. Nothing is left behind.")
        return 128 + ended_by
    return show.verdict()


class _Stopped(BaseException):
    """The user, or the system, wants the demonstration to end."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number)
        self.number = number


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise _Stopped(signal.Signals(number))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.demo",
        description="Show the helper at work against an emulated AWS.",
    )
    parser.add_argument(
        "--helper",
        metavar="PATH",
        default=EXECUTABLE,
        help="the executable to show (default: the one beside this Python)",
    )
    arguments = parser.parse_args()
    if not os.access(arguments.helper, os.X_OK):
        parser.error(f"{arguments.helper} cannot be run; install the package, or name another")
    return arguments


if __name__ == "__main__":
    try:
        status = main()
    except BrokenPipeError:  # of `make demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
    sys.exit(status)
