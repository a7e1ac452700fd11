"""Which endpoint authorises for a registry, through the executable.

AWS's own names are reached through a proxy that leads to the emulator, which
checks that the signature is for the service and the region of the name.
"""

import pytest

from tests.connect_proxy import NOBODY, ConnectProxy, aws_under_its_own_names
from tests.emulator import AwsEmulator
from tests.helper_process import HOST, PUBLIC, HelperProcess

ACCOUNT = "111111111111"
FIPS_HOST = f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com"
DUAL_STACK_HOST = f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws"
API = "api.ecr.us-east-1.amazonaws.com"
FIPS_API = "ecr-fips.us-east-1.amazonaws.com"
DUAL_STACK_API = "ecr.us-east-1.api.aws"
FIPS_DUAL_STACK_API = "ecr-fips.us-east-1.api.aws"


def names_of_aws(aws: AwsEmulator, helper: HelperProcess, *names: str) -> ConnectProxy:
    """Let the helper reach the emulator by these names of AWS."""
    return aws_under_its_own_names(aws, helper, *names, *map(_other_name, names))


def called(proxy: ConnectProxy) -> list[str]:
    """Return the API hosts that were called, in their order."""
    assert all(host.endswith(":443") for host in proxy.hosts), proxy.hosts
    return [
        _other_name(host) if host.startswith("api.ecr-fips.") else host
        for host in (host.removesuffix(":443") for host in proxy.hosts)
    ]


def _other_name(host: str) -> str:
    """Return the other name of a FIPS endpoint: botocore went from the second to the first."""
    return host.removeprefix("api.") if host.startswith("api.ecr-fips.") else f"api.{host}"


# Registry -> API host. AWS General Reference, "Amazon ECR endpoints and quotas".
ENDPOINTS = {
    HOST: API,
    FIPS_HOST: FIPS_API,
    DUAL_STACK_HOST: DUAL_STACK_API,
    f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws": FIPS_DUAL_STACK_API,
    f"{ACCOUNT}.dkr.ecr.ap-future-9.amazonaws.com": "api.ecr.ap-future-9.amazonaws.com",
    f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com": "api.ecr.us-gov-west-1.amazonaws.com",
    f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com": "ecr-fips.us-gov-west-1.amazonaws.com",
    f"{ACCOUNT}.dkr-ecr.us-gov-west-1.on.aws": "ecr.us-gov-west-1.api.aws",
    f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn": "api.ecr.cn-north-1.amazonaws.com.cn",
    f"{ACCOUNT}.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn": (
        "ecr.cn-north-1.api.amazonwebservices.com.cn"
    ),
    f"{ACCOUNT}.dkr.ecr.eusc-de-east-1.amazonaws.eu": "api.ecr.eusc-de-east-1.amazonaws.eu",
    f"{ACCOUNT}.dkr.ecr.us-iso-east-1.c2s.ic.gov": "api.ecr.us-iso-east-1.c2s.ic.gov",
    f"{ACCOUNT}.dkr.ecr.us-isob-east-1.sc2s.sgov.gov": "api.ecr.us-isob-east-1.sc2s.sgov.gov",
    f"{ACCOUNT}.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk": "api.ecr.eu-isoe-west-1.cloud.adc-e.uk",
    f"{ACCOUNT}.dkr.ecr.us-isof-south-1.csp.hci.ic.gov": "api.ecr.us-isof-south-1.csp.hci.ic.gov",
    PUBLIC: "api.ecr-public.us-east-1.amazonaws.com",
    "ecr-public.aws.com": "ecr-public.us-east-1.api.aws",
}


@pytest.mark.parametrize(("host", "api_host"), ENDPOINTS.items(), ids=ENDPOINTS.keys())
def test_endpoint_follows_from_the_host(
    host: str, api_host: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """The host of the registry alone decides which endpoint is asked, and that one accepts."""
    with names_of_aws(aws, signed_in, api_host) as proxy:
        outcome = signed_in.get(host)
    assert called(proxy) == [api_host], outcome
    assert aws.issued(outcome.secret)


@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1"])
@pytest.mark.parametrize(("host", "api_host"), [(HOST, API), (PUBLIC, ENDPOINTS[PUBLIC])])
def test_configured_region_does_not_matter(
    host: str, api_host: str, region: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """AWS_REGION and similar variables never change the region in a registry's name."""
    signed_in.write_config(f"[default]\nregion = {region}\n")
    with names_of_aws(aws, signed_in, api_host) as proxy:
        assert signed_in.get(host, AWS_REGION=region, AWS_DEFAULT_REGION=region).secret
    assert called(proxy) == [api_host]


@pytest.mark.parametrize(
    ("host", "changes", "api_host"),
    [
        (HOST, {"AWS_USE_FIPS_ENDPOINT": "true"}, FIPS_API),
        (HOST, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, DUAL_STACK_API),
        (
            HOST,
            {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
            FIPS_DUAL_STACK_API,
        ),
        (HOST, {"AWS_USE_FIPS_ENDPOINT": "false"}, API),
        (FIPS_HOST, {"AWS_USE_FIPS_ENDPOINT": "false"}, FIPS_API),
        (FIPS_HOST, {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, FIPS_DUAL_STACK_API),
        (DUAL_STACK_HOST, {"AWS_USE_DUALSTACK_ENDPOINT": "false"}, DUAL_STACK_API),
        (DUAL_STACK_HOST, {"AWS_USE_FIPS_ENDPOINT": "true"}, FIPS_DUAL_STACK_API),
    ],
    ids=[
        "fips",
        "dual_stack",
        "both",
        "no_fips",
        "fips_host_wins",
        "fips_host_and_dual_stack",
        "dual_stack_host_wins",
        "dual_stack_host_and_fips",
    ],
)
def test_environment_can_ask_for_a_variant(
    host: str, changes: dict[str, str], api_host: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT add a variant, and remove none."""
    with names_of_aws(aws, signed_in, api_host) as proxy:
        outcome = signed_in.get(host, **changes)
    assert called(proxy) == [api_host], outcome
    assert aws.issued(outcome.secret)


def test_profile_can_ask_for_a_variant(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """use_fips_endpoint and use_dualstack_endpoint in the profile do the same."""
    signed_in.write_config("[default]\nuse_fips_endpoint = true\nuse_dualstack_endpoint = true\n")
    with names_of_aws(aws, signed_in, FIPS_DUAL_STACK_API) as proxy:
        assert signed_in.get().secret
    assert called(proxy) == [FIPS_DUAL_STACK_API]


@pytest.mark.parametrize(
    ("host", "changes", "sts_host", "api_host"),
    [
        (HOST, {}, "sts.us-east-1.amazonaws.com", API),
        (HOST, {"AWS_REGION": "eu-west-1"}, "sts.us-east-1.amazonaws.com", API),
        (HOST, {"AWS_USE_FIPS_ENDPOINT": "true"}, "sts-fips.us-east-1.amazonaws.com", FIPS_API),
        (FIPS_HOST, {}, "sts.us-east-1.amazonaws.com", FIPS_API),
        (PUBLIC, {}, "sts.us-east-1.amazonaws.com", ENDPOINTS[PUBLIC]),
        (
            f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn",
            {},
            "sts.cn-north-1.amazonaws.com.cn",
            "api.ecr.cn-north-1.amazonaws.com.cn",
        ),
        (
            f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.com",
            {},
            "sts.us-gov-west-1.amazonaws.com",
            "api.ecr.us-gov-west-1.amazonaws.com",
        ),
    ],
    ids=["ordinary", "other_region", "fips", "fips_host", "public", "china", "govcloud"],
)
def test_roles_are_assumed_in_the_region_of_the_registry(
    host: str,
    changes: dict[str, str],
    sts_host: str,
    api_host: str,
    aws: AwsEmulator,
    helper: HelperProcess,
) -> None:
    """STS is asked in the registry's region and partition, though no region is configured."""
    user, role = aws.add_user(), aws.add_role()
    helper.write_credentials(
        f"[base]\naws_access_key_id = {user.access_key_id}\n"
        f"aws_secret_access_key = {user.secret_access_key}\n"
        f"[default]\nrole_arn = {role.arn}\nsource_profile = base\n"
    )
    with names_of_aws(aws, helper, sts_host, api_host) as proxy:
        outcome = helper.get(host, **changes)
    assert called(proxy) == [sts_host, api_host], outcome
    assert aws.issued(outcome.secret)


def test_sso_is_asked_in_its_own_region(aws: AwsEmulator, helper: HelperProcess) -> None:
    """The SSO portal of sso_region is asked, whatever the region of the registry."""
    name, text = aws.add_sso(region="eu-north-1").cache_file()
    cache = helper.home / ".aws/sso/cache"
    cache.mkdir(parents=True)
    (cache / name).write_text(text)
    helper.write_config(
        "[default]\nsso_start_url = https://example.awsapps.com/start\nsso_region = eu-north-1\n"
        "sso_account_id = 333333333333\nsso_role_name = Developer\n"
    )
    portal = "portal.sso.eu-north-1.amazonaws.com"
    with names_of_aws(aws, helper, portal, API) as proxy:
        assert helper.get().secret
    assert called(proxy) == [portal, API]


# Custom endpoints. HERE stands for the emulator; whoever calls NOBODY is refused.

HERE = "here"
PROFILE = "[default]\nendpoint_url = {}\n"
SERVICES = "[default]\nservices = local\n[services local]\necr =\n  endpoint_url = {}\n"
BOTH = (
    "[default]\nendpoint_url = {}\nservices = local\n[services local]\necr =\n  endpoint_url = {}\n"
)


@pytest.mark.parametrize(
    ("variables", "config", "urls"),
    [
        ({"AWS_ENDPOINT_URL": HERE}, "", ()),
        ({"AWS_ENDPOINT_URL_ECR": HERE}, "", ()),
        ({"AWS_ENDPOINT_URL_ECR": HERE, "AWS_ENDPOINT_URL": NOBODY}, "", ()),
        ({"AWS_ENDPOINT_URL_ECR_PUBLIC": NOBODY, "AWS_ENDPOINT_URL": HERE}, "", ()),
        ({"AWS_ENDPOINT_URL_ECR": "", "AWS_ENDPOINT_URL": HERE}, "", ()),
        ({}, PROFILE, (HERE,)),
        ({}, SERVICES, (HERE,)),
        ({}, BOTH, (NOBODY, HERE)),
        ({"AWS_ENDPOINT_URL": HERE}, PROFILE, (NOBODY,)),
        ({"AWS_ENDPOINT_URL": HERE}, SERVICES, (NOBODY,)),
        ({"AWS_ENDPOINT_URL_ECR": HERE}, BOTH, (NOBODY, NOBODY)),
    ],
    ids=[
        "general_variable",
        "variable_of_the_service",
        "service_before_general",
        "variable_of_another_service",
        "empty_variable_is_none",
        "profile",
        "services_section",
        "services_section_before_profile",
        "variable_before_profile",
        "variable_before_services_section",
        "variable_of_the_service_before_all",
    ],
)
def test_custom_endpoint_for_private_registries(
    variables: dict[str, str],
    config: str,
    urls: tuple[str, ...],
    aws: AwsEmulator,
    signed_in: HelperProcess,
) -> None:
    """The service's variable, the general one, the services section, the profile: in this order."""
    signed_in.environ.pop("AWS_ENDPOINT_URL", None)
    where = {HERE: aws.url}
    signed_in.environ |= {name: where.get(url, url) for name, url in variables.items()}
    signed_in.write_config(config.format(*(where.get(url, url) for url in urls)))
    assert aws.issued(signed_in.get().secret)


@pytest.mark.parametrize(
    ("variables", "config"),
    [
        ({"AWS_ENDPOINT_URL_ECR_PUBLIC": HERE, "AWS_ENDPOINT_URL": NOBODY}, ""),
        ({"AWS_ENDPOINT_URL": HERE, "AWS_ENDPOINT_URL_ECR": NOBODY}, ""),
        ({}, SERVICES.replace("ecr =", "ecr_public =")),
    ],
    ids=["variable_of_the_service", "general_variable", "services_section"],
)
def test_custom_endpoint_for_the_public_registry(
    variables: dict[str, str], config: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """ECR Public has a variable and a name in the services section of its own."""
    signed_in.environ.pop("AWS_ENDPOINT_URL", None)
    where = {HERE: aws.url}
    signed_in.environ |= {name: where.get(url, url) for name, url in variables.items()}
    signed_in.write_config(config.format(aws.url))
    assert aws.issued(signed_in.get(PUBLIC).secret)


def test_endpoint_of_another_profile_is_not_used(
    aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """Each profile has its own endpoint."""
    signed_in.environ.pop("AWS_ENDPOINT_URL", None)
    signed_in.write_config(
        f"[profile here]\nendpoint_url = {aws.url}\n[profile nowhere]\nendpoint_url = {NOBODY}\n"
    )
    assert signed_in.get(AWS_PROFILE="nowhere").status == 1
    assert aws.issued(signed_in.get(AWS_PROFILE="here").secret)


@pytest.mark.parametrize(
    ("variables", "config"),
    [
        ({"AWS_ENDPOINT_URL": NOBODY, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, ""),
        ({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, PROFILE.format(NOBODY)),
        ({}, PROFILE.format(NOBODY) + "ignore_configured_endpoint_urls = true\n"),
    ],
    ids=["variable", "variable_and_profile", "profile"],
)
def test_configured_endpoints_can_be_ignored(
    variables: dict[str, str], config: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """With AWS_IGNORE_CONFIGURED_ENDPOINT_URLS, AWS's own endpoint is asked."""
    with names_of_aws(aws, signed_in, API) as proxy:
        signed_in.environ |= variables
        signed_in.write_config(config)
        assert signed_in.get().secret
    assert called(proxy) == [API]


@pytest.mark.parametrize("host", [FIPS_HOST, DUAL_STACK_HOST, "ecr-public.aws.com"])
def test_custom_endpoint_serves_variants_too(
    host: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A custom endpoint wins over the variant of the host, which botocore would refuse."""
    assert aws.issued(signed_in.get(host, AWS_ENDPOINT_URL=aws.url).secret)


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_custom_endpoint_wins_over_a_variant_of_the_environment(
    variable: str, aws: AwsEmulator, signed_in: HelperProcess
) -> None:
    """A custom endpoint wins over the variants that the environment asks for."""
    assert aws.issued(signed_in.get(AWS_ENDPOINT_URL=aws.url, **{variable: "true"}).secret)


def test_custom_endpoint_of_ecr_is_not_that_of_sts(aws: AwsEmulator, helper: HelperProcess) -> None:
    """AWS_ENDPOINT_URL_ECR moves ECR alone: roles are still assumed at AWS."""
    user, role = aws.add_user(), aws.add_role()
    helper.write_credentials(
        f"[base]\naws_access_key_id = {user.access_key_id}\n"
        f"aws_secret_access_key = {user.secret_access_key}\n"
        f"[default]\nrole_arn = {role.arn}\nsource_profile = base\n"
    )
    sts_host = "sts.us-east-1.amazonaws.com"
    with names_of_aws(aws, helper, sts_host) as proxy:
        assert helper.get(AWS_ENDPOINT_URL_ECR=aws.url).secret
    assert called(proxy) == [sts_host]


def test_changed_endpoint_is_another_identity(aws: AwsEmulator, signed_in: HelperProcess) -> None:
    """A token of one endpoint is not answered for another."""
    with AwsEmulator() as other:
        other.add_user(
            access_key_id=signed_in.environ["AWS_ACCESS_KEY_ID"],
            secret_access_key=signed_in.environ["AWS_SECRET_ACCESS_KEY"],
        )
        assert aws.issued(signed_in.get().secret)
        assert other.issued(signed_in.get(AWS_ENDPOINT_URL=other.url).secret)
