"""Somebody signs in and out, most of all on a machine without AWS credentials."""

from tests.clients.machine import IMAGE, Client
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST


def test_login_with_another_user_name(
    strangers_client: Client, registry: Registry, aws: AwsEmulator
) -> None:
    """Only the user AWS can sign in: another is refused in words that say so."""
    client = strangers_client
    client.person.use_credential_helpers(["ecr-login"])
    registry.admit({"bob": aws.password})
    outcome = client.login(HOST, aws.password, user="bob")
    assert not outcome.succeeded
    assert "the user name must be AWS" in outcome.stderr
    assert not client.pull(IMAGE).succeeded


def test_login_with_an_expired_password(
    strangers_client: Client, registry: Registry, aws: AwsEmulator
) -> None:
    """A password whose twelve hours are over is refused in words that say so."""
    client = strangers_client
    client.person.use_credential_helpers(["ecr-login"])
    aws.token_lifetime = 0
    aws.rotate_password()
    registry.admit({"AWS": aws.password})
    outcome = client.login(HOST, aws.password)
    assert not outcome.succeeded
    assert "the token has expired" in outcome.stderr


def test_login_without_a_password(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """Somebody with AWS credentials need not give a password: the helper's answer is good."""
    client.person.use_credential_helpers(["ecr-login"])
    assert client.run("login", HOST).succeeded
    assert any(request.signed_in for request in registry.requests)
    assert client.pull(IMAGE).succeeded
    assert aws.count("GetAuthorizationToken") == 1


def test_logout_without_login(strangers_client: Client) -> None:
    """There is nothing to sign out from, which is no error."""
    strangers_client.person.use_credential_helpers(["ecr-login"])
    assert strangers_client.logout(HOST).succeeded
