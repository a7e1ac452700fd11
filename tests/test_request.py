"""What is asked under settings of the config file, and whose token answers it."""

from docker_credential_ecr_login.request import Request, Settings
from docker_credential_ecr_login.resolve import under
from tests.tokens import asked

ACCOUNT = "123456789012"
HOST = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com"
SETTINGS = {
    "profile": "prod",
    "role_arn": "arn:aws:iam::{registry_id}:role/{region}",
    "config_file": "config.toml",
}


def configured(name: str, settings: dict[str, str]) -> Request:
    """The request for a name to which settings apply."""
    return under(Settings(settings), asked(name))


def test_what_settings_make_of_a_name() -> None:
    """Settings make a name mean a registry of another region and principal, by its own name."""
    own = configured("images.example.com", {**SETTINGS, "registry": HOST, "region": "cn-north-1"})
    assert (own.host, own.ecr.registry_id) == ("images.example.com", ACCOUNT)
    assert (own.ecr.region, own.ecr.partition) == ("cn-north-1", "aws-cn")
    assert own.role_arn == f"arn:aws:iam::{ACCOUNT}:role/cn-north-1"
    assert own.signer == f"profile=prod\nrole_arn={own.role_arn}"
    assert own.scope.startswith("aws-cn.cn-north-1.ecr.")
    assert configured("images.example.com", SETTINGS).registry is None


def test_which_repositories_a_session_may_use() -> None:
    """They have the registry's account and region, or for ECR Public the role's account."""
    china = f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn"
    settings = {**SETTINGS, "access": "push", "repositories": "team/* base"}
    start = f"arn:aws:ecr:eu-central-1:{ACCOUNT}:repository/"
    for asked_in in ({}, {"region": "eu-west-1"}):
        assert configured(HOST, settings | asked_in).resources == [f"{start}team/*", f"{start}base"]
    assert configured("images.example.com", settings | {"registry": china}).resources[1] == (
        f"arn:aws-cn:ecr:cn-north-1:{ACCOUNT}:repository/base"
    )
    public = settings | {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/push"}
    assert configured("public.ecr.aws", public).resources[1] == (
        f"arn:aws:ecr-public::{ACCOUNT}:repository/base"
    )
    assert configured(HOST, {**SETTINGS, "access": "push"}).resources == ["*"]


def test_access_is_never_shared() -> None:
    """Each access to some of an account's repositories has its own token; access to all has one."""
    role, other = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/r"}, f"2{HOST[1:]}"
    accesses = [{}, {"access": "pull"}, {"access": "push"}]
    named = [{"access": each, "repositories": name} for each in ("pull", "push") for name in "ab"]
    scopes = [configured(HOST, role | each).scope for each in (*accesses, *named)]
    others = [configured(other, role | each).scope for each in (*accesses, *named)]
    assert len(set(scopes)) == 7
    assert scopes[:3] == others[:3]
    assert set(scopes[3:]).isdisjoint(others[3:])


def test_whose_token_opens_what() -> None:
    """A request with settings has its own token; all others of an endpoint share one."""
    plain, other = asked(HOST), configured(HOST, {**SETTINGS, "profile": "dev"})
    one, another = configured(HOST, SETTINGS), configured(HOST, dict(SETTINGS))
    assert one.scope == another.scope
    assert len({plain.scope, one.scope, other.scope}) == 3
    assert plain.scope == plain.ecr.endpoint == one.ecr.endpoint == "aws.eu-central-1.ecr"
    assert (plain.role_arn, plain.signer, plain.is_anonymous) == ("", "", False)
    public = configured("public.ecr.aws", {"region": "eu-west-1", "anonymous": "true"})
    assert (public.ecr.region, public.is_anonymous, public.ecr.is_public) == (
        "us-east-1",
        True,
        True,
    )
