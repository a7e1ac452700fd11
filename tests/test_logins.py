"""store, erase and list: what ``docker login`` and ``docker logout`` do, and what is listed."""

import base64
import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.password import password_expiration
from tests.emulator import AwsEmulator, Fault
from tests.helper_process import (
    HOST,
    NOT_FOUND,
    OTHER_REGION,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
    Outcome,
    as_nobody,
)
from tests.tokens import kept_tokens, password


def test_login_works_without_aws_credentials(helper: HelperProcess, aws: AwsEmulator) -> None:
    """A stored token is answered for its registry, and only for it, without asking AWS."""
    secret = password(3600)
    outcome = helper.store(HOST, secret)
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("", "", 0)
    assert helper.get(HOST).secret == secret
    assert helper.get(f"https://{HOST}/v2/").secret == secret
    assert helper.list().hosts == [HOST]
    assert aws.calls == []
    assert helper.get(SECOND_ACCOUNT).stdout == NOT_FOUND


def test_login_wins_over_the_cached_token(signed_in: HelperProcess) -> None:
    """A stored login is answered before any other token, until it is erased."""
    fetched = signed_in.get(HOST).secret
    secret = password(3600)
    signed_in.store(f"https://{HOST}", secret)
    assert signed_in.get(HOST).secret == secret
    assert signed_in.get(SECOND_ACCOUNT).secret == fetched
    signed_in.erase(HOST)
    assert signed_in.get(HOST).secret != secret


def test_login_is_not_of_an_identity(helper: HelperProcess) -> None:
    """A login applies to every profile."""
    secret = password(3600)
    helper.store(HOST, secret)
    assert helper.get(HOST, AWS_ACCESS_KEY_ID="AKIA", AWS_SECRET_ACCESS_KEY="x").secret == secret


def test_a_password_of_unknown_age_is_kept_for_twelve_hours(helper: HelperProcess) -> None:
    """A password that does not say when it expires is kept for 12 hours."""
    helper.store(HOST, "bm90aGluZyBpbiBpdA==")
    (path,) = helper.cache_directory.glob("logins/*")
    expires_at = int(path.read_text().splitlines()[1])
    assert 12 * 3600 - 60 <= expires_at - time.time() <= 12 * 3600


def test_what_was_just_answered_is_not_kept_as_a_login(
    signed_in: HelperProcess, aws: AwsEmulator
) -> None:
    """A token that ``docker login`` got from ``get`` is not kept, so it binds no other profile."""
    assert signed_in.store(HOST, signed_in.get(HOST).secret).status == 0
    other = aws.add_user(arn="arn:aws:iam::111111111111:user/other")
    signed_in.get(HOST, **other.environ)
    assert [call.principal for call in aws.calls][-1] == other.arn


def test_no_login_is_kept_for_longer(helper: HelperProcess) -> None:
    """A password that claims to be valid for a year is kept for 12 hours, like an ECR token."""
    helper.store(HOST, password(365 * 86_400))
    (path,) = helper.cache_directory.glob("logins/*")
    assert int(path.read_text().splitlines()[1]) - time.time() <= 12 * 3600


def test_logout_forgets_also_while_the_cache_is_disabled(signed_in: HelperProcess) -> None:
    """Logout forgets what earlier runs kept, even while the cache is disabled."""
    signed_in.get()
    assert signed_in.erase(AWS_ECR_DISABLE_CACHE="1").status == 0
    assert signed_in.list().hosts == []


@pytest.mark.parametrize("expires_in", [-1, -86_400, 30])
def test_an_expired_token_is_refused(helper: HelperProcess, expires_in: int) -> None:
    """``docker login`` with a token that is about to expire fails, and says how to get another."""
    outcome = helper.store(HOST, password(expires_in))
    assert outcome.status == 1
    assert outcome.stdout == (
        f"{HOST}: the token has expired; get a new one: aws ecr get-login-password "
        "--region us-east-1\n"
    )
    assert not (helper.cache_directory / "logins").exists()


@pytest.mark.parametrize("username", ["aws", "root", "<token>", "AWS "])
def test_another_user_name_is_refused(helper: HelperProcess, username: str) -> None:
    """``docker login`` with a user name other than AWS fails with a message."""
    secret = password(3600)
    outcome = helper.store(HOST, secret, username)
    assert outcome.status == 1
    assert outcome.stdout.startswith(f"{HOST}: the user name must be AWS, not {username!r}")
    assert secret not in outcome.stdout + helper.log


@pytest.mark.parametrize("secret", ["", 'with"quote', "with\nnewline", "back\\slash", "é"])
def test_what_cannot_be_a_password_is_refused(helper: HelperProcess, secret: str) -> None:
    """A secret that cannot be an ECR password is refused, and not shown."""
    outcome = helper.store(HOST, secret)
    assert outcome.status == 1
    assert outcome.stdout.startswith(f"{HOST}: this is not an ECR password")
    assert not secret or secret not in outcome.stdout


@pytest.mark.parametrize("server_url", ["https://index.docker.io/v1/", "localhost:5000"])
def test_login_to_another_registry_is_refused(helper: HelperProcess, server_url: str) -> None:
    """``docker login`` to a registry that is not ECR says how to configure credHelpers."""
    outcome = helper.store(server_url, "hunter2-hunter2", "somebody")
    assert outcome.status == 1
    assert server_url in outcome.stdout
    assert "credHelpers" in outcome.stdout
    assert outcome.stdout.count("\n") == 1
    assert "hunter2" not in outcome.stdout + outcome.stderr + helper.log


@pytest.mark.parametrize("value", ["true", "TRUE", "1", "t", "yes"])
def test_storage_can_be_ignored(signed_in: HelperProcess, aws: AwsEmulator, value: str) -> None:
    """With AWS_ECR_IGNORE_CREDS_STORAGE, store and erase succeed and do nothing."""
    fetched = signed_in.get().secret
    ignore = {"AWS_ECR_IGNORE_CREDS_STORAGE": value}
    for outcome in (
        signed_in.store(HOST, password(3600), **ignore),
        signed_in.store("ghcr.io", "x", "somebody", **ignore),
        signed_in.erase(HOST, **ignore),
    ):
        assert (outcome.stdout, outcome.stderr, outcome.status) == ("", "", 0)
    assert signed_in.get().secret == fetched
    assert aws.count("GetAuthorizationToken") == 1


def test_store_without_a_cache(helper: HelperProcess) -> None:
    """With the cache disabled, store succeeds, keeps nothing and says so on stderr."""
    outcome = helper.store(HOST, password(3600), AWS_ECR_DISABLE_CACHE="1")
    assert (outcome.stdout, outcome.status) == ("", 0)
    assert outcome.stderr == (
        "ecr-login: the cache is disabled by AWS_ECR_DISABLE_CACHE: the login is not kept\n"
    )
    assert not helper.cache_directory.exists()


def test_store_where_nothing_can_be_written(helper: HelperProcess) -> None:
    """A login that cannot be kept fails, and says what to set."""
    helper.environ |= {"AWS_ECR_CACHE_DIR": "/dev/null/x", "XDG_CACHE_HOME": "/dev/null"}
    outcome = helper.store(HOST, password(3600))
    assert outcome.status == 1
    assert "AWS_ECR_CACHE_DIR" in outcome.stdout


@pytest.mark.parametrize("spelling", [HOST, f"https://{HOST}", f"http://{HOST}", HOST.upper()])
def test_logout_forgets_everything_of_the_registry(
    signed_in: HelperProcess, aws: AwsEmulator, spelling: str
) -> None:
    """``docker logout`` drops the login and the token, for all who share it."""
    signed_in.get(HOST)
    signed_in.get(SECOND_ACCOUNT)
    signed_in.get(OTHER_REGION)
    signed_in.store(HOST, password(3600))
    outcome = signed_in.erase(spelling)
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("", "", 0)
    assert kept_tokens(signed_in) == ["aws.eu-west-1.ecr"]
    signed_in.get(SECOND_ACCOUNT)
    assert aws.count("GetAuthorizationToken") == 3
    assert signed_in.list().hosts == [OTHER_REGION, SECOND_ACCOUNT]


def test_logout_forgets_behind_a_link(signed_in: HelperProcess) -> None:
    """If the directory of tokens is a link to another disk, they are forgotten there."""
    elsewhere = signed_in.home / "disk"
    elsewhere.mkdir(mode=0o700)
    signed_in.cache_directory.mkdir(mode=0o700)
    (signed_in.cache_directory / "tokens").symlink_to(elsewhere)
    first = signed_in.get(HOST).secret
    assert signed_in.get(HOST).secret == first
    signed_in.erase(HOST)
    second = signed_in.get(HOST).secret
    assert second != first
    assert "removed 1 cached token" in signed_in.run("logout", "--all").stdout
    assert signed_in.get(HOST).secret not in (first, second)


def test_logout_forgets_in_all_cache_directories(signed_in: HelperProcess) -> None:
    """Tokens in the directory that is used when the usual one cannot be are forgotten, too."""
    signed_in.cache_directory.touch()
    first = signed_in.get(HOST).secret
    assert signed_in.get(HOST).secret == first
    signed_in.cache_directory.unlink()
    signed_in.erase(HOST)
    signed_in.cache_directory.touch()
    assert signed_in.get(HOST).secret != first


def test_logout_forgets_the_regions_of_before(signed_in: HelperProcess) -> None:
    """A token of the host name's own region is forgotten even if the config file sets another."""
    first = signed_in.get(HOST).secret
    signed_in.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nregion = "us-west-2"\n')
    assert signed_in.get(HOST).secret != first
    signed_in.erase(HOST)
    (signed_in.home / ".config/ecr-login/config.toml").unlink()
    assert signed_in.get(HOST).secret != first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_login_where_only_the_cache_can_be_read(signed_in: HelperProcess) -> None:
    """A login is answered first even if it is kept elsewhere, because the cache is read-only."""
    signed_in.get(HOST)
    cache = signed_in.cache_directory
    as_user = as_nobody(signed_in, signed_in.home, cache, *cache.rglob("*"))
    fetched = as_user.get(HOST).secret
    assert as_user.get(HOST).secret == fetched
    signed_in.cache_directory.chmod(0o500)
    secret = password(3600)
    assert as_user.store(HOST, secret).status == 0
    assert as_user.get(HOST).secret == secret


@pytest.mark.parametrize(
    "server_url",
    [HOST, "https://index.docker.io/v1/", "localhost:5000", "::::", "public.ecr.aws"],
)
def test_erase_of_nothing_succeeds(helper: HelperProcess, server_url: str) -> None:
    """If there is nothing to forget, erase succeeds, for a registry that is not ECR, too."""
    for _ in range(2):
        outcome = helper.erase(server_url)
        assert (outcome.stdout, outcome.stderr, outcome.status) == ("", "", 0)


def listing(*hosts: str) -> str:
    """What ``list`` prints of these."""
    return json.dumps(dict.fromkeys(hosts, "AWS"), separators=(",", ":")) + "\n"


def test_list_shows_what_is_alive(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """``list`` shows each registry that was used and has a valid token, without asking AWS."""
    for host in (SECOND_ACCOUNT, HOST, PUBLIC):
        signed_in.get(host)
    assert signed_in.list().hosts == [HOST, SECOND_ACCOUNT, PUBLIC]
    assert aws.count("GetAuthorizationToken") == 2


def test_what_is_listed_is_answered(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """``get`` answers every registry that ``list`` shows without asking AWS."""
    signed_in.get(HOST)
    signed_in.get(f"https://{PUBLIC}/v2/")
    signed_in.store(OTHER_REGION, password(3600))
    calls = len(aws.calls)
    hosts = signed_in.list().hosts
    assert hosts == [OTHER_REGION, HOST, PUBLIC]
    assert all(signed_in.get(host).secret for host in hosts)
    assert len(aws.calls) == calls


def test_list_is_of_this_identity(signed_in: HelperProcess) -> None:
    """What another identity has cached is not listed."""
    signed_in.get(HOST)
    assert signed_in.list(AWS_PROFILE="other").hosts == []


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_cold_list_fetches_the_default_registry(
    signed_in: HelperProcess, aws: AwsEmulator, variable: str
) -> None:
    """With a region configured, list fetches the caller's own registry, and ECR Public."""
    region = {variable: "eu-west-1"}
    assert signed_in.list(**region) == Outcome(listing(OTHER_REGION, PUBLIC), "", 0)
    assert signed_in.list(**region).hosts == [OTHER_REGION, PUBLIC]
    assert all(signed_in.get(host).secret for host in (OTHER_REGION, PUBLIC))
    assert aws.count("GetAuthorizationToken") == 2


def test_cold_list_takes_the_region_of_the_profile(signed_in: HelperProcess) -> None:
    """The region of the profile counts as configured too."""
    signed_in.write_config("[default]\nregion = eu-west-1\n")
    assert signed_in.list().hosts == [OTHER_REGION, PUBLIC]


def test_cold_list_without_a_cache(signed_in: HelperProcess) -> None:
    """With the cache disabled, list still names the caller's own registry, and ECR Public."""
    changes = {"AWS_REGION": "us-east-1", "AWS_ECR_DISABLE_CACHE": "1"}
    assert signed_in.list(**changes).hosts == [HOST, PUBLIC]


def test_list_fetches_what_it_lacks(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The registries that the config file names without wildcards are added."""
    signed_in.get(OTHER_REGION)
    named = "222222222222.dkr.ecr.eu-central-1.amazonaws.com"
    signed_in.write_own_config(
        f'[[registry]]\nmatch = ["{named}", "*.dkr.ecr.eu-west-2.amazonaws.com"]\n'
    )
    signed_in.get(OTHER_REGION)
    hosts = [OTHER_REGION, named]
    for _ in range(2):
        assert signed_in.list(AWS_REGION="us-east-1").hosts == hosts
    assert all(signed_in.get(host).secret for host in hosts)
    assert aws.count("GetAuthorizationToken") == 3


def test_list_renews_what_was_asked_for(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A registry that was used once is listed even after its token has expired."""
    aws.token_lifetime = 30
    hosts = [OTHER_REGION, HOST, SECOND_ACCOUNT]
    for host in hosts:
        signed_in.get(host)
    aws.token_lifetime = 12 * 3600
    calls = aws.count("GetAuthorizationToken")
    for _ in range(2):
        assert signed_in.list().hosts == hosts
    assert aws.count("GetAuthorizationToken") == calls + 2
    signed_in.run("logout", "--all")
    assert signed_in.list().hosts == []


def test_list_does_not_repeat_refused_calls(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """If there is something to list, tokens that AWS refuses are not asked for each time."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{SECOND_ACCOUNT}"\nregion = "eu-west-2"\n')
    signed_in.get(HOST)
    aws.fail("GetAuthorizationToken", Fault(status=400, error="AccessDeniedException"))
    outcome = signed_in.list(AWS_REGION="us-east-1")
    assert outcome.hosts == [HOST]
    assert outcome.stderr.startswith(f"ecr-login: list: {SECOND_ACCOUNT}: ")
    calls = aws.count("GetAuthorizationToken")
    assert signed_in.list(AWS_REGION="us-east-1") == Outcome(listing(HOST), "", 0)
    assert aws.count("GetAuthorizationToken") == calls


@pytest.mark.parametrize("change", ["AWS_ECR_PUBLIC_ANONYMOUS", "region", "file"])
def test_list_without_ecr_public(signed_in: HelperProcess, aws: AwsEmulator, change: str) -> None:
    """ECR Public is not asked if it is anonymous, nor from another partition."""
    if change == "file":
        signed_in.write_own_config(f'[[registry]]\nmatch = "{PUBLIC}"\nanonymous = true\n')
    own = HOST if change != "region" else "111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn"
    region = own.split(".")[3]
    assert signed_in.list(AWS_REGION=region, **{change: "true"}).hosts == [own]
    assert aws.count("GetAuthorizationToken") == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=400, error="AccessDeniedException", message="no"),
        Fault(status=500, error="ServerException", message="no"),
        Fault(body=b"nonsense", status=200),
        Fault(drop="before"),
    ],
    ids=["denied", "broken", "nonsense", "dropped"],
)
def test_cold_list_never_fails(signed_in: HelperProcess, aws: AwsEmulator, fault: Fault) -> None:
    """Whatever AWS does, list answers ``{}`` with exit code 0, and a line on stderr says why."""
    aws.fail("GetAuthorizationToken", fault)
    outcome = signed_in.list(AWS_REGION="us-east-1")
    assert (outcome.stdout, outcome.status) == ("{}\n", 0)
    assert outcome.stderr.startswith("ecr-login: list: your own registry: ")
    assert outcome.stderr.count("\n") == 1


def test_cold_list_is_over_within_three_seconds(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """If AWS does not answer, list ends after three seconds, not after fifteen."""
    aws.fail("GetAuthorizationToken", Fault(hang=True))
    started = time.monotonic()
    assert signed_in.list(AWS_REGION="us-east-1").hosts == []
    assert 2.5 < time.monotonic() - started < 10


def test_list_with_an_invalid_region(signed_in: HelperProcess) -> None:
    """An invalid region does not make list fail."""
    outcome = signed_in.list(AWS_REGION="not a region")
    assert (outcome.stdout, outcome.status) == ("{}\n", 0)
    assert outcome.stderr.startswith("ecr-login: list: your own registry: ")


@given(st.integers(1, 2**40))
def test_expiration_is_read_from_the_password(expiration: int) -> None:
    """The expiry is the member ``expiration`` of the JSON that an ECR password encodes."""
    secret = base64.b64encode(json.dumps({"expiration": expiration}).encode()).decode()
    assert password_expiration(secret) == expiration


@given(
    st.text()
    | st.binary().map(lambda data: base64.b64encode(data).decode())
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.just("expiration"), inner),
    ).map(lambda content: base64.b64encode(json.dumps(content).encode()).decode())
)
def test_any_other_password_says_nothing(secret: str) -> None:
    """A password of any other form has no expiry, and is no error."""
    assert password_expiration(secret) is None
