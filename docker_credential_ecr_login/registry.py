"""ServerURL -> Registry: which ECR registry, region and API endpoint a host means.

Pure, and free of ``re``: this runs before every cached answer. The host names
are those of the Amazon ECR documentation ("Amazon ECR endpoints" and "dual-stack
endpoints"); the suffixes are compared with botocore's ``partitions.json`` by a test.
"""

PUBLIC_REGION = "us-east-1"
"""ECR Public authorises in this region only, wherever the image is pulled from."""

# DNS suffix -> (partition, dual-stack). GovCloud shares the suffixes of "aws".
SUFFIXES = {
    "amazonaws.com": ("aws", False),
    "on.aws": ("aws", True),
    "amazonaws.com.cn": ("aws-cn", False),
    "on.amazonwebservices.com.cn": ("aws-cn", True),
    "amazonaws.eu": ("aws-eusc", False),
    "c2s.ic.gov": ("aws-iso", False),
    "sc2s.sgov.gov": ("aws-iso-b", False),
    "cloud.adc-e.uk": ("aws-iso-e", False),
    "csp.hci.ic.gov": ("aws-iso-f", False),
}

# Partition -> how its regions begin. All others are of "aws".
REGION_PREFIXES = {
    "aws-cn": "cn-",
    "aws-eusc": "eusc-",
    "aws-iso": "us-iso-",
    "aws-iso-b": "us-isob-",
    "aws-iso-e": "eu-isoe-",
    "aws-iso-f": "us-isof-",
    "aws-us-gov": "us-gov-",
}

PUBLIC_HOSTS = {"public.ecr.aws": False, "ecr-public.aws.com": True}
"""Hosts of ECR Public, and whether they are dual-stack."""

_MAX_HOST_LENGTH = 253  # RFC 1035, section 2.3.4, as text without the final dot
_MAX_LABEL_LENGTH = 63
_MAX_PORT = 65535
_ACCOUNT_ID_LENGTH = 12
_DIGITS = frozenset("0123456789")
_REGION_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Registry:
    """One ECR registry, and the API endpoint that authorises for it.

    ``host`` is the canonical name: lower case, no port, no final dot.
    ``registry_id`` is the AWS account of 12 digits, or None for ECR Public.
    """

    __slots__ = ("dual_stack", "fips", "host", "partition", "region", "registry_id")

    def __init__(
        self,
        host: str,
        registry_id: str | None,
        region: str,
        partition: str,
        *,
        fips: bool,
        dual_stack: bool,
    ) -> None:
        self.host = host
        self.registry_id = registry_id
        self.region = region
        self.partition = partition
        self.fips = fips
        self.dual_stack = dual_stack

    @property
    def service(self) -> str:
        """The service that authorises, by botocore's name: "ecr" or "ecr-public"."""
        return "ecr-public" if self.registry_id is None else "ecr"

    @property
    def scope(self) -> str:
        """What one authorization token is good for, as a file name.

        Two registries with equal scope share a token under one identity: a token
        belongs to a principal and a region, not to an account.
        """
        variant = ("-fips" if self.fips else "") + ("-dual-stack" if self.dual_stack else "")
        return f"{self.partition}.{self.region}.{self.service}{variant}"


def parse(server_url: str) -> Registry | None:
    """Return the registry that a client means by ``server_url``, or None if it is not ECR.

    Takes every form that clients use: ``H``, ``H:443``, ``H/``, ``H/repository``,
    ``http://H``, ``https://H/v2/``, any case, a final dot.
    """
    host = _host(server_url)
    if host is None:
        return None
    if host in PUBLIC_HOSTS:
        return Registry(host, None, PUBLIC_REGION, "aws", fips=False, dual_stack=PUBLIC_HOSTS[host])
    labels = host.split(".")
    if labels[1:3] == ["dkr", "ecr"] or labels[1:3] == ["dkr", "ecr-fips"]:
        kind, rest, on_dual_stack_host = labels[2], labels[3:], False
    elif labels[1:2] == ["dkr-ecr"] or labels[1:2] == ["dkr-ecr-fips"]:
        kind, rest, on_dual_stack_host = labels[1], labels[2:], True
    else:
        return None
    registry_id, region = labels[0], rest[0] if rest else ""
    owner, dual_stack = SUFFIXES.get(".".join(rest[1:]), ("", False))
    partition = _partition(region)
    if (
        owner != ("aws" if partition == "aws-us-gov" else partition)
        or dual_stack != on_dual_stack_host
        or len(registry_id) != _ACCOUNT_ID_LENGTH
        or not _DIGITS.issuperset(registry_id)
        or not _is_region(region)
    ):
        return None
    return Registry(
        host,
        registry_id,
        region,
        partition,
        fips=kind.endswith("-fips"),
        dual_stack=dual_stack,
    )


def _partition(region: str) -> str:
    for partition, prefix in REGION_PREFIXES.items():
        if region.startswith(prefix):
            return partition
    return "aws"


def _is_region(label: str) -> bool:
    return (
        0 < len(label) <= _MAX_LABEL_LENGTH
        and _REGION_CHARACTERS.issuperset(label)
        and label[0] != "-"
    )


def _host(server_url: str) -> str | None:
    """Return the canonical host of a ServerURL, or None if it has no plain one."""
    rest = server_url.strip()
    for scheme in ("https://", "http://"):
        if rest[: len(scheme)].lower() == scheme:
            rest = rest[len(scheme) :]
            break
    host, colon, port = rest.partition("/")[0].partition(":")
    if not host.isascii() or (colon and not _is_port(port)):
        return None
    host = host.removesuffix(".").lower()
    return host if 0 < len(host) <= _MAX_HOST_LENGTH else None


def _is_port(text: str) -> bool:
    return 0 < len(text) <= len(str(_MAX_PORT)) and (
        _DIGITS.issuperset(text) and 0 < int(text) <= _MAX_PORT
    )
