"""From nothing installed to the first token: what a CI job waits for, by each way to install.

`make fresh` runs it. Dependencies come from the package index that pip is configured for, without
anything cached: it tells ways apart, not networks. A way whose tool is not on PATH is left out.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.credential_sources import environment_keys
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess
from tests.installation import NAME

_RUNS = 3

# What is run in an empty directory, which is {0}, to install the wheel {1} with its programs below.
_WAYS: Mapping[str, Sequence[str]] = {
    "python -m venv, pip": (f"{sys.executable} -m venv {{0}}", "{0}/bin/pip install -q {1}"),
    "pip --target": (f"{sys.executable} -m pip install -q --target {{0}} {{1}}",),
    "pipx": ("pipx install -q {1}",),
    "uv tool": ("uv tool install -q {1}",),
    "uv tool --compile-bytecode": ("uv tool install -q --compile-bytecode {1}",),
}


def _environ(directory: Path) -> dict[str, str]:
    """Return the environment in which nothing is known and all is kept in the directory."""
    own = {
        "HOME": "home",
        "PIPX_BIN_DIR": "bin",
        "PIPX_HOME": "pipx",
        "UV_CACHE_DIR": "cache",
        "UV_TOOL_BIN_DIR": "bin",
        "UV_TOOL_DIR": "tools",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PIP_NO_CACHE_DIR": "1", **{n: str(directory / d) for n, d in own.items()}}


def _measure(commands: Sequence[str], wheel: Path) -> tuple[float, float]:
    """Return the seconds until it is installed, and from there to the first token."""
    with TemporaryDirectory() as name, AwsEmulator(delay=0.05) as aws:
        directory = Path(name)
        (directory / "home").mkdir()
        started = time.monotonic()
        for command in commands:
            words = [word.format(directory, wheel) for word in command.split()]
            subprocess.run(words, env=_environ(directory), check=True)
        installed = time.monotonic()
        helper = HelperProcess(
            directory / "home", {"AWS_ENDPOINT_URL": aws.url}, directory / "bin" / NAME
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
        for way, commands in _WAYS.items():
            if shutil.which(commands[0].split()[0]):
                runs = [_measure(commands, wheel) for _ in range(_RUNS)]
                install, first = map(statistics.median, zip(*runs, strict=True))
                print(f"| {way} | {install:.1f} | {first:.2f} |")  # noqa: T201


if __name__ == "__main__":
    main()
