"""From nothing installed to the first token: what a CI job waits for, by each way to install.

`make fresh` runs it. Dependencies come from the package index that pip is configured for, without
anything cached: it tells ways apart, not networks.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.credential_sources import environment_keys
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess
from tests.ways_to_install import WAYS, Way, run

_RUNS = 3


def _measure(way: Way, wheel: Path) -> tuple[float, float]:
    """Return the seconds until it is installed, and from there to the first token."""
    with TemporaryDirectory() as name, AwsEmulator(delay=0.05) as aws:
        directory = Path(name)
        (directory / "home").mkdir()
        started = time.monotonic()
        for command in way.install:
            run(command, directory, wheel)
        installed = time.monotonic()
        helper = HelperProcess(
            directory / "home", {"AWS_ENDPOINT_URL": aws.url}, directory / way.executable
        )
        environment_keys(aws, helper)
        started_get = time.monotonic()
        assert aws.accepts(helper.get(HOST).secret)
        return installed - started, time.monotonic() - started_get


def main() -> None:
    """Build the wheel, measure and print."""
    with TemporaryDirectory() as name:
        command = ["-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", name, "."]
        subprocess.run([sys.executable, *command], check=True)
        (wheel,) = Path(name).glob("*.whl")
        print("| way | installed, s | first token after, s |")  # noqa: T201
        print("|---|--:|--:|")  # noqa: T201
        for name_of_way, way in WAYS.items():
            runs = [_measure(way, wheel) for _ in range(_RUNS)]
            install, first = map(statistics.median, zip(*runs, strict=True))
            print(f"| {name_of_way} | {install:.1f} | {first:.2f} |")  # noqa: T201


if __name__ == "__main__":
    main()
