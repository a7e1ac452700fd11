"""Tokens that are restricted to an access, by a session policy for the role."""

import json
import re
from urllib.parse import parse_qs

import pytest

from docker_credential_ecr_login.aws.session_policy import session_policy
from docker_credential_ecr_login.errors import BadConfiguration
from docker_credential_ecr_login.request import Settings
from docker_credential_ecr_login.resolve import under
from tests.credential_sources import DEV
from tests.documents import CONFIG, blocks, section
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, PUBLIC, SECOND_ACCOUNT, HelperProcess, told
from tests.tokens import asked, principals

ROLE = "arn:aws:iam::111111111111:role/build"
PLACE = ".config/ecr-login/config.toml"
REPOSITORY = "arn:aws:ecr:us-east-1:111111111111:repository/"
TABLE = f'[[registry]]\nmatch = "*"\nrole_arn = "{ROLE}"\n'


@pytest.fixture
def builder(signed_in: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable in the hands of a user who can assume a role."""
    aws.add_role(arn=ROLE, trusted=[DEV])
    return signed_in


def restrict(helper: HelperProcess, access: str, repositories: str = "") -> None:
    """Set the access of the role in the config file."""
    named = f"repositories = {json.dumps(repositories.split())}\n" if repositories else ""
    helper.write_own_config(f'{TABLE}access = "{access}"\n{named}')


def may(aws: AwsEmulator, secret: str, name: str = "team/app") -> set[str]:
    """Return whether a token allows pulls and pushes in a repository of the first account."""
    first = {"pull": "BatchGetImage", "push": "PutImage"}
    return {
        access
        for access, action in first.items()
        if not aws.denial(secret, f"ecr:{action}", REPOSITORY + name)
    }


def assumed(aws: AwsEmulator) -> list[str | None]:
    """Return the session policies of the calls of AssumeRole."""
    bodies = [parse_qs(call.body.decode()) for call in aws.calls if call.operation == "AssumeRole"]
    return [body.get("Policy", [None])[0] for body in bodies]


def permissions() -> list[str]:
    """Return the actions that "Permissions" in docs/config.md names before all that is "beyond"."""
    text = section(CONFIG, "Permissions").partition("\nBeyond these")[0]
    return re.findall(r"\b(?:ecr|ecr-public|sts):\w+", text)


@pytest.mark.parametrize(("host", "access"), [(HOST, "pull"), (HOST, "push"), (PUBLIC, "push")])
def test_a_policy_allows_what_is_documented(host: str, access: str) -> None:
    """It allows getting a token, and pulls, or pulls and pushes, as docs/config.md lists them."""
    settings = Settings({"role_arn": ROLE, "access": access, "repositories": "team/*"})
    policy = json.loads(session_policy(under(settings, asked(host))))
    assert {each["Effect"] for each in policy["Statement"]} == {"Allow"}
    token, use = policy["Statement"]
    named = permissions()
    if host == PUBLIC:
        assert token["Action"] == [each for each in named if not each.startswith("ecr:")]
        assert use["Resource"] == ["arn:aws:ecr-public::111111111111:repository/team/*"]
        assert [each.replace("ecr-public:", "ecr:") for each in use["Action"]] == named[-7:-2]
        return
    assert (token["Action"], token["Resource"]) == (["ecr:GetAuthorizationToken"], ["*"])
    assert use["Resource"] == [f"{REPOSITORY}team/*"]
    of_private = [each for each in named if each.startswith("ecr:")]
    assert of_private[0] == "ecr:GetAuthorizationToken"
    assert use["Action"] == of_private[1 : 4 if access == "pull" else None]


def test_a_pull_from_ecr_public_needs_nothing_but_the_token() -> None:
    """Everybody may pull from there, so the policy has only the statement for the token."""
    settings = Settings({"role_arn": ROLE, "access": "pull", "repositories": "team/*"})
    (statement,) = json.loads(session_policy(under(settings, asked(PUBLIC))))["Statement"]
    assert statement["Action"] == ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"]


def test_a_policy_that_is_too_long() -> None:
    """AWS accepts 2,048 characters; a longer policy is not sent."""
    for count, is_taken in ((20, True), (60, False)):
        names = " ".join(f"team/app-{number}" for number in range(count))
        values = {"role_arn": ROLE, "access": "pull", "repositories": names, "config_file": "c"}
        request = under(Settings(values), asked(HOST))
        if is_taken:
            assert len(session_policy(request)) <= 2048
            continue
        with pytest.raises(BadConfiguration) as raised:
            session_policy(request)
        assert re.fullmatch(
            r"c: the session policy for repositories has \d{4} characters, but AWS allows 2048; "
            r"name fewer repositories, or several at once with \*",
            str(raised.value),
        )


def test_each_access_has_its_own_tokens_and_sessions(
    builder: HelperProcess, aws: AwsEmulator
) -> None:
    """A token has the access that the config file sets now, and no session is used for another."""
    found = []
    cases = [("pull", ""), ("push", ""), ("push", "team/*"), ("push", "base")]
    builder.write_own_config(TABLE)
    found.append(may(aws, builder.get().secret))
    for access, repositories in cases:
        restrict(builder, access, repositories)
        found.append(may(aws, builder.get().secret))
        assert may(aws, builder.get().secret) == found[-1]
    both = {"pull", "push"}
    assert found == [both, {"pull"}, both, both, set()]
    policies = assumed(aws)
    assert policies[0] is None
    assert len(set(policies)) == len(policies) == 5
    assert len(list((builder.home / ".aws/cli/cache").iterdir())) == 5
    assert len(principals(aws)) == 5


def test_repositories_are_those_of_the_account(builder: HelperProcess, aws: AwsEmulator) -> None:
    """Accounts share a token for all their repositories, but not a token for some of them."""
    restrict(builder, "pull")
    assert builder.get(HOST).secret == builder.get(SECOND_ACCOUNT).secret
    restrict(builder, "pull", "team/*")
    assert may(aws, builder.get(HOST).secret) == {"pull"}
    assert may(aws, builder.get(HOST).secret, "other/app") == set()
    assert may(aws, builder.get(SECOND_ACCOUNT).secret) == set()
    assert builder.list().hosts == sorted([HOST, SECOND_ACCOUNT])


def test_ecr_public(builder: HelperProcess, aws: AwsEmulator) -> None:
    """The session may ask for a token of ECR Public."""
    restrict(builder, "push", "app")
    assert aws.accepts(builder.get(PUBLIC).secret)


def test_what_is_too_long_is_said_without_asking(builder: HelperProcess, aws: AwsEmulator) -> None:
    """A list that makes no policy is a failure that names the config file."""
    restrict(builder, "pull", " ".join(f"team/app-{number}" for number in range(60)))
    line = told(builder.get().stderr)
    assert line.startswith(f"{builder.home / PLACE}: the session policy for repositories has ")
    assert aws.calls == []


def test_login_with_access(builder: HelperProcess, aws: AwsEmulator) -> None:
    """It prints a token with that access, and docker still gets the token of the config file."""
    builder.write_own_config(TABLE)
    usual = builder.get().secret
    for access, expected in (("pull", {"pull"}), ("push", {"pull", "push"})):
        outcome = builder.run("login", HOST, "--access", access, "--output", "password")
        assert (outcome.stderr, outcome.status) == ("", 0)
        assert may(aws, outcome.stdout.strip()) == expected
        assert outcome.stdout.strip() != usual
    assert builder.get().secret == usual


def test_login_narrows_and_never_widens(builder: HelperProcess, aws: AwsEmulator) -> None:
    """If the config file says push, login can restrict it to pull, but not the other way round."""
    restrict(builder, "push", "team/*")
    outcome = builder.run("login", HOST, "--access", "pull", "--output", "password")
    assert may(aws, outcome.stdout.strip()) == {"pull"}
    assert may(aws, outcome.stdout.strip(), "base") == set()
    restrict(builder, "pull")
    outcome = builder.run("login", HOST, "--access", "push")
    assert (outcome.stdout, outcome.status) == ("", 1)
    assert outcome.stderr == (
        f"ecr-login: {HOST}: {builder.home / PLACE} sets its access to pull; leave out --access, "
        "or change it there\n"
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            [HOST],
            (
                f"{HOST}: --access restricts a role from config.toml, which has none for this "
                f"registry; add one: docker-credential-ecr-login configure {HOST} --role-arn ..."
            ),
        ),
        ([], "--access needs a registry with a role; name the registry"),
    ],
)
def test_login_with_access_needs_a_role(
    signed_in: HelperProcess, aws: AwsEmulator, arguments: list[str], line: str
) -> None:
    """Without a role to restrict there is no token, and AWS is not asked for one."""
    signed_in.environ["AWS_REGION"] = "us-east-1"
    outcome = signed_in.run("login", *arguments, "--access", "pull")
    assert (outcome.stdout, outcome.stderr, outcome.status) == ("", f"ecr-login: {line}\n", 1)
    assert aws.calls == []


def test_a_login_is_not_used(builder: HelperProcess, aws: AwsEmulator) -> None:
    """With restricted access, an earlier docker login is not answered, and a new one is refused."""
    builder.write_own_config(TABLE)
    everything = builder.run("login", HOST, "--output", "password").stdout.strip()
    builder.write_own_config("")
    assert builder.store(HOST, everything).status == 0
    assert builder.get().secret == everything
    restrict(builder, "pull")
    secret = builder.get().secret
    assert may(aws, secret) == {"pull"}
    assert builder.store(HOST, secret).status == 0  # by docker login, without a password
    outcome = builder.store(HOST, everything)
    assert outcome.status == 1
    assert outcome.stdout == (
        f"{HOST}: {builder.home / PLACE} restricts access to pull, which a login might exceed; "
        "leave out docker login: docker gets restricted tokens by itself\n"
    )
    builder.write_own_config(TABLE)
    assert builder.get().secret == everything


def test_configure_and_doctor(builder: HelperProcess, aws: AwsEmulator) -> None:
    """``configure`` writes the access into the config file, and ``doctor`` shows it."""
    assert builder.run("configure", HOST, "--role-arn", ROLE, "--access", "pull").status == 0
    assert (
        (builder.home / PLACE)
        .read_text()
        .endswith(f'match = "{HOST}"\nrole_arn = "{ROLE}"\naccess = "pull"\n')
    )
    assert may(aws, builder.get().secret) == {"pull"}
    shown = builder.run("doctor", HOST, "--no-network").stdout
    assert f"{PLACE} is valid, and its table 1 applies to {HOST}, with access to pull only" in shown
    assert builder.run("configure", HOST, "--remove").status == 0
    assert (builder.home / PLACE).read_text() == ""
    outcome = builder.run("configure", HOST, "--access", "pull")
    assert outcome.stderr == (
        "ecr-login: --access restricts a role, and none is given; add --role-arn\n"
    )


def test_the_example(signed_in: HelperProcess, aws: AwsEmulator) -> None:
    """The example in docs/config.md allows pushes to one repository, and pulls from all others."""
    text = section(CONFIG, "A token that can only pull")
    (config,) = blocks(text, "toml")
    (command,) = (
        block.removeprefix("docker-credential-ecr-login ") for block in blocks(text, "sh")
    )
    signed_in.write_own_config(config)
    aws.add_role(arn="arn:aws:iam::123456789012:role/ci")
    registry = "123456789012.dkr.ecr.{}.amazonaws.com"
    secrets = [signed_in.get(registry.format(each)).secret for each in ("us-east-1", "eu-west-1")]
    secrets.append(signed_in.run(*command.split()).stdout.strip())
    own = "arn:aws:ecr:us-east-1:123456789012:repository/team/app"
    actions = {"pull": "ecr:GetDownloadUrlForLayer", "push": "ecr:InitiateLayerUpload"}
    assert [
        [access for access, action in actions.items() if not aws.denial(secret, action, resource)]
        for secret in secrets
        for resource in (own, f"{own}2")
    ] == [["pull", "push"], [], ["pull"], ["pull"], ["pull"], []]
