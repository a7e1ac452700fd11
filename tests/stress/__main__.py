"""Runs the mix for some time and kills some callers; status 1 if a promise is broken."""

import argparse
import secrets
import sys
import time

from tests.stress import kills, mix
from tests.stress.checks import BrokenPromise


def main() -> None:
    """Run both, and say what was done."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of the mix (%(default)s)")
    parser.add_argument("--processes", type=int, default=200, help="at once (%(default)s)")
    parser.add_argument("--kills", type=int, default=300, help="%(default)s")
    parser.add_argument("--seed", type=int, help="for the same choices again")
    arguments = parser.parse_args()
    seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    _say(f"seed {seed}")
    try:
        started = time.monotonic()
        _say(f"mix: {dict(mix.run(arguments.seconds, arguments.processes, seed))}")
        _say(f"mix: {time.monotonic() - started:.0f} s, {arguments.processes} at once")
        started = time.monotonic()
        _say(f"killed: {dict(kills.run(arguments.kills, seed))}")
        _say(f"killed: {time.monotonic() - started:.0f} s for {arguments.kills}")
    except BrokenPromise as error:
        sys.exit(f"a promise is broken: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
