"""Each client does all that it can: the columns of the table of clients, see `table`."""

from tests.clients.machine import COMPARED, HELPER, Client
from tests.clients.servers import Registry
from tests.clients.table import column, in_each_way
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, PUBLIC, SECOND_ACCOUNT

TOKEN = "ecr:GetAuthorizationToken"
PUBLIC_TOKEN = "ecr-public:GetAuthorizationToken"
ROLE = "sts:AssumeRole"


def asked(aws: AwsEmulator, client: Client) -> list[str]:
    """What AWS was asked for; others than this helper may ask for the same more than once."""
    operations = [f"{call.service}:{call.operation}" for call in aws.calls]
    alone = client.asks_alone and not COMPARED
    return operations if alone else list(dict.fromkeys(operations))


def pulls(client: Client, registry: Registry, host: str = HOST) -> bool:
    """Say whether the image at a host is pulled, with a password; it does not stay here."""
    image = f"{host}/{client.pulls}"
    if not client.pull(image).succeeded:
        return False
    client.forget(image)
    return registry.pulled(image)


@in_each_way
@column("{way}")
def test_push_and_pull(each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """What was pushed is pulled again, if a client can push, with one token from AWS."""
    each_client.person.environ["AWS_REGION"] = "us-east-1"  # some ask only for what is listed
    image = f"{HOST}/{each_client.pulls}"
    if "push" in each_client.can:
        image = f"{HOST}/team/pushed:2.0.0"
        assert each_client.push(image).succeeded
        each_client.forget(image)
        assert registry.pushed(image)
    assert each_client.pull(image).succeeded
    assert registry.pulled(image)
    assert asked(aws, each_client).count(TOKEN) == 1


@column("role")
def test_assumed_role(strangers_each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """With a role in the profile too, the second pull asks AWS for nothing at all."""
    role, person = aws.add_role(), strangers_each_client.person
    person.keep_keys(default=aws.add_user())
    person.write(
        ".aws/config",
        f"[profile pull]\nrole_arn = {role.arn}\nsource_profile = default\nregion = us-east-1\n",
    )
    person.environ["AWS_PROFILE"] = "pull"
    assert pulls(strangers_each_client, registry)
    assert pulls(strangers_each_client, registry)
    assert asked(aws, strangers_each_client) == [ROLE, TOKEN]
    assert ":assumed-role/pull/" in str(aws.calls[-1].principal)


@column("2nd account")
def test_second_account(each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """A token serves the registries of other accounts in its region, without another call."""
    assert pulls(each_client, registry)
    assert pulls(each_client, registry, SECOND_ACCOUNT)
    assert asked(aws, each_client) == [TOKEN]


@column("Public")
def test_public(each_client: Client, public_registry: Registry, aws: AwsEmulator) -> None:
    """ECR Public is pulled from with a token, which comes from us-east-1 whatever the region."""
    each_client.person.environ["AWS_REGION"] = "eu-west-1"
    public_registry.admit({"AWS": aws.password})
    with public_registry.serving():
        assert pulls(each_client, public_registry, PUBLIC)
    assert asked(aws, each_client) == [PUBLIC_TOKEN]
    assert {call.region for call in aws.calls} == {"us-east-1"}


@column("login", takes="login")
def test_login(strangers_each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """On a machine without AWS credentials, the password of a login serves."""
    client = strangers_each_client
    client.person.use_credential_helpers(["ecr-login"])
    assert client.login(HOST, aws.password).succeeded
    assert pulls(client, registry)
    assert asked(aws, strangers_each_client) == []


@column("logout", takes="logout")
def test_logout(strangers_each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """The password of a login serves until the logout."""
    client = strangers_each_client
    client.person.use_credential_helpers(["ecr-login"])
    assert client.login(HOST, aws.password).succeeded
    assert client.logout(HOST).succeeded
    assert not pulls(client, registry)
    assert asked(aws, strangers_each_client) == []


@column("rotated")
def test_a_token_that_is_refused(each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """When a registry refuses the cached token, a logout makes the next pull fetch another."""
    assert pulls(each_client, registry)
    aws.rotate_password()
    registry.admit({"AWS": aws.password})
    assert not pulls(each_client, registry)
    if each_client.erases:
        assert each_client.logout(HOST).succeeded
    else:
        assert each_client.person.run(str(HELPER), "erase", stdin=HOST).succeeded
    assert pulls(each_client, registry)
    assert aws.count("GetAuthorizationToken") == 2


@column("reason")
def test_refusal(each_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """A failed pull shows, in one line, which permission is missing."""
    each_client.person.environ |= aws.add_user(deny=["ecr:GetAuthorizationToken"]).environ
    outcome = each_client.pull(f"{HOST}/{each_client.pulls}")
    assert not outcome.succeeded
    shown = {line for line in outcome.shown if "ecr:GetAuthorizationToken" in line}
    assert len(shown) == 1
    assert asked(aws, each_client) == [TOKEN]
    assert not any(request.signed_in for request in registry.requests)
