"""The command ``login``: tokens into the cache, with a person at hand."""

import re

import pytest

from tests.credential_sources import DEV, PULL, PULL_SESSION, keys, source_profile
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, OTHER_REGION, SECOND_ACCOUNT, HelperProcess


def principals(aws: AwsEmulator) -> list[str | None]:
    """Who asked for tokens, in the order of their calls."""
    return [call.principal for call in aws.calls if call.operation == "GetAuthorizationToken"]


def test_it_fills_the_cache(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A table says until when each registry can be used now, and ``get`` asks AWS no more."""
    outcome = signed_in.run("login", HOST, SECOND_ACCOUNT, OTHER_REGION)
    assert (outcome.stderr, outcome.status) == ("", 0)
    head, *lines = outcome.stdout.splitlines()
    assert head.split() == ["REGISTRY", "EXPIRES"]
    assert [line.split()[0] for line in lines] == [HOST, SECOND_ACCOUNT, OTHER_REGION]
    assert all(re.search(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$", line) for line in lines)
    for host in (HOST, SECOND_ACCOUNT, OTHER_REGION):
        secret = signed_in.get(host).secret
        assert aws.accepts(secret)
        assert secret not in outcome.stdout
    assert len(principals(aws)) == 2


def test_a_profile_by_name(helper: HelperProcess, aws: AwsEmulator) -> None:
    """--profile wins over the environment's keys; who then sets AWS_PROFILE finds the token."""
    source_profile(aws, helper)
    del helper.environ["AWS_PROFILE"]
    helper.environ |= aws.add_user(arn="arn:aws:iam::111111111111:user/other").environ
    assert helper.run("login", "--profile", "pull", HOST).status == 0
    assert principals(aws) == [PULL_SESSION]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del helper.environ[name]
    assert helper.get(AWS_PROFILE="pull").secret
    assert principals(aws) == [PULL_SESSION]


def test_a_profile_of_the_environments_keys(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Keys that the profile itself asks for stay, for all registries."""
    aws.add_role(arn=PULL, trusted=[DEV])
    signed_in.write_config(
        f"[profile pull]\nrole_arn = {PULL}\ncredential_source = Environment\n"
        "role_session_name = docker\n"
    )
    signed_in.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nprofile = "pull"\n')
    outcome = signed_in.run("login", "--profile", "pull", OTHER_REGION, HOST)
    assert (outcome.stderr, outcome.status) == ("", 0)
    assert principals(aws) == [PULL_SESSION] * 2
    assert signed_in.get(OTHER_REGION, AWS_PROFILE="pull").secret
    assert len(principals(aws)) == 2


def test_the_profile_of_the_config_file(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Where the config file names that profile anyway, the token is the one that ``get`` has."""
    signed_in.write_credentials(f"[one]\n{keys(aws.add_user(arn=f'{DEV}-one'))}")
    signed_in.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nprofile = "one"\n')
    assert signed_in.run("login", "--profile", "one", HOST).status == 0
    assert signed_in.get().secret
    assert principals(aws) == [f"{DEV}-one"]


def test_what_fails_does_not_stop_the_rest(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Each failure is a line on stderr and makes the exit code 1; the others are signed in to."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{SECOND_ACCOUNT}"\nprofile = "nobody"\n')
    outcome = signed_in.run("login", SECOND_ACCOUNT, HOST)
    assert outcome.status == 1
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f'ecr-login: {SECOND_ACCOUNT}: profile "nobody" (from ')
    assert HOST in outcome.stdout
    assert SECOND_ACCOUNT not in outcome.stdout
    assert len(principals(aws)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: registry; see: "),
        (["--bogus", HOST], "unrecognized arguments: --bogus; see: "),
        (["ghcr.io"], "'ghcr.io' is not a registry of Amazon ECR"),
    ],
)
def test_bad_arguments(helper: HelperProcess, arguments: list[str], words: str) -> None:
    """Arguments that make no sense are one line on stderr, and exit code 1."""
    outcome = helper.run("login", *arguments)
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert outcome.stderr.startswith(f"ecr-login: {words}")
    assert outcome.stderr.count("\n") == 1


def test_help(helper: HelperProcess) -> None:
    """--help describes the options."""
    outcome = helper.run("login", "--help")
    assert outcome.status == 0
    assert "--profile" in outcome.stdout
