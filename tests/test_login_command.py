"""The command ``login``: it gets tokens into the cache, and may ask a person."""

import json
import os
import re
import subprocess
import time
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from docker_credential_ecr_login.cache.tokens import Entry
from docker_credential_ecr_login.protocol import NAME
from tests.connect_proxy import aws_under_its_own_names
from tests.credential_sources import DEV, PULL, PULL_SESSION, keys, source_profile
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, OTHER_REGION, PUBLIC, SECOND_ACCOUNT, HelperProcess
from tests.tokens import asked, cache_of, principals


def test_it_fills_the_cache(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A table says until when each registry can be used, and ``get`` then does not ask AWS."""
    outcome = signed_in.run("login", HOST, SECOND_ACCOUNT, OTHER_REGION)
    assert (outcome.stderr, outcome.status) == ("", 0)
    head, *lines = outcome.stdout.splitlines()
    assert head.split() == ["REGISTRY", "PROFILE", "EXPIRES"]
    assert [line.split()[:2] for line in lines] == [
        [host, "-"] for host in (HOST, SECOND_ACCOUNT, OTHER_REGION)
    ]
    assert all(re.search(r"  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", line) for line in lines)
    for host in (HOST, SECOND_ACCOUNT, OTHER_REGION):
        secret = signed_in.get(host).secret
        assert aws.accepts(secret)
        assert secret not in outcome.stdout
    assert len(principals(aws)) == 2


def test_a_profile_by_name(helper: HelperProcess, aws: AwsEmulator) -> None:
    """--profile wins over the environment's keys; with AWS_PROFILE, ``get`` finds the token."""
    source_profile(aws, helper)
    del helper.environ["AWS_PROFILE"]
    helper.environ |= aws.add_user(arn="arn:aws:iam::111111111111:user/other").environ
    assert helper.run("login", "--profile", "pull", HOST).status == 0
    assert principals(aws) == [PULL_SESSION]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del helper.environ[name]
    assert helper.get(AWS_PROFILE="pull").secret
    assert principals(aws) == [PULL_SESSION]


def test_the_region_of_a_profile(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """An account's registry is in the region of the profile that is given."""
    user = aws.add_user(arn="arn:aws:iam::111111111111:user/pull")
    signed_in.write_config(f"[profile pull]\nregion = eu-west-1\n{keys(user)}")
    outcome = signed_in.run("login", "--profile", "pull", "111111111111")
    assert outcome.stdout.splitlines()[1].split()[:2] == [OTHER_REGION, "pull"]
    assert principals(aws) == [user.arn]


def test_a_profile_of_the_environments_keys(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Keys in the environment stay if the profile itself uses them, for all registries."""
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
    """If the config file names the same profile, the token is the one that ``get`` uses."""
    signed_in.write_credentials(f"[one]\n{keys(aws.add_user(arn=f'{DEV}-one'))}")
    signed_in.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nprofile = "one"\n')
    assert signed_in.run("login", "--profile", "one", HOST).status == 0
    assert signed_in.get().secret
    assert principals(aws) == [f"{DEV}-one"]


def test_another_profile_than_that_of_the_config_file(
    signed_in: HelperProcess, aws: AwsEmulator
) -> None:
    """A profile other than the config file's is refused, because docker would not use it."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nprofile = "one"\n')
    outcome = signed_in.run("login", "--profile", "two", HOST)
    assert outcome.status == 1
    path = signed_in.home / ".config/ecr-login/config.toml"
    assert f'{HOST}: {path} sets its profile to "one"; leave out --profile, or' in outcome.stderr
    assert aws.calls == []


@pytest.mark.parametrize("command", ["login", "doctor"])
def test_says_that_the_option_named_the_profile(command: str, signed_in: HelperProcess) -> None:
    """A message about a misspelt profile names --profile, not a variable, and what to do."""
    signed_in.write_config("[profile prod]\nregion = eu-west-1\n[default]\nrole_arn = arn\n")
    signed_in.environ["AWS_PROFILE"] = "prod"
    outcome = signed_in.run(command, "--profile", "prdo", HOST)
    assert outcome.status == 1
    said = " ".join(outcome.stderr.split()) + " ".join(outcome.stdout.split())
    assert 'profile "prdo" (from --profile) does not exist in the AWS configuration' in said
    assert "did you mean prod? otherwise, run: aws configure --profile prdo" in said
    assert "unset" not in said


def test_what_fails_does_not_stop_the_rest(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Each failure is a line on stderr, and exit code 1; the other registries get tokens."""
    signed_in.write_own_config(f'[[registry]]\nmatch = "{SECOND_ACCOUNT}"\nprofile = "nobody"\n')
    outcome = signed_in.run("login", SECOND_ACCOUNT, HOST)
    assert outcome.status == 1
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f'ecr-login: {SECOND_ACCOUNT}: profile "nobody" (from ')
    assert HOST in outcome.stdout
    assert SECOND_ACCOUNT not in outcome.stdout
    assert len(principals(aws)) == 1
    outcome = signed_in.run("login", SECOND_ACCOUNT, HOST, "--output", "docker-config")
    assert (outcome.stdout, outcome.status) == ("", 1)  # a script gets all or nothing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            [],
            (
                "no registry is named, and no region is configured; name a registry, or set "
                "--region or AWS_REGION"
            ),
        ),
        (["--region", "x", "12345678901"], "an account ID has 12 digits, but 12345678901 has 11"),
        (
            ["--region", "x", "1234567890123"],
            "an account ID has 12 digits, but 1234567890123 has 13",
        ),
        (["111111111111"], "no region is configured for account 111111111111"),
        (["--region", "EU", "111111111111"], "'EU' is not a region"),
        (["--output", "github", HOST], "GITHUB_OUTPUT is not set"),
        (["--bogus", HOST], f"unrecognized arguments: --bogus; see: {NAME} login --help"),
        (
            ["ghcr.io"],
            "'ghcr.io' is neither the host of an ECR registry nor an account ID of 12 digits",
        ),
    ],
)
def test_bad_arguments(helper: HelperProcess, arguments: list[str], words: str) -> None:
    """Arguments that make no sense are one line on stderr, and exit code 1."""
    outcome = helper.run("login", *arguments)
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert outcome.stderr.startswith(f"ecr-login: {words}")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_ECR_DISABLE_CACHE": "1"}, "AWS_ECR_DISABLE_CACHE is set: the tokens are not kept"),
        (
            {"AWS_ECR_CACHE_DIR": "/dev/null/x", "XDG_CACHE_HOME": "/dev/null"},
            (
                "/dev/null/x cannot hold the cache: Not a directory; nothing is kept; set "
                "AWS_ECR_CACHE_DIR to a directory of your own, on a local disk"
            ),
        ),
    ],
)
def test_what_cannot_be_kept(signed_in: HelperProcess, changes: dict[str, str], words: str) -> None:
    """If no token can be kept, a line says so, because docker will ask AWS again."""
    outcome = signed_in.run("login", HOST, changes=changes)
    assert HOST in outcome.stdout
    assert (outcome.stderr, outcome.status) == (f"ecr-login: {words}\n", 0)


def test_failures_are_logged(helper: HelperProcess) -> None:
    """What is on stderr is in the log, too."""
    outcome = helper.run("login", HOST)
    assert f"ERROR {HOST}: no AWS credentials found" in helper.log
    assert outcome.status == 1


def test_two_registries_with_one_variable(signed_in: HelperProcess) -> None:
    """Two registries with the same variable are refused, in outputs that have variables."""
    names = ("a-b.example.com", "a.b.example.com")
    signed_in.write_own_config(f'[[registry]]\nmatch = "*.example.com"\nregistry = "{HOST}"\n')
    outcome = signed_in.run("login", *names, "--output", "env")
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert "two registries would have the same variable" in outcome.stderr
    assert signed_in.run("login", *names).status == 0


def test_help(helper: HelperProcess) -> None:
    """--help describes the options."""
    outcome = helper.run("login", "--help")
    assert outcome.status == 0
    assert "--profile" in outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["111111111111", "222222222222", "--region", "us-east-1"],
        ["111111111111,222222222222", "--region=us-east-1"],
        [f"{HOST} {SECOND_ACCOUNT}"],
        [f"{HOST},https://{SECOND_ACCOUNT}/v2/", HOST],
    ],
)
def test_registries_can_be_named_in_many_ways(
    signed_in: HelperProcess, aws: AwsEmulator, arguments: list[str]
) -> None:
    """Hosts and accounts, with spaces or commas between them; one call for a region."""
    outcome = signed_in.run("login", *arguments)
    assert [line.split()[0] for line in outcome.stdout.splitlines()[1:]] == [HOST, SECOND_ACCOUNT]
    assert len(principals(aws)) == 1


def test_accounts_in_several_regions(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """An account means its registry in each region, in any partition, with one call for each."""
    outcome = signed_in.run("login", "111111111111", "--region", "us-east-1,cn-north-1")
    assert [line.split()[0] for line in outcome.stdout.splitlines()[1:]] == [
        HOST,
        "111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn",
    ]
    assert len(principals(aws)) == 2


def test_the_callers_own_registry(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """Without arguments it is the caller's own registry in the configured region, by one call."""
    signed_in.environ["AWS_REGION"] = "eu-west-1"
    outcome = signed_in.run("login")
    assert outcome.stdout.splitlines()[1].split()[0] == OTHER_REGION
    assert signed_in.get(OTHER_REGION).secret
    assert len(principals(aws)) == 1


def test_one_s_own_registry_without_a_cache(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """One's own registry takes one call, which returns its name and its token."""
    signed_in.environ |= {"AWS_REGION": "us-east-1", "AWS_ECR_DISABLE_CACHE": "1"}
    password = signed_in.run("login", "--output", "password").stdout.strip()
    assert aws.accepts(password)
    assert aws.count("GetAuthorizationToken") == 1


def test_the_callers_own_registry_without_credentials(signed_in: HelperProcess) -> None:
    """If the config file says that it is used without credentials, no token is printed."""
    signed_in.environ["AWS_REGION"] = "us-east-1"
    signed_in.write_own_config(f'[[registry]]\nmatch = "{HOST}"\nanonymous = true\n')
    outcome = signed_in.run("login")
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert "configured for use without credentials" in outcome.stderr


def test_public(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """--public adds ECR Public."""
    outcome = signed_in.run("login", "--public")
    assert [line.split()[0] for line in outcome.stdout.splitlines()[1:]] == [PUBLIC]
    assert aws.count("GetAuthorizationToken") == 1


def test_json(signed_in: HelperProcess) -> None:
    """The table as JSON; it holds no password."""
    (entry,) = json.loads(signed_in.run("login", HOST, "--output", "json").stdout)
    assert entry["registry"] == HOST
    assert entry["profile"] is None
    assert datetime.fromisoformat(entry["expiresAt"]) > datetime.now(UTC)
    assert set(entry) == {"registry", "profile", "expiresAt"}


def test_github(signed_in: HelperProcess, tmp_path: Path) -> None:
    """The outputs of amazon-ecr-login are added to $GITHUB_OUTPUT, and passwords masked."""
    file = tmp_path / "output"
    file.write_text("before=1\n")
    signed_in.environ["GITHUB_OUTPUT"] = str(file)
    outcome = signed_in.run("login", HOST, OTHER_REGION, "--output", "github")
    first, second = (signed_in.get(host).secret for host in (HOST, OTHER_REGION))
    assert outcome.stdout == f"::add-mask::{first}\n::add-mask::{second}\n"
    found = re.findall(r"^(\w+)<<(\S+)\n(.*)\n\2$", file.read_text(), re.MULTILINE)
    name = HOST.replace(".", "_").replace("-", "_")
    outputs = {key: value for key, _, value in found}
    assert outputs["registries"] == f"{HOST},{OTHER_REGION}"
    assert "registry" not in outputs
    assert outputs[f"docker_username_{name}"] == "AWS"
    assert outputs[f"docker_password_{name}"] == first
    assert file.read_text().startswith("before=1\n")
    outcome = signed_in.run("login", HOST, "--output", "github", "--no-mask")
    assert outcome.stdout == ""
    assert f"\n{HOST}\n" in file.read_text().partition("registry<<")[2]


@pytest.mark.parametrize("path", ["", "/", "/dev/null/output"])
def test_github_without_a_file(signed_in: HelperProcess, path: str) -> None:
    """If $GITHUB_OUTPUT cannot be written, the line names it, and nothing is printed."""
    signed_in.environ["GITHUB_OUTPUT"] = path
    outcome = signed_in.run("login", HOST, "--output", "github")
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert "GITHUB_OUTPUT" in outcome.stderr
    assert "internal error" not in outcome.stderr


def test_env(signed_in: HelperProcess) -> None:
    """A shell that evaluates it has registry, user name and password."""
    script = signed_in.run("login", HOST, "--output", "env").stdout
    name = HOST.replace(".", "_").replace("-", "_").upper()
    completed = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f'eval "$0"; printf %s "$DOCKER_REGISTRY $DOCKER_PASSWORD_{name}"',
            script,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert completed.stdout == f"{HOST} {signed_in.get().secret}"
    lines = signed_in.run("login", HOST, "--output", "dotenv").stdout
    assert lines == script.replace("export ", "")


def test_docker_config(signed_in: HelperProcess) -> None:
    """``auths`` for each registry, as DOCKER_AUTH_CONFIG and Kaniko take it."""
    outcome = signed_in.run("login", HOST, SECOND_ACCOUNT, "--output", "docker-config")
    auths = json.loads(outcome.stdout)["auths"]
    assert list(auths) == [HOST, SECOND_ACCOUNT]
    assert b64decode(auths[HOST]["auth"]).decode() == f"AWS:{signed_in.get().secret}"


def test_kubernetes(signed_in: HelperProcess) -> None:
    """It prints a Secret for imagePullSecrets, with the name that was given."""
    arguments = ("login", HOST, "--output")
    secret = json.loads(signed_in.run(*arguments, "kubernetes", "--name", "pull").stdout)
    assert (secret["kind"], secret["type"]) == ("Secret", "kubernetes.io/dockerconfigjson")
    assert secret["metadata"] == {"name": "pull"}
    content = b64decode(secret["data"][".dockerconfigjson"]).decode()
    assert content == signed_in.run(*arguments, "docker-config").stdout


def test_password_and_authorization(signed_in: HelperProcess) -> None:
    """It prints only the password, or the value of an HTTP header for curl."""
    secret = signed_in.get().secret
    arguments = ("login", HOST, "--output")
    assert signed_in.run(*arguments, "password").stdout == f"{secret}\n"
    scheme, _, basic = signed_in.run(*arguments, "authorization").stdout.strip().partition(" ")
    assert (scheme, b64decode(basic).decode()) == ("Basic", f"AWS:{secret}")
    outcome = signed_in.run("login", HOST, OTHER_REGION, "--output", "password")
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert "these registries have several" in outcome.stderr


def test_no_password_on_a_terminal(signed_in: HelperProcess) -> None:
    """An output with passwords is not printed to a terminal without --show-secrets."""
    terminal, program = os.openpty()
    arguments = [str(signed_in.executable), "login", HOST, "--output", "password"]
    for more, status in (([], 1), (["--show-secrets"], 0)):
        completed = subprocess.run(
            [*arguments, *more],
            env=signed_in.environment(),
            stdout=program,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        assert completed.returncode == status
        assert ("this is a terminal" in completed.stderr) == bool(status)
    assert os.read(terminal, 10_000).decode().strip() == signed_in.get().secret
    os.close(program)
    os.close(terminal)


def test_an_old_token_is_replaced(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """A token past its refresh time is replaced first, so that it is valid for a while."""
    old = signed_in.get().secret
    cache = cache_of(signed_in)
    request = asked()
    entry = cache.token(request)
    assert entry
    cache.store_token(request, Entry(old, entry.expires_at, int(time.time()) - 1))
    secret = signed_in.run("login", HOST, "--output", "password").stdout.strip()
    assert secret != old
    assert aws.accepts(secret)


def test_login_through_a_proxy_on_an_instance(aws: AwsEmulator, helper: HelperProcess) -> None:
    """``--proxy`` is only for AWS; the instance's metadata service is asked without it."""
    instance = aws.set_instance_role()
    with aws_under_its_own_names(aws, helper, "api.ecr.us-east-1.amazonaws.com") as proxy:
        del helper.environ["HTTPS_PROXY"]
        helper.environ |= {
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url,
        }
        assert helper.run("login", HOST, "--proxy", proxy.url).status == 0
    assert proxy.hosts == ["api.ecr.us-east-1.amazonaws.com:443"]
    assert principals(aws) == [instance.arn]
