"""Early refresh: a token past its refresh time is answered, and replaced in the background."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock, Timeout

from docker_credential_ecr_login import actions
from docker_credential_ecr_login.cache.tokens import MIN_LIFETIME, Cache, Entry
from docker_credential_ecr_login.identity import configured_identity
from docker_credential_ecr_login.resolve import resolve
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import HOST, HelperProcess, wait_for
from tests.tokens import asked, stored


@pytest.fixture
def ageing(signed_in: HelperProcess) -> HelperProcess:
    """The executable with a token past its refresh time, as the next caller finds."""
    signed_in.get()
    cache, entry = stored(signed_in)
    request = asked()
    now = int(time.time())
    old = Entry(entry.secret, entry.expires_at, now - 1)
    cache.store_token(request, old)
    return signed_in


def test_the_old_token_is_answered_and_a_new_one_fetched(
    ageing: HelperProcess, aws: AwsEmulator
) -> None:
    """The caller gets the old token without waiting; the next one gets the new token."""
    _, old = stored(ageing)
    assert ageing.get().secret == old.secret
    wait_for(lambda: stored(ageing)[1].secret != old.secret)
    assert ageing.get().secret == stored(ageing)[1].secret
    assert aws.count("GetAuthorizationToken") == 2
    assert stored(ageing)[1].young(time.time())


def test_many_callers_start_one_refresh(ageing: HelperProcess, aws: AwsEmulator) -> None:
    """However many callers find the old token, AWS is asked once."""
    _, old = stored(ageing)
    processes = [ageing.start("get") for _ in range(16)]
    answers = {process.communicate(HOST.encode())[0] for process in processes}
    assert {json.loads(answer)["Secret"] for answer in answers} <= {
        old.secret,
        stored(ageing)[1].secret,
    }
    wait_for(lambda: stored(ageing)[1].secret != old.secret)
    assert aws.count("GetAuthorizationToken") == 2


def test_a_failing_refresh_harms_nobody(ageing: HelperProcess, aws: AwsEmulator) -> None:
    """While AWS is down the old token is answered, and AWS is not asked again for a minute."""
    _, old = stored(ageing)
    aws.fail(
        "GetAuthorizationToken", Fault(status=400, error="AccessDeniedException", message="no")
    )
    assert ageing.get().secret == old.secret
    wait_for(lambda: "AccessDenied" in ageing.log)
    assert [ageing.get().secret for _ in range(3)] == [old.secret] * 3
    assert aws.count("GetAuthorizationToken") == 2


def test_the_callers_pipes_end_at_once(ageing: HelperProcess, aws: AwsEmulator) -> None:
    """The refresh keeps none of the caller's pipes, directory or session: docker does not wait."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))
    inherited, ours = os.pipe()
    os.set_inheritable(ours, True)
    process = subprocess.Popen(
        [str(ageing.executable), "get"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ageing.environment({"AWS_ECR_TIMEOUT": "20"}),
        cwd=ageing.home,
        pass_fds=[ours],
    )
    os.close(ours)
    answer, complaint = process.communicate(HOST.encode(), timeout=15)
    assert os.read(inherited, 1) == b""
    os.close(inherited)
    assert (json.loads(answer)["Username"], complaint) == ("AWS", b"")
    wait_for(lambda: aws.count("GetAuthorizationToken") == 2)
    if sys.platform == "linux":
        (refresh,) = refreshes(process.pid, ageing.home)
        descriptors = {os.readlink(path) for path in Path(f"/proc/{refresh}/fd").iterdir()}
        assert not {name for name in descriptors if name.startswith("pipe:")}
        assert os.readlink(f"/proc/{refresh}/cwd") == "/"
        assert os.getsid(refresh) != os.getsid(0)
        command = Path(f"/proc/{refresh}/cmdline").read_text()
        assert not [secret for secret in aws.secrets if secret in command]
        os.kill(refresh, 9)


def test_it_has_no_terminal_and_holds_the_lock(ageing: HelperProcess, aws: AwsEmulator) -> None:
    """The refresh cannot ask a person, and nobody else asks AWS meanwhile."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))
    ageing.environ["AWS_ECR_TIMEOUT"] = "20"
    ageing.get()
    wait_for(lambda: aws.count("GetAuthorizationToken") == 2)
    cache, _ = stored(ageing)
    request = asked()
    with pytest.raises(Timeout), FileLock(f"{cache.token_path(request)}.lock", timeout=0):
        pass
    if sys.platform == "linux":
        (refresh,) = refreshes(os.getpid(), ageing.home)
        standard = {os.readlink(f"/proc/{refresh}/fd/{number}") for number in range(3)}
        assert standard == {"/dev/null"}
        stat = Path(f"/proc/{refresh}/stat").read_text().rpartition(")")[2].split()
        assert stat[4] == "0"  # its controlling terminal
        os.kill(refresh, 9)


def test_it_gives_up_in_time_and_says_so(ageing: HelperProcess, aws: AwsEmulator) -> None:
    """A refresh that gets no answer ends within the time limit, with a line in the log."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))
    ageing.environ["AWS_ECR_TIMEOUT"] = "1"
    ageing.get()
    wait_for(lambda: "no answer within 1 seconds" in ageing.log)
    if sys.platform == "linux":
        wait_for(lambda: refreshes(os.getpid(), ageing.home) == [])


def test_it_says_what_it_did(ageing: HelperProcess) -> None:
    """The log has a line for the refresh: host, duration, and source of the credentials."""
    before = ageing.log
    ageing.get()
    wait_for(lambda: ageing.log != before)
    line = ageing.log.removeprefix(before)
    assert re.search(f"INFO {HOST}: a new token from AWS in [0-9]+ ms, credentials from env", line)


@pytest.mark.parametrize(
    ("moment", "answers_old", "refreshes"),
    [
        (lambda entry: entry.refresh_at - 1, True, 0),
        (lambda entry: entry.refresh_at, True, 1),
        (lambda entry: entry.expires_at - MIN_LIFETIME, True, 1),
        (lambda entry: entry.expires_at - MIN_LIFETIME + 1, False, 0),
        (lambda entry: entry.expires_at, False, 0),
        (lambda entry: entry.expires_at + 86400, False, 0),
        (lambda entry: entry.expires_at - 86400, False, 0),
    ],
    ids=["young", "old", "a minute left", "less", "expired", "a day after", "a day before"],
)
def test_by_the_clock(
    signed_in: HelperProcess,
    monkeypatch: pytest.MonkeyPatch,
    moment: Callable[[Entry], float],
    answers_old: bool,
    refreshes: int,
) -> None:
    """At each age of a token, it is answered, answered and refreshed, or AWS is asked."""
    old = signed_in.get().secret
    _, entry = stored(signed_in)
    started: list[str] = []
    environ = {**signed_in.environment(), "HOME": str(signed_in.home)}
    clock = SimpleNamespace(time=lambda: moment(entry), monotonic=time.monotonic)
    monkeypatch.setattr("docker_credential_ecr_login.actions.time", clock)
    monkeypatch.setattr("docker_credential_ecr_login.process.is_ours", True)
    monkeypatch.setattr(
        "docker_credential_ecr_login.background.start_process",
        lambda request: started.append(request.host),
    )
    monkeypatch.setattr(
        "docker_credential_ecr_login.fetch.fetch",
        lambda *_: Entry("from-aws", entry.expires_at, entry.refresh_at),
    )
    request = resolve(HOST, environ)
    answers = [actions.token(request).secret for _ in range(3)]
    assert answers == [old if answers_old else "from-aws"] * 3
    assert started == [HOST] * refreshes


def test_a_logout_meanwhile_is_obeyed(ageing: HelperProcess, aws: AwsEmulator) -> None:
    """A token that is erased while it is refreshed stays erased."""
    aws.fail("GetAuthorizationToken", Fault(delay=1), times=1)
    process = ageing.start("refresh", HOST)
    while aws.count("GetAuthorizationToken") == 1:
        assert process.poll() is None
    assert ageing.erase().status == 0
    process.communicate()
    assert list(ageing.cache_directory.glob("tokens/*/aws.us-east-1.ecr")) == []


def test_relative_paths_hold_for_the_refresh(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A relative cache directory is the same for the refresh as for the caller."""
    signed_in.environ["AWS_ECR_CACHE_DIR"] = "here"
    signed_in.get()
    cache = Cache(str(signed_in.home / "here"), configured_identity(signed_in.environment()))
    request = asked()
    old = cache.token(request)
    assert old is not None
    cache.store_token(request, Entry(old.secret, old.expires_at, int(time.time()) - 1))
    assert signed_in.get().secret == old.secret
    wait_for(lambda: (found := cache.token(request)) is not None and found.secret != old.secret)
    assert aws.count("GetAuthorizationToken") == 2


def refreshes(caller: int, home: Path) -> list[int]:
    """The process ids of the refreshes that run for this test's home directory."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes().split(b"\0")
            environ = (directory / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"refresh" in command and f"HOME={home}".encode() in environ:
            found.append(int(directory.name))
    assert caller not in found
    return found
