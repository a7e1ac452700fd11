"""What a cached answer may import: next to nothing, so that it is fast."""

import json
import subprocess
import sys
from threading import Thread

import pytest

from tests.emulator import AwsEmulator
from tests.helper_process import HOST, NOT_FOUND, HelperProcess, users_of, wait_for
from tests.installation import LIBRARY
from tests.service_accounts import question

# No os, json, re, site, logging, boto3, filelock, platformdirs: each costs more than all of these.
ALLOWED = {
    "_sha2",
    "_sha256",
    "docker_credential_ecr_login",
    "docker_credential_ecr_login.__main__",
    "docker_credential_ecr_login.actions",
    "docker_credential_ecr_login.cache",
    "docker_credential_ecr_login.cache.recall",
    "docker_credential_ecr_login.cache.records",
    "docker_credential_ecr_login.cache.storage",
    "docker_credential_ecr_login.cache.tokens",
    "docker_credential_ecr_login.identity",
    "docker_credential_ecr_login.process",
    "docker_credential_ecr_login.protocol",
    "docker_credential_ecr_login.registry",
    "docker_credential_ecr_login.request",
    "docker_credential_ecr_login.resolve",
}

RUN = """
import sys
before = set(sys.modules)
sys.path.append(sys.argv.pop(1))
from docker_credential_ecr_login import __main__
answer = __main__.run(sys.argv[1:], __main__._environ())
sys.stdout.write(repr((answer, set(sys.modules) - before)))
"""


def modules_after(helper: HelperProcess, action: str, stdin: str) -> tuple[str, set[str]]:
    """Run an action as the launcher does; return its answer and what it imported."""
    completed = subprocess.run(
        [sys.executable, "-IS", "-c", RUN, str(LIBRARY), action],
        input=stdin,
        capture_output=True,
        text=True,
        env=helper.environment(),
        check=True,
    )
    (answer, _, _), modules = eval(completed.stdout)  # noqa: S307 - printed by RUN above
    return answer, modules


@pytest.fixture
def assumed_role(helper: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with a profile that assumes a role, and a token in its cache."""
    user = aws.add_user()
    role = aws.add_role(trusted=[user.arn])
    helper.write_credentials(
        f"[base]\naws_access_key_id = {user.access_key_id}\n"
        f"aws_secret_access_key = {user.secret_access_key}\n"
    )
    helper.write_config(f"[profile pull]\nrole_arn = {role.arn}\nsource_profile = base\n")
    helper.environ["AWS_PROFILE"] = "pull"
    assert helper.get().secret
    return helper


def test_a_hit_imports_next_to_nothing(assumed_role: HelperProcess, aws: AwsEmulator) -> None:
    """A hit with an assumed-role profile makes no call, and imports only what is on this list."""
    calls = len(aws.calls)
    answer, modules = modules_after(assumed_role, "get", HOST)
    assert json.loads(answer)["Username"] == "AWS"
    assert len(aws.calls) == calls
    assert modules - ALLOWED == set()
    assert (
        modules
        & {
            "boto3",
            "botocore",
            "json",
            "re",
            "logging",
            "filelock",
            "platformdirs",
            "os",
            "site",
            "typing",
        }
        == set()
    )


def test_a_config_file_costs_no_import(assumed_role: HelperProcess) -> None:
    """With a config file of 50 tables, neither a hit nor a refusal reads it, or imports more."""
    own = "images.example.com"
    tables = [f'[[registry]]\nmatch = "{n}.example.com"\nprofile = "pull"\n' for n in range(49)]
    tables.append(f'[[registry]]\nmatch = "{own}"\nregistry = "{HOST}"\nprofile = "pull"\n')
    assumed_role.write_own_config("strict = true\n" + "".join(tables))
    for host in (HOST, own):
        assert assumed_role.get(host).secret
        answer, modules = modules_after(assumed_role, "get", host)
        assert json.loads(answer)["ServerURL"] == host
        assert modules - ALLOWED == set()
    _, modules = modules_after(assumed_role, "get", "https://index.docker.io/v1/")
    assert {"tomllib", "re", "fnmatch"} <= modules  # the first time it is read
    answer, modules = modules_after(assumed_role, "get", "https://index.docker.io/v1/")
    assert answer == NOT_FOUND
    assert modules - ALLOWED == set()


def test_kubelet_imports_little(assumed_role: HelperProcess) -> None:
    """``kubelet`` also imports json, but nothing that takes longer, for a hundred pods at once."""
    frame = question(f"{HOST}/team/app:1")
    answer, modules = modules_after(assumed_role, "kubelet", frame)
    assert json.loads(answer)["auth"].keys() == {HOST}
    ours = {name for name in modules - ALLOWED if name.startswith("docker_credential_ecr_login")}
    assert ours == {
        f"docker_credential_ecr_login.{name}"
        for name in ("errors", "kubelet", "reference", "web_identity")
    }
    slow = {"boto3", "botocore", "dataclasses", "logging", "filelock", "platformdirs", "site"}
    assert modules & slow == set()


@pytest.mark.parametrize("action", ["get", "erase"])
def test_another_registry_imports_nothing_more(helper: HelperProcess, action: str) -> None:
    """A question about a registry that is not ECR, which is frequent, imports nothing more."""
    for _ in range(2):  # the first has to make a directory
        _, modules = modules_after(helper, action, "https://index.docker.io/v1/")
    assert modules - ALLOWED == set()


def test_the_second_account_imports_nothing_more(assumed_role: HelperProcess) -> None:
    """A second account that shares the token is noted without a further import."""
    _, modules = modules_after(assumed_role, "get", HOST.replace("1", "2", 12))
    assert modules - ALLOWED == set()


def test_a_miss_imports_and_asks_no_more_than_it_needs(
    signed_in: HelperProcess, aws: AwsEmulator
) -> None:
    """A cold answer is one call, and imports neither boto3 itself nor what explains failures."""
    answer, modules = modules_after(signed_in, "get", HOST)
    assert json.loads(answer)["Username"] == "AWS"
    assert [call.operation for call in aws.calls] == ["GetAuthorizationToken"]
    assert "botocore.session" in modules
    assert modules & {"argparse", "asyncio", "boto3", "platformdirs", "s3transfer"} == set()
    told_by = {f"docker_credential_ecr_login.aws.{name}" for name in ("answers", "failures")}
    assert modules & told_by == set()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_waiting_caller_imports_little(assumed_role: HelperProcess) -> None:
    """A caller that waits for another one's token imports only what waiting needs."""
    import fcntl

    (token,) = assumed_role.cache_directory.glob("tokens/*/*.ecr")
    aside = token.with_name("aside")
    token.rename(aside)
    queue = token.with_name(f"{token.name}.lock")
    with queue.open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)

        def get_token() -> None:
            wait_for(lambda: bool(users_of(queue)))
            aside.replace(token)
            fcntl.flock(turn, fcntl.LOCK_UN)

        thread = Thread(target=get_token)
        thread.start()
        answer, modules = modules_after(assumed_role, "get", HOST)
        thread.join()
    assert json.loads(answer)["Username"] == "AWS"
    assert modules - ALLOWED == {
        "docker_credential_ecr_login.cache.locks",
        "docker_credential_ecr_login.deadline",
        "docker_credential_ecr_login.fetch",
        "docker_credential_ecr_login.turn",
        "fcntl",
    }
