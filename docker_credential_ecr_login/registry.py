"""ServerURL -> Registry: which ECR registry, region and API endpoint a name means.

Pure, and free of ``re``: this runs before every cached answer. The host names are those of
the Amazon ECR documentation ("Amazon ECR endpoints" and "dual-stack endpoints"); the suffixes
are compared with botocore's ``partitions.json`` by a test.
"""

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from typing import Final

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

PUBLIC_HOST = "public.ecr.aws"
"""ECR Public, as its images are named."""

PUBLIC_HOSTS = {PUBLIC_HOST: False, "ecr-public.aws.com": True}
"""Hosts of ECR Public, and whether they are dual-stack."""

_MAX_HOST_LENGTH = 253  # RFC 1035, section 2.3.4, as text without the final dot
_MAX_LABEL_LENGTH = 63
_MAX_PORT = 65535
_ACCOUNT_ID_LENGTH = 12
_DIGITS = frozenset("0123456789")
_REGION_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_NAME_CHARACTERS = _REGION_CHARACTERS | frozenset("._")
_DEFAULT_PORT = "443"


class Registry:
    """An ECR registry, and the API endpoint that authorises for it; never changed.

    ``host`` is its name in canonical form: lower case, no port, no final dot. ``registry_id`` is
    the AWS account of 12 digits, or None for ECR Public.
    """

    __slots__ = ("dual_stack", "fips", "host", "partition", "region", "registry_id")

    def __init__(
        self,
        host: str,
        registry_id: str | None,
        region: str,
        partition: str,
        *,
        fips: bool = False,
        dual_stack: bool = False,
    ) -> None:
        self.host: "Final" = host
        self.registry_id: "Final" = registry_id
        self.region: "Final" = region
        self.partition: "Final" = partition
        self.fips: "Final" = fips
        self.dual_stack: "Final" = dual_stack

    @property
    def is_public(self) -> bool:
        """Whether it is ECR Public."""
        return self.registry_id is None

    @property
    def service(self) -> str:
        """The service that authorises, by botocore's name: "ecr" or "ecr-public"."""
        return "ecr-public" if self.is_public else "ecr"

    @property
    def endpoint(self) -> str:
        """The API endpoint, as a file name: a token belongs to one, and to a principal."""
        variant = ("-fips" if self.fips else "") + ("-dual-stack" if self.dual_stack else "")
        return f"{self._endpoint}{variant}"

    @property
    def endpoints(self) -> list[str]:
        """The API endpoints whose tokens open it, whatever variant it is named by."""
        variants = ("", "-fips", "-dual-stack", "-fips-dual-stack")
        return [f"{self._endpoint}{variant}" for variant in variants]

    @property
    def _endpoint(self) -> str:
        return f"{self.partition}.{self.region}.{self.service}"

    def authorized_in(self, region: str) -> "Registry":
        """Return the same registry, for which the API in another region authorises."""
        return Registry(
            self.host,
            self.registry_id,
            region,
            partition_of(region),
            fips=self.fips,
            dual_stack=self.dual_stack,
        )


def identify(server_url: str) -> tuple[Registry | None, str]:
    """Return the registry that a client means by ``server_url``, and its canonical name.

    The registry is None if it is not of ECR. The name is the host in lower case, with the port
    unless that is 443 or the registry is of ECR; empty if it is not a valid name, which no config
    file can list.

    Takes every form that clients use: ``H``, ``H:443``, ``H/``, ``H/repository``,
    ``http://H``, ``https://H/v2/``, any case, a final dot.
    """
    found = _host_and_port(server_url)
    if found is None:
        return None, ""
    host, port = found
    if registry := _parse_host(host):
        return registry, host
    # With one more final dot off, it would be another name.
    if not _NAME_CHARACTERS.issuperset(host) or host[0] in ".-" or host[-1] == ".":
        return None, ""
    return None, host if port in ("", _DEFAULT_PORT) else f"{host}:{port}"


def parse(server_url: str) -> Registry | None:
    """Return the registry that a client means by ``server_url``, or None if it is not ECR."""
    return identify(server_url)[0]


def _parse_host(host: str) -> Registry | None:
    if host in PUBLIC_HOSTS:
        return Registry(host, None, PUBLIC_REGION, "aws", dual_stack=PUBLIC_HOSTS[host])
    labels = host.split(".")
    if labels[1:3] == ["dkr", "ecr"] or labels[1:3] == ["dkr", "ecr-fips"]:
        kind, rest, on_dual_stack_host = labels[2], labels[3:], False
    elif labels[1:2] == ["dkr-ecr"] or labels[1:2] == ["dkr-ecr-fips"]:
        kind, rest, on_dual_stack_host = labels[1], labels[2:], True
    else:
        return None
    registry_id, region = labels[0], rest[0] if rest else ""
    owner, dual_stack = SUFFIXES.get(".".join(rest[1:]), ("", False))
    partition = partition_of(region)
    if (
        owner != ("aws" if partition == "aws-us-gov" else partition)
        or dual_stack != on_dual_stack_host
        or len(registry_id) != _ACCOUNT_ID_LENGTH
        or not _DIGITS.issuperset(registry_id)
        or not is_region(region)
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


def partition_of(region: str) -> str:
    """Return the AWS partition that a region belongs to, by how its name begins."""
    for partition, prefix in REGION_PREFIXES.items():
        if region.startswith(prefix):
            return partition
    return "aws"


def is_region(label: str) -> bool:
    """Say whether ``label`` has the form of a region's name."""
    return (
        0 < len(label) <= _MAX_LABEL_LENGTH
        and _REGION_CHARACTERS.issuperset(label)
        and label[0] != "-"
    )


def fingerprint(text: str) -> str:
    """Return a short file name for ``text``.

    It is an address only: what is found there must be compared with the whole
    text. A remainder by the Mersenne prime 2**127 - 1, because importing hashlib would
    take longer than all the rest of a cached answer.
    """
    number = int.from_bytes(text.encode("utf-8", "surrogateescape"), "big")
    return f"{number % (2**127 - 1):032x}"


def is_fingerprint(name: str) -> bool:
    """Say whether ``name`` can be one that `fingerprint` returns."""
    return len(name) == 32 and frozenset("0123456789abcdef").issuperset(name)


def _host_and_port(server_url: str) -> tuple[str, str] | None:
    """Return canonical host and port ("" if not given) of a ServerURL, None if it has none."""
    rest = server_url.strip()
    for scheme in ("https://", "http://"):
        if rest[: len(scheme)].lower() == scheme:
            rest = rest[len(scheme) :]
            break
    host, colon, port = rest.partition("/")[0].partition(":")
    if not host.isascii() or (colon and not _is_port(port)):
        return None
    host = host.removesuffix(".").lower()
    return (host, port.lstrip("0")) if 0 < len(host) <= _MAX_HOST_LENGTH else None


def _is_port(text: str) -> bool:
    return 0 < len(text) <= len(str(_MAX_PORT)) and (
        _DIGITS.issuperset(text) and 0 < int(text) <= _MAX_PORT
    )
