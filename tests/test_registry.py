"""ServerURL -> Registry."""

import json
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.registry import (
    REGION_PREFIXES,
    SUFFIXES,
    Registry,
    fingerprint,
    identify,
    is_fingerprint,
    is_region,
    parse,
)

ACCOUNT = "123456789012"


def described(registry: Registry | None) -> tuple[object, ...]:
    """All that a registry says, for comparison."""
    assert registry is not None
    return (
        registry.registry_id,
        registry.region,
        registry.partition,
        registry.service,
        registry.fips,
        registry.dual_stack,
    )


@pytest.mark.parametrize(
    ("host", "region", "partition", "fips", "dual_stack"),
    [
        ("dkr.ecr.us-east-1.amazonaws.com", "us-east-1", "aws", False, False),
        ("dkr.ecr.ap-southeast-3.amazonaws.com", "ap-southeast-3", "aws", False, False),
        ("dkr.ecr.xx-newland-1.amazonaws.com", "xx-newland-1", "aws", False, False),
        ("dkr.ecr-fips.us-west-2.amazonaws.com", "us-west-2", "aws", True, False),
        ("dkr-ecr.us-east-1.on.aws", "us-east-1", "aws", False, True),
        ("dkr-ecr-fips.us-east-1.on.aws", "us-east-1", "aws", True, True),
        ("dkr.ecr.us-gov-west-1.amazonaws.com", "us-gov-west-1", "aws-us-gov", False, False),
        ("dkr.ecr-fips.us-gov-east-1.amazonaws.com", "us-gov-east-1", "aws-us-gov", True, False),
        ("dkr-ecr.us-gov-west-1.on.aws", "us-gov-west-1", "aws-us-gov", False, True),
        ("dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1", "aws-cn", False, False),
        ("dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "cn-north-1", "aws-cn", False, True),
        ("dkr.ecr.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", "aws-eusc", False, False),
        ("dkr.ecr.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", "aws-iso", False, False),
        ("dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1", "aws-iso-b", False, False),
        ("dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", "eu-isoe-west-1", "aws-iso-e", False, False),
        ("dkr.ecr.us-isof-south-1.csp.hci.ic.gov", "us-isof-south-1", "aws-iso-f", False, False),
    ],
)
def test_private_registries(
    host: str, region: str, partition: str, fips: bool, dual_stack: bool
) -> None:
    """A private host says account, region, partition and endpoint variant."""
    assert described(parse(f"{ACCOUNT}.{host}")) == (
        ACCOUNT,
        region,
        partition,
        "ecr",
        fips,
        dual_stack,
    )


@pytest.mark.parametrize(
    ("host", "dual_stack"), [("public.ecr.aws", False), ("ecr-public.aws.com", True)]
)
def test_public_registries(host: str, dual_stack: bool) -> None:
    """ECR Public has no account and authorises in us-east-1 whatever the region in use."""
    assert described(parse(host)) == (None, "us-east-1", "aws", "ecr-public", False, dual_stack)


HOST = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    "server_url",
    [
        HOST,
        f"{HOST}:443",
        f"{HOST}:5000",
        f"{HOST}.",
        f"{HOST}.:443",
        f"https://{HOST}",
        f"http://{HOST}",
        f"HTTPS://{HOST}",
        f"{HOST}/",
        f"{HOST}/team/app",
        f"https://{HOST}/",
        f"https://{HOST}/v1/",
        f"https://{HOST}/v2/",
        f"https://{HOST}:443/v2/?n=1#x",
        HOST.upper(),
        f"  {HOST}\t",
    ],
)
def test_every_spelling_is_the_same_registry(server_url: str) -> None:
    """Every form in which a client names a registry means the same canonical host."""
    registry = parse(server_url)
    assert registry is not None
    assert registry.host == HOST


@pytest.mark.parametrize(
    "server_url",
    [
        "",
        "/",
        "https://",
        "ghcr.io",
        "localhost:5000",
        "https://index.docker.io/v1/",
        "https://index.docker.io/v1/refresh-token",
        "amazonaws.com",
        "dkr.ecr.us-east-1.amazonaws.com",
        f"{HOST}.evil.example",
        f"x{HOST}",
        f"x.{HOST}",
        f"{HOST}.evil.example/{HOST}",
        f"evil.example/{HOST}",
        f"evil.example?{HOST}",
        f"evil.example#@{HOST}",
        f"{HOST}@evil.example",
        f"user@{HOST}",
        f"https://user:password@{HOST}",
        f"https://evil.example\\@{HOST}",
        f"ftp://{HOST}",
        f"https://https://{HOST}",
        f"https://http://{HOST}",
        f"{HOST}:",
        f"{HOST}:0",
        f"{HOST}:65536",
        f"{HOST}:-1",
        f"{HOST}:443:443",
        f"{HOST}:４４３",  # noqa: RUF001 - digits that are not ASCII are the point
        f"{HOST}..",
        f".{HOST}",
        "[::1]",
        "[::1]:5000",
        "%31" + HOST[1:],
        HOST.replace(".dkr", "。dkr"),
        HOST.replace("1", "１", 1),  # noqa: RUF001
        HOST.replace("1", "\N{ARABIC-INDIC DIGIT ONE}", 1),
        HOST.replace("amazonaws", "amazonаws"),  # noqa: RUF001 - a Cyrillic letter
        HOST.replace("dkr", "d\N{KELVIN SIGN}r"),
        f"{HOST}\0",
        f"{HOST}\0.evil.example",
        HOST.replace(".dkr", " .dkr"),
        HOST.replace("12", "1", 1),
        f"0{HOST}",
        f"{ACCOUNT}.dkr.ecr..amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.-us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.us_east_1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.{'a' * 64}.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.org",
        f"{ACCOUNT}.dkr.ecr.us-east-1.on.aws",
        f"{ACCOUNT}.dkr-ecr.us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.us-east-1",
        f"{ACCOUNT}.dkr.ecr",
        f"{ACCOUNT}.dkr-ecr",
        f"{ACCOUNT}.dkr.s3.us-east-1.amazonaws.com",
        f"{ACCOUNT}.ecr.us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr-ecrs.us-east-1.on.aws",
        f"{ACCOUNT}.zzz.us-east-1.on.aws",
        f"{ACCOUNT}.aaa.us-east-1.on.aws",
        f"{ACCOUNT}.dkr-ecr-fipss.us-east-1.on.aws",
        f"{ACCOUNT}.dkr.ecs.us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr.aaa.us-east-1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com.cn",
        f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com",
        f"{ACCOUNT}.dkr.ecr.us-gov-west-1.amazonaws.eu",
        "public.ecr.aws.evil.example",
        "xpublic.ecr.aws",
        f"{ACCOUNT}.public.ecr.aws",
        "a" * 300,
        "a." * 5000 + HOST,
    ],
)
def test_other_hosts_are_not_ecr(server_url: str) -> None:
    """A host that only looks like ECR is not ECR, whatever trick it uses."""
    assert parse(server_url) is None


regions = st.from_regex(r"[a-z0-9][a-z0-9-]{0,61}", fullmatch=True).filter(
    lambda region: not region.startswith(tuple(REGION_PREFIXES.values()))
)
accounts = st.from_regex(r"[0-9]{12}", fullmatch=True)


@given(
    accounts,
    regions,
    st.sampled_from(sorted(SUFFIXES)),
    st.booleans(),
    st.sampled_from(["", ":443", "/", "/a/b", ".", ".:1/x"]),
    st.sampled_from(["", "https://", "http://"]),
)
def test_any_account_and_region(
    account: str, region: str, suffix: str, fips: bool, tail: str, scheme: str
) -> None:
    """Every account and every region, even one that does not exist yet, is understood."""
    kind = ("dkr-ecr" if SUFFIXES[suffix][1] else "dkr.ecr") + ("-fips" if fips else "")
    region = (REGION_PREFIXES.get(SUFFIXES[suffix][0], "") + region)[:63]
    host = f"{account}.{kind}.{region}.{suffix}"
    registry = parse(f"{scheme}{host}{tail}")
    assert registry is not None
    assert (registry.host, registry.registry_id, registry.region) == (host, account, region)
    assert registry.fips == fips


@given(st.text() | st.text(alphabet=".:/@-0123456789abcdefwsmznork").map(lambda text: HOST + text))
def test_no_text_makes_it_fail(text: str) -> None:
    """For any text, the result is a registry with the host in it, or none."""
    registry = parse(text)
    assert registry is None or registry.host in text.lower()


@given(accounts, accounts, regions)
def test_one_token_serves_all_accounts_of_a_region(first: str, second: str, region: str) -> None:
    """Two accounts of a region share an endpoint, and no other region or variant shares it."""
    one = parse(f"{first}.dkr.ecr.{region}.amazonaws.com")
    two = parse(f"{second}.dkr.ecr.{region}.amazonaws.com")
    others = [
        parse(f"{first}.dkr.ecr.{region}x.amazonaws.com"),
        parse(f"{first}.dkr.ecr.cn-{region[:50]}.amazonaws.com.cn"),
        parse(f"{first}.dkr.ecr-fips.{region}.amazonaws.com"),
        parse(f"{first}.dkr-ecr.{region}.on.aws"),
        parse(f"{first}.dkr-ecr-fips.{region}.on.aws"),
        parse("public.ecr.aws"),
        parse("ecr-public.aws.com"),
    ]
    assert one is not None
    assert two is not None
    assert one.endpoint == two.endpoint
    assert one.endpoint not in {other.endpoint for other in others if other}
    # It is a file name, never one that could be taken for a host.
    assert "/" not in one.endpoint
    assert parse(one.endpoint) is None


@pytest.mark.parametrize(
    ("server_url", "name"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://GHCR.io/v2/", "ghcr.io"),
        ("localhost:5000/image", "localhost:5000"),
        ("host:443", "host"),
        ("host:0443", "host"),
        ("host:05000", "host:5000"),
        ("host:65535", "host:65535"),
        ("a_b-c.example", "a_b-c.example"),
        ("host.", "host"),
        ("h", "h"),
        (f"{HOST}:1/x", HOST),
        ("a" * 253, "a" * 253),
        ("a" * 254, ""),
        ("host-", "host-"),
        ("host..", ""),
        ("host:", ""),
        ("host:0", ""),
        ("host:65536", ""),
        ("host:1x", ""),
        ("", ""),
        ("https:///v2/", ""),
        (":5000", ""),
        (".host", ""),
        ("-host", ""),
        ("user@host", ""),
        ("[::1]:5000", ""),
        ("h\u00f6st", ""),
        ("ho st", ""),
    ],
)
def test_canonical_names(server_url: str, name: str) -> None:
    """A registry has one canonical name, however it is spelt; an invalid name has none."""
    assert identify(server_url)[1] == name


def test_endpoints_of_a_registry() -> None:
    """Tokens of four endpoints open a registry, whichever of them its name is for."""
    service = "aws.us-east-1.ecr"
    meant = [service, f"{service}-fips", f"{service}-dual-stack", f"{service}-fips-dual-stack"]
    for number, kind in enumerate((".ecr.", ".ecr-fips.", "-ecr.", "-ecr-fips.")):
        suffix = "on.aws" if number > 1 else "amazonaws.com"
        registry = parse(f"{ACCOUNT}.dkr{kind}us-east-1.{suffix}")
        assert registry
        assert (registry.endpoint, registry.endpoints) == (meant[number], meant)


@pytest.mark.parametrize(
    ("label", "answer"),
    [("us-east-1", True), ("a" * 63, True), ("a" * 64, False), ("", False), ("-a", False)]
    + [(f"a{character}", False) for character in "._A /\n\u0661"],
)
def test_regions(label: str, answer: bool) -> None:
    """A region is a label of a host name, in lower case."""
    assert is_region(label) == answer


def test_suffixes_are_those_of_botocore() -> None:
    """Every DNS suffix of botocore's partitions is known here: a new partition fails this."""
    data = json.loads(
        resources.files("botocore").joinpath("data/partitions.json").read_text(encoding="utf-8")
    )
    for partition in data["partitions"]:
        suffix = partition["outputs"]["dnsSuffix"]
        name = partition["id"]
        assert SUFFIXES[suffix] == ("aws" if name == "aws-us-gov" else name, False)
        for region in partition["regions"]:
            if not region.endswith("-global"):
                assert described(parse(f"{ACCOUNT}.dkr.ecr.{region}.{suffix}"))[2] == name


@given(st.text())
def test_a_fingerprint_is_known_as_one(text: str) -> None:
    """Every fingerprint is recognised as one."""
    assert is_fingerprint(fingerprint(text))


@pytest.mark.parametrize("name", ["", "cafe", "0" * 31, "0" * 33, "g" + "0" * 31, "F" * 32])
def test_other_names_are_not_fingerprints(name: str) -> None:
    """A name of another length, or with other characters, is not a fingerprint."""
    assert not is_fingerprint(name)
