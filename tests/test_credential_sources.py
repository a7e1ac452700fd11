"""Every source of AWS credentials, through the executable: who signs, and who is asked again."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from docker_credential_ecr_login import __version__
from docker_credential_ecr_login.cache import Cache, Entry
from docker_credential_ecr_login.identity import configured_identity
from docker_credential_ecr_login.registry import parse
from tests.emulator import AwsEmulator, Principal
from tests.helper_process import HOST, OTHER_REGION, PUBLIC, SECOND_ACCOUNT, HelperProcess

ROOT = Path(__file__).parent.parent
REGION = "eu-west-1"  # of OTHER_REGION, which no test configures
DEV = "arn:aws:iam::111111111111:user/dev"
PULL = "arn:aws:iam::222222222222:role/pull"
PULL_SESSION = "arn:aws:sts::222222222222:assumed-role/pull/docker"
HOUR = 3600


@dataclass(frozen=True)
class Expected:
    """What AWS is to see: the operations in their order, and who signs the last one."""

    principal: str
    operations: tuple[str, ...] = ()
    refresh_hours: int = 6


Source = Callable[[AwsEmulator, HelperProcess], Expected]
"""Configures one source of credentials in a helper, and says what is expected of it."""


def keys(principal: Principal) -> str:
    """Return the lines of a profile that hold a principal's keys."""
    names = {
        "AWS_ACCESS_KEY_ID": "aws_access_key_id",
        "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
        "AWS_SESSION_TOKEN": "aws_session_token",
    }
    return "".join(f"{names[name]} = {value}\n" for name, value in principal.environ.items())


def write(helper: HelperProcess, name: str, text: str) -> Path:
    """Write a private file in the helper's home."""
    path = helper.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


# Keys


def environment_keys(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Set an access key in the environment."""
    helper.environ |= aws.add_user(arn=DEV).environ
    return Expected(DEV)


def environment_session(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Set temporary keys, with AWS_SESSION_TOKEN, in the environment."""
    session = aws.start_session(aws.add_role(arn=PULL), "docker", HOUR)
    helper.environ |= session.environ
    return Expected(PULL_SESSION)


def environment_keys_beside_a_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Set keys in the environment, which win over AWS_PROFILE as in boto3."""
    other = aws.add_user(arn="arn:aws:iam::111111111111:user/other")
    helper.write_credentials(f"[dev]\n{keys(other)}")
    helper.environ |= {**aws.add_user(arn=DEV).environ, "AWS_PROFILE": "dev"}
    return Expected(DEV)


def default_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Write keys into the default profile of the credentials file."""
    helper.write_credentials(f"[default]\n{keys(aws.add_user(arn=DEV))}")
    return Expected(DEV)


def default_profile_of_the_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Write keys into the default profile of the config file."""
    helper.write_config(f"[default]\n{keys(aws.add_user(arn=DEV))}")
    return Expected(DEV)


def other_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a credentials file by AWS_SHARED_CREDENTIALS_FILE."""
    path = write(helper, "elsewhere/keys", f"[default]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(path)
    return Expected(DEV)


def other_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a config file by AWS_CONFIG_FILE."""
    path = write(helper, "elsewhere/config", f"[profile dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ |= {"AWS_CONFIG_FILE": str(path), "AWS_PROFILE": "dev"}
    return Expected(DEV)


def aws_profile_in_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the credentials file by AWS_PROFILE."""
    helper.write_credentials(f"[dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEV)


def aws_profile_in_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the config file by AWS_PROFILE."""
    helper.write_config(f"[profile dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEV)


def aws_default_profile_in_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the credentials file by AWS_DEFAULT_PROFILE."""
    helper.write_credentials(f"[dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_DEFAULT_PROFILE"] = "dev"
    return Expected(DEV)


def aws_default_profile_in_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the config file by AWS_DEFAULT_PROFILE."""
    helper.write_config(f"[profile dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_DEFAULT_PROFILE"] = "dev"
    return Expected(DEV)


def profile_with_a_session_token(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Write temporary keys into a profile."""
    session = aws.start_session(aws.add_role(arn=PULL), "docker", HOUR)
    helper.write_credentials(f"[dev]\n{keys(session)}")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(PULL_SESSION)


# Roles


def source_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the keys of another profile."""
    aws.add_role(arn=PULL, trusted=[DEV])
    helper.write_credentials(f"[base]\n{keys(aws.add_user(arn=DEV))}")
    helper.write_config(
        f"[profile pull]\nrole_arn = {PULL}\nsource_profile = base\nrole_session_name = docker\n"
    )
    helper.environ["AWS_PROFILE"] = "pull"
    return Expected(PULL_SESSION, ("AssumeRole",))


def external_id(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role that asks for an external id."""
    expected = source_profile(aws, helper)
    aws.add_role(arn=PULL, trusted=[DEV], external_id="Zephyr/17")
    with (helper.home / ".aws/config").open("a") as config:
        config.write("external_id = Zephyr/17\n")
    return expected


def chained_roles(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the session of another role."""
    hop = "arn:aws:iam::111111111111:role/hop"
    aws.add_role(arn=hop, trusted=[DEV])
    aws.add_role(arn=PULL, trusted=[hop])
    helper.write_credentials(f"[base]\n{keys(aws.add_user(arn=DEV))}")
    helper.write_config(
        f"[profile hop]\nrole_arn = {hop}\nsource_profile = base\n"
        "[profile pull]\n"
        f"role_arn = {PULL}\nsource_profile = hop\nrole_session_name = docker\n"
    )
    helper.environ["AWS_PROFILE"] = "pull"
    return Expected(PULL_SESSION, ("AssumeRole", "AssumeRole"))


def credential_source_environment(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the keys in the environment."""
    aws.add_role(arn=PULL, trusted=[DEV])
    helper.environ |= aws.add_user(arn=DEV).environ
    return _role_with_credential_source(helper, "Environment", ("AssumeRole",))


def credential_source_instance(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the role of the instance."""
    instance_role(aws, helper)
    aws.add_role(arn=PULL, trusted=["arn:aws:iam::111111111111:role/ec2-pull"])
    return _role_with_credential_source(
        helper, "Ec2InstanceMetadata", (*IMDS_OPERATIONS, "AssumeRole")
    )


def credential_source_container(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the role of the container."""
    container_full_uri(aws, helper)
    aws.add_role(arn=PULL, trusted=["arn:aws:iam::111111111111:role/task-pull"])
    return _role_with_credential_source(
        helper, "EcsContainer", ("GetContainerCredentials", "AssumeRole")
    )


def _role_with_credential_source(
    helper: HelperProcess, source: str, operations: tuple[str, ...]
) -> Expected:
    helper.write_config(
        "[profile pull]\n"
        f"role_arn = {PULL}\ncredential_source = {source}\nrole_session_name = docker\n"
    )
    helper.environ["AWS_PROFILE"] = "pull"
    return Expected(PULL_SESSION, operations)


# Web identities


def web_identity_of_a_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Exchange the token file that a profile names."""
    aws.add_role(arn=PULL, web_identity_token="header.payload.signature")
    path = write(helper, "oidc-token", "header.payload.signature")
    helper.write_config(
        "[profile pull]\n"
        f"role_arn = {PULL}\nweb_identity_token_file = {path}\nrole_session_name = docker\n"
    )
    helper.environ["AWS_PROFILE"] = "pull"
    return Expected(PULL_SESSION, ("AssumeRoleWithWebIdentity",))


def web_identity_of_the_environment(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Exchange the token file that the environment names, as IRSA does."""
    aws.add_role(arn=PULL, web_identity_token="header.payload.signature")
    helper.environ |= {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(write(helper, "token", "header.payload.signature")),
        "AWS_ROLE_ARN": PULL,
        "AWS_ROLE_SESSION_NAME": "docker",
    }
    return Expected(PULL_SESSION, ("AssumeRoleWithWebIdentity",))


# IAM Identity Center

DEVELOPER = "arn:aws:sts::333333333333:assumed-role/AWSReservedSSO_Developer_*/dev@example.com"


def sso_session(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Sign in to an sso-session, as `aws sso login` does."""
    name, text = aws.add_sso(region="eu-north-1").cache_file("corp")
    write(helper, f".aws/sso/cache/{name}", text)
    return _sso_profile(helper, ("GetRoleCredentials",))


def sso_session_refreshed(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Leave an expired SSO token with a refresh token that is still good."""
    sign_in = aws.add_sso(region="eu-north-1", expired=True, refresh_token="refresh-1")
    name, text = sign_in.cache_file("corp")
    entry = json.loads(text) | {"registrationExpiresAt": "2099-01-01T00:00:00Z"}
    write(helper, f".aws/sso/cache/{name}", json.dumps(entry))
    return _sso_profile(helper, ("CreateToken", "GetRoleCredentials"))


def _sso_profile(helper: HelperProcess, operations: tuple[str, ...]) -> Expected:
    helper.write_config(
        "[profile dev]\n"
        "sso_session = corp\nsso_account_id = 333333333333\nsso_role_name = Developer\n"
        "[sso-session corp]\n"
        "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-north-1\n"
    )
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEVELOPER, operations)


def sso_of_the_older_form(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Sign in by the SSO settings of the profile itself."""
    name, text = aws.add_sso(region="eu-north-1").cache_file()
    write(helper, f".aws/sso/cache/{name}", text)
    helper.write_config(
        "[profile dev]\n"
        "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-north-1\n"
        "sso_account_id = 333333333333\nsso_role_name = Developer\n"
    )
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEVELOPER, ("GetRoleCredentials",))


def role_from_an_sso_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the session of an SSO profile."""
    sso_session(aws, helper)
    aws.add_role(arn=PULL, trusted=["arn:aws:iam::333333333333:root"])
    with (helper.home / ".aws/config").open("a") as config:
        config.write(
            f"[profile pull]\nrole_arn = {PULL}\nsource_profile = dev\nrole_session_name = docker\n"
        )
    helper.environ["AWS_PROFILE"] = "pull"
    return Expected(PULL_SESSION, ("GetRoleCredentials", "AssumeRole"))


# Programs, containers, instances


def credential_process(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Configure a program that leaves a trace of each run in ~/runs."""
    user = aws.add_user(arn=DEV)
    answer = {
        "Version": 1,
        "AccessKeyId": user.access_key_id,
        "SecretAccessKey": user.secret_access_key,
    }
    path = write(
        helper,
        "vend",
        f'#!/bin/sh\necho run >>"$HOME/runs"\necho {shlex.quote(json.dumps(answer))}\n',
    )
    path.chmod(0o700)
    helper.write_config(f"[profile dev]\ncredential_process = {path} --for docker\n")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEV, refresh_hours=1)


def container_full_uri(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve credentials at a full URI."""
    task = aws.set_container_credentials("/v2/credentials/task")
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/v2/credentials/task"
    return Expected(task.arn, ("GetContainerCredentials",), refresh_hours=1)


def container_token(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve credentials at a full URI to those who know the token."""
    task = aws.set_container_credentials("/v2/credentials/task", "let-me-in")
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/v2/credentials/task"
    helper.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "let-me-in"
    return Expected(task.arn, ("GetContainerCredentials",), refresh_hours=1)


def eks_pod_identity(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve credentials as the agent of EKS Pod Identity does, with a token file."""
    pod = aws.set_container_credentials(
        "/v1/credentials", "of-the-pod", role_arn="arn:aws:iam::111111111111:role/pod-pull"
    )
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/v1/credentials"
    path = write(helper, "eks-pod-identity-token", "of-the-pod")
    helper.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(path)
    return Expected(pod.arn, ("GetContainerCredentials",), refresh_hours=1)


IMDS_OPERATIONS = ("GetMetadataToken", "ListInstanceRoles", "GetInstanceRoleCredentials")


def instance_role(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve the role of the instance by IMDSv2."""
    instance = aws.set_instance_role("ec2-pull")
    helper.environ |= {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
    }
    return Expected(instance.arn, IMDS_OPERATIONS, refresh_hours=1)


SOURCES: tuple[Source, ...] = (
    environment_keys,
    environment_session,
    environment_keys_beside_a_profile,
    default_profile,
    default_profile_of_the_config_file,
    other_credentials_file,
    other_config_file,
    aws_profile_in_credentials_file,
    aws_profile_in_config_file,
    aws_default_profile_in_credentials_file,
    aws_default_profile_in_config_file,
    profile_with_a_session_token,
    source_profile,
    external_id,
    chained_roles,
    credential_source_environment,
    credential_source_instance,
    credential_source_container,
    web_identity_of_a_profile,
    web_identity_of_the_environment,
    sso_session,
    sso_session_refreshed,
    sso_of_the_older_form,
    role_from_an_sso_profile,
    credential_process,
    container_full_uri,
    container_token,
    eks_pod_identity,
    instance_role,
)

all_sources = pytest.mark.parametrize(
    "source", SOURCES, ids=[source.__name__ for source in SOURCES]
)


def stored_entry(helper: HelperProcess, host: str) -> Entry:
    """Return the token in the helper's cache; fails the test if there is none."""
    identity = configured_identity(helper.environment())
    registry = parse(host)
    assert registry is not None
    entry = Cache(str(helper.cache_directory), identity).token(registry)
    assert entry is not None
    return entry


@all_sources
def test_source_signs_as_the_principal_that_it_stands_for(
    source: Source, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """Each source gives a registry password issued to its principal, in the host's region."""
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
    last = aws.calls[-1]
    assert (last.service, last.region, last.principal) == ("ecr", REGION, issued.principal)
    for call in aws.calls:
        if call.service in {"ecr", "sts", "sso", "sso-oidc"}:
            assert f"docker-credential-ecr-login/{__version__}" in call.user_agent.split()


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
    """Two roles that one user assumes in one account have each their own token."""
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
        globals()[name](aws, HelperProcess(Path(home), {"AWS_ENDPOINT_URL": aws.url}))


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
    """Without an endpoint in the environment the link-local addresses of AWS are asked."""
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
