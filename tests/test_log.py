"""The log: what is in it, what never is, and how large it gets."""

import os
import re
import stat

import pytest

from docker_credential_ecr_login.log import KEPT, MAX_SIZE
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, HelperProcess


def test_a_miss_is_logged_and_a_hit_is_not(signed_in: HelperProcess) -> None:
    """A new token is one line with time, process and duration; a cached one is not logged."""
    signed_in.get()
    signed_in.get()
    (line,) = signed_in.log.splitlines()
    time, _, rest = line.partition(" ")
    assert time.endswith("Z")
    assert f"INFO {HOST}: a new token from AWS in " in rest
    assert "credentials from env" in rest


def test_hits_are_logged_at_debug(signed_in: HelperProcess) -> None:
    """At level debug each answer is logged, with where it came from."""
    signed_in.get()
    assert signed_in.get(AWS_ECR_LOG_LEVEL="debug").stderr == ""
    assert f"DEBUG {HOST}: answered with the cached token" in signed_in.log


def test_a_failure_is_logged_with_its_cause(helper: HelperProcess) -> None:
    """A failure is one line in the log, with what caused it and where, and without a traceback."""
    helper.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    helper.environ |= {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}
    told = helper.get().stderr.strip().removeprefix("ecr-login: ")
    (line,) = helper.log.splitlines()
    message, place, cause = re.split(r" \((?=\w+\.py:)|; caused by ", line, maxsplit=2)
    assert message.endswith(f" ERROR {told}")
    assert re.fullmatch(r"\w+\.py:\d+\)", place)
    assert cause.startswith("EndpointConnectionError: Could not connect to the endpoint URL")


@pytest.mark.parametrize("level", ["error", "ERROR", "warning"])
def test_the_level_can_be_raised(signed_in: HelperProcess, level: str) -> None:
    """At a higher level, a new token leaves no line."""
    signed_in.get(AWS_ECR_LOG_LEVEL=level)
    assert signed_in.log == ""


def test_no_secret_is_logged(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """No password, key or token is in the log, not even those in URLs."""
    signed_in.environ["AWS_ECR_LOG_LEVEL"] = "debug"
    signed_in.get()
    signed_in.get()
    signed_in.erase()
    proxy = "http://user:proxy-password@127.0.0.1:1/?key=query-secret"
    changes = {"HTTPS_PROXY": proxy, "AWS_ENDPOINT_URL": "https://ecr.invalid"}
    assert signed_in.get(**changes).status == 1
    assert "http://***@127.0.0.1:1" in signed_in.log
    signed_in.get(HOST.replace("1", "3", 12), AWS_SECRET_ACCESS_KEY="wrong-secret-key")
    log = signed_in.log
    assert "ERROR" in log
    secrets = {*aws.secrets, "proxy-password", "query-secret", "wrong-secret-key"}
    assert [secret for secret in secrets if secret in log] == []


def test_the_log_is_rotated(signed_in: HelperProcess) -> None:
    """A log of a mebibyte is renamed, and three old ones are kept."""
    directory = signed_in.cache_directory / "log"
    directory.mkdir(parents=True, mode=0o700)
    path = directory / "ecr-login.log"
    for number in range(KEPT + 2):
        path.write_text(f"{number}\n" + "x" * MAX_SIZE)
        signed_in.get(AWS_ECR_DISABLE_CACHE="1")
    names = sorted(each.name for each in directory.iterdir())
    assert names == ["ecr-login.log", *(f"ecr-login.log.{n}" for n in range(1, KEPT + 1))]
    firsts = [path.with_suffix(f".log.{n}").read_text()[0] for n in range(1, KEPT + 1)]
    assert firsts == ["4", "3", "2"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size < 1000


def test_the_log_is_rotated_once_however_many_see_it(signed_in: HelperProcess) -> None:
    """If several processes find the log too large, one renames it, and no line is lost."""
    directory = signed_in.cache_directory / "log"
    directory.mkdir(parents=True, mode=0o700)
    (directory / "ecr-login.log").write_text("x" * MAX_SIZE + "\n")
    (directory / "ecr-login.log.1").write_text("older\n")
    signed_in.environ |= {"AWS_ECR_LOG_LEVEL": "debug", "AWS_ECR_TIMEOUT": "50"}
    signed_in.store(HOST, "c2VjcmV0" * 100)
    processes = [signed_in.ask() for _ in range(24)]
    for process in processes:
        process.communicate()
    assert {process.returncode for process in processes} == {0}
    logs = {path.suffix: path.read_text() for path in directory.iterdir()}
    assert set(logs) == {".log", ".1", ".2"}
    assert logs[".2"] == "older\n"
    lines = (logs[".log"] + logs[".1"]).splitlines()
    assert len([line for line in lines if line.endswith("answered with the stored login")]) == 24
    assert len(lines) == 25


@pytest.mark.parametrize("obstacle", ["directory", "pipe", "link", "file in the way"])
def test_a_log_that_cannot_be_written_is_skipped(signed_in: HelperProcess, obstacle: str) -> None:
    """Whatever is in place of the log, the answer is given, and nothing is written to it."""
    directory = signed_in.cache_directory / "log"
    directory.parent.mkdir(mode=0o700)
    target = signed_in.home / "target"
    target.write_text("")
    if obstacle == "file in the way":
        directory.write_text("")
    else:
        directory.mkdir(mode=0o700)
        path = directory / "ecr-login.log"
        if obstacle == "directory":
            path.mkdir()
        elif obstacle == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(target)
    outcome = signed_in.get()
    assert outcome.secret
    assert target.read_text() == ""
