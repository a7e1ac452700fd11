"""What a person sees when there is no token."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.machine import IMAGE, Client, Docker, Person
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, PUBLIC

PUBLIC_IMAGE = IMAGE.replace(HOST, PUBLIC)


def test_many_refused_at_once(person: Person, registry: Registry, aws: AwsEmulator) -> None:
    """Ten clients that start together and are refused make one call to AWS."""
    person.use_helper("credential-helpers")
    person.environ |= aws.add_user(deny=["ecr:GetAuthorizationToken"]).environ
    with ThreadPoolExecutor(10) as pool:
        outcomes = list(
            pool.map(lambda _: person.run("skopeo", "inspect", f"docker://{IMAGE}"), range(10))
        )
    assert not any(outcome.succeeded for outcome in outcomes)
    assert all("ecr:GetAuthorizationToken" in outcome.stderr for outcome in outcomes)
    assert aws.count("GetAuthorizationToken") == 1
    assert not any(request.signed_in for request in registry.requests)


def test_strict(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """With AWS_ECR_STRICT, clients that stop at a helper's error give it as their own."""
    client.person.environ |= aws.add_user(deny=["ecr:GetAuthorizationToken"]).environ
    client.person.environ["AWS_ECR_STRICT"] = "true"
    outcome = client.pull(IMAGE)
    assert not outcome.succeeded
    assert len(set(outcome.remarks)) == 1
    if not isinstance(client, Docker):  # which does so from 29.5 on
        assert "ecr:GetAuthorizationToken" in outcome.own_words
    assert aws.count("GetAuthorizationToken") == 1
    assert not any(request.signed_in for request in registry.requests)


def test_no_credentials(strangers_client: Client, registry: Registry) -> None:
    """A failed pull says that there are no AWS credentials, and what to do."""
    outcome = strangers_client.pull(IMAGE)
    assert not outcome.succeeded
    [remark] = set(outcome.remarks)
    assert "no AWS credentials found" in remark
    assert not any(request.signed_in for request in registry.requests)


@pytest.mark.parametrize("strict", ["", "true"])
def test_public_without_credentials(
    strangers_client: Client, public_registry: Registry, strict: str
) -> None:
    """Without AWS credentials, ECR Public is pulled from anonymously."""
    strangers_client.person.environ["AWS_ECR_STRICT"] = strict
    with public_registry.serving():
        assert strangers_client.pull(PUBLIC_IMAGE).succeeded
        assert public_registry.pulled(PUBLIC_IMAGE, signed_in=False)


def test_public_when_aws_refuses(
    client: Client, public_registry: Registry, aws: AwsEmulator
) -> None:
    """When AWS gives no token, ECR Public is pulled from anonymously."""
    client.person.environ |= aws.add_user(deny=["ecr-public:GetAuthorizationToken"]).environ
    with public_registry.serving():
        assert client.pull(PUBLIC_IMAGE).succeeded
        assert public_registry.pulled(PUBLIC_IMAGE, signed_in=False)
    assert aws.count("GetAuthorizationToken") == 1
