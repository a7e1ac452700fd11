"""ServerURL -> Registry: which ECR registry, region and API endpoint a name means.

Pure, and free of ``re``: this runs before every cached answer. A name of ECR means
what it says; every other one what the config file says, or nothing. The host names
are those of the Amazon ECR documentation ("Amazon ECR endpoints" and "dual-stack
endpoints"); the suffixes are compared with botocore's ``partitions.json`` by a test.
"""

from .identity import fingerprint

TYPE_CHECKING = False  # of typing, whose import would cost more than a whole answer
if TYPE_CHECKING:
    from collections.abc import Mapping

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
_PRINCIPAL = ("endpoint_url", "external_id", "profile", "role_arn", "role_session_name")


class Registry:
    """One ECR registry, the API endpoint that authorises for it, and who is to ask there.

    ``host`` is the canonical name by which clients know it: lower case, no port, no final
    dot; that of one's own in front of ECR can have a port. ``registry_id`` is the AWS
    account of 12 digits, or None for ECR Public. ``settings`` are what the config file says
    of it, as `config.Config.settings` has it.
    """

    __slots__ = ("dual_stack", "fips", "host", "partition", "region", "registry_id", "settings")

    def __init__(
        self,
        host: str,
        registry_id: str | None,
        region: str,
        partition: str,
        *,
        fips: bool,
        dual_stack: bool,
        settings: "Mapping[str, str] | None" = None,
    ) -> None:
        self.host = host
        self.registry_id = registry_id
        self.region = region
        self.partition = partition
        self.fips = fips
        self.dual_stack = dual_stack
        self.settings = settings or {}

    @property
    def service(self) -> str:
        """The service that authorises, by botocore's name: "ecr" or "ecr-public"."""
        return "ecr-public" if self.registry_id is None else "ecr"

    @property
    def endpoint(self) -> str:
        """The API endpoint, as a file name: a token belongs to one, and to a principal."""
        variant = ("-fips" if self.fips else "") + ("-dual-stack" if self.dual_stack else "")
        return f"{self._endpoint}{variant}"

    @property
    def endpoints(self) -> list[str]:
        """All API endpoints whose tokens open it, whatever variant it is named by."""
        variants = ("", "-fips", "-dual-stack", "-fips-dual-stack")
        found = [f"{self._endpoint}{variant}" for variant in variants]
        # Before the config file said otherwise, it may have been asked for by its own region's.
        named = parse(self.host)
        return found + named.endpoints if named and named.region != self.region else found

    @property
    def _endpoint(self) -> str:
        return f"{self.partition}.{self.region}.{self.service}"

    @property
    def role_arn(self) -> str | None:
        """The role that the config file wants assumed for this registry."""
        role_arn = self.settings.get("role_arn")
        if role_arn is None:
            return None
        account = self.registry_id or ""
        return role_arn.replace("{registry_id}", account).replace("{region}", self.region)

    @property
    def principal(self) -> str:
        """What the config file says of who is to ask, and where; empty if it says nothing."""
        settings = {**self.settings, "role_arn": self.role_arn}
        return "\n".join(f"{name}={settings[name]}" for name in _PRINCIPAL if settings.get(name))

    @property
    def scope(self) -> str:
        """What one authorization token is good for, as a file name.

        Two registries with equal scope share a token under one identity: a token
        belongs to a principal and a region, not to an account.
        """
        principal = self.principal
        return f"{self.endpoint}.{fingerprint(principal)}" if principal else self.endpoint

    @property
    def is_anonymous(self) -> bool:
        """Whether the config file wants it to be pulled from without credentials."""
        return "anonymous" in self.settings


def configured(name: str, settings: "Mapping[str, str]") -> Registry | None:
    """Return the registry that the canonical ``name`` means, or None if that is not ECR.

    ``settings`` are what the config file says of it; they alone can make a name that is
    not of ECR mean a registry of ECR.
    """
    registry = parse(settings.get("registry", name))
    if registry is None or not settings:
        return registry
    if registry.registry_id and (region := settings.get("region")):
        registry.region, registry.partition = region, partition_of(region)
    registry.host, registry.settings = name, settings
    return registry


def canonical_name(server_url: str) -> str | None:
    """Return the name of a registry, ECR or not, that a client means by ``server_url``.

    That is the host in lower case, and the port if it is not that of HTTPS. None if
    there is no plain name, which no config file can list then.
    """
    registry = parse(server_url)
    if registry:
        return registry.host
    found = _host_and_port(server_url)
    if found is None:
        return None
    host, port = found
    # With one more final dot off, it would be another name.
    if not _NAME_CHARACTERS.issuperset(host) or host[0] in ".-" or host[-1] == ".":
        return None
    return host if port in ("", _DEFAULT_PORT) else f"{host}:{port}"


def parse(server_url: str) -> Registry | None:
    """Return the registry that a client means by ``server_url``, or None if it is not ECR.

    Takes every form that clients use: ``H``, ``H:443``, ``H/``, ``H/repository``,
    ``http://H``, ``https://H/v2/``, any case, a final dot.
    """
    found = _host_and_port(server_url)
    if found is None:
        return None
    host, _ = found
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
