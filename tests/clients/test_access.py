"""A registry refuses what the session policy of the role does not allow."""

from tests.clients.machine import IMAGE, Client
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, SECOND_ACCOUNT

ROLE = "arn:aws:iam::111111111111:role/everything"
ALL_TO_PULL_FROM = 'match = "*"\naccess = "pull"'
OURS, OTHERS = f"{HOST}/team/app:2", f"{HOST}/team/other:2"


def restrict(client: Client, aws: AwsEmulator, *tables: str) -> None:
    """Have the role that may do everything assumed, with settings for the registries."""
    aws.add_role(arn=ROLE)
    client.person.configure(
        "".join(f'[[registry]]\nrole_arn = "{ROLE}"\n{table}\n' for table in tables)
    )


def test_without_access(client: Client, guarded_registry: Registry, aws: AwsEmulator) -> None:
    """A role that may do everything pushes: nothing but the session policy is in the way below."""
    restrict(client, aws, 'match = "*"')
    assert client.push(OTHERS).succeeded
    assert guarded_registry.pushed(OTHERS)


def test_pull(client: Client, guarded_registry: Registry, aws: AwsEmulator) -> None:
    """With access to pull, images are pulled, and the registry refuses a push."""
    restrict(client, aws, ALL_TO_PULL_FROM)
    for image in (IMAGE, IMAGE.replace(HOST, SECOND_ACCOUNT)):
        assert client.pull(image).succeeded
        assert guarded_registry.pulled(image)
    refused = client.push(OURS)
    assert not refused.succeeded
    assert "denied" in refused.stderr.lower() or "403" in refused.stderr
    assert not guarded_registry.pushed(OURS)


def test_push_for_one_repository(
    client: Client, guarded_registry: Registry, aws: AwsEmulator
) -> None:
    """With access to push to one repository, it is pushed to, and no other is, nor elsewhere."""
    ours = f'match = "{HOST}"\naccess = "push"\nrepositories = ["team/app"]'
    restrict(client, aws, ours, ALL_TO_PULL_FROM)
    for image in (IMAGE, IMAGE.replace(HOST, SECOND_ACCOUNT)):
        assert client.pull(image).succeeded
    assert client.push(OURS).succeeded
    assert guarded_registry.pushed(OURS)
    for image in (OTHERS, OURS.replace(HOST, SECOND_ACCOUNT)):
        refused = client.push(image)
        assert not refused.succeeded
        assert "denied" in refused.stderr.lower() or "403" in refused.stderr
        assert not guarded_registry.pushed(image)
