"""The sessions of assumed roles, which are shared with the AWS CLI."""

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha1
from pathlib import Path

import pytest

from docker_credential_ecr_login.aws.sessions import SessionCache
from tests.credential_sources import (
    PULL,
    PULL_SESSION,
    Source,
    source_profile,
    web_identity_of_the_environment,
)
from tests.emulator import AwsEmulator
from tests.emulator.model import Role
from tests.helper_process import OTHER_REGION, HelperProcess

DEVICE = "arn:aws:iam::111111111111:mfa/dev"

# By the operation that makes the session. Both are for the same role and session name.
ROLES = {
    "AssumeRole": source_profile,
    "AssumeRoleWithWebIdentity": web_identity_of_the_environment,
}
by_role = pytest.mark.parametrize(("operation", "source"), ROLES.items(), ids=ROLES)


def session_path(helper: HelperProcess, **more: str) -> Path:
    """Where the AWS CLI keeps the session of the role: a digest of what it asks STS."""
    arguments = {"RoleArn": PULL, "RoleSessionName": "docker", **more}
    if "AWS_WEB_IDENTITY_TOKEN_FILE" in helper.environ:
        token = Path(helper.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text()
        arguments["WebIdentityToken"] = token
    name = sha1(json.dumps(arguments, sort_keys=True).encode()).hexdigest()  # noqa: S324
    return helper.home / ".aws" / "cli" / "cache" / f"{name}.json"


def write_session(helper: HelperProcess, aws: AwsEmulator, left: timedelta, **more: str) -> str:
    """Keep a session of the role as the AWS CLI does; returns its access key id."""
    session = aws.start_session(Role(PULL), "docker", left.total_seconds())
    content = {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "SessionToken": session.session_token,
            "Expiration": (datetime.now(UTC) + left).strftime("%Y-%m-%dT%H:%M:%S%Z"),
        },
        "AssumedRoleUser": {"AssumedRoleId": "AROA:docker", "Arn": PULL_SESSION},
        "ResponseMetadata": {"HTTPStatusCode": 200},
    }
    path = session_path(helper, **more)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return session.access_key_id


@by_role
def test_a_session_is_kept_for_the_aws_cli(
    operation: str, source: Source, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """It has the CLI's place and format, only this user can read it, and it is used again."""
    source(aws, helper)
    assert helper.get().secret
    path = session_path(helper)
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o600
    session = json.loads(path.read_text())["Credentials"]
    assert {session["SecretAccessKey"], session["SessionToken"]} <= set(aws.secrets)
    assert datetime.strptime(session["Expiration"], "%Y-%m-%dT%H:%M:%SUTC")  # noqa: DTZ007
    assert helper.get(OTHER_REGION).secret
    assert (aws.count(operation), aws.count("GetAuthorizationToken")) == (1, 2)


@by_role
def test_a_session_of_the_aws_cli_is_used(
    operation: str, source: Source, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """A session of ``aws``, even one from an MFA code, is used."""
    source(aws, helper)
    access_key_id = write_session(helper, aws, timedelta(hours=1))
    assert helper.get().secret
    assert aws.count(operation) == 0
    assert aws.calls[-1].access_key_id == access_key_id
    assert aws.calls[-1].principal == PULL_SESSION


@by_role
def test_a_session_that_ends_soon_is_replaced(
    operation: str, source: Source, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """With less than a quarter of an hour left, the role is assumed again, as in the CLI."""
    source(aws, helper)
    write_session(helper, aws, timedelta(minutes=14))
    before = session_path(helper).read_text()
    assert helper.get().secret
    assert aws.count(operation) == 1
    assert session_path(helper).read_text() != before


FIELDS = {"AccessKeyId": "A", "SecretAccessKey": "b", "SessionToken": "c"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        json.dumps({"Credentials": None}),
        json.dumps({"Credentials": FIELDS}),
        json.dumps({"Credentials": FIELDS | {"Expiration": "tomorrow"}}),
        json.dumps({"Credentials": FIELDS | {"Expiration": 1}}),
        "\udcff",
    ],
    ids=["empty", "half", "list", "deep", "null", "fields", "moment", "number", "not UTF-8"],
)
def test_an_invalid_session_is_replaced(
    content: str, aws: AwsEmulator, helper: HelperProcess
) -> None:
    """An invalid file is ignored, and overwritten."""
    source_profile(aws, helper)
    path = session_path(helper)
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert helper.get().secret
    assert aws.count("AssumeRole") == 1
    assert json.loads(path.read_text())["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_another_identity_token_is_another_session(aws: AwsEmulator, helper: HelperProcess) -> None:
    """A session that one web identity token opened is not used with the next."""
    web_identity_of_the_environment(aws, helper)
    assert helper.get().secret
    aws.add_role(arn=PULL, web_identity_token="another.payload.signature")
    Path(helper.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).write_text("another.payload.signature")
    assert helper.get(OTHER_REGION).secret
    assert aws.count("AssumeRoleWithWebIdentity") == 2


def test_a_place_that_cannot_be_written_is_no_failure(
    aws: AwsEmulator, helper: HelperProcess
) -> None:
    """If the CLI's cache cannot be written, the role is assumed each time."""
    source_profile(aws, helper)
    (helper.home / ".aws" / "cli").write_text("a file in its way")
    assert helper.get().secret
    assert helper.get(OTHER_REGION).secret
    assert aws.count("AssumeRole") == 2


def test_without_a_cache_nothing_is_kept(aws: AwsEmulator, helper: HelperProcess) -> None:
    """With AWS_ECR_DISABLE_CACHE no session is written; what the CLI wrote is used."""
    source_profile(aws, helper)
    assert helper.get(AWS_ECR_DISABLE_CACHE="1").secret
    assert not session_path(helper).exists()
    write_session(helper, aws, timedelta(hours=1))
    assert helper.get(AWS_ECR_DISABLE_CACHE="1").secret
    assert aws.count("AssumeRole") == 1


def test_a_code_typed_for_the_aws_cli_counts(aws: AwsEmulator, helper: HelperProcess) -> None:
    """A profile that asks for MFA works for as long as the CLI's session lasts."""
    source_profile(aws, helper)
    config = helper.home / ".aws" / "config"
    config.write_text(config.read_text() + f"mfa_serial = {DEVICE}\n")
    assert "asks for an MFA code" in helper.get().stderr
    write_session(helper, aws, timedelta(hours=1), SerialNumber=DEVICE)
    for failure in helper.cache_directory.glob("tokens/*/*.failure"):
        failure.unlink()  # as some seconds do
    assert helper.get().secret
    assert aws.calls[-1].principal == PULL_SESSION
    assert aws.count("AssumeRole") == 0


def test_without_a_home_no_session_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the home is not known, nothing is written, least of all to a directory ``~``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    SessionCache(keep=True)["key"] = {"Credentials": {}}
    assert list(tmp_path.iterdir()) == []
