"""What all tests share: an AWS emulator, and the executable in a home of its own."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import installation, own_names, surroundings
from tests.differential.shells import SHELLS, TRIED
from tests.emulator import AwsEmulator
from tests.helper_process import HelperProcess, leaks

hypothesis.settings.register_profile("shared", deadline=None)  # machines are noisy
hypothesis.settings.load_profile("shared")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the emulator be found in another way."""
    parser.addoption(
        own_names.OPTION,
        action="store_true",
        help="reach AWS's emulator by the names of AWS, in place of an endpoint in the environment",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Forget the environment of the user who runs the tests, before parallel workers inherit it."""
    if not hasattr(config, "workerinput"):
        surroundings.forget()


def pytest_report_header() -> str:
    """Say which shells are tried as /bin/sh; skips say which of them are not installed."""
    return f"launcher: in {', '.join(TRIED)}; SHELLS=all tries {', '.join(SHELLS)}"


def pytest_sessionstart() -> None:
    """Make Ctrl-C work."""
    # A shell that starts the tests in the background has all their children ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Start more workers than there are processors, because many tests wait for a time limit."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture
def aws() -> Iterator[AwsEmulator]:
    """A new AWS emulator."""
    with AwsEmulator() as emulator:
        yield emulator


@pytest.fixture
def helper(
    tmp_path: Path, aws: AwsEmulator, pytestconfig: pytest.Config
) -> Iterator[HelperProcess]:
    """The executable with an empty home and no credentials, told where AWS is.

    Whatever a test does: no secret of AWS is anywhere but in tokens and answers.
    """
    home = tmp_path / "home"
    home.mkdir()
    may_fork = sys.platform == "linux" and not installation.IS_STANDALONE
    has_own_names = pytestconfig.getoption(own_names.OPTION)
    where = own_names.serve_by_name(aws) if has_own_names else {"AWS_ENDPOINT_URL": aws.url}
    helper = HelperProcess(home, where, may_fork=may_fork)
    yield helper
    assert leaks(helper, aws.secrets) == []


@pytest.fixture
def signed_in(helper: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with the access key of a user in its environment."""
    user = aws.add_user(arn="arn:aws:iam::111111111111:user/dev")
    helper.environ["AWS_ACCESS_KEY_ID"] = user.access_key_id
    helper.environ["AWS_SECRET_ACCESS_KEY"] = user.secret_access_key
    return helper
