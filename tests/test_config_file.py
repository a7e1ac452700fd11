"""The config file: which credentials are used for which registry, through the executable."""

import json
import os
import sys
from collections.abc import Callable
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path

import platformdirs.macos
import platformdirs.unix
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login import actions
from docker_credential_ecr_login.cache.tokens import Cache, Entry
from docker_credential_ecr_login.identity import _own_files, configured_identity
from docker_credential_ecr_login.protocol import PUBLIC_GOES_ON
from docker_credential_ecr_login.request import Request
from docker_credential_ecr_login.resolve import resolve
from tests.credential_sources import SSO_LOGIN, instance_role, keys, sso_session, write
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
    wait_for,
)
from tests.tokens import HOUR, issued_to, keep_token, principals

ONE = "arn:aws:iam::111111111111:user/one"
TWO = "arn:aws:iam::222222222222:user/two"
DEV = "arn:aws:iam::111111111111:user/dev"
PULL = "arn:aws:iam::222222222222:role/pull"
PULL_SESSION = "arn:aws:sts::222222222222:assumed-role/pull/docker"
OWN = "images.example.com"
HUB = "https://index.docker.io/v1/"
PLACE = ".config/ecr-login/config.toml"
HIT = "answered with the cached token"
REFUSAL = Outcome(NOT_FOUND, "", 1)
DEBUG = {"AWS_ECR_LOG_LEVEL": "debug"}  # with which Python gives each answer


def table(match: str | list[str], **settings: str | bool) -> str:
    """Return a table of the config file; texts of JSON are texts of TOML."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    return "\n".join(["[[registry]]", f"match = {json.dumps(match)}", *lines, ""])


@pytest.fixture
def two_profiles(signed_in: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with keys in the environment, and profiles of two other users."""
    one, two = aws.add_user(arn=ONE), aws.add_user(arn=TWO)
    signed_in.write_credentials(f"[one]\n{keys(one)}[two]\n{keys(two)}")
    return signed_in


def told(outcome: Outcome, host: str = HOST) -> str:
    """Return what a failed ``get`` says on stderr: one line about ``host``, without its head."""
    assert (outcome.stdout, outcome.status) == (NOT_FOUND, 1), outcome
    head = f"ecr-login: {host}: "
    assert outcome.stderr.startswith(head), outcome
    assert outcome.stderr.count("\n") == 1
    return outcome.stderr.removeprefix(head).rstrip("\n")


@pytest.mark.parametrize("glob", ["*.co.uk", "*.amazonaws.com"])
def test_names_that_anybody_can_have(signed_in: HelperProcess, aws: AwsEmulator, glob: str) -> None:
    """If anybody could get a name that matches, nobody gets the token, and a line says why."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{glob}"\nregistry = "{HOST}"\n')
    name = glob.replace("*", "evil")
    assert f'anybody can get a name that matches "{glob}", and' in told(signed_in.get(name), name)
    assert aws.count("GetAuthorizationToken") == 0


class TestPlace:
    """Where it is found."""

    @pytest.mark.parametrize(
        ("path", "environ"),
        [
            ("own.toml", {"AWS_ECR_CONFIG": "{home}/own.toml"}),
            ("own.toml", {"AWS_ECR_CONFIG": "~/own.toml"}),
            ("own.toml", {"AWS_ECR_CONFIG": "$HOME/own.toml"}),
            ("own.toml", {"AWS_ECR_CONFIG": "own.toml"}),
            ("xdg/ecr-login/config.toml", {"XDG_CONFIG_HOME": "{home}/xdg"}),
            (PLACE, {}),
            (PLACE, {"AWS_ECR_CONFIG": "", "XDG_CONFIG_HOME": "", "XDG_CONFIG_DIRS": ""}),
            (PLACE, {"XDG_CONFIG_HOME": "xdg", "XDG_CONFIG_DIRS": "xdg"}),
            ("etc/ecr-login/config.toml", {"XDG_CONFIG_DIRS": "{home}/etc"}),
            ("etc/ecr-login/config.toml", {"XDG_CONFIG_DIRS": "{home}/etc:{home}/more"}),
            ("etc/ecr-login/config.toml", {"XDG_CONFIG_DIRS": ":xdg:{home}/etc"}),
        ],
    )
    def test_each(
        self, two_profiles: HelperProcess, aws: AwsEmulator, path: str, environ: dict[str, str]
    ) -> None:
        """It is found by AWS_ECR_CONFIG, and in XDG's directories for configuration if absolute."""
        write(two_profiles, path, table("*", profile="one"))
        if not path.startswith("xdg"):  # below the working directory, which XDG does not mean
            write(two_profiles, "xdg/ecr-login/config.toml", "not TOML")
        two_profiles.environ |= {
            name: value.format(home=two_profiles.home) for name, value in environ.items()
        }
        assert issued_to(aws, two_profiles.get()) == ONE
        assert issued_to(aws, two_profiles.get(SECOND_ACCOUNT)) == ONE
        assert len(principals(aws)) == 1

    def test_the_first_counts(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """Of several, only the first is read; AWS_ECR_CONFIG before a user's before the site's."""
        home = two_profiles.home
        two_profiles.environ |= {
            "AWS_ECR_CONFIG": f"{home}/own.toml",
            "XDG_CONFIG_HOME": f"{home}/user",
            "XDG_CONFIG_DIRS": f"{home}/site:{home}/more",
        }
        write(two_profiles, "own.toml", table(HOST, profile="one"))
        write(two_profiles, "user/ecr-login/config.toml", table(HOST, profile="two"))
        for unread in ("site", "more", ".config"):
            write(two_profiles, f"{unread}/ecr-login/config.toml", "not TOML")
        assert issued_to(aws, two_profiles.get()) == ONE
        assert issued_to(aws, two_profiles.get(AWS_ECR_CONFIG="")) == TWO
        write(two_profiles, "site/ecr-login/config.toml", table(HOST, profile="one"))
        assert issued_to(aws, two_profiles.get(AWS_ECR_CONFIG="")) == TWO
        (home / "user/ecr-login/config.toml").unlink()
        assert issued_to(aws, two_profiles.get(AWS_ECR_CONFIG="")) == ONE
        (home / "site/ecr-login/config.toml").unlink()
        assert issued_to(aws, two_profiles.get(AWS_ECR_CONFIG="")) == DEV

    def test_a_missing_one(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """The file that AWS_ECR_CONFIG names must exist, even if there are others."""
        signed_in.write_own_config("")
        path = signed_in.home / "missing.toml"
        signed_in.environ["AWS_ECR_CONFIG"] = str(path)
        line = f"{path}: the config file cannot be read: No such file or directory; create it, "
        assert told(signed_in.get()).startswith(line)
        assert told(signed_in.get(HUB), HUB).startswith(line)
        assert aws.calls == []

    absolute = st.from_regex(r"/[a-z ~$]{1,6}(/[a-z]{1,3}){0,2}/?", fullmatch=True)
    directories = st.lists(absolute, max_size=3).map(":".join)

    @pytest.mark.skipif(sys.platform == "win32", reason="has no XDG directories")
    @given(st.sampled_from(["linux", "darwin"]), st.just("") | absolute, directories, absolute)
    def test_they_are_those_of_platformdirs(
        self, platform: str, config_home: str, config_dirs: str, home: str
    ) -> None:
        """They are the directories for the configuration of a user and of a site."""
        if platform == "darwin" and not find_spec("platformdirs._xdg"):
            config_home = config_dirs = ""  # which its older releases do not look at there
        environ = {"HOME": home, "XDG_CONFIG_HOME": config_home, "XDG_CONFIG_DIRS": config_dirs}
        kind = platformdirs.macos.MacOS if platform == "darwin" else platformdirs.unix.Unix
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "platform", platform)
            for name, value in environ.items():
                patch.setenv(name, value)
            places = kind("ecr-login", appauthor=False)
            expected = [places.user_config_dir, places.site_config_dir]
            found = _own_files(environ)
        assert list(map(os.path.normpath, found)) == [
            os.path.normpath(f"{directory}/config.toml") for directory in expected
        ]


class TestProfile:
    """A profile for a registry."""

    def test_each_registry_has_its_own(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """A profile wins over AWS_PROFILE and over keys, and two profiles have separate tokens."""
        two_profiles.write_own_config(
            f'[[registry]]\nmatch = "1*"\nprofile = "one"\n'
            f'[[registry]]\nmatch = "{SECOND_ACCOUNT}"\nprofile = "two"\n'
        )
        two_profiles.environ["AWS_PROFILE"] = "two"
        secrets = {two_profiles.get(host).secret for host in (HOST, SECOND_ACCOUNT, PUBLIC)}
        assert len(secrets) == 3
        assert principals(aws) == [ONE, TWO, DEV]
        assert {two_profiles.get(host).secret for host in (HOST, SECOND_ACCOUNT, PUBLIC)} == secrets
        assert len(principals(aws)) == 3
        assert two_profiles.list().hosts == sorted([HOST, SECOND_ACCOUNT, PUBLIC])

    def test_registries_with_the_same_profile_share_a_token(
        self, two_profiles: HelperProcess, aws: AwsEmulator
    ) -> None:
        """Two accounts under one profile take one call, whichever tables they are in."""
        two_profiles.write_own_config(
            f'[[registry]]\nmatch = "{HOST}"\nprofile = "one"\n'
            f'[[registry]]\nmatch = "{SECOND_ACCOUNT}"\nprofile = "one"\n'
        )
        assert two_profiles.get(HOST).secret == two_profiles.get(SECOND_ACCOUNT).secret
        assert principals(aws) == [ONE]

    @pytest.mark.parametrize(
        "environ",
        [
            {},
            {"AWS_PROFILE": "two"},
            {"AWS_DEFAULT_PROFILE": "two"},
            {"AWS_PROFILE": "gone"},
            {"AWS_PROFILE": ""},
            {"AWS_ROLE_ARN": PULL, "AWS_WEB_IDENTITY_TOKEN_FILE": "/dev/null"},
        ],
    )
    @pytest.mark.parametrize("with_keys", [True, False])
    def test_it_wins(
        self,
        two_profiles: HelperProcess,
        aws: AwsEmulator,
        environ: dict[str, str],
        with_keys: bool,
    ) -> None:
        """A profile wins over everything in the environment that selects credentials."""
        two_profiles.write_own_config(table(HOST, profile="one"))
        if not with_keys:
            del two_profiles.environ["AWS_ACCESS_KEY_ID"]
            del two_profiles.environ["AWS_SECRET_ACCESS_KEY"]
        assert issued_to(aws, two_profiles.get(**environ)) == ONE

    def test_one_that_does_not_exist(self, two_profiles: HelperProcess) -> None:
        """A missing profile is a line that names the config file and the existing profiles."""
        two_profiles.write_own_config(table(HOST, profile="prod"))
        path = two_profiles.home / PLACE
        assert told(two_profiles.get(AWS_PROFILE="one")) == (
            f'profile "prod" (from {path}) does not exist in the AWS configuration; '
            "profiles there: one, two; run: aws configure --profile prod"
        )

    def test_sso(self, helper: HelperProcess, aws: AwsEmulator) -> None:
        """If its SSO session has expired, the command in the line names this profile."""
        sso_session(aws, helper)
        del helper.environ["AWS_PROFILE"]
        helper.write_own_config(table(HOST, profile="dev"))
        assert helper.get().secret
        helper.erase()
        name, text = aws.add_sso(region="eu-north-1", expired=True).cache_file("corp")
        write(helper, f".aws/sso/cache/{name}", text)
        line = told(helper.get(AWS_PROFILE="other"))
        assert line.startswith(
            f'the SSO session of profile "dev" (from {helper.home / PLACE}) has expired'
        )
        assert line.endswith(f"run: {SSO_LOGIN} --profile dev")

    def test_credentials_of_the_environment(
        self, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """A profile with ``credential_source = Environment`` takes the keys in the environment."""
        aws.add_role(arn=PULL, trusted=[DEV])
        signed_in.write_config(
            f"[profile pull]\nrole_arn = {PULL}\ncredential_source = Environment\n"
            "role_session_name = docker\n"
        )
        signed_in.write_own_config(table(HOST, profile="pull"))
        assert issued_to(aws, signed_in.get()) == PULL_SESSION
        assert issued_to(aws, signed_in.get(SECOND_ACCOUNT)) == DEV


class TestRole:
    """A role for a registry."""

    def test_each_account_and_region_has_its_own(
        self, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """Placeholders are filled in from the registry; each role has a separate token."""
        signed_in.write_own_config(
            table(
                "*.dkr.ecr.*",
                role_arn="arn:aws:iam::{registry_id}:role/pull-{region}",
                role_session_name="docker",
            )
        )
        expected = []
        for host in (HOST, SECOND_ACCOUNT, OTHER_REGION):
            account, _, _, region, *_ = host.split(".")
            aws.add_role(arn=f"arn:aws:iam::{account}:role/pull-{region}", trusted=[DEV])
            expected.append(f"arn:aws:sts::{account}:assumed-role/pull-{region}/docker")
        hosts = (HOST, SECOND_ACCOUNT, OTHER_REGION)
        secrets = [signed_in.get(host).secret for host in hosts]
        assert principals(aws) == expected
        assert [call.principal for call in aws.calls if call.operation == "AssumeRole"] == [DEV] * 3
        assert [signed_in.get(host).secret for host in hosts] == secrets
        assert len(aws.calls) == 6
        assert signed_in.list().hosts == sorted(hosts)

    def test_one_for_several_accounts(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """Registries with the same role share a token, and its session serves all regions."""
        aws.add_role(arn=PULL, trusted=[DEV])
        signed_in.write_own_config(table("*", role_arn=PULL, role_session_name="docker"))
        assert signed_in.get(HOST).secret == signed_in.get(SECOND_ACCOUNT).secret
        assert signed_in.get(OTHER_REGION).secret
        assert principals(aws) == [PULL_SESSION] * 2
        assert aws.count("AssumeRole") == 1

    def test_its_session_is_shared_with_the_aws_cli(
        self, signed_in: HelperProcess, aws: AwsEmulator
    ) -> None:
        """Its session is kept privately where the AWS CLI looks, unless the cache is disabled."""
        aws.add_role(arn=PULL, trusted=[DEV])
        signed_in.write_own_config(table("*", role_arn=PULL, role_session_name="docker"))
        arguments = json.dumps({"RoleArn": PULL, "RoleSessionName": "docker"}, sort_keys=True)
        name = f"{sha1(arguments.encode()).hexdigest()}.json"  # noqa: S324
        directory = signed_in.home / ".aws/cli/cache"
        assert signed_in.get(AWS_ECR_DISABLE_CACHE="1").secret
        assert not directory.exists()
        assert signed_in.get().secret
        assert [path.name for path in directory.iterdir()] == [name]
        assert (directory / name).stat().st_mode & 0o777 == 0o600

    def test_with_an_external_id(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """A role that asks for an external id gets it."""
        aws.add_role(arn=PULL, trusted=[DEV], external_id="Zephyr/17")
        role = {"role_arn": PULL, "role_session_name": "docker"}
        signed_in.write_own_config(
            table(HOST, **role, external_id="Zephyr/17")
            + table(OTHER_REGION, **role, external_id="Zephyr/18")
        )
        assert issued_to(aws, signed_in.get()) == PULL_SESSION
        assert "cannot be assumed" in told(signed_in.get(OTHER_REGION), OTHER_REGION)

    def test_a_session_name_is_made_up(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """Without ``role_session_name`` a role is assumed as every boto3 program does."""
        aws.add_role(arn=PULL, trusted=[DEV])
        signed_in.write_own_config(table("*", role_arn=PULL))
        assert signed_in.get().secret
        assert signed_in.get(OTHER_REGION).secret
        (call,) = [call for call in aws.calls if call.operation == "AssumeRole"]
        assert str(call.session_name).startswith("botocore-session-")

    def test_from_a_profile(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """With a profile beside it, the role is assumed with that profile's credentials."""
        aws.add_role(arn=PULL, trusted=[ONE])
        two_profiles.write_own_config(
            table(HOST, profile="one", role_arn=PULL, role_session_name="docker")
        )
        assert issued_to(aws, two_profiles.get()) == PULL_SESSION
        assert [call.principal for call in aws.calls] == [ONE, PULL_SESSION]

    def test_from_a_profile_with_a_role(
        self, two_profiles: HelperProcess, aws: AwsEmulator
    ) -> None:
        """A profile that assumes a role itself is the first link of a chain of two."""
        hop = "arn:aws:iam::111111111111:role/hop"
        aws.add_role(arn=hop, trusted=[ONE])
        aws.add_role(arn=PULL, trusted=[hop])
        two_profiles.write_config(f"[profile hop]\nrole_arn = {hop}\nsource_profile = one\n")
        two_profiles.write_own_config(
            table(HOST, profile="hop", role_arn=PULL, role_session_name="docker")
        )
        assert issued_to(aws, two_profiles.get()) == PULL_SESSION
        assert aws.count("AssumeRole") == 2

    def test_from_an_instance_role(self, helper: HelperProcess, aws: AwsEmulator) -> None:
        """On an instance the role is assumed with what the metadata service gives."""
        instance_role(aws, helper)
        aws.add_role(arn=PULL, trusted=["arn:aws:iam::111111111111:role/ec2-pull"])
        helper.write_own_config(table(HOST, role_arn=PULL, role_session_name="docker"))
        assert issued_to(aws, helper.get()) == PULL_SESSION
        assert issued_to(aws, helper.get(SECOND_ACCOUNT)) != PULL_SESSION

    def test_one_that_cannot_be_assumed(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """The line names the role, and the file that names it."""
        aws.add_role(arn=PULL, trusted=[ONE])
        signed_in.write_own_config(table(HOST, role_arn=PULL))
        line = told(signed_in.get())
        assert line.startswith(
            f"the role {PULL} (from {signed_in.home / PLACE}) cannot be assumed: User: {DEV} is "
        )
        assert "trust policy" in line

    def test_keys_that_aws_does_not_know(self, helper: HelperProcess) -> None:
        """The line says where the credentials come from that cannot assume the role."""
        helper.environ |= {"AWS_ACCESS_KEY_ID": "AKIDGONE", "AWS_SECRET_ACCESS_KEY": "x"}
        helper.write_own_config(table(HOST, role_arn=PULL))
        line = told(helper.get())
        assert line.startswith("AWS does not know access key ...GONE in the environment")
        assert line.endswith(
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN to new ones"
        )

    def test_a_revoked_session(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """The line says that AWS no longer accepts the session of the role."""
        aws.add_role(arn=PULL)
        signed_in.write_own_config(table(HOST, role_arn=PULL))
        aws.fail("GetAuthorizationToken", Fault(status=400, error="ExpiredTokenException"))
        line = told(signed_in.get())
        assert f"of the role {PULL} (from {signed_in.home / PLACE}) has expired" in line
        assert line.endswith("; remove its session from ~/.aws/cli/cache")

    @pytest.mark.parametrize(
        "role_arn",
        ["arn:aws:iam::{registry_id}:role/pull", f"{PULL}-{{registry_id}}"],
    )
    def test_ecr_public_has_no_account(
        self, signed_in: HelperProcess, aws: AwsEmulator, role_arn: str
    ) -> None:
        """A role with {registry_id} cannot be used for ECR Public, and AWS is not asked."""
        signed_in.write_own_config(table("*", role_arn=role_arn))
        assert told(signed_in.get(PUBLIC), PUBLIC) == (
            f"{signed_in.home / PLACE}: role_arn contains {{registry_id}}, which ECR Public does "
            "not have; write an account ID instead" + PUBLIC_GOES_ON
        )
        assert aws.calls == []


class TestEndpoint:
    """A region and an endpoint for a registry."""

    def test_region(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """A region applies to its registry, which then shares the token of that region."""
        signed_in.write_own_config(table(HOST, region="eu-west-1"))
        secrets = [signed_in.get(host).secret for host in (HOST, SECOND_ACCOUNT, OTHER_REGION)]
        assert [call.region for call in aws.calls] == ["eu-west-1", "us-east-1"]
        assert secrets[0] == secrets[2] != secrets[1]

    def test_ecr_public_keeps_its_region(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """ECR Public authorises in one region, whatever the config file says for all."""
        signed_in.write_own_config(table("*", region="eu-west-1"))
        assert signed_in.get(PUBLIC).secret
        assert [call.region for call in aws.calls] == ["us-east-1"]

    @pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"])
    def test_endpoint_url(self, signed_in: HelperProcess, aws: AwsEmulator, variable: str) -> None:
        """endpoint_url wins over the environment, for this registry and for ECR's API only."""
        aws.add_role(arn=PULL, trusted=[DEV])
        signed_in.environ[variable] = aws.url
        url = aws.listen("127.0.0.1")
        signed_in.write_own_config(table(HOST, endpoint_url=url, role_arn=PULL))
        assert signed_in.get(HOST).secret != signed_in.get(SECOND_ACCOUNT).secret
        hosts = [(call.operation, f"http://{call.host}") for call in aws.calls]
        assert hosts == [
            ("AssumeRole", aws.url),
            ("GetAuthorizationToken", url),
            ("GetAuthorizationToken", aws.url),
        ]


class TestOwnNames:
    """A domain name of one's own, in front of a registry of ECR."""

    @pytest.fixture
    def named(self, signed_in: HelperProcess) -> HelperProcess:
        """The executable with two such names, one of them with a port."""
        signed_in.write_own_config(
            table([OWN, "localhost:5000"], registry=HOST) + table("*.example.org", registry=HOST)
        )
        return signed_in

    @pytest.mark.parametrize(
        "name",
        [
            OWN,
            f"{OWN}:443",
            f"https://{OWN}",
            f"http://{OWN}/",
            f"https://{OWN}/v2/",
            f"{OWN}/team/app",
            f"{OWN}.",
            OWN.upper(),
            "localhost:5000",
            "http://localhost:5000/v1/",
            "a.b.example.org",
            "a.example.org.",
        ],
    )
    def test_each_spelling(self, named: HelperProcess, aws: AwsEmulator, name: str) -> None:
        """Every spelling is answered with the token of its registry, and echoed as asked."""
        secret = keep_token(aws, named, refresh_in=HOUR)
        for environ in ({}, DEBUG):
            answer = named.get(name, **environ).credentials
            assert (answer["ServerURL"], answer["Secret"]) == (name, secret)
        assert aws.calls == []

    def test_on_its_own(self, named: HelperProcess, aws: AwsEmulator) -> None:
        """``list`` shows it even if neither it nor the name of ECR was ever asked for."""
        assert named.list().hosts == [OWN, "localhost:5000"]
        secret = named.get(OWN).secret
        assert aws.accepts(secret)
        assert named.get("localhost:5000").secret == secret
        assert named.get(HOST).secret == secret
        assert named.list().hosts == [HOST, OWN, "localhost:5000"]
        assert len(aws.calls) == 1

    @pytest.mark.parametrize(
        "name",
        [
            HUB,
            "localhost",
            "localhost:5001",
            "https://localhost:443",
            f"{OWN}:5000",
            f"http://{OWN}:80",
            "example.org",
            "a.example.org:5000",
        ],
    )
    def test_one_that_is_not_listed(
        self, named: HelperProcess, aws: AwsEmulator, name: str
    ) -> None:
        """A name or a port that is not listed is not found, without a message and without AWS."""
        for _ in range(2):
            assert named.get(name) == REFUSAL
        assert named.get(name, **DEBUG) == REFUSAL
        assert aws.calls == []
        assert named.list().hosts == [OWN, "localhost:5000"]

    @pytest.mark.parametrize(
        "name",
        [
            f"{OWN}.evil.org",
            f"x{OWN}",
            f"x.{OWN}",
            f"-{OWN}",
            f"user:password@{OWN}",
            f"user@{OWN}",
            f"https://user@{OWN}/v2/",
            f"{OWN}@evil.org",
            f"https://{OWN}:443@evil.org",
            f"evil.org/{OWN}",
            f"https://evil.org/https://{OWN}",
            f"https://https://{OWN}",
            f"{OWN}\\.evil.org",
            f"{OWN}?.evil.org",
            f"{OWN}#.evil.org",
            f"{OWN}%2f.evil.org",
            f"{OWN} .evil.org",
            f"{OWN}..",
            f"{HOST}..",
            "public.ecr.aws..",
            OWN.replace(".", "x"),
            OWN.replace(".", "。"),
            OWN.replace("i", "ı"),  # noqa: RUF001 - that is the trick
            "evil.org#.example.org",
            "evil.org?.example.org",
            "evil.org\\.example.org",
            "evil.org@a.example.org",
        ],
    )
    def test_look_alikes(self, named: HelperProcess, aws: AwsEmulator, name: str) -> None:
        """A name that only looks like it never gets a token, and no login is kept for it."""
        keep_token(aws, named, refresh_in=HOUR)
        for environ in ({}, DEBUG):
            assert named.get(name, **environ) == REFUSAL
        assert named.store(name, "c2VjcmV0").status == 1
        assert aws.calls == []

    def test_login_and_logout(self, named: HelperProcess, aws: AwsEmulator) -> None:
        """``docker login`` under such a name is for that name alone, until ``docker logout``."""
        secret = aws.password
        for name in ("localhost:5000", OWN):
            outcome = named.store(f"https://{name}/v2/", secret)
            assert (outcome.stdout, outcome.stderr, outcome.status) == ("", "", 0)
            assert named.get(name).secret == secret
        assert named.list().hosts == [OWN, "localhost:5000"]
        assert aws.calls == []
        assert named.get(HOST).secret != secret
        assert named.erase("localhost:5000").status == 0
        assert named.get("localhost:5000").secret != secret
        assert named.erase(OWN).status == 0
        assert named.get(OWN).secret != secret

    def test_logout_forgets_the_token(self, named: HelperProcess, aws: AwsEmulator) -> None:
        """After ``docker logout`` of any of its names, no token is left that opens the registry."""
        secret = named.get(OWN).secret
        assert named.erase(f"https://{OWN}").status == 0
        for path in named.cache_directory.rglob("*"):
            assert path.is_dir() or secret not in path.read_text()
        assert named.get(HOST).secret != secret
        assert len(aws.calls) == 2

    def test_with_settings_of_its_own(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """Its own table, not that of the ECR name behind it, decides on the credentials."""
        two_profiles.write_own_config(
            table(OWN, registry=HOST, profile="one") + table(HOST, profile="two")
        )
        assert issued_to(aws, two_profiles.get(OWN)) == ONE
        assert issued_to(aws, two_profiles.get(HOST)) == TWO
        assert issued_to(aws, two_profiles.get(OWN)) == ONE

    def test_a_name_that_is_no_longer_listed(self, named: HelperProcess, aws: AwsEmulator) -> None:
        """Token and login of a name that is no longer listed are neither answered nor listed."""
        named.get(OWN)
        named.store("localhost:5000", aws.password)
        named.write_own_config("")
        for name in (OWN, "localhost:5000"):
            assert named.get(name) == REFUSAL
        assert named.list().hosts == []

    def test_a_failure_names_it(self, named: HelperProcess) -> None:
        """A failure's line is about the name that was asked for."""
        del named.environ["AWS_SECRET_ACCESS_KEY"]
        assert told(named.get(f"https://{OWN}/v2/"), OWN)


class TestAnonymous:
    """A registry that is pulled from without credentials."""

    @pytest.mark.parametrize("host", [HOST, PUBLIC])
    def test_one(self, signed_in: HelperProcess, aws: AwsEmulator, host: str) -> None:
        """An anonymous registry is not found, without a message or AWS; others are answered."""
        signed_in.write_own_config(table(host, anonymous=True))
        for name in (host, f"https://{host}/v2/", host):
            assert signed_in.get(name) == REFUSAL
            assert signed_in.get(name, AWS_ECR_STRICT="true", **DEBUG) == REFUSAL
        assert aws.calls == []
        assert signed_in.get(SECOND_ACCOUNT).secret
        assert signed_in.get(host) == REFUSAL
        assert signed_in.list().hosts == [SECOND_ACCOUNT]

    def test_a_name_for_ecr_public(self, signed_in: HelperProcess) -> None:
        """AWS_ECR_PUBLIC_ANONYMOUS also applies to a domain name of one's own for ECR Public."""
        signed_in.write_own_config(table(OWN, registry=PUBLIC))
        anonymous = {"AWS_ECR_PUBLIC_ANONYMOUS": "true"}
        for _ in range(2):
            assert signed_in.get(OWN, **anonymous) == REFUSAL
            assert signed_in.get(OWN).secret
        assert signed_in.list(**anonymous).hosts == []

    def test_in_spite_of_a_login(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """A login for it is kept, with a warning, and not answered as long as it is anonymous."""
        signed_in.write_own_config(table(HOST, anonymous=True))
        outcome = signed_in.store(HOST, aws.password)
        assert (outcome.stdout, outcome.status) == ("", 0)
        assert f"{HOST} is configured for use without credentials" in outcome.stderr
        assert signed_in.get() == REFUSAL
        assert signed_in.list().hosts == []
        signed_in.write_own_config(table(HOST, anonymous=False))
        assert signed_in.get().secret == aws.password

    def test_one_that_is_not(self, signed_in: HelperProcess) -> None:
        """``anonymous = false`` in the first table that matches is an exception from the others."""
        signed_in.write_own_config(table(HOST, anonymous=False) + table("*", anonymous=True))
        assert signed_in.get(HOST).secret
        assert signed_in.get(SECOND_ACCOUNT) == REFUSAL


class TestDefaults:
    """The general settings at the top, which apply if the environment has none."""

    def test_strict(self, helper: HelperProcess) -> None:
        """``strict`` is the default of AWS_ECR_STRICT."""
        helper.write_own_config("strict = true\n")
        for environ in ({}, {"AWS_ECR_STRICT": ""}):
            outcome = helper.get(**environ)
            assert outcome.stdout.startswith(f"{HOST}: no AWS credentials found")
            assert (outcome.stderr, outcome.status) == (f"ecr-login: {outcome.stdout}", 1)
        assert told(helper.get(AWS_ECR_STRICT="false"))
        assert told(helper.get(PUBLIC), PUBLIC)
        helper.write_own_config("strict = false\n")
        assert told(helper.get())
        assert helper.get(AWS_ECR_STRICT="true").stdout.startswith(HOST)

    def test_timeout(self, signed_in: HelperProcess, aws: AwsEmulator) -> None:
        """``timeout`` is the default of AWS_ECR_TIMEOUT."""
        aws.fail("GetAuthorizationToken", Fault(hang=True))
        signed_in.write_own_config("timeout = 0.5\n")
        assert "no answer within 0.5 seconds" in told(signed_in.get())
        assert "no answer within 0.5 seconds" in told(signed_in.get(AWS_ECR_TIMEOUT=""))
        assert "no answer within 0.75 seconds" in told(signed_in.get(AWS_ECR_TIMEOUT="0.75"))

    def test_log_level(self, signed_in: HelperProcess) -> None:
        """``log_level`` is the default of AWS_ECR_LOG_LEVEL: at debug, each answer is logged."""
        signed_in.write_own_config('log_level = "DEBUG"\n')
        for environ, hits in [
            ({}, 0),
            ({}, 1),
            ({}, 2),
            ({"AWS_ECR_LOG_LEVEL": "info"}, 2),
            ({"AWS_ECR_LOG_LEVEL": ""}, 3),
            ({}, 4),
        ]:
            assert signed_in.get(**environ).secret
            assert signed_in.log.count(HIT) == hits

    def test_a_lower_log_level(self, signed_in: HelperProcess) -> None:
        """At ``log_level = "error"`` nothing of what succeeds is logged."""
        signed_in.write_own_config('log_level = "error"\n')
        assert signed_in.get().secret
        assert signed_in.log == ""
        signed_in.erase()
        assert signed_in.get(**DEBUG).secret
        assert "a new token from AWS" in signed_in.log

    def test_they_hold_for_each_registry(self, helper: HelperProcess) -> None:
        """They hold also where a table of the file matches."""
        helper.write_own_config(f"strict = true\n{table(HOST, region='eu-west-1')}")
        assert helper.get().stdout.startswith(HOST)


def _touch(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def _edit(path: Path) -> None:
    path.write_text(table("*", profile="two"))


def _replace(path: Path) -> None:
    path.with_name("new").write_text(path.read_text().replace("one", "two"))
    os.utime(path.with_name("new"), ns=(0, path.stat().st_mtime_ns))
    path.with_name("new").replace(path)


class TestChanges:
    """A change counts at the next call; what is unchanged is not read again."""

    @pytest.mark.parametrize("environ", [{}, DEBUG], ids=["launcher", "python"])
    @pytest.mark.parametrize(
        ("change", "who"),
        [(_touch, ONE), (_edit, TWO), (_replace, TWO), (Path.unlink, DEV)],
        ids=["touched", "edited", "replaced", "removed"],
    )
    def test_it_is_noticed(
        self,
        two_profiles: HelperProcess,
        aws: AwsEmulator,
        change: Callable[[Path], None],
        who: str,
        environ: dict[str, str],
    ) -> None:
        """A file that was changed, replaced or removed leaves no token from before in use."""
        two_profiles.write_own_config(table("*", profile="one"))
        old = two_profiles.get()
        assert two_profiles.get(**environ) == old
        assert issued_to(aws, old) == ONE
        change(two_profiles.home / PLACE)
        new = two_profiles.get(**environ)
        assert new.secret != old.secret
        assert issued_to(aws, new) == who

    @pytest.mark.parametrize("environ", [{}, DEBUG], ids=["launcher", "python"])
    def test_a_new_one_is_noticed(
        self, two_profiles: HelperProcess, aws: AwsEmulator, environ: dict[str, str]
    ) -> None:
        """A file that is created applies from then on."""
        assert issued_to(aws, two_profiles.get()) == DEV
        assert two_profiles.get(OWN) == REFUSAL
        two_profiles.write_own_config(
            table(HOST, profile="one") + table(OWN, registry=HOST, profile="two")
        )
        assert issued_to(aws, two_profiles.get(**environ)) == ONE
        assert issued_to(aws, two_profiles.get(OWN, **environ)) == TWO

    @pytest.mark.parametrize("environ", [{}, DEBUG], ids=["launcher", "python"])
    def test_another_content_of_the_same_size_and_time(
        self, two_profiles: HelperProcess, environ: dict[str, str]
    ) -> None:
        """A file that was rewritten is read, even if ``cp --preserve`` gave it the old time."""
        two_profiles.write_own_config(table(HOST, profile="one") + table(PUBLIC, anonymous=True))
        for name in (HOST, PUBLIC):
            two_profiles.get(name)
        path = two_profiles.home / PLACE
        state = path.stat()
        with path.open("r+b") as file:
            file.write(b"\xff" * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        for name in (HOST, PUBLIC):
            assert "is in Latin-1" in told(two_profiles.get(name, **environ), name)

    def test_while_a_question_is_answered(
        self, signed_in: HelperProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A token is kept for the file that was read for it, not for one that replaced it."""
        environ = signed_in.environment()
        signed_in.write_own_config(table(HOST, profile="one"))
        before = configured_identity(environ)
        request = resolve(HOST, environ)
        signed_in.write_own_config(table(HOST, profile="other"))
        identities = []

        def fetch(request: Request, _started: float) -> Entry:
            identities.append(request.identity)
            return Entry("secret", 0, 0)

        monkeypatch.setattr("docker_credential_ecr_login.fetch.fetch", fetch)
        actions.token(request)
        assert identities == [before]
        assert configured_identity(environ) != before

    def test_while_a_question_is_refused(self, signed_in: HelperProcess) -> None:
        """A refusal is kept for the file that was read for it, not for one that replaced it."""
        signed_in.write_own_config("")
        environ = signed_in.environment()
        request = resolve(OWN, environ)
        assert request.registry is None
        signed_in.write_own_config(table(OWN, registry=HOST))
        actions._keep_answer(request, environ, OWN.encode(), NOT_FOUND)  # noqa: SLF001
        assert signed_in.get(OWN).secret

    def test_a_refresh(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """In the background, too, the token is that of the name's own profile."""
        name = "localhost:5000"
        two_profiles.write_own_config(table(name, registry=HOST, profile="one"))
        old = two_profiles.get(name)
        request = resolve(name, two_profiles.environment())
        cache = Cache(str(two_profiles.cache_directory), request.identity)
        entry = cache.token(request)
        assert entry
        cache.store_token(request, Entry(entry.secret, entry.expires_at, 1))
        assert two_profiles.get(name) == old
        wait_for(lambda: (new := two_profiles.get(name)) != old and issued_to(aws, new) == ONE)
        assert principals(aws) == [ONE, ONE]

    def test_many_at_once(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """Many cold callers of several names, and of several tables, make one call."""
        two_profiles.write_own_config(
            table(OWN, registry=HOST, profile="one") + table(HOST, profile="one")
        )
        processes = [two_profiles.ask(name) for name in (HOST, OWN) * 4]
        answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
        assert len({answer["Secret"] for answer in answers}) == 1
        assert principals(aws) == [ONE]

    def test_without_a_cache(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """Where no cache is kept, the file is read for each answer, and counts as much."""
        two_profiles.write_own_config(
            table(HOST, profile="one") + table(OWN, registry=HOST, profile="two")
        )
        two_profiles.environ["AWS_ECR_DISABLE_CACHE"] = "1"
        assert issued_to(aws, two_profiles.get()) == ONE
        assert issued_to(aws, two_profiles.get(OWN)) == TWO
        assert two_profiles.get(HUB) == REFUSAL
        assert not (two_profiles.cache_directory / "tokens").exists()


BROKEN = [
    ("match = ", "not TOML at line 1, column 9"),
    (
        '[[registry]]\nmatch = "*"\nprofil = "prod"\n',
        '[[registry]] 1 (match "*"): there is no key "profil"',
    ),
    (
        f"{table(OWN, registry=HOST)}{table(HOST)}profile = 7\n",
        f'[[registry]] 2 (match "{HOST}"): profile must be',
    ),
    ("timeout = -1\n", "timeout must be"),
    ('profile = "prod"\n', 'there is no key "profile" here'),
]


class TestBroken:
    """A file that cannot be used stops what depends on it, and says where it is wrong."""

    @pytest.fixture
    def used(self, signed_in: HelperProcess, aws: AwsEmulator) -> HelperProcess:
        """The executable with a token, and a login, from before the file was broken."""
        signed_in.write_own_config(table(OWN, registry=HOST))
        keep_token(aws, signed_in, refresh_in=HOUR)
        assert signed_in.store(OTHER_REGION, aws.password).status == 0
        return signed_in

    @pytest.mark.parametrize(("text", "message"), BROKEN)
    @pytest.mark.parametrize("url", [HOST, OWN, HUB, PUBLIC])
    def test_get(
        self, used: HelperProcess, aws: AwsEmulator, text: str, message: str, url: str
    ) -> None:
        """``get`` is not found, and a line names file, table and key: for every registry."""
        used.write_own_config(text)
        line = told(used.get(url), url)
        assert line.startswith(f"{used.home / PLACE}: {message}")
        outcome = used.get(url, AWS_ECR_STRICT="true")
        expected = NOT_FOUND if url == PUBLIC else f"{url}: {line}\n"
        assert outcome == Outcome(expected, f"ecr-login: {url}: {line}\n", 1)
        assert aws.calls == []

    @pytest.mark.parametrize(("text", "message"), BROKEN)
    def test_list_store_and_erase(
        self, used: HelperProcess, aws: AwsEmulator, text: str, message: str
    ) -> None:
        """``list`` is empty, and says why; ``store`` and ``erase`` fail, and nothing is lost."""
        path = used.home / PLACE
        before = path.read_text()
        used.write_own_config(text)
        outcome = used.list()
        assert outcome.hosts == []
        assert outcome.stderr.startswith(f"ecr-login: list: {path}: {message}")
        for url in (HOST, OTHER_REGION, HUB):
            for outcome in (used.store(url, "c2VjcmV0"), used.erase(url)):
                assert outcome.stdout.startswith(f"{path}: {message}")
                assert outcome.stdout.count("\n") == 1
                assert (outcome.stderr, outcome.status) == ("", 1)
        used.write_own_config(before)
        assert used.get(OTHER_REGION).secret == aws.password
        assert len(list(used.cache_directory.glob("tokens/*/aws.us-east-1.ecr"))) == 1

    def test_a_directory_in_its_place(self, signed_in: HelperProcess) -> None:
        """A directory in its place is an error; it does not count as no file."""
        path = signed_in.home / PLACE
        path.mkdir(parents=True)
        assert told(signed_in.get()) == (
            f"{path}: the config file cannot be read: Is a directory; name a file"
        )

    @pytest.mark.parametrize("name", [PLACE, ".aws/config", ".aws/credentials", ".boto"])
    def test_a_link_whose_target_is_missing(
        self, signed_in: HelperProcess, aws: AwsEmulator, name: str
    ) -> None:
        """A link whose target is not mounted is an error; it does not count as no file."""
        assert signed_in.get().secret
        path = signed_in.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("/nonexistent")
        message = (
            f"{path} is a link whose target does not exist; mount the target, or remove the link"
        )
        for url in (HOST, HUB):
            assert told(signed_in.get(url), url) == message
        assert aws.count("GetAuthorizationToken") == 1

    @pytest.mark.parametrize("name", [".config", ".config/ecr-login", ".aws"])
    def test_a_directory_that_is_not_mounted(
        self, signed_in: HelperProcess, aws: AwsEmulator, name: str
    ) -> None:
        """A directory that is a link without a target is an error: it may contain a file."""
        assert signed_in.get().secret
        path = signed_in.home / name
        path.parent.mkdir(exist_ok=True)
        path.symlink_to("/nonexistent")
        for url in (HOST, HUB):
            assert told(signed_in.get(url), url).startswith(f"{path} is a link whose target")
        assert aws.count("GetAuthorizationToken") == 1

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
    @pytest.mark.parametrize("name", [PLACE, ".aws/config", ".aws/credentials"])
    @pytest.mark.parametrize("closed", ["file", "directory"])
    def test_what_may_not_be_read(
        self, signed_in: HelperProcess, aws: AwsEmulator, name: str, closed: str
    ) -> None:
        """A file that this user may not read, or not even look for, is not as good as nothing.

        Also if an answer was given, and recorded, before it was closed to this user.
        """
        path = signed_in.home / name
        path.parent.mkdir(parents=True)
        path.touch()
        as_user = as_nobody(signed_in, signed_in.home)
        assert as_user.get().secret
        assert as_user.get(HUB) == REFUSAL
        (path if closed == "file" else path.parent).chmod(0)
        reason = " cannot be read: Permission denied; make it readable for the user who runs this"
        for url in (HOST, HUB):
            named = told(as_user.get(url), url).removesuffix(reason)
            assert named == str(path) if closed == "file" else named.startswith(f"{path.parent}/")
        assert aws.count("GetAuthorizationToken") == 1

    def test_no_secret_is_told(self, signed_in: HelperProcess) -> None:
        """A secret in the wrong place is neither shown nor logged."""
        secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
        for text in (
            table(HOST, endpoint_url=f"https://user:{secret}@example.com"),
            table(HOST, aws_secret_access_key=secret),
            f"[[registry]]\naws_secret_access_key = {secret}\n",
        ):
            signed_in.write_own_config(text)
            assert secret not in told(signed_in.get()) + signed_in.log

    def test_a_cached_token_outlives_no_mistake(
        self, used: HelperProcess, aws: AwsEmulator
    ) -> None:
        """Once the file is corrected, its settings apply again."""
        path = used.home / PLACE
        used.write_own_config("nonsense")
        assert told(used.get())
        path.write_text(table(OWN, registry=HOST))
        assert aws.accepts(used.get(OWN).secret)
