"""The config file: whose credentials for which registry, through the executable."""

import pytest

from tests.credential_sources import keys
from tests.emulator import AwsEmulator
from tests.helper_process import (
    HOST,
    PUBLIC,
    SECOND_ACCOUNT,
    HelperProcess,
)

ONE = "arn:aws:iam::111111111111:user/one"
TWO = "arn:aws:iam::222222222222:user/two"
DEV = "arn:aws:iam::111111111111:user/dev"
OWN = "images.example.com"
HUB = "https://index.docker.io/v1/"


@pytest.fixture
def two_profiles(signed_in: HelperProcess, aws: AwsEmulator) -> HelperProcess:
    """The executable with keys in the environment, and profiles of two other users."""
    one, two = aws.add_user(arn=ONE), aws.add_user(arn=TWO)
    signed_in.write_credentials(f"[one]\n{keys(one)}[two]\n{keys(two)}")
    return signed_in


def principals(aws: AwsEmulator) -> list[str | None]:
    """Who asked for tokens, in the order of their calls."""
    return [call.principal for call in aws.calls if call.operation == "GetAuthorizationToken"]


class TestProfile:
    """A profile for a registry."""

    def test_each_registry_has_its_own(self, two_profiles: HelperProcess, aws: AwsEmulator) -> None:
        """It wins over AWS_PROFILE and over keys, and tokens of two profiles are kept apart."""
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
