"""Every source of AWS credentials, through the executable: who signs, and what is asked again."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from docker_credential_ecr_login import __version__
from docker_credential_ecr_login.aws.attempt import Attempt
from docker_credential_ecr_login.aws.providers import credential_chain
from docker_credential_ecr_login.aws.session import open_session
from docker_credential_ecr_login.cache.tokens import Entry
from docker_credential_ecr_login.deadline import Deadline
from docker_credential_ecr_login.protocol import NAME
from tests.connect_proxy import NOBODY
from tests.credential_sources import (
    DEV,
    HOUR,
    PULL,
    PULL_SESSION,
    REGION,
    SOURCES,
    Source,
    aws_profile_in_config_file,
    aws_profile_in_credentials_file,
    credential_source_instance,
    default_profile,
    keys,
    source_profile,
    sso_profile,
    sso_session,
    sso_session_refreshed,
    web_identity_of_the_environment,
    write,
)
from tests.emulator import AwsEmulator
from tests.helper_process import (
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    as_nobody,
    told,
)
from tests.own_names import OPTION, environment_decides, sent_ahead
from tests.tokens import asked, cache_of

ROOT = Path(__file__).parent.parent

all_sources = pytest.mark.parametrize(
    "source", SOURCES, ids=[source.__name__ for source in SOURCES]
)


def stored_entry(helper: HelperProcess, host: str) -> Entry:
    """Return the token in the helper's cache; fails the test if there is none."""
    entry = cache_of(helper).token(asked(host))
    assert entry is not None
    return entry


@all_sources
def test_source_signs_as_the_principal_that_it_stands_for(
    source: Source, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """Each source gets a registry password for its principal, in the host's region."""
    expected = source(aws, helper)

    secret = helper.get(OTHER_REGION).secret

    issued = aws.issued(secret)
    assert issued is not None
    assert Path(issued.principal or "").match(expected.principal)
    assert (issued.service, issued.region) == ("ecr", REGION)
    assert [call.operation for call in aws.calls] == [
        *expected.operations,
        "GetAuthorizationToken",
    ]
    assert sent_ahead(aws) == (["GetAuthorizationToken"] if environment_decides(helper) else [])
    last = aws.calls[-1]
    assert (last.service, last.region, last.principal) == ("ecr", REGION, issued.principal)
    for call in aws.calls:
        if call.service in {"ecr", "sts", "sso", "sso-oidc"}:
            assert f"docker-credential-ecr-login/{__version__}" in call.user_agent.split()


def test_where_aws_is(
    aws: AwsEmulator, signed_in: HelperProcess, pytestconfig: pytest.Config
) -> None:
    """The call is sent ahead if the tests leave AWS its own names, as the next ones count on."""
    assert aws.issued(signed_in.get().secret)
    assert len(sent_ahead(aws)) == pytestconfig.getoption(OPTION)


@all_sources
def test_second_get_asks_nobody(source: Source, aws: AwsEmulator, helper: HelperProcess) -> None:
    """A token is kept: no call to ECR, STS, SSO, IMDS or a program until it is refreshed.

    That is after 1 hour if the source can change by itself, else after 6 hours.
    """
    expected = source(aws, helper)
    before = time.time()
    secret = helper.get(OTHER_REGION).secret
    calls, runs = aws.calls, _program_runs(helper)

    assert helper.get(OTHER_REGION).secret == secret
    assert aws.calls == calls
    assert _program_runs(helper) == runs
    entry = stored_entry(helper, OTHER_REGION)
    assert entry.refresh_at - before == pytest.approx(expected.refresh_hours * HOUR, abs=60)
    assert entry.expires_at - before == pytest.approx(12 * HOUR, abs=60)


def _program_runs(helper: HelperProcess) -> int:
    path = helper.home / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.parametrize(
    "source",
    [source_profile, credential_source_instance, web_identity_of_the_environment, sso_session],
    ids=lambda source: source.__name__,
)
def test_public_registry_takes_every_kind_of_source(
    source: Source, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """ECR Public is asked in us-east-1, by the same principal."""
    expected = source(aws, helper)

    issued = aws.issued(helper.get(PUBLIC).secret)

    assert issued is not None
    assert (issued.service, issued.region) == ("ecr-public", "us-east-1")
    assert Path(issued.principal or "").match(expected.principal)


def test_session_name_is_the_configured_one(aws: AwsEmulator, helper: HelperProcess) -> None:
    """role_session_name of the profile reaches STS, and with it CloudTrail."""
    source_profile(aws, helper)
    assert helper.get().secret
    assert [call.session_name for call in aws.calls] == ["docker", "docker"]


def test_session_name_may_be_left_out(aws: AwsEmulator, helper: HelperProcess) -> None:
    """A profile without role_session_name gets a session name that botocore makes up."""
    source_profile(aws, helper)
    config = helper.home / ".aws/config"
    config.write_text(config.read_text().replace("role_session_name = docker\n", ""))
    assert helper.get().secret
    assert (aws.calls[0].session_name or "").startswith("botocore-session-")


def test_refreshed_sso_token_is_kept_for_the_aws_cli(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """An access token that was refreshed replaces the one in ~/.aws/sso/cache."""
    sso_session_refreshed(aws, helper)
    (path,) = (helper.home / ".aws/sso/cache").iterdir()
    before = json.loads(path.read_text())
    assert helper.get().secret
    after = json.loads(path.read_text())
    assert after["accessToken"] != before["accessToken"]
    assert after["refreshToken"] == before["refreshToken"]


def _with_read_only_sign_in(
    aws: AwsEmulator, helper: HelperProcess, seconds: int, refresh_token: str
) -> tuple[HelperProcess, Path]:
    """Return the executable that may only read an SSO token, good for ``seconds``, and the file."""
    sign_in = aws.add_sso(region="eu-north-1", refresh_token="refresh-1", expired=seconds < 0)
    left = replace(sign_in, expires_at=time.time() + seconds, refresh_token=refresh_token)
    name, text = left.cache_file("corp")
    path = write(helper, f".aws/sso/cache/{name}", text)
    sso_profile(helper, ())
    path.chmod(0o644)
    path.parent.chmod(0o555)
    helper.environ["AWS_ENDPOINT_URL"] = aws.url  # of other users' Python, we know nothing
    return as_nobody(helper, helper.home) if os.geteuid() == 0 else helper, path


@pytest.mark.parametrize(("seconds", "renewals"), [(600, 0), (-60, 1)])
def test_sso_token_that_cannot_be_kept(
    aws: AwsEmulator, helper: HelperProcess, seconds: int, renewals: int
) -> None:
    """With ~/.aws read-only, an SSO token is used until it expires, and a renewed one only once.

    AWS may take a refresh token only once: who can write there is to find a good one.
    """
    reader, path = _with_read_only_sign_in(aws, helper, seconds, "refresh-1")
    before = path.read_text()

    assert aws.accepts(reader.get().secret)

    assert aws.count("CreateToken") == renewals
    assert path.read_text() == before
    assert helper.log.count("WARNING the renewed session cannot be kept: ") == renewals


def test_sso_login_is_for_where_it_can_be_kept(aws: AwsEmulator, helper: HelperProcess) -> None:
    """With ~/.aws read-only, the hint says where signing in would help."""
    reader, path = _with_read_only_sign_in(aws, helper, -60, "refresh-0")
    assert told(reader.get(PATH="/usr/bin:/bin").stderr) == (
        'the SSO session of profile "dev" (from AWS_PROFILE) has expired; run: '
        f"{NAME} login --sso --profile dev where {path.parent} can be written"
    )


def test_environment_credential_source_follows_a_source_profile(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """AWS_PROFILE may reach credential_source = Environment by way of a source_profile."""
    hop = "arn:aws:iam::111111111111:role/hop"
    aws.add_role(arn=hop, trusted=[DEV])
    aws.add_role(arn=PULL, trusted=[hop])
    helper.environ |= {**aws.add_user(arn=DEV).environ, "AWS_PROFILE": "pull"}
    helper.write_config(
        f"[profile hop]\nrole_arn = {hop}\ncredential_source = Environment\n"
        f"[profile pull]\nrole_arn = {PULL}\nsource_profile = hop\nrole_session_name = docker\n"
    )
    assert helper.get().secret
    assert aws.calls[-1].principal == PULL_SESSION


@pytest.mark.parametrize("configured", [REGION, "eu-west-3"])
def test_region_of_what_renews_an_aws_login(
    configured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client uses the configured region, or else the registry's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    region = {} if configured == REGION else {"AWS_REGION": configured}
    attempt = Attempt(asked(OTHER_REGION, {"HOME": str(tmp_path), **region}))
    session = open_session(attempt)
    credential_chain(session, attempt, str, Deadline(1))
    assert session.create_client("signin").meta.region_name == configured


# Whose token


def test_two_profiles_never_share_a_token(aws: AwsEmulator, helper: HelperProcess) -> None:
    """Each profile has its own call and its own token, and keeps it."""
    arns = {name: f"arn:aws:iam::111111111111:user/{name}" for name in ("a", "b")}
    helper.write_credentials(
        "".join(f"[{name}]\n{keys(aws.add_user(arn=arn))}" for name, arn in arns.items())
    )

    secrets = {name: helper.get(AWS_PROFILE=name).secret for name in arns}

    for name, arn in arns.items():
        issued = aws.issued(secrets[name])
        assert issued is not None
        assert issued.principal == arn
        assert helper.get(AWS_PROFILE=name).secret == secrets[name]
    assert aws.count("GetAuthorizationToken") == 2


def test_two_roles_of_one_account_never_share_a_token(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """Two roles that one user assumes in one account each have a separate token."""
    helper.write_credentials(f"[base]\n{keys(aws.add_user(arn=DEV))}")
    roles = {name: f"arn:aws:iam::222222222222:role/{name}" for name in ("pull", "push")}
    for arn in roles.values():
        aws.add_role(arn=arn, trusted=[DEV])
    helper.write_config(
        "".join(
            f"[profile {name}]\nrole_arn = {arn}\nsource_profile = base\n"
            for name, arn in roles.items()
        )
    )

    for name in roles:
        issued = aws.issued(helper.get(AWS_PROFILE=name).secret)
        assert issued is not None
        assert f":assumed-role/{name}/" in (issued.principal or "")


def test_two_web_identity_roles_never_share_a_token(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A change of AWS_ROLE_ARN alone is another identity."""
    web_identity_of_the_environment(aws, helper)
    push = "arn:aws:iam::222222222222:role/push"
    aws.add_role(arn=push, web_identity_token="header.payload.signature")

    first, second = helper.get().secret, helper.get(AWS_ROLE_ARN=push).secret

    assert first != second
    issued = aws.issued(second)
    assert issued is not None
    assert ":assumed-role/push/" in (issued.principal or "")


def test_two_access_keys_never_share_a_token(aws: AwsEmulator, helper: HelperProcess) -> None:
    """Another access key in the environment is another identity."""
    users = [aws.add_user(arn=f"arn:aws:iam::111111111111:user/{name}") for name in "ab"]
    for user in users:
        issued = aws.issued(helper.get(**user.environ).secret)
        assert issued is not None
        assert issued.principal == user.arn


def test_changed_credentials_file_is_another_identity(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """New keys in the credentials file mean a new call at once."""
    first = aws.add_user(arn="arn:aws:iam::111111111111:user/first")
    second = aws.add_user(arn="arn:aws:iam::111111111111:user/second")
    principals = []
    for user in (first, second):
        helper.write_credentials(f"[default]\n{keys(user)}")
        issued = aws.issued(helper.get().secret)
        assert issued is not None
        principals.append(issued.principal)
    assert principals == [first.arn, second.arn]


def test_changed_config_file_is_another_identity(aws: AwsEmulator, helper: HelperProcess) -> None:
    """Another role_arn in the config file means a new call at once."""
    source_profile(aws, helper)
    aws.add_role(arn="arn:aws:iam::222222222222:role/push", trusted=[DEV])
    assert helper.get().secret
    config = helper.home / ".aws/config"
    config.write_text(config.read_text().replace(":role/pull", ":role/push"))

    assert helper.get().secret
    assert aws.calls[-1].principal == "arn:aws:sts::222222222222:assumed-role/push/docker"


def test_accounts_of_a_region_share_the_token_of_an_assumed_role(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A second account in the region, under the same profile, is a hit on the same token."""
    source_profile(aws, helper)
    assert helper.get(HOST).secret == helper.get(SECOND_ACCOUNT).secret
    assert (aws.count("AssumeRole"), aws.count("GetAuthorizationToken")) == (1, 1)


# AWS_SDK_LOAD_CONFIG


@pytest.mark.parametrize("value", ["false", "FALSE", "0", "f"])
def test_load_config_false_hides_a_profile_of_the_config_file(
    value: str, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """With AWS_SDK_LOAD_CONFIG=false a profile that only ~/.aws/config has does not exist."""
    aws_profile_in_config_file(aws, helper)
    outcome = helper.get(AWS_SDK_LOAD_CONFIG=value)
    assert outcome.status == 1
    assert 'profile "dev" (from AWS_PROFILE) does not exist' in outcome.stderr
    assert aws.calls == []


def test_load_config_false_leaves_the_credentials_file(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """With AWS_SDK_LOAD_CONFIG=false ~/.aws/credentials is still read."""
    aws_profile_in_credentials_file(aws, helper)
    assert helper.get(AWS_SDK_LOAD_CONFIG="false").secret


def test_load_config_false_hides_an_endpoint_of_the_config_file(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """With AWS_SDK_LOAD_CONFIG=false endpoint_url in ~/.aws/config is not read."""
    default_profile(aws, helper)
    helper.write_config("[default]\nendpoint_url = http://127.0.0.1:9\n")
    assert helper.get(AWS_SDK_LOAD_CONFIG="false").secret


@pytest.mark.parametrize("value", ["true", "1", ""])
def test_load_config_is_the_default(value: str, aws: AwsEmulator, helper: HelperProcess) -> None:
    """Any other value of AWS_SDK_LOAD_CONFIG leaves ~/.aws/config in use."""
    aws_profile_in_config_file(aws, helper)
    assert helper.get(AWS_SDK_LOAD_CONFIG=value).secret


# The addresses of instances and containers, which need a network of its own

_UNSHARE = ("unshare", "--map-root-user", "--net")
_NAMESPACE = """
ip link set lo up
ip address add 169.254.169.254/32 dev lo
ip address add 169.254.170.2/32 dev lo
exec "$@"
"""


def _can_make_a_network() -> bool:
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    command = [*_UNSHARE, "ip", "link", "set", "lo", "up"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def relative_uri_scenario(aws: AwsEmulator, helper: HelperProcess) -> None:
    """Take credentials from the address of the container agent of ECS."""
    task = aws.set_container_credentials("/v2/credentials/task")
    outcome = helper.get(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/credentials/task")
    issued = aws.issued(outcome.secret)
    assert issued is not None
    assert issued.principal == task.arn
    assert "169.254.170.2" in [call.host for call in aws.calls]


def instance_metadata_scenario(aws: AwsEmulator, helper: HelperProcess) -> None:
    """Take credentials from the address of the instance metadata service."""
    instance = aws.set_instance_role()
    issued = aws.issued(helper.get(AWS_EC2_METADATA_DISABLED="false").secret)
    assert issued is not None
    assert issued.principal == instance.arn
    assert "169.254.169.254" in [call.host for call in aws.calls]


def run_scenario(name: str) -> None:
    """Run one of the scenarios above, in a process that has a network of its own."""
    with (
        tempfile.TemporaryDirectory() as home,
        AwsEmulator() as aws,
    ):
        aws.listen("169.254.169.254", 80)
        aws.listen("169.254.170.2", 80)
        environ = {"AWS_ENDPOINT_URL": aws.url, "HTTP_PROXY": NOBODY}
        globals()[name](aws, HelperProcess(Path(home), environ))


@pytest.mark.parametrize(
    "scenario",
    [relative_uri_scenario, instance_metadata_scenario],
    ids=["container_relative_uri", "instance_default_address"],
)
@pytest.mark.skipif(
    sys.platform != "linux" or not _can_make_a_network(),
    reason="needs unprivileged network namespaces of Linux",
)
def test_default_addresses_of_instances_and_containers(
    scenario: Callable[[AwsEmulator, HelperProcess], None],
) -> None:
    """By default, AWS's link-local addresses are asked, without a proxy."""
    code = f"from {__name__} import run_scenario; run_scenario({scenario.__name__!r})"
    completed = subprocess.run(
        [*_UNSHARE, "sh", "-euc", _NAMESPACE, "sh", sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr


def test_what_a_switcher_serves_at_one_address(aws: AwsEmulator, helper: HelperProcess) -> None:
    """``aws-vault exec --ec2-server`` for two profiles, one after the other, gets two tokens.

    Both times the credentials are those of an instance at the same address; AWS_VAULT says whose.
    """
    helper.environ |= {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
    }
    for profile in ("dev", "prod", "dev"):
        role = aws.set_instance_role(profile)
        issued = aws.issued(helper.get(AWS_VAULT=profile).secret)
        assert issued
        assert f"/{profile}/" in str(issued.principal)
        assert role.arn.split("/")[1] == profile
