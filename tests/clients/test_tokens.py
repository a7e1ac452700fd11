"""How long a token serves, where it comes from, and how often AWS is asked."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.machine import IMAGE, Client, Person
from tests.clients.servers import Registry
from tests.emulator import AwsEmulator
from tests.helper_process import HOST

AT_ONCE = 10


def test_many_at_once(client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """Ten clients that start together with a cold cache all succeed, with one call to AWS."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(client.pull, [IMAGE] * AT_ONCE))
    assert all(outcome.succeeded for outcome in outcomes)
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


def test_instance_role(strangers_client: Client, registry: Registry, aws: AwsEmulator) -> None:
    """On an EC2 instance with a role, pulls need no configuration of AWS."""
    aws.listen("169.254.169.254", 80)
    aws.set_instance_role()
    del strangers_client.person.environ["AWS_EC2_METADATA_DISABLED"]
    assert strangers_client.pull(IMAGE).succeeded
    assert registry.pulled(IMAGE)
    assert aws.count("GetAuthorizationToken") == 1


@pytest.mark.parametrize(
    ("host", "fips", "dual_stack"),
    [
        ("111111111111.dkr.ecr-fips.us-east-1.amazonaws.com", True, False),
        ("111111111111.dkr-ecr.us-east-1.on.aws", False, True),
        ("111111111111.dkr-ecr-fips.us-east-1.on.aws", True, True),
    ],
)
def test_endpoint(
    person: Person, registry: Registry, aws: AwsEmulator, host: str, fips: bool, dual_stack: bool
) -> None:
    """The token of a FIPS or dual-stack registry comes from an endpoint of that kind."""
    image = IMAGE.replace(HOST, host)
    person.use_helper("credential-helpers")
    assert person.run("skopeo", "inspect", f"docker://{image}").succeeded
    assert registry.pulled(image)
    [call] = aws.calls  # the host's first label is botocore's choice, and has changed
    assert ("ecr-fips." in call.host, call.host.endswith(".api.aws")) == (fips, dual_stack)
