"""Many callers at once, as compose and testcontainers start them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    HOST,
    NOT_FOUND,
    OTHER_REGION,
    SECOND_ACCOUNT,
    HelperProcess,
    users_of,
    wait_for,
)


def ask_at_once(helper: HelperProcess, hosts: Sequence[str]) -> list[tuple[str, str, int]]:
    """Start one ``get`` for each host before any is given its input; return what each gave."""
    processes = [helper.start("get") for _ in hosts]
    for process, host in zip(processes, hosts, strict=True):
        assert process.stdin is not None
        process.stdin.write(host.encode())
        process.stdin.close()
        process.stdin = None
    return [finish(process) for process in processes]


def finish(process: "subprocess.Popen[bytes]") -> tuple[str, str, int]:
    """Wait for a process; return its stdout, stderr and exit code."""
    stdout, stderr = process.communicate(timeout=60)
    return stdout.decode(), stderr.decode(), process.returncode


def unanswered_caller(helper: HelperProcess, aws: AwsEmulator) -> "subprocess.Popen[bytes]":
    """Start a caller that asks AWS, which does not answer; the next call is answered."""
    aws.fail("GetAuthorizationToken", Fault(hang=True), times=1)
    leader = helper.ask()
    while aws.count("GetAuthorizationToken") == 0:
        assert leader.poll() is None
    return leader


def test_cold_callers_make_one_call(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Thirty-two helpers with a cold cache give equal answers from one GetAuthorizationToken."""
    outcomes = ask_at_once(signed_in, [HOST] * 32)
    assert len(set(outcomes)) == 1
    assert outcomes[0][1:] == ("", 0)
    assert aws.count("GetAuthorizationToken") == 1


def test_accounts_of_a_region_share_the_call(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Cold callers for two accounts of a region and another region make one call a region."""
    outcomes = ask_at_once(signed_in, [HOST, SECOND_ACCOUNT, OTHER_REGION] * 4)
    assert {status for _, _, status in outcomes} == {0}
    assert aws.count("GetAuthorizationToken") == 2
    assert set(signed_in.list().hosts) == {HOST, SECOND_ACCOUNT, OTHER_REGION}


def test_cold_callers_fail_together(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """When AWS refuses, it is asked once, and each caller gets the same line."""
    aws.fail(
        "GetAuthorizationToken", Fault(status=400, error="AccessDeniedException", message="no")
    )
    outcomes = ask_at_once(signed_in, [HOST] * 16)
    assert len(set(outcomes)) == 1
    assert outcomes[0][0] == NOT_FOUND
    assert outcomes[0][1].startswith(f"ecr-login: {HOST}: ")
    assert aws.count("GetAuthorizationToken") == 1


def test_a_killed_leader_is_replaced(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """If the caller that asks AWS is killed, one of those who wait asks instead."""
    leader = unanswered_caller(signed_in, aws)
    os.kill(leader.pid, signal.SIGKILL)
    outcomes = ask_at_once(signed_in, [HOST] * 4)
    assert finish(leader)[2] == -signal.SIGKILL
    assert {status for _, _, status in outcomes} == {0}
    assert aws.count("GetAuthorizationToken") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_those_who_wait_outlive_a_killed_leader(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """If the caller that all wait for is killed, one of them asks, and all get an answer."""
    leader = unanswered_caller(signed_in, aws)
    others = [signed_in.ask() for _ in range(8)]
    (queue,) = signed_in.cache_directory.glob("tokens/*/*.lock")
    wait_for(lambda: users_of(queue) == {leader.pid, *(other.pid for other in others)})
    os.kill(leader.pid, signal.SIGKILL)
    outcomes = {finish(other) for other in others}
    assert len(outcomes) == 1
    assert {status for _, _, status in outcomes} == {0}
    assert finish(leader)[2] == -signal.SIGKILL
    assert aws.count("GetAuthorizationToken") == 2


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="nobody can be stopped here")
def test_a_stopped_leader_is_overtaken_by_one(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """If the caller that asks AWS is stopped, one of those who wait asks instead."""
    leader = unanswered_caller(signed_in, aws)
    os.kill(leader.pid, signal.SIGSTOP)
    signed_in.environ["AWS_ECR_TIMEOUT"] = "9"
    started = time.monotonic()
    outcomes = ask_at_once(signed_in, [HOST] * 12)
    assert time.monotonic() - started < 9
    assert len(set(outcomes)) == 1
    assert outcomes[0][1:] == ("", 0)
    assert aws.count("GetAuthorizationToken") == 2
    leader.kill()
    finish(leader)


def test_a_slow_aws_is_asked_once(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A caller that waits long for AWS still shows that it is at work, and is not overtaken."""
    signed_in.environ["AWS_ECR_TIMEOUT"] = "6"
    aws.fail("GetAuthorizationToken", Fault(delay=3.5), times=1)
    outcomes = ask_at_once(signed_in, [HOST] * 12)
    assert len(set(outcomes)) == 1
    assert outcomes[0][1:] == ("", 0)
    assert aws.count("GetAuthorizationToken") == 1


def test_a_waiting_caller_keeps_the_time_limit(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A caller that waits for another gives up when its own time is over."""
    leader = unanswered_caller(signed_in, aws)
    started = time.monotonic()
    outcome = signed_in.get(AWS_ECR_TIMEOUT="1")
    assert 1 <= time.monotonic() - started < 3
    assert "no answer within 1 seconds" in outcome.stderr
    leader.kill()
    assert finish(leader)[2] == -signal.SIGKILL


def test_what_people_change_ends_the_memory_of_a_failure(
    signed_in: HelperProcess, aws: AwsEmulator
) -> None:
    """A failure is remembered only as long as the environment is the same."""
    wrong = {"AWS_SECRET_ACCESS_KEY": "x" * 40}
    assert signed_in.get(**wrong).stderr == signed_in.get(**wrong).stderr
    assert aws.count("GetAuthorizationToken") == 1
    assert signed_in.log.count("; caused by ClientError: ") == 1
    assert signed_in.get(**wrong).status == 1
    assert signed_in.log.count("; caused by ClientError: ") == 1
    assert signed_in.get().secret
