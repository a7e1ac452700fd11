"""Every source of AWS credentials: how it is configured, and which calls AWS is to see."""

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docker_credential_ecr_login.protocol import NAME
from tests.emulator import AwsEmulator, Principal
from tests.helper_process import HelperProcess

SSO_LOGIN = "aws sso login" if shutil.which("aws") else f"{NAME} login --sso"
"""How one signs in to SSO on this machine, by the lines that say so."""

REGION = "eu-west-1"  # of OTHER_REGION, which no test configures
DEV = "arn:aws:iam::111111111111:user/dev"
PULL = "arn:aws:iam::222222222222:role/pull"
PULL_SESSION = "arn:aws:sts::222222222222:assumed-role/pull/docker"
HOUR = 3600


@dataclass(frozen=True)
class Expected:
    """The calls that AWS is to see: the operations in their order, and who signs the last one."""

    principal: str
    operations: tuple[str, ...] = ()
    refresh_hours: int = 6


Source = Callable[[AwsEmulator, HelperProcess], Expected]
"""Configures one source of credentials in a helper, and says what is expected of it."""

SOURCES: list[Source] = []


def source(function: Source) -> Source:
    """Add a source to `SOURCES`."""
    SOURCES.append(function)
    return function


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


@source
def environment_keys(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Set an access key in the environment."""
    helper.environ |= aws.add_user(arn=DEV).environ
    return Expected(DEV)


@source
def environment_session(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Set temporary keys, with AWS_SESSION_TOKEN, in the environment."""
    session = aws.start_session(aws.add_role(arn=PULL), "docker", HOUR)
    helper.environ |= session.environ
    return Expected(PULL_SESSION)


@source
def environment_keys_beside_a_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Set keys in the environment, which win over AWS_PROFILE as in boto3."""
    other = aws.add_user(arn="arn:aws:iam::111111111111:user/other")
    helper.write_credentials(f"[dev]\n{keys(other)}")
    helper.environ |= {**aws.add_user(arn=DEV).environ, "AWS_PROFILE": "dev"}
    return Expected(DEV)


@source
def default_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Write keys into the default profile of the credentials file."""
    helper.write_credentials(f"[default]\n{keys(aws.add_user(arn=DEV))}")
    return Expected(DEV)


@source
def default_profile_of_the_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Write keys into the default profile of the config file."""
    helper.write_config(f"[default]\n{keys(aws.add_user(arn=DEV))}")
    return Expected(DEV)


@source
def other_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a credentials file by AWS_SHARED_CREDENTIALS_FILE."""
    path = write(helper, "elsewhere/keys", f"[default]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(path)
    return Expected(DEV)


@source
def other_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a config file by AWS_CONFIG_FILE."""
    path = write(helper, "elsewhere/config", f"[profile dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ |= {"AWS_CONFIG_FILE": str(path), "AWS_PROFILE": "dev"}
    return Expected(DEV)


@source
def aws_profile_in_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the credentials file by AWS_PROFILE."""
    helper.write_credentials(f"[dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEV)


@source
def aws_profile_in_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the config file by AWS_PROFILE."""
    helper.write_config(f"[profile dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEV)


@source
def aws_default_profile_in_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the credentials file by AWS_DEFAULT_PROFILE."""
    helper.write_credentials(f"[dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_DEFAULT_PROFILE"] = "dev"
    return Expected(DEV)


@source
def aws_default_profile_in_config_file(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Name a profile of the config file by AWS_DEFAULT_PROFILE."""
    helper.write_config(f"[profile dev]\n{keys(aws.add_user(arn=DEV))}")
    helper.environ["AWS_DEFAULT_PROFILE"] = "dev"
    return Expected(DEV)


@source
def profile_with_a_session_token(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Write temporary keys into a profile."""
    session = aws.start_session(aws.add_role(arn=PULL), "docker", HOUR)
    helper.write_credentials(f"[dev]\n{keys(session)}")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(PULL_SESSION)


# Roles


@source
def source_profile(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the keys of another profile."""
    aws.add_role(arn=PULL, trusted=[DEV])
    helper.write_credentials(f"[base]\n{keys(aws.add_user(arn=DEV))}")
    helper.write_config(
        f"[profile pull]\nrole_arn = {PULL}\nsource_profile = base\nrole_session_name = docker\n"
    )
    helper.environ["AWS_PROFILE"] = "pull"
    return Expected(PULL_SESSION, ("AssumeRole",))


@source
def external_id(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role that asks for an external id."""
    expected = source_profile(aws, helper)
    aws.add_role(arn=PULL, trusted=[DEV], external_id="Zephyr/17")
    with (helper.home / ".aws/config").open("a") as config:
        config.write("external_id = Zephyr/17\n")
    return expected


@source
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


@source
def credential_source_environment(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the keys in the environment."""
    aws.add_role(arn=PULL, trusted=[DEV])
    helper.environ |= aws.add_user(arn=DEV).environ
    return _role_with_credential_source(helper, "Environment", ("AssumeRole",))


@source
def credential_source_instance(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Assume a role with the role of the instance."""
    instance_role(aws, helper)
    aws.add_role(arn=PULL, trusted=["arn:aws:iam::111111111111:role/ec2-pull"])
    return _role_with_credential_source(
        helper, "Ec2InstanceMetadata", (*IMDS_OPERATIONS, "AssumeRole")
    )


@source
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


@source
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


@source
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


@source
def sso_session(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Sign in to an sso-session, as `aws sso login` does."""
    name, text = aws.add_sso(region="eu-north-1").cache_file("corp")
    write(helper, f".aws/sso/cache/{name}", text)
    return sso_profile(helper, ("GetRoleCredentials",))


@source
def sso_session_refreshed(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Leave an expired SSO token with a refresh token that is still good."""
    sign_in = aws.add_sso(region="eu-north-1", expired=True, refresh_token="refresh-1")
    name, text = sign_in.cache_file("corp")
    entry = json.loads(text) | {"registrationExpiresAt": "2099-01-01T00:00:00Z"}
    write(helper, f".aws/sso/cache/{name}", json.dumps(entry))
    return sso_profile(helper, ("CreateToken", "GetRoleCredentials"))


def sso_profile(helper: HelperProcess, operations: tuple[str, ...]) -> Expected:
    """Name a profile of an sso-session by AWS_PROFILE."""
    helper.write_config(
        "[profile dev]\n"
        "sso_session = corp\nsso_account_id = 333333333333\nsso_role_name = Developer\n"
        "[sso-session corp]\n"
        "sso_start_url = https://example.awsapps.com/start\nsso_region = eu-north-1\n"
    )
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEVELOPER, operations)


@source
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


@source
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


@source
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
    helper.write_config(f"[profile dev]\ncredential_process = '{path}' --for docker\n")
    helper.environ["AWS_PROFILE"] = "dev"
    return Expected(DEV, refresh_hours=1)


@source
def container_full_uri(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve credentials at a full URI."""
    task = aws.set_container_credentials("/v2/credentials/task")
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/v2/credentials/task"
    return Expected(task.arn, ("GetContainerCredentials",), refresh_hours=1)


@source
def container_token(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve credentials at a full URI to those who know the token."""
    task = aws.set_container_credentials("/v2/credentials/task", "let-me-in")
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/v2/credentials/task"
    helper.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "let-me-in"
    return Expected(task.arn, ("GetContainerCredentials",), refresh_hours=1)


@source
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


@source
def instance_role(aws: AwsEmulator, helper: HelperProcess) -> Expected:
    """Serve the role of the instance by IMDSv2."""
    instance = aws.set_instance_role("ec2-pull")
    helper.environ |= {
        "AWS_EC2_METADATA_DISABLED": "false",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
    }
    return Expected(instance.arn, IMDS_OPERATIONS, refresh_hours=1)
