"""Whose token: the text that tells configurations apart."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_credential_ecr_login.identity import (
    SELECTORS,
    configured_identity,
    expand,
    fingerprint,
    named_profile,
)

# No NUL: no environment variable can hold one. No surrogates but those of undecodable bytes.
values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


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
    """What is secret never becomes part of an identity, for identities are written down."""
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
    """The user part and the query of an endpoint's URL are told apart, and not written down."""
    home = {"HOME": str(tmp_path)}
    urls = ["http://dev:hunter2@aws/", "http://dev:hunter3@aws/", "http://aws/?key=hunter2"]
    texts = {configured_identity({**home, "AWS_ENDPOINT_URL": url}) for url in urls}
    assert len(texts) == len(urls)
    assert not [text for text in texts if "hunter" in text]


def test_users_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one user may read, and another not, makes two identities in one home."""
    home = {"HOME": str(tmp_path)}
    monkeypatch.setattr("posix.geteuid", lambda: 1000)
    one = configured_identity(home)
    monkeypatch.setattr("posix.geteuid", lambda: 1001)
    assert configured_identity(home) != one


def test_addresses_rarely_meet() -> None:
    """Texts that differ in one character, or in length, have addresses of their own."""
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
    """A variable that has no part in the choice of credentials does not cost a call."""
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
