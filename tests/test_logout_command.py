"""The command ``logout`` forgets what is cached and stored, and says so."""

import os

import pytest

from tests.emulator import AwsEmulator
from tests.helper_process import (
    HOST,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    as_nobody,
)
from tests.tokens import kept_tokens

TOKEN = "removed 1 cached token for all registries of us-east-1"
NOTHING = "there was nothing to remove"


def remains(helper: HelperProcess) -> list[str]:
    """The names of the files in the cache directory from which an answer could come."""
    paths = [
        path
        for pattern in ("logins/*", "records/*", "tokens/*/*", "tokens/*/hosts/*")
        for path in helper.cache_directory.glob(pattern)
    ]
    in_use = (".lock", ".refresh")
    return [path.name for path in paths if path.is_file() and path.suffix not in in_use]


def test_one_registry(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The token of its region is removed, that of another region stays."""
    for host in (HOST, SECOND_ACCOUNT, OTHER_REGION):
        assert signed_in.get(host).secret
    assert signed_in.run("logout", HOST) == Outcome(f"{HOST}: {TOKEN}\n", "", 0)
    assert kept_tokens(signed_in) == ["aws.eu-west-1.ecr"]
    assert signed_in.get(OTHER_REGION).secret
    assert len(aws.calls) == 2
    assert signed_in.get(SECOND_ACCOUNT).secret
    assert len(aws.calls) == 3


def test_accounts_and_public(signed_in: HelperProcess) -> None:
    """Registries are named as for login; a token that they share is removed with the first."""
    for host in (HOST, SECOND_ACCOUNT, PUBLIC):
        assert signed_in.get(host).secret
    arguments = ("111111111111,222222222222", "--region", "us-east-1", "--public")
    assert signed_in.run("logout", *arguments) == Outcome(
        f"{HOST}: {TOKEN}\n"
        f"{SECOND_ACCOUNT}: {NOTHING}\n"
        f"{PUBLIC}: removed 1 cached token for ECR Public\n",
        "",
        0,
    )


def test_a_stored_login(helper: HelperProcess, aws: AwsEmulator) -> None:
    """What docker login stored is removed, too."""
    assert helper.store(HOST, aws.password).status == 0
    assert helper.run("logout", HOST) == Outcome(f"{HOST}: removed 1 stored login\n", "", 0)
    assert helper.get(HOST).status == 1


def test_fips_and_dual_stack(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Tokens that were fetched for other names of the registry are removed, too."""
    variants = [HOST.replace(".ecr.", ".ecr-fips."), "111111111111.dkr-ecr.us-east-1.on.aws"]
    for host in (HOST, *variants, PUBLIC):
        assert signed_in.get(host).secret
    outcome = signed_in.run("logout", variants[0])
    said = TOKEN.replace("1 cached token", "3 cached tokens")
    assert outcome.stdout == f"{variants[0]}: {said}\n"
    assert signed_in.get(PUBLIC).secret
    assert aws.count("GetAuthorizationToken") == 4
    assert signed_in.get(HOST).secret
    assert aws.count("GetAuthorizationToken") == 5


def test_every_profile(signed_in: HelperProcess) -> None:
    """The tokens of all profiles are removed: none is left that opens the registry."""
    assert signed_in.get().secret
    assert signed_in.get(AWS_ROLE_SESSION_NAME="another").secret
    outcome = signed_in.run("logout", HOST)
    assert outcome.stdout == f"{HOST}: {TOKEN.replace('1 cached token', '2 cached tokens')}\n"


def test_all(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """--all leaves nothing that could be answered."""
    assert signed_in.store(SECOND_ACCOUNT, aws.password).status == 0
    for host in (HOST, OTHER_REGION, PUBLIC):
        assert signed_in.get(host).secret
    assert len(remains(signed_in)) >= 7
    outcome = signed_in.run("logout", "--all")
    removed = "removed 3 cached tokens for all registries and 1 stored login"
    assert outcome == Outcome(f"{signed_in.cache_directory}: {removed}\n", "", 0)
    assert remains(signed_in) == []


@pytest.mark.parametrize("arguments", [[HOST], ["--all"]])
def test_nothing_to_remove(helper: HelperProcess, arguments: list[str]) -> None:
    """It succeeds if there is nothing to remove, even if nothing was ever cached."""
    outcome = helper.run("logout", *arguments)
    assert (outcome.stderr, outcome.status) == ("", 0)
    assert outcome.stdout.endswith(f": {NOTHING}\n")


def test_it_does_what_it_says(signed_in: HelperProcess) -> None:
    """AWS_ECR_IGNORE_CREDS_STORAGE does not affect this command."""
    assert signed_in.get().secret
    outcome = signed_in.run("logout", HOST, changes={"AWS_ECR_IGNORE_CREDS_STORAGE": "true"})
    assert outcome.stdout == f"{HOST}: {TOKEN}\n"


def test_a_listed_domain_name(signed_in: HelperProcess) -> None:
    """A name that the config file lists is logged out by that name."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "images.example.com"\nregistry = "{HOST}"\n')
    assert signed_in.get("images.example.com").secret
    outcome = signed_in.run("logout", "images.example.com")
    assert outcome.stdout == f"images.example.com: {TOKEN}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no registry is named; name one, or add --all for all of them"),
        (["--all", HOST], "--all covers all registries; name none"),
        (
            ["ghcr.io"],
            "'ghcr.io' is neither the host of an ECR registry nor an account ID of 12 digits",
        ),
    ],
)
def test_bad_arguments(helper: HelperProcess, arguments: list[str], words: str) -> None:
    """Arguments that make no sense are one line on stderr, and exit code 1."""
    assert helper.run("logout", *arguments) == Outcome("", f"ecr-login: {words}\n", 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_what_cannot_be_removed(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A login that cannot be removed is a failure; everything else is removed."""
    assert signed_in.store(HOST, aws.password).status == 0
    cache = signed_in.cache_directory
    as_user = as_nobody(signed_in, signed_in.home, cache, *cache.rglob("*"))
    for host in (SECOND_ACCOUNT, OTHER_REGION):
        assert as_user.get(host).secret
    (signed_in.cache_directory / "logins").chmod(0o500)
    outcome = as_user.run("logout", HOST, OTHER_REGION)
    assert outcome.stdout == f"{OTHER_REGION}: {TOKEN.replace('us-east-1', 'eu-west-1')}\n"
    assert outcome.stderr.startswith(f"ecr-login: {HOST}: the login cannot be removed: ")
    assert outcome.status == 1
    assert list(signed_in.cache_directory.glob("tokens/*/*.ecr")) == []
    assert as_user.get(SECOND_ACCOUNT).secret
    outcome = as_user.run("logout", "--all")
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert remains(signed_in) == [HOST]
