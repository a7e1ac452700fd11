"""What people read when there is no token: the exact message of each failure.

In the expected lines ``*`` stands for what differs from run to run. They leave out the
``ecr-login: <host>: `` that every line begins with.
"""

import contextlib
import errno
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
import trustme
from botocore.exceptions import ClientError

from docker_credential_ecr_login import errors
from docker_credential_ecr_login.aws.attempt import Attempt
from docker_credential_ecr_login.aws.failures import explain
from docker_credential_ecr_login.errors import HelperError
from docker_credential_ecr_login.protocol import PUBLIC_GOES_ON
from docker_credential_ecr_login.redaction import one_line, redact
from tests.credential_sources import SSO_LOGIN, keys, write
from tests.emulator import AwsEmulator, Fault, Principal
from tests.helper_process import HOST, NOT_FOUND, PUBLIC, HelperProcess, matches, told
from tests.tokens import asked

DEV = "arn:aws:iam::111111111111:user/dev"
PULL = "arn:aws:iam::222222222222:role/pull"

Case = Callable[[AwsEmulator, HelperProcess], str]
"""Makes ``get`` fail, and returns the line that is to be read."""

CASES: list[Case] = []


def seeded(case: Case) -> Case:
    """Add a case to `CASES`."""
    CASES.append(case)
    return case


def assert_no_secret(aws: AwsEmulator, *texts: str) -> None:
    """Check that no secret of the emulator is in the texts."""
    for text in texts:
        assert not [secret for secret in aws.secrets if secret in text], text


def use_profile(helper: HelperProcess, config: str, name: str = "dev") -> None:
    """Write the config file, and name a profile by AWS_PROFILE."""
    helper.write_config(config)
    helper.environ["AWS_PROFILE"] = name


def tls_url(aws: AwsEmulator, authority: trustme.CA) -> str:
    """Serve the emulator over TLS with a certificate of that authority; return the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return aws.listen("127.0.0.1", ssl_context=context)


# No credentials, no profile


@seeded
def no_credentials(_aws: AwsEmulator, _helper: HelperProcess) -> str:
    """Configure nothing at all."""
    return (
        'no AWS credentials found: not in the environment, not in profile "default", '
        "not from a container or an instance role; run: aws configure sso, "
        "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )


@seeded
def no_files(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Want no files of AWS to be read."""
    helper.environ |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return no_credentials(_aws, helper)


@seeded
def no_credentials_but_profiles(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Have profiles, and name none of them."""
    user = aws.add_user()
    helper.write_credentials(f"[prod]\n{keys(user)}[dev]\n{keys(user)}")
    return (
        'no AWS credentials found: not in the environment, not in profile "default", '
        "not from a container or an instance role; set AWS_PROFILE to one of dev, prod"
    )


@seeded
def profile_without_credentials(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a profile that has settings, and no credentials."""
    use_profile(helper, "[profile dev]\nregion = eu-west-1\n")
    return (
        'no AWS credentials found: not in the environment, not in profile "dev" '
        "(from AWS_PROFILE), not from a container or an instance role; "
        "run: aws configure --profile dev"
    )


@seeded
def profile_missing(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a profile that does not exist."""
    helper.write_credentials(f"[prod]\n{keys(aws.add_user())}")
    helper.write_config("[profile build]\nregion = eu-west-1\n")
    helper.environ["AWS_PROFILE"] = "dev"
    return (
        'profile "dev" (from AWS_PROFILE) does not exist in the AWS configuration; '
        "profiles there: build, prod; run: aws configure --profile dev"
    )


@seeded
def default_profile_variable(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a missing profile by AWS_DEFAULT_PROFILE, with a space in its name."""
    helper.environ["AWS_DEFAULT_PROFILE"] = "my dev"
    return (
        'profile "my dev" (from AWS_DEFAULT_PROFILE) does not exist in the AWS configuration; '
        'profiles there: none; run: aws configure --profile "my dev"'
    )


@seeded
def profile_misspelt(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Misspell a profile that there is."""
    helper.write_config("[profile prod]\nregion = eu-west-1\n")
    helper.environ["AWS_PROFILE"] = "prdo"
    return (
        'profile "prdo" (from AWS_PROFILE) does not exist in the AWS configuration; '
        "profiles there: prod; did you mean prod? otherwise, run: aws configure --profile prdo"
    )


@seeded
def profile_missing_beside_the_default(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a profile that does not exist where none is needed, for there is a default one."""
    helper.write_credentials(f"[default]\n{keys(aws.add_user())}")
    helper.environ["AWS_DEFAULT_PROFILE"] = "work"
    return (
        'profile "work" (from AWS_DEFAULT_PROFILE) does not exist in the AWS configuration; '
        "profiles there: default; run: aws configure --profile work, or unset AWS_DEFAULT_PROFILE"
    )


@seeded
def profile_missing_beside_keys(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a profile that does not exist where none is needed, for there are keys."""
    helper.write_config("[default]\nregion = eu-west-1\n")
    helper.environ |= {**aws.add_user().environ, "AWS_PROFILE": "work"}
    return (
        'profile "work" (from AWS_PROFILE) does not exist in the AWS configuration; '
        "profiles there: default; run: aws configure --profile work, or unset AWS_PROFILE"
    )


@seeded
def profile_headed_as_in_the_credentials_file(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Head a profile of the config file without the word "profile"."""
    use_profile(helper, f"[dev]\n{keys(aws.add_user())}")
    return (
        'profile "dev" (from AWS_PROFILE) does not exist in the AWS configuration; profiles there: '
        "none; write [profile dev], not [dev], in ~/.aws/config"
    )


@seeded
def profile_headed_as_in_the_config_file(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Head a profile of the credentials file with the word "profile"."""
    helper.write_credentials(f"[profile dev]\n{keys(aws.add_user())}")
    helper.environ["AWS_PROFILE"] = "dev"
    return (
        'profile "dev" (from AWS_PROFILE) does not exist in the AWS configuration; profiles there: '
        "profile dev; write [dev], not [profile dev], in ~/.aws/credentials"
    )


@seeded
def files_that_are_directories(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Mount a file that is not there: docker makes a directory of it."""
    (helper.home / ".aws" / "credentials").mkdir(parents=True)
    return (
        f"no AWS credentials found: {helper.home}/.aws/credentials is not a file; "
        "put a file there: docker creates a directory where a file to mount is missing"
    )


@seeded
def profile_in_unread_config(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a profile of the config file, which AWS_SDK_LOAD_CONFIG leaves unread."""
    use_profile(helper, "[profile dev]\nregion = eu-west-1\n")
    helper.environ["AWS_SDK_LOAD_CONFIG"] = "false"
    return (
        'profile "dev" (from AWS_PROFILE) does not exist in the AWS configuration '
        "(the config file is not read, because of AWS_SDK_LOAD_CONFIG); profiles there: none; "
        "run: aws configure --profile dev"
    )


# IAM Identity Center

SSO_SESSION = (
    "[profile dev]\nsso_session = corp\nsso_account_id = 333333333333\nsso_role_name = Developer\n"
    "[sso-session corp]\n"
    "sso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
)
SSO_OLDER_FORM = (
    "[profile dev]\nsso_start_url = https://example.awsapps.com/start\nsso_region = us-east-1\n"
    "sso_account_id = 333333333333\nsso_role_name = Developer\n"
)
SSO_EXPIRED = (
    'the SSO session of profile "dev" (from AWS_PROFILE) has expired; '
    f"run: {SSO_LOGIN} --profile dev"
)


@seeded
def sso_expired(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Sign in to an sso-session, and let it expire."""
    name, text = aws.add_sso(expired=True).cache_file("corp")
    write(helper, f".aws/sso/cache/{name}", text)
    use_profile(helper, SSO_SESSION)
    return SSO_EXPIRED


@seeded
def sso_expired_older_form(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Sign in by the settings of the profile, and let it expire."""
    name, text = aws.add_sso(expired=True).cache_file()
    write(helper, f".aws/sso/cache/{name}", text)
    use_profile(helper, SSO_OLDER_FORM)
    return SSO_EXPIRED


@seeded
def sso_revoked(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Sign in, and have the session ended by an administrator."""
    name, text = aws.add_sso().cache_file("corp")
    entry = json.loads(text) | {"accessToken": "forgotten"}
    write(helper, f".aws/sso/cache/{name}", json.dumps(entry))
    use_profile(helper, SSO_SESSION)
    return SSO_EXPIRED


@seeded
def sso_refresh_refused(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Leave a refresh token that is not good any more."""
    name, text = aws.add_sso(expired=True, refresh_token="refresh-1").cache_file("corp")
    entry = json.loads(text) | {
        "refreshToken": "refresh-0",
        "registrationExpiresAt": "2099-01-01T00:00:00Z",
    }
    write(helper, f".aws/sso/cache/{name}", json.dumps(entry))
    use_profile(helper, SSO_SESSION)
    return SSO_EXPIRED


@seeded
def sso_never_signed_in(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Configure an sso-session, and never sign in."""
    use_profile(helper, SSO_SESSION)
    return (
        'nobody has signed in to SSO for profile "dev" (from AWS_PROFILE) yet; '
        f"run: {SSO_LOGIN} --profile dev"
    )


@seeded
def sso_never_signed_in_older_form(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Configure SSO in the default profile, and never sign in."""
    helper.write_config(SSO_OLDER_FORM.replace("profile dev", "default"))
    return f'nobody has signed in to SSO for profile "default" yet; run: {SSO_LOGIN}'


@seeded
def sso_of_the_source_expired(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Assume a role with the session of an SSO profile that has expired."""
    sso_expired(aws, helper)
    use_profile(
        helper, f"{SSO_SESSION}[profile pull]\nrole_arn = {PULL}\nsource_profile = dev\n", "pull"
    )
    return (
        'the SSO session of profile "dev" (source of profile "pull" (from AWS_PROFILE)) '
        f"has expired; run: {SSO_LOGIN} --profile dev"
    )


@seeded
def sso_cache_broken(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Leave half a file in the cache of `aws sso login`."""
    name, text = aws.add_sso().cache_file("corp")
    write(helper, f".aws/sso/cache/{name}", text[:-20])
    use_profile(helper, SSO_SESSION)
    return (
        'the SSO session of profile "dev" (from AWS_PROFILE) cannot be read: *; '
        f"run: {SSO_LOGIN} --profile dev"
    )


@seeded
def sso_role_not_assigned(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Ask for a role that the signed-in person does not have."""
    name, text = aws.add_sso(role_name="Reader").cache_file("corp")
    write(helper, f".aws/sso/cache/{name}", text)
    use_profile(helper, SSO_SESSION)
    return (
        'the SSO user of profile "dev" (from AWS_PROFILE) has no access to its sso_account_id and '
        "sso_role_name: No access; "
        "have them assigned in IAM Identity Center, or correct the profile"
    )


@seeded
def sso_settings_incomplete(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Leave out the region of SSO."""
    use_profile(helper, SSO_OLDER_FORM.replace("sso_region = us-east-1\n", ""))
    return (
        'the AWS configuration of profile "dev" (from AWS_PROFILE) cannot be used: The profile '
        '"dev" is configured to use SSO but is missing required configuration: sso_region; '
        "correct ~/.aws/config or the environment"
    )


# Keys that AWS does not take


@seeded
def unknown_key(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Set a key that AWS does not know."""
    user = aws.add_user()
    helper.environ |= {**user.environ, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    return (
        "AWS does not know access key ...MPLE in the environment "
        "in us-east-1: UnrecognizedClientException: The security token included in the request is "
        "invalid; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new ones"
    )


@seeded
def unknown_key_of_a_profile(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a key into a profile that AWS does not know."""
    helper.write_credentials(
        "[dev]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = nonsense\n"
    )
    helper.environ["AWS_PROFILE"] = "dev"
    return (
        'AWS does not know access key ...MPLE of profile "dev" (from AWS_PROFILE) '
        "in us-east-1: UnrecognizedClientException: The security token included in the "
        "request is invalid; run: aws configure --profile dev"
    )


@seeded
def key_with_a_line_end(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Set keys that were read from a file of Windows, with its line ends."""
    helper.environ |= {name: f"{value}\r" for name, value in aws.add_user().environ.items()}
    return "AWS_ACCESS_KEY_ID in the environment contains white space, which no key does; remove it"


@seeded
def secret_in_quotes(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Put a secret key in quotes, as `docker run --env-file` leaves them."""
    environ = aws.add_user().environ
    helper.environ |= environ | {"AWS_SECRET_ACCESS_KEY": f'"{environ["AWS_SECRET_ACCESS_KEY"]}"'}
    return (
        "AWS_SECRET_ACCESS_KEY in the environment contains a quotation mark, which no key does; "
        "remove it"
    )


@seeded
def key_of_the_source_with_a_comment(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a comment behind the key that a role is assumed with."""
    _role(aws, helper)
    path = helper.home / ".aws/credentials"
    path.write_text(path.read_text().replace("\naws_secret", " # mine\naws_secret"))
    return (
        'aws_access_key_id of profile "base" (source of profile "pull" (from AWS_PROFILE)) '
        "contains white space, which no key does; remove it"
    )


@seeded
def keys_before_a_program(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Leave expired keys in the credentials file of a profile with a credential_process."""
    _process(helper, "exit 1")
    helper.write_credentials(f"[dev]\n{keys(_expired(aws))}")
    return (
        'the session token of access key ...MPLE of profile "dev" (from AWS_PROFILE) has expired; '
        "remove them from ~/.aws/credentials: they win over its credential_process"
    )


@seeded
def wrong_secret(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Set a wrong secret key."""
    user = aws.add_user(access_key_id="AKIAIOSFODNN7EXAMPLE")
    helper.environ |= {**user.environ, "AWS_SECRET_ACCESS_KEY": "nonsense"}
    return (
        "the secret for access key ...MPLE in the environment "
        "is wrong: AWS answered InvalidSignatureException; set AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new ones"
    )


@seeded
def wrong_secret_of_the_default_profile(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a wrong secret key into the default profile."""
    user = aws.add_user(access_key_id="AKIAIOSFODNN7EXAMPLE")
    helper.write_credentials(
        f"[default]\naws_access_key_id = {user.access_key_id}\naws_secret_access_key = nonsense\n"
    )
    return (
        'the secret for access key ...MPLE of profile "default" '
        "is wrong: AWS answered InvalidSignatureException; run: aws configure"
    )


@seeded
def expired_session(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Set temporary keys that have expired."""
    helper.environ |= _expired(aws).environ
    return (
        "the session token of access key ...MPLE in the environment has "
        "expired; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new ones"
    )


@seeded
def expired_session_of_a_profile(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write temporary keys into a profile that have expired."""
    helper.write_credentials(f"[dev]\n{keys(_expired(aws))}")
    helper.environ["AWS_PROFILE"] = "dev"
    return (
        'the session token of access key ...MPLE of profile "dev" (from AWS_PROFILE) '
        "has expired; put new keys and session token into ~/.aws/credentials"
    )


def _expired(aws: AwsEmulator) -> Principal:
    return aws.add_user(
        access_key_id="ASIAIOSFODNN7EXAMPLE",
        session_token="an-old-session",
        expires_at=time.time() - 60,
    )


# Roles

NEEDED_FOR_A_ROLE = (
    "the role's trust policy must allow this principal (and the external_id, if it asks for one), "
    "and the principal needs sts:AssumeRole"
)


def _role(aws: AwsEmulator, helper: HelperProcess, settings: str = "") -> None:
    helper.write_credentials(f"[base]\n{keys(aws.add_user(arn=DEV))}")
    use_profile(
        helper, f"[profile pull]\nrole_arn = {PULL}\nsource_profile = base\n{settings}", "pull"
    )


@seeded
def role_does_not_trust(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Assume a role that trusts others."""
    aws.add_role(arn=PULL, trusted=["arn:aws:iam::111111111111:user/other"])
    _role(aws, helper)
    return (
        'the role of profile "pull" (from AWS_PROFILE) cannot be assumed: '
        f"User: {DEV} is not authorized to perform: sts:AssumeRole on resource: {PULL}; "
        f"{NEEDED_FOR_A_ROLE}"
    )


@seeded
def role_asks_for_another_external_id(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Assume a role with a wrong external id."""
    aws.add_role(arn=PULL, external_id="Zephyr/17")
    _role(aws, helper, "external_id = Zephyr/18\n")
    return (
        'the role of profile "pull" (from AWS_PROFILE) cannot be assumed: '
        f"User: {DEV} is not authorized to perform: sts:AssumeRole on resource: {PULL}; "
        f"{NEEDED_FOR_A_ROLE}"
    )


@seeded
def role_for_too_long(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Ask for a longer session than there is for a role that is assumed by another role."""
    _role(aws, helper, "duration_seconds = 7200\n")
    said = "The requested DurationSeconds exceeds the 1 hour session limit for role chaining."
    aws.fail("AssumeRole", Fault(status=400, error="ValidationError", message=said))
    return (
        'AWS answered AssumeRole for profile "pull" (from AWS_PROFILE) with ValidationError: '
        f"{said.rstrip('.')}; lower its duration_seconds"
    )


@seeded
def role_without_a_container(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Use the profile of a task out of it."""
    use_profile(
        helper, f"[profile pull]\nrole_arn = {PULL}\ncredential_source = EcsContainer\n", "pull"
    )
    return (
        'no credentials for profile "pull" (from AWS_PROFILE): its credential_source has none; '
        "run it where AWS_CONTAINER_CREDENTIALS_* are set, as in an ECS task, or use another "
        "profile"
    )


@seeded
def role_without_keys(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Have a role assumed with keys in the environment, and none there."""
    use_profile(
        helper, f"[profile pull]\nrole_arn = {PULL}\ncredential_source = Environment\n", "pull"
    )
    return (
        'no credentials for profile "pull" (from AWS_PROFILE): its credential_source has none; '
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use another profile"
    )


@seeded
def role_with_unknown_source_key(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Assume a role with keys that AWS does not know."""
    _role(aws, helper)
    helper.write_credentials(
        "[base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = nonsense\n"
    )
    return (
        'AWS does not know the credentials of profile "base" (source of profile "pull" '
        "(from AWS_PROFILE)) in us-east-1: InvalidClientTokenId: The security token included in "
        "the request is invalid; run: aws configure --profile base"
    )


@seeded
def role_with_unknown_environment_key(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Assume a role with keys of the environment that AWS does not know."""
    use_profile(
        helper, f"[profile pull]\nrole_arn = {PULL}\ncredential_source = Environment\n", "pull"
    )
    helper.environ |= {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "nonsense",
    }
    return (
        "AWS does not know the credentials in the environment in us-east-1: InvalidClientTokenId: "
        "The security token included in the request is invalid; "
        "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new ones"
    )


@seeded
def role_without_source(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a profile with a role_arn alone."""
    use_profile(helper, f"[profile pull]\nrole_arn = {PULL}\n", "pull")
    return (
        'profile "pull" (from AWS_PROFILE) has a role_arn but no source_profile or '
        "credential_source; add one to it in ~/.aws/config"
    )


@seeded
def role_with_missing_source(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a source_profile that does not exist."""
    use_profile(helper, f"[profile pull]\nrole_arn = {PULL}\nsource_profile = gone\n", "pull")
    return (
        'the AWS configuration of profile "pull" (from AWS_PROFILE) cannot be used: The '
        'source_profile "gone" referenced in the profile "pull" does not exist*; '
        "correct ~/.aws/config or the environment"
    )


@seeded
def roles_in_a_circle(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Let two roles be each other's source_profile."""
    use_profile(
        helper,
        f"[profile a]\nrole_arn = {PULL}\nsource_profile = b\n"
        f"[profile b]\nrole_arn = {PULL}\nsource_profile = a\n",
        "a",
    )
    return (
        'the AWS configuration of profile "a" (from AWS_PROFILE) cannot be used: Infinite loop in '
        "credential configuration detected. *; correct ~/.aws/config or the environment"
    )


@seeded
def role_with_malformed_arn(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Let STS find fault with a setting of the profile."""
    _role(aws, helper)
    aws.fail("AssumeRole", Fault(status=400, error="ValidationError", message="no ARN"))
    return (
        'AWS answered AssumeRole for profile "pull" (from AWS_PROFILE) with '
        "ValidationError: no ARN; see the log, */.ecr/log/ecr-login.log"
    )


@seeded
def role_asks_for_mfa(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Assume a role that wants an MFA code, which nobody can type here."""
    aws.add_role(arn=PULL, mfa_serial="arn:aws:iam::111111111111:mfa/dev", mfa_code="123456")
    _role(aws, helper, "mfa_serial = arn:aws:iam::111111111111:mfa/dev\n")
    return (
        'profile "pull" (from AWS_PROFILE) asks for an MFA code (mfa_serial), which cannot be '
        "typed here; run in a terminal: docker-credential-ecr-login login --profile pull "
        f"{HOST}"
    )


@seeded
def credential_source_without_credentials(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name an instance role as the source, where there is no instance."""
    use_profile(
        helper,
        f"[profile pull]\nrole_arn = {PULL}\ncredential_source = Ec2InstanceMetadata\n",
        "pull",
    )
    return (
        'no credentials for profile "pull" (from AWS_PROFILE): the instance metadata service does '
        "not answer; use another profile if this is not an EC2 instance"
    )


# Web identities


def _web_identity(aws: AwsEmulator, helper: HelperProcess) -> None:
    aws.add_role(arn=PULL, web_identity_token="header.payload.signature")
    helper.environ |= {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(write(helper, "token", "header.payload.signature")),
        "AWS_ROLE_ARN": PULL,
    }


@seeded
def web_identity_refused(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Present a token that is none."""
    _web_identity(aws, helper)
    write(helper, "token", "nonsense")
    return (
        "AWS refused the web identity token from AWS_WEB_IDENTITY_TOKEN_FILE: "
        "InvalidIdentityToken: The ID Token provided is not a valid JWT. *; "
        "check the token file, the role and its identity provider in IAM"
    )


@seeded
def web_identity_expired(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Present a token that has expired."""
    _web_identity(aws, helper)
    aws.fail(
        "AssumeRoleWithWebIdentity",
        Fault(status=400, error="ExpiredTokenException", message="Token expired: 1700000000"),
    )
    return (
        "the web identity token from AWS_WEB_IDENTITY_TOKEN_FILE has expired: "
        "ExpiredTokenException: Token expired: 1700000000; put a new one into the token file"
    )


@seeded
def web_identity_role_denied(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Ask for a role that does not trust the identity provider."""
    _web_identity(aws, helper)
    aws.add_role(arn=PULL)
    return (
        "the role of the web identity from AWS_WEB_IDENTITY_TOKEN_FILE cannot be assumed: "
        "AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity; the role's trust "
        "policy must allow sts:AssumeRoleWithWebIdentity to this identity"
    )


@seeded
def web_identity_file_missing(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a token file that does not exist."""
    _web_identity(aws, helper)
    (helper.home / "token").unlink()
    return (
        "the web identity token from AWS_WEB_IDENTITY_TOKEN_FILE cannot be read: "
        f"{helper.home}/token: No such file or directory; "
        "correct the path, or put the token there"
    )


@seeded
def web_identity_file_of_a_profile_missing(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a token file that does not exist in a profile."""
    use_profile(
        helper,
        f"[profile pull]\nrole_arn = {PULL}\nweb_identity_token_file = /no/such/token\n",
        "pull",
    )
    return (
        'the web identity token from profile "pull" (from AWS_PROFILE) cannot be read: '
        "/no/such/token: No such file or directory; correct the path, or put the token there"
    )


@seeded
def web_identity_without_role(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Leave out AWS_ROLE_ARN."""
    _web_identity(aws, helper)
    del helper.environ["AWS_ROLE_ARN"]
    return (
        'the AWS configuration of profile "default" cannot be used: The provided profile or the '
        "current environment is configured to assume role with web identity but has no role ARN "
        "configured. *; correct ~/.aws/config or the environment"
    )


# Permissions and limits


@seeded
def token_denied(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Deny ecr:GetAuthorizationToken to a user."""
    helper.environ |= aws.add_user(arn=DEV, deny=["ecr:GetAuthorizationToken"]).environ
    return (
        f"ecr:GetAuthorizationToken is denied to {DEV} because no identity-based policy allows the "
        "ecr:GetAuthorizationToken action; "
        "allow ecr:GetAuthorizationToken on resource * in an IAM policy of that principal"
    )


@seeded
def token_denied_to_a_role(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Deny ecr:GetAuthorizationToken to an assumed role."""
    aws.add_role(arn=PULL, deny=["ecr:GetAuthorizationToken"])
    _role(aws, helper, "role_session_name = docker\n")
    return (
        "ecr:GetAuthorizationToken is denied to "
        "arn:aws:sts::222222222222:assumed-role/pull/docker because no identity-based policy "
        "allows the ecr:GetAuthorizationToken action; "
        "allow ecr:GetAuthorizationToken on resource * in an IAM policy of that principal"
    )


@seeded
def token_denied_in_other_words(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Deny in a sentence that does not name the principal."""
    helper.environ |= aws.add_user(access_key_id="AKIAIOSFODNN7EXAMPLE").environ
    aws.fail("GetAuthorizationToken", Fault(error="AccessDeniedException", message="Closed today."))
    return (
        "ecr:GetAuthorizationToken is denied to access key ...MPLE in the environment: "
        "Closed today; "
        "allow ecr:GetAuthorizationToken on resource * in an IAM policy of that principal"
    )


@seeded
def other_error(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Answer an error that nobody foresaw."""
    helper.environ |= aws.add_user().environ
    aws.fail("GetAuthorizationToken", Fault(status=400, error="TeapotException", message="Tea."))
    return (
        "AWS answered GetAuthorizationToken with TeapotException: Tea; "
        "see the log, */.ecr/log/ecr-login.log"
    )


# The network


@seeded
def endpoint_not_in_the_bundle(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Trust another authority than that of the endpoint."""
    bundle = helper.home / "ca.pem"
    trustme.CA().cert_pem.write_to_path(bundle)
    helper.environ |= {
        **aws.add_user().environ,
        "AWS_ENDPOINT_URL": tls_url(aws, trustme.CA()),
        "AWS_CA_BUNDLE": str(bundle),
    }
    return (
        "the certificate of https://127.0.0.1:* is not trusted: certificate verify failed: *; "
        f"add the CA of the proxy or endpoint to AWS_CA_BUNDLE ({bundle})"
    )


@seeded
def bundle_missing(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a bundle of certificates that does not exist."""
    helper.environ |= {
        **aws.add_user().environ,
        "AWS_ENDPOINT_URL": tls_url(aws, trustme.CA()),
        "AWS_CA_BUNDLE": "/no/such/bundle.pem",
    }
    return (
        "the certificates of AWS_CA_BUNDLE cannot be read: /no/such/bundle.pem: "
        "No such file or directory; correct the path or the file"
    )


@seeded
def bundle_of_the_profile_missing(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a bundle of certificates in the profile that does not exist."""
    helper.environ["AWS_ENDPOINT_URL"] = tls_url(aws, trustme.CA())
    helper.environ["AWS_PROFILE"] = "dev"
    settings = f"ca_bundle = /no/such/bundle.pem\n{keys(aws.add_user())}"
    helper.write_config(f"[profile dev]\n{settings}")
    return (
        'the certificates of ca_bundle of profile "dev" (from AWS_PROFILE) cannot be read: '
        "/no/such/bundle.pem: No such file or directory; correct the path or the file"
    )


# Programs, containers, instances


def _process(helper: HelperProcess, script: str) -> None:
    path = write(helper, "vend", f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    use_profile(helper, f"[profile dev]\ncredential_process = '{path}'\n")


@seeded
def process_fails(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that fails."""
    _process(helper, "echo 'vault: sealed' >&2; exit 1")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: vault: sealed; '
        "run the command by hand to see why"
    )


@seeded
def process_fails_silently(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that fails without a word."""
    _process(helper, "exit 3")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: no message; '
        "run the command by hand to see why"
    )


@seeded
def process_missing(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a credential_process that does not exist."""
    use_profile(helper, "[profile dev]\ncredential_process = no-such-program --now\n")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: no-such-program: '
        "No such file or directory; run the command by hand to see why"
    )


@seeded
def process_that_wants_a_shell(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a credential_process as the Go helper takes it, which starts a shell."""
    use_profile(helper, "[profile dev]\ncredential_process = ~/bin/vend --now\n")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: ~/bin/vend: '
        "No such file or directory; write the full path, or sh -c '...': like the AWS CLI, this "
        "helper starts it without a shell"
    )


@seeded
def process_gives_what_has_expired(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that repeats an old answer."""
    answer = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c"}
    _process(helper, f"echo '{json.dumps(answer | {'Expiration': '2020-01-01T00:00:00Z'})}'")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: the credentials have '
        "expired, by this machine's clock; run the command by hand to see why"
    )


@seeded
def container_gives_what_has_expired(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Have the agent of a container give out old credentials."""
    aws.set_container_credentials("/task", lifetime=-60)
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/task"
    return (
        "the container gave no credentials: the credentials have expired, by this machine's clock; "
        "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod"
    )


@seeded
def process_prints_brackets(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that prints what no parser goes to the end of."""
    _process(helper, "head -c 200000 /dev/zero | tr '\\0' '['")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: its output is not the JSON '
        "that AWS specifies; run the command by hand to see why"
    )


@seeded
def process_prints_garbage(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that prints no JSON."""
    _process(helper, "echo Welcome to the vault")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: its output is not the JSON '
        "that AWS specifies; run the command by hand to see why"
    )


@seeded
def process_prints_another_type(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that prints a JSON array."""
    _process(helper, "echo '[1]'")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: its output is not the JSON '
        "that AWS specifies; run the command by hand to see why"
    )


@seeded
def process_prints_half(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process that leaves out the secret key."""
    _process(helper, """echo '{"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}'""")
    return (
        'credential_process of profile "dev" (from AWS_PROFILE) failed: Missing required key in '
        "response: 'SecretAccessKey'; run the command by hand to see why"
    )


@seeded
def process_gives_an_unknown_key(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Run a credential_process whose key AWS does not know."""
    _process(
        helper,
        """echo '{"Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "x"}'""",
    )
    return (
        'AWS does not know access key ...MPLE of profile "dev" (from AWS_PROFILE) '
        "in us-east-1: UnrecognizedClientException: The security token included in the "
        "request is invalid; run its credential_process by hand to see what it prints"
    )


@seeded
def container_refuses(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Ask the container's agent without its token."""
    aws.set_container_credentials("/v2/credentials/task", "let-me-in")
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{aws.url}/v2/credentials/task"
    return (
        "the container gave no credentials: Received non 200 response 401 from container "
        "metadata: 401 - Unauthorized: the Authorization header is missing or not valid; "
        "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod"
    )


@seeded
def container_token_file_missing(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a token file of EKS Pod Identity that does not exist."""
    aws.set_container_credentials("/v1/credentials", "let-me-in")
    helper.environ |= {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/no/such/token",
    }
    return (
        "the container gave no credentials: /no/such/token: No such file or directory; "
        "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod"
    )


@seeded
def container_address_not_allowed(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name an address that is none of a container's agent."""
    helper.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://192.0.2.1/credentials"
    return (
        "the container gave no credentials: Unsupported host '192.0.2.1'. *; "
        "check AWS_CONTAINER_CREDENTIALS_* and the role of the task or pod"
    )


# Files and variables


@seeded
def config_broken(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a config file that is none."""
    helper.write_config("aws_secret_access_key = no-section-has-it\n")
    return (
        f"the AWS configuration file {helper.home}/.aws/config cannot be read, line 1; "
        "correct the file"
    )


@seeded
def config_with_a_section_twice(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a profile twice."""
    use_profile(helper, "[profile dev]\nregion = eu-west-1\n\n[profile dev]\n")
    return (
        f"the AWS configuration file {helper.home}/.aws/config has [profile dev] twice, line 4; "
        "keep one of them"
    )


@seeded
def credentials_with_a_key_twice(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Put new keys below the old ones."""
    helper.write_credentials(f"[default]\n{keys(aws.add_user())}{keys(aws.add_user())}")
    return (
        f"the AWS configuration file {helper.home}/.aws/credentials has aws_access_key_id twice, "
        "line 4; keep one of them"
    )


@seeded
def credentials_broken(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write a line into the credentials file that is no setting."""
    helper.write_credentials("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\nhunter2\n")
    return (
        f"the AWS configuration file {helper.home}/.aws/credentials cannot be read, line 3; "
        "correct the file"
    )


@seeded
def half_an_environment(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Set an access key without its secret."""
    helper.environ["AWS_ACCESS_KEY_ID"] = "AKIAIOSFODNN7EXAMPLE"
    return (
        "half of the credentials is missing in the environment: AWS_SECRET_ACCESS_KEY; "
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither"
    )


@seeded
def half_a_profile(_aws: AwsEmulator, helper: HelperProcess) -> str:
    """Write an access key without its secret into a profile."""
    helper.write_credentials("[dev]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n")
    helper.environ["AWS_PROFILE"] = "dev"
    return (
        'half of the credentials is missing in profile "dev" (from AWS_PROFILE): '
        "aws_secret_access_key; run: aws configure --profile dev"
    )


@seeded
def bundle_without_certificates(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name a bundle of certificates that holds none."""
    bundle = write(helper, "ca.pem", "nothing\n")
    helper.environ |= {
        **aws.add_user().environ,
        "AWS_ENDPOINT_URL": tls_url(aws, trustme.CA()),
        "AWS_CA_BUNDLE": str(bundle),
    }
    return (
        f"the certificates of AWS_CA_BUNDLE cannot be read: {bundle}: *; "
        "correct the path or the file"
    )


@seeded
def endpoint_speaks_no_tls(aws: AwsEmulator, helper: HelperProcess) -> str:
    """Name an endpoint by https that serves http."""
    url = aws.url.replace("http:", "https:")
    helper.environ |= {**aws.add_user().environ, "AWS_ENDPOINT_URL": url}
    return f"TLS with {url} failed: *; check the endpoint, AWS_CA_BUNDLE and the proxy settings"


all_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


@all_cases
def test_failure_is_reported_logged_and_remembered(
    case: Case, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A failure is one line on stderr, one in the log, and no second call to AWS."""
    expected = case(aws, helper)

    outcome = helper.get()

    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
    line = told(outcome.stderr)
    assert matches(line, expected), line
    assert "Traceback" not in helper.log
    assert f" ERROR {HOST}: {line}" in helper.log
    assert_no_secret(aws, outcome.stderr, helper.log)
    calls = aws.calls
    again = helper.get(AWS_ECR_STRICT="true")
    assert (again.stdout, again.status) == (f"{HOST}: {line}\n", 1)
    assert told(again.stderr) == line
    assert aws.calls == calls


def test_failure_is_forgotten_when_the_configuration_changes(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """After the configuration is corrected, the old failure is not reported again."""
    assert helper.get().status == 1
    helper.write_credentials(f"[default]\n{keys(aws.add_user())}")
    assert aws.issued(helper.get().secret)


def test_failure_is_forgotten_when_another_profile_is_named(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A failure belongs to the profile it befell."""
    helper.write_credentials(f"[dev]\n{keys(aws.add_user())}")
    assert helper.get(AWS_PROFILE="gone").status == 1
    assert aws.issued(helper.get(AWS_PROFILE="dev").secret)


def test_failure_of_one_region_does_not_touch_another(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A failure is remembered for its region only."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="TeapotException"), times=1)
    assert signed_in.get().status == 1
    assert aws.issued(signed_in.get(HOST.replace("us-east-1", "eu-west-1")).secret)


def test_every_failure_is_asked_again_without_a_cache(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """With AWS_ECR_DISABLE_CACHE nothing is remembered, not even failures."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="TeapotException"))
    for _ in range(2):
        told(signed_in.get(AWS_ECR_DISABLE_CACHE="1").stderr)
    assert aws.count("GetAuthorizationToken") == 2


def test_log_has_the_request_id(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """The request id that AWS support asks for is in the log of a refused call, not in the line."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="TeapotException", message="Tea."))
    line = signed_in.get().stderr
    found = re.search(r"request id: ([0-9a-f-]{36})", signed_in.log)
    assert found
    assert found[1] not in line


def test_hint_names_the_log_that_is_written(
    aws: AwsEmulator, signed_in: HelperProcess, tmp_path: Path
) -> None:
    """The log in the hint is that of AWS_ECR_CACHE_DIR."""
    aws.fail("GetAuthorizationToken", Fault(status=400, error="TeapotException", message="Tea."))
    line = signed_in.get(AWS_ECR_CACHE_DIR=str(tmp_path / "elsewhere")).stderr
    log = tmp_path / "elsewhere/log/ecr-login.log"
    assert line.endswith(f"see the log, {log}\n")
    assert "TeapotException" in log.read_text()


def test_mfa_is_refused_at_once_without_a_prompt(aws: AwsEmulator, helper: HelperProcess) -> None:
    """Nothing is printed for a code to be typed, and STS is not asked."""
    expected = role_asks_for_mfa(aws, helper)
    started = time.monotonic()
    outcome = helper.get()
    assert time.monotonic() - started < 5
    assert matches(told(outcome.stderr), expected)
    assert aws.calls == []


def test_name_with_a_line_break_makes_one_line(helper: HelperProcess) -> None:
    """A value from the environment can neither break the line nor move a terminal's cursor."""
    line = told(helper.get(AWS_PROFILE="a\nb\x1b[2J").stderr)
    assert line.startswith('profile "a b?[2J" ')


# ECR Public


def test_public_denial_names_both_permissions(aws: AwsEmulator, helper: HelperProcess) -> None:
    """ECR Public needs two permissions; the hint names them, whichever is missing."""
    for permission in ("ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"):
        user = aws.add_user(arn=DEV, deny=[permission])
        line = told(helper.get(PUBLIC, **user.environ).stderr, PUBLIC)
        assert line == (
            f"{permission} is denied to {DEV} because no identity-based policy allows the "
            f"{permission} action; allow ecr-public:GetAuthorizationToken and "
            "sts:GetServiceBearerToken on resource * in an IAM policy of that principal"
            + PUBLIC_GOES_ON
        )


def test_public_failure_answers_not_found_even_when_strict(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A failure for public.ecr.aws never stops an anonymous pull."""
    outcome = helper.get(PUBLIC, AWS_ECR_STRICT="true")
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1)
    line = told(outcome.stderr, PUBLIC)
    assert line.startswith("no AWS credentials found")
    assert line.endswith(PUBLIC_GOES_ON)
    assert aws.calls == []


# The one place that knows botocore's exceptions


def every_botocore_error() -> Iterator[type[Exception]]:
    """Yield every exception class that botocore.exceptions has."""
    for value in vars(botocore.exceptions).values():
        if (
            isinstance(value, type)
            and issubclass(value, Exception)
            and not issubclass(value, Warning)
            and value.__module__ == "botocore.exceptions"
        ):
            yield value


def made_up(kind: type[Exception]) -> Exception:
    """Return an exception of that class, whose texts hold a secret."""
    if issubclass(kind, ClientError):
        return kind({"Error": {"Code": "Odd", "Message": SECRET}}, "GetAuthorizationToken")
    arguments: dict[str, Any] = dict.fromkeys(
        re.findall(r"{(\w+)", getattr(kind, "fmt", "")), f"what {SECRET} is"
    )
    if "profile" in arguments:
        arguments["profile"] = "dev"  # the one argument that is a name, and no text
    # Some stand for another error and keep it, others refuse what they do not know.
    extras: tuple[dict[str, Any], ...] = (
        {"error": OSError(f"low {SECRET}")},
        {"last_response": {}},
        {},
    )
    for extra in extras:
        with contextlib.suppress(TypeError):
            return kind(**{**arguments, **extra})
    return kind(f"what {SECRET} is")


SECRET = "wJalrXUtnFEMI0K7MDENGbPxRfiCYEXAMPLEKEY1"
KINDS = sorted(every_botocore_error(), key=lambda kind: kind.__name__)
PHASES = ("configuration", "credentials", "call")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_every_exception_of_botocore_is_explained(
    kind: type[Exception], phase: Any, tmp_path: Path
) -> None:
    """Every exception of botocore becomes a HelperError with a plain message of one line."""
    attempt = Attempt(asked(HOST, {"AWS_ECR_CACHE_DIR": str(tmp_path)}), phase=phase)

    explained = explain(made_up(kind), attempt)

    assert isinstance(explained, HelperError)
    assert explained.message
    line = str(explained)
    assert "\n" not in line
    assert "Traceback" not in line
    assert "kwargs" not in line
    assert SECRET not in line
    assert len(line) < 1000


EXPLAINED: dict[str, tuple[Exception, type[HelperError]]] = {
    name: (made_up(getattr(botocore.exceptions, name)), kind)
    for name, kind in {
        "NoCredentialsError": errors.NoCredentials,
        "PartialCredentialsError": errors.BadConfiguration,
        "ProfileNotFound": errors.BadConfiguration,
        "ConfigParseError": errors.BadConfiguration,
        "ConfigNotFound": errors.BadConfiguration,
        "InvalidConfigError": errors.BadConfiguration,
        "InfiniteLoopConfigError": errors.BadConfiguration,
        "InvalidRegionError": errors.BadConfiguration,
        "MissingDependencyException": errors.BadConfiguration,
        "UnauthorizedSSOTokenError": errors.CredentialsRefused,
        "SSOTokenLoadError": errors.CredentialsRefused,
        "TokenRetrievalError": errors.CredentialsRefused,
        "CredentialRetrievalError": errors.CredentialsRefused,
        "MetadataRetrievalError": errors.CredentialsRefused,
        "EndpointConnectionError": errors.EndpointUnreachable,
        "ConnectTimeoutError": errors.EndpointUnreachable,
        "ReadTimeoutError": errors.EndpointUnreachable,
        "ConnectionClosedError": errors.EndpointUnreachable,
        "SSLError": errors.EndpointUnreachable,
        "ProxyConnectionError": errors.EndpointUnreachable,
        "HTTPClientError": errors.EndpointUnreachable,
        "IncompleteReadError": errors.UnusableAnswer,
        "ChecksumError": errors.UnusableAnswer,
    }.items()
} | {
    code: (ClientError({"Error": {"Code": code, "Message": "No."}}, operation), kind)
    for code, operation, kind in (
        ("ThrottlingException", "GetAuthorizationToken", errors.Throttled),
        ("TooManyRequestsException", "GetRoleCredentials", errors.Throttled),
        ("AccessDeniedException", "GetAuthorizationToken", errors.AccessDenied),
        ("AccessDenied", "AssumeRole", errors.AccessDenied),
        ("ForbiddenException", "GetRoleCredentials", errors.AccessDenied),
        ("ExpiredTokenException", "GetAuthorizationToken", errors.CredentialsRefused),
        ("ExpiredToken", "AssumeRole", errors.CredentialsRefused),
        ("UnrecognizedClientException", "GetAuthorizationToken", errors.CredentialsRefused),
        ("InvalidClientTokenId", "AssumeRole", errors.CredentialsRefused),
        ("InvalidSignatureException", "GetAuthorizationToken", errors.CredentialsRefused),
        ("SignatureDoesNotMatch", "AssumeRole", errors.CredentialsRefused),
        ("InvalidIdentityToken", "AssumeRoleWithWebIdentity", errors.CredentialsRefused),
        ("IDPRejectedClaim", "AssumeRoleWithWebIdentity", errors.CredentialsRefused),
        ("ValidationException", "CreateOAuth2Token", errors.CredentialsRefused),
        ("ServerException", "GetAuthorizationToken", errors.AwsFailure),
    )
}


@pytest.mark.parametrize(("error", "kind"), EXPLAINED.values(), ids=EXPLAINED.keys())
def test_family_of_an_exception(error: Exception, kind: type[HelperError], tmp_path: Path) -> None:
    """Each family of failures becomes a class of its own, for callers to tell apart."""
    request = asked(HOST, {"AWS_ECR_CACHE_DIR": str(tmp_path)})
    explained = explain(error, Attempt(request, phase="credentials"))
    assert type(explained) is kind


def test_a_host_that_has_only_ipv6(tmp_path: Path) -> None:
    """If AWS's IPv4 addresses cannot be reached, the line names the dual-stack endpoints."""
    error = botocore.exceptions.EndpointConnectionError(
        endpoint_url="https://api.ecr.us-east-1.amazonaws.com/",
        error=OSError(errno.ENETUNREACH, "Network is unreachable"),
    )
    attempt = Attempt(asked(HOST, {"AWS_ECR_CACHE_DIR": str(tmp_path)}), phase="call")
    assert str(explain(error, attempt)) == (
        "https://api.ecr.us-east-1.amazonaws.com cannot be reached: Network is unreachable; check "
        "the network and HTTPS_PROXY; where there is only IPv6, set AWS_USE_DUALSTACK_ENDPOINT=true"
    )


@pytest.mark.parametrize(
    "error",
    [
        KeyError("AccessKeyId"),
        TypeError("x"),
        ValueError(SECRET),
        OSError(SECRET),
        socket.gaierror(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("phase", PHASES)
def test_what_python_raises_is_explained_too(error: Exception, phase: Any, tmp_path: Path) -> None:
    """Exceptions of files, programs and parsers, which are not botocore's, are one line, too."""
    attempt = Attempt(asked(HOST, {"AWS_ECR_CACHE_DIR": str(tmp_path)}), phase=phase)
    explained = explain(error, attempt)
    assert type(explained) is (
        errors.UnusableAnswer if phase == "call" else errors.CredentialsRefused
    )
    assert SECRET not in str(explained)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (None, ""),
        ("dev", " --profile dev"),
        ("default", " --profile default"),
        ("my dev", ' --profile "my dev"'),
        ("a;b", " --profile 'a;b'"),
        ("$HOME", " --profile '$HOME'"),
        ("it's", """ --profile 'it'"'"'s'"""),
    ],
)
def test_profile_in_a_command_can_be_pasted(name: str | None, option: str) -> None:
    """The command in a hint quotes the name of the profile for a shell."""
    assert Attempt(asked(""), profile=name).option == option


# Texts of others

KEPT = [
    "",
    "Rate exceeded",
    "arn:aws:sts::333333333333:assumed-role/AWSReservedSSO_Developer_0123456789abcdef/dev@example.com",
    "arn:aws-us-gov:iam::111111111111:role/a-long-path-1/and-a-longer-name-2/and-more-3",
    "01234567-89ab-cdef-0123-456789abcdef",
    "111111111111.dkr.ecr.us-east-1.amazonaws.com",
    "https://api.ecr.us-east-1.amazonaws.com/",
    "http://169.254.170.2/v2/credentials/0123456789abcdef0123456789abcdef",
    "~/.aws/sso/cache/da39a3ee5e6b4b0d3255bfef95601890afd80709.json",
    "/tmp/da39a3ee5e6b4b0d3255bfef95601890afd80709/missing-token",  # noqa: S108 - only a name
    'File "/usr/lib/python3.11/site-packages/botocore/credentials.py", line 3, in load',
    "_load_credentials_via_assume_role_with_web_identity",
]
REDACTED = [
    (f"key {SECRET}.", "key ***."),
    (f'{{"SecretAccessKey":"{SECRET}"}}', '{"SecretAccessKey":"***"}'),
    (f"aws_secret_access_key={SECRET}", "aws_secret_access_key=***"),
    (f"x-amz-security-token:{SECRET}", "x-amz-security-token:***"),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEK3Y", "***"),
    ("/K7MDENGwJalrXUtnFEMI/bPxRfiCYEXAMPLEK3Y", "***"),
    ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "***"),
    ("http://dev:hunter2@proxy:3128", "http://***@proxy:3128"),
    ("http://dev:hunt@er2@proxy:3128/", "http://***@proxy:3128/"),
    ("https://example.com/a?token=hunter2 x", "https://example.com/a?*** x"),
    ("wJalrXUtnFEMIKMDENGbPxRfiCYEXAMPLEKEYabc", "***"),
    ("x://y?z://y?z", "x://y?***"),
    ("Failed to parse: 'dev:hun' is not a valid host or port", "Failed to parse: ***"),
    ("Failed to parse: http://dev:hun/ter2@proxy:3128", "Failed to parse: ***"),
]


@pytest.mark.parametrize("text", KEPT)
def test_redact_keeps_what_helps(text: str) -> None:
    """Names, paths, hosts, ARNs and request ids stay in messages and in the log."""
    assert redact(text) == text


@pytest.mark.parametrize(("text", "expected"), REDACTED)
def test_redact_leaves_out_secrets(text: str, expected: str) -> None:
    """Keys, tokens, passwords and queries of URLs are left out."""
    assert redact(text) == expected


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN"]
)
def test_redact_knows_the_secrets_of_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret of the environment is left out even if it does not look like one."""
    monkeypatch.setenv(name, "hunter2")
    assert redact("it was hunter2!") == "it was ***!"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "AWS_ENDPOINT_URL_ECR"])
@pytest.mark.parametrize(
    "url",
    [
        "http://dev:hunter2@proxy:3128",
        "http:/dev:hunter2@proxy:3128",
        "http:dev:hunter2@proxy:3128",
        "dev:hunter2@proxy:3128",
        "socks5h://dev:1/hunter2@proxy:3128",
        "http://dev:1\thunter2@proxy:3128",
        "http://dev:hun@hunter2@proxy:3128",
        "http://dev:%68unter2@proxy:3128",
    ],
)
def test_redact_knows_the_urls_of_the_environment(
    name: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password of a proxy or an endpoint is left out, however its URL is misspelt or quoted."""
    monkeypatch.setenv(name, url)
    for text in (url, repr(url), " ".join(url.split()), url.replace("%68", "h")):
        assert "unter2" not in redact(f"cannot use {text}: no host")
        assert redact(f"cannot use {text}: no host").startswith("cannot use ")


@pytest.mark.parametrize(
    "piece", ["x://", "a://b@", "://", "x?", "eyJ.", "a/", "/a", "~/", "arn:aws:", "A", "=", "a1-"]
)
def test_redact_takes_no_longer_with_each_character(piece: str) -> None:
    """The time for a text grows with its length, not with the square of that."""
    seconds = []
    for length in (20_000, 80_000):
        started = time.process_time()
        redact(piece * (length // len(piece)))
        seconds.append(time.process_time() - started)
    assert seconds[1] < 10 * max(seconds[0], 0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (" a \n\t b\r\n", "a b"),
        ("bell\a and \x1b[31mred", "bell? and ?[31mred"),
        (f"a\n{SECRET}\nb", "a *** b"),
        ("x y " * 200, "x y " * 99 + "x y…"),
    ],
    ids=["empty", "spaces", "control", "secret", "long"],
)
def test_one_line(text: str, expected: str) -> None:
    """Foreign text is one line of at most 400 printable characters."""
    assert one_line(text) == expected
    assert len(one_line(text)) <= 400


# What people meet in containers and under sudo


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE"])
def test_an_empty_variable_is_an_unset_one(signed_in: HelperProcess, name: str) -> None:
    """``AWS_PROFILE=${AWS_PROFILE}`` in a compose file does not name a profile."""
    assert signed_in.get(**{name: ""}).secret


@pytest.mark.parametrize("url", ["foo", "http://"])
def test_an_invalid_endpoint_url(signed_in: HelperProcess, url: str) -> None:
    """A malformed AWS_ENDPOINT_URL is a setting to correct, not an answer that makes no sense."""
    stderr = signed_in.get(AWS_ENDPOINT_URL=url).stderr
    assert f"cannot be used: Invalid endpoint: {url}" in stderr
