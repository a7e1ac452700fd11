"""The identity: the text that tells configurations apart."""

import ast
import os
import re
from collections.abc import Callable
from pathlib import Path

import boto3
import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.identity import (
    SECRETS,
    SELECTORS,
    configured_identity,
    expand,
    named_profile,
)
from docker_credential_ecr_login.registry import fingerprint

# No NUL: no environment variable can hold one. No surrogates but those of undecodable bytes. Some
# are names of files, which have 255 bytes at most.
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


# What botocore and boto3 read that selects neither credentials nor endpoint. A name that ends in an
# underscore is the beginning of several.
SELECTS_NOTHING = {
    "AWS_ACCOUNT_ID",  # of the keys beside it; part of the endpoints of services other than ECR
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_AUTH_SCHEME_PREFERENCE",
    "AWS_BEARER_TOKEN_",  # of services other than ECR
    "AWS_CA_BUNDLE",
    "AWS_CREDENTIAL_EXPIRATION",  # new with every session
    "AWS_CSM_CLIENT_ID",
    "AWS_CSM_ENABLED",
    "AWS_CSM_HOST",
    "AWS_CSM_PORT",
    "AWS_DEFAULTS_MODE",
    "AWS_DEFAULT_REGION",  # the registry's name has the region
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_DISABLE_REQUEST_COMPRESSION",
    "AWS_ENDPOINT_DISCOVERY_ENABLED",
    "AWS_ENDPOINT_URL_",  # those of the services that are asked are selectors
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_MAX_ATTEMPTS",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS",
    "AWS_METADATA_SERVICE_TIMEOUT",
    "AWS_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "AWS_RETRY_MODE",
    "AWS_SDK_UA_APP_ID",
    "AWS_SECURITY_TOKEN",  # new with every session
    "AWS_SESSION_TOKEN",
    "AWS_SIGV4A_SIGNING_REGION_SET",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "BOTO_DISABLE_CRT",
}
OF_OTHER_SERVICES = re.compile("AWS_S3_|BOTO_EXPERIMENTAL_")


def names_in(package: str) -> set[str]:
    """Return the names of environment variables that stand in the texts of a package's source."""
    names: set[str] = set()
    for path in Path(package).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.update(re.findall(r"\b(?:AWS|BOTO)_[A-Z0-9_]+", node.value))
    return names


def test_all_that_botocore_reads_is_known() -> None:
    """Each variable that botocore or boto3 reads selects something, or is known not to."""
    names = names_in(botocore.__file__) | names_in(boto3.__file__)
    assert {"AWS_PROFILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL", "BOTO_CONFIG"} <= names
    known = {*SELECTORS, *SECRETS, *SELECTS_NOTHING}
    assert {name for name in names - known if not OF_OTHER_SERVICES.match(name)} == set()


def services_in(path: Path) -> set[str]:
    """Return the services of which a module makes a client."""
    makers = {"create_client", "_client_creator", "client_creator"}
    return {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in makers
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }


def test_the_endpoints_of_all_services_that_are_asked() -> None:
    """The endpoint variable of each service that botocore asks for credentials is a selector."""
    directory = Path(botocore.__file__).parent
    asked = {name for path in directory.glob("*.py") for name in services_in(path)}
    assert {"sso", "sts"} <= asked
    for service in (*asked - {"s3"}, "ecr", "ecr-public"):
        assert f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}" in SELECTORS


@pytest.mark.parametrize("name", SELECTORS)
def test_each_selector_tells_configurations_apart(name: str, tmp_path: Path) -> None:
    """Every variable that selects credentials or endpoint makes another identity."""
    home = {"HOME": str(tmp_path)}
    unset = configured_identity(home)
    one = configured_identity({**home, name: "one"})
    two = configured_identity({**home, name: "two"})
    assert len({unset, one, two}) == 3


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ],
)
def test_no_secret_is_part_of_it(name: str, tmp_path: Path) -> None:
    """No secret becomes part of an identity, because identities are written to disk."""
    secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
    assert secret not in configured_identity({"HOME": str(tmp_path), name: secret})


def test_containers_are_told_apart_by_their_tokens(tmp_path: Path) -> None:
    """Two containers that ask one address with different tokens are two identities."""
    base = {"HOME": str(tmp_path), "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1/creds"}
    texts = [
        configured_identity({**base, "AWS_CONTAINER_AUTHORIZATION_TOKEN": token})
        for token in ("token-a", "token-b")
    ]
    assert texts[0] != texts[1]
    assert "token-" not in "".join(texts)


def test_no_password_of_a_url_is_part_of_it(tmp_path: Path) -> None:
    """User part and query of an endpoint's URL make a difference, but are not written down."""
    home = {"HOME": str(tmp_path)}
    urls = ["http://dev:hunter2@aws/", "http://dev:hunter3@aws/", "http://aws/?key=hunter2"]
    texts = {configured_identity({**home, "AWS_ENDPOINT_URL": url}) for url in urls}
    assert len(texts) == len(urls)
    assert not [text for text in texts if "hunter" in text]


def test_users_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two users of one home have two identities, because they may read different files."""
    home = {"HOME": str(tmp_path)}
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    one = configured_identity(home)
    monkeypatch.setattr("posix.geteuid", lambda: 1001)
    assert configured_identity(home) != one


def test_addresses_rarely_meet() -> None:
    """Texts that differ in one character, or in length, have different addresses."""
    texts = [f"{'x' * length}{letter}" for length in range(60) for letter in "abcdefgh"]
    assert len({fingerprint(text) for text in texts}) == len(texts)
    assert {len(fingerprint(text)) for text in texts} == {32}


@pytest.mark.parametrize(
    ("environ", "profile"),
    [
        ({}, ""),
        ({"AWS_PROFILE": "one"}, "one"),
        ({"AWS_PROFILE": "one", "AWS_DEFAULT_PROFILE": "two"}, "two"),
        ({"AWS_PROFILE": "one", "AWS_DEFAULT_PROFILE": ""}, "one"),
    ],
)
def test_the_named_profile(environ: dict[str, str], profile: str) -> None:
    """AWS_DEFAULT_PROFILE wins over AWS_PROFILE, as in botocore, and an empty one names none."""
    assert named_profile(environ) == profile


def test_what_selects_nothing_is_left_out(tmp_path: Path) -> None:
    """A variable that does not affect credentials does not change the identity."""
    home = {"HOME": str(tmp_path)}
    noise = {"PATH": "/bin", "AWS_PAGER": "less", "AWS_REGION": "us-east-1", "LANG": "C"}
    assert configured_identity(home) == configured_identity({**home, **noise})


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_changed_file_is_another_configuration(name: str, tmp_path: Path) -> None:
    """Creating, rewriting, replacing or touching an AWS file makes another identity."""
    environ = {"HOME": str(tmp_path)}
    path = tmp_path / ".aws" / name
    path.parent.mkdir()
    seen = [configured_identity(environ)]
    path.write_text("[default]\n")
    os.utime(path, ns=(1, 1))
    seen.append(configured_identity(environ))
    path.write_text("[default]\n# longer\n")
    os.utime(path, ns=(1, 1))
    seen.append(configured_identity(environ))
    os.utime(path, ns=(1, 2))
    seen.append(configured_identity(environ))
    other = tmp_path / "other"
    other.write_text(path.read_text())
    os.utime(other, ns=(1, 2))
    other.replace(path)
    seen.append(configured_identity(environ))
    path.write_text("[default]\n# other  \n")
    os.utime(path, ns=(1, 2))
    seen.append(configured_identity(environ))
    assert len(set(seen)) == len(seen)
    assert configured_identity(environ) == seen[-1]


def test_the_files_may_be_elsewhere(tmp_path: Path) -> None:
    """The files that AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name are the ones watched."""
    config = tmp_path / "elsewhere"
    environ = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": "~/elsewhere"}
    before = configured_identity(environ)
    config.write_text("")
    assert configured_identity(environ) != before


@given(st.dictionaries(st.sampled_from(SELECTORS), values), values, values)
def test_no_value_can_pose_as_another_variable(
    environ: dict[str, str], first: str, second: str
) -> None:
    """Values never run into each other, whatever they hold."""
    joined = {**environ, "AWS_PROFILE": f"{first}\nAWS_ROLE_ARN={second}"}
    apart = {**environ, "AWS_PROFILE": first, "AWS_ROLE_ARN": second}
    joined.pop("AWS_ROLE_ARN", None)
    assert configured_identity({**joined, "HOME": "/x"}) != configured_identity(
        {**apart, "HOME": "/x"}
    )


@given(st.text())
def test_fingerprint_is_a_file_name(text: str) -> None:
    """A fingerprint is 32 hexadecimal digits, and the same for the same text."""
    text = text.encode(errors="ignore").decode()
    address = fingerprint(text)
    assert len(address) == 32
    assert set(address) <= set("0123456789abcdef")
    assert fingerprint(text) == address


@given(st.sets(values, min_size=2, max_size=50))
def test_fingerprints_differ(texts: set[str]) -> None:
    """Different texts have different fingerprints, as far as chance goes."""
    assert len({fingerprint(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("path", "expanded"),
    [
        ("/etc/aws", "/etc/aws"),
        ("relative", "relative"),
        ("~", "/home/dev"),
        ("~/x", "/home/dev/x"),
        ("$AREA/x", "/area/x"),
        ("~/${AREA}", "/home/dev//area"),
        ("x~", "x~"),
        ("~nobody-has-this-name/x", "~nobody-has-this-name/x"),
    ],
)
def test_expand(path: str, expanded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leading tilde and variables are replaced as botocore replaces them."""
    monkeypatch.setenv("HOME", "/home/dev")
    monkeypatch.setenv("AREA", "/area")
    assert expand(path, {"HOME": "/home/dev"}) == expanded


class OfWholeSeconds:
    """A file's state that has always the same times."""

    st_mtime_ns = st_ctime_ns = 1_700_000_000_000_000_000

    def __init__(self, state: os.stat_result) -> None:
        self._state = state

    def __getattr__(self, name: str) -> object:
        return getattr(self._state, name)


def test_the_content_of_a_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with the same times but another content makes another identity.

    No content is part of it.
    """
    real = os.stat
    monkeypatch.setattr("posix.stat", lambda *path: OfWholeSeconds(real(*path)))
    environ = {"HOME": str(tmp_path)}
    path = tmp_path / ".aws" / "credentials"
    path.parent.mkdir()
    texts = []
    for secret in ("hunter1", "hunter2", "hunter1"):
        path.write_text(f"aws_secret_access_key = {secret}\n")
        texts.append(configured_identity(environ))
    assert texts[0] == texts[2] != texts[1]
    assert "hunter" not in "".join(texts)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["a directory", "a pipe"])
def test_only_regular_files_are_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """What is not a regular file is not read, as in botocore, but is part of the identity."""
    environ = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    before = configured_identity(environ)
    make(tmp_path / "config")
    assert configured_identity(environ) != before
    assert configured_identity({"HOME": str(tmp_path), "AWS_CONFIG_FILE": "/dev/null"})
