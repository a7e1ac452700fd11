"""Which domain names belong to which region.

The facts are those of `partitions.json` and of each service's `endpoint-rule-set-1.json` in
botocore/data. The emulator has its own short copy, so that it cannot share a mistake with boto3.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Partition(NamedTuple):
    """An AWS partition, and the suffixes of its API hosts."""

    name: str
    dns_suffix: str
    dual_stack_dns_suffix: str


_COMMERCIAL = Partition("aws", "amazonaws.com", "api.aws")
_BY_REGION_PREFIX = {
    "cn-": Partition("aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    "us-gov-": Partition("aws-us-gov", "amazonaws.com", "api.aws"),
    "eusc-": Partition("aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"),
    "us-iso-": Partition("aws-iso", "c2s.ic.gov", "api.aws.ic.gov"),
    "us-isob-": Partition("aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"),
    "eu-isoe-": Partition("aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    "us-isof-": Partition("aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
}
_SERVICE_BY_LABEL = {
    "api.ecr": "ecr",
    "ecr": "ecr",
    "api.ecr-public": "ecr-public",
    "ecr-public": "ecr-public",
    "sts": "sts",
    "portal.sso": "sso",
    "oidc": "sso-oidc",
}
_API_HOST = re.compile(
    r"(?P<label>[a-z.-]+?)(?:-fips)?\.(?P<region>[a-z]+(?:-[a-z]+)+-[0-9]+)\.(?P<suffix>.+)"
)


def partition_of(region: str) -> Partition:
    """Return the partition of a region; an unknown region is taken for a commercial one."""
    found = (value for prefix, value in _BY_REGION_PREFIX.items() if region.startswith(prefix))
    return next(found, _COMMERCIAL)


def service_and_region(host: str) -> tuple[str, str] | None:
    """Say which service and region an API host belongs to; None if it is no such name of AWS.

    "api.ecr-fips.us-east-1.amazonaws.com:443" is ("ecr", "us-east-1"), "127.0.0.1:80" is None.
    """
    name = host.partition(":")[0].lower()
    if name == "sts.amazonaws.com":
        return "sts", "us-east-1"
    match = _API_HOST.fullmatch(name)
    if match is None or match["label"] not in _SERVICE_BY_LABEL:
        return None
    if match["suffix"] not in partition_of(match["region"])[1:]:
        return None
    return _SERVICE_BY_LABEL[match["label"]], match["region"]
